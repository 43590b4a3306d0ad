"""Updates, as every Linux program of a fleet sees them: what is offered, who may take it, what a unit says."""
