"""Updates on a unit: what is offered, verified; what is in force, on trial, taken back, and why (decision 023)."""
