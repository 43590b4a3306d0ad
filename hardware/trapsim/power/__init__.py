"""The power budget: what a trap draws, what its battery gives in the cold, which cats it pictures."""
