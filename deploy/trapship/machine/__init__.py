"""`deploy/install`: a Debian machine becomes a base or a trap. The standard library alone: nothing else is there."""
