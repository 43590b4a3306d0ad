"""The base's end of the air: its modems, and what its clock is worth."""
