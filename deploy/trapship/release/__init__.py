"""Releases: built, signed by roles, published as a TUF repository (decision 022)."""
