"""Updates of a unit, interrupted: releases good and bad, real slots on both machines, power cuts at any write."""
