"""How well the trap can see, its card and its clock: looks in, verdicts in words out. Pure; decision 015."""
