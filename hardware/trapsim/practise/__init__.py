"""Practise without hardware: units of the reader's own operator, on one machine (`trapsim practise`)."""
