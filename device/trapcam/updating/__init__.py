"""Updates of a running trap: what is brought, whether it is proved, a model that judges beside the other (README)."""
