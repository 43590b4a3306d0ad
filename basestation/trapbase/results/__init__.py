"""Who the cats are: the back end's results asked for, verified, kept, told (BACKEND.md, "Identifications")."""
