"""States of a trap's unit, as heartbeats, the event log and the Pi's serial line number them. Frozen: only add."""

PARKED = 0
ARMED = 1
SHOOTING = 2
SENDING = 3
SERVICE = 4
SAVING = 5
SAFE = 6

# What a MODE message does not know
UNKNOWN_PERCENT = 255
UNKNOWN_DB = 127
UNKNOWN_S = 0xFFFF
UNKNOWN_DAYS = 0xFFFF
UNKNOWN_C = -128
