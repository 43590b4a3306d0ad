"""The hardware in software: radio channel, boards, back end, and the demo that runs the whole path."""
