"""Updates at the base: its mirror of the operator's releases, who may take one now, who runs what (decision 024)."""
