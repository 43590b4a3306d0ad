"""States of a trap's unit, as heartbeats, the event log and the Pi's serial line number them. Frozen: only add."""

PARKED = 0
ARMED = 1
SHOOTING = 2
SENDING = 3
SERVICE = 4
SAVING = 5
SAFE = 6
