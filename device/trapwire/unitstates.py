"""The states of a trap unit, as heartbeat, page and log name them; codes are frozen: only add."""

PARKED = 0  # the Pi is off, the PIR on watch
ARMED = 1  # the Pi is on, its camera warm
SHOOTING = 2  # the Pi is on, or comes up, for a trigger
SENDING = 3  # the Pi is off, the queue in flash is on its way
SERVICE = 4  # somebody is here
SAVING = 5  # the battery is low: alerts only
SAFE = 6  # after repeated resets: no Pi, a word now and then
STATE_NAMES = ("parked", "armed", "shooting", "sending", "service", "saving", "safe")
