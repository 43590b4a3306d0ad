"""Power cuts: what a process wrote, recorded, and what a disk may hold after a cut at any of it."""
