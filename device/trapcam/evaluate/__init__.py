"""`trapcam evaluate`: how good a detector is on labelled pictures."""
