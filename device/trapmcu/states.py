"""The unit's states: all transitions, as a table (pure).

Levels say what is so; BUTTON and TRIGGER say what has just happened, and are used up by the transition they cause.
In each state the first row whose level is there decides, again and again until nothing changes:

    parked    too many resets: safe; button: service; battery low: saving; trigger: shooting; armed hours: armed;
              something to send: sending
    armed     too many resets: safe; button: service; battery low: saving; trigger: shooting; hours over: sending
    shooting  button: service; the Pi has done all: armed (and from there on, as it may be)
    sending   button: service; battery low: saving; trigger: shooting; armed hours: armed; nothing to send: parked
    service   button, or time over: armed (and from there on)
    saving    button: service; trigger (the policy lets few through, and none when it is critical): shooting;
              battery well: parked
    safe      button: service; time over: parked
"""

from trapwire.unitstates import ARMED, PARKED, SAFE, SAVING, SENDING, SERVICE, SHOOTING

# Levels, as bits
RESETS = 1  # too many resets in a row
CALM = 2  # none of them lately
BUTTON = 4  # held long enough to mean service
OVER = 8  # the time for service is over
LOW = 16  # battery
WELL = 32  # battery, and LOW is not there
TRIGGER = 64  # and the policy lets it through
DONE = 128  # the Pi has nothing in hand, or is off and cannot be had
HOURS = 256  # that deserve a warm camera
NO_HOURS = 512
QUEUE = 1024  # something waits for the air
EMPTY = 2048
EVENTS = BUTTON | TRIGGER

TABLE = {
    PARKED: (
        (RESETS, SAFE), (BUTTON, SERVICE), (LOW, SAVING), (TRIGGER, SHOOTING), (HOURS, ARMED), (QUEUE, SENDING),
    ),
    ARMED: ((RESETS, SAFE), (BUTTON, SERVICE), (LOW, SAVING), (TRIGGER, SHOOTING), (NO_HOURS, SENDING)),
    SHOOTING: ((BUTTON, SERVICE), (DONE, ARMED)),
    SENDING: ((BUTTON, SERVICE), (LOW, SAVING), (TRIGGER, SHOOTING), (HOURS, ARMED), (EMPTY, PARKED)),
    SERVICE: ((BUTTON, ARMED), (OVER, ARMED)),
    SAVING: ((BUTTON, SERVICE), (TRIGGER, SHOOTING), (WELL, PARKED)),
    SAFE: ((BUTTON, SERVICE), (CALM, PARKED)),
}  # fmt: skip

# What a state wants
PI = 1  # the Pi on
WATCH = 2  # the PIR heeded
SLEEP = 4  # deep sleep allowed
WANTS = {
    PARKED: WATCH | SLEEP,
    ARMED: PI | WATCH,
    SHOOTING: PI | WATCH,
    SENDING: WATCH | SLEEP,
    SERVICE: PI | WATCH,
    SAVING: WATCH | SLEEP,
    SAFE: SLEEP,
}
MOST_STEPS = 4  # the longest way: service over, hours over, nothing to send, parked


def settle(state: int, levels: int) -> int:
    """Where `state` leads under `levels`; each event leads one step."""
    for _ in range(MOST_STEPS):
        for level, after in TABLE[state]:
            if levels & level:
                state, levels = after, levels & ~(level & EVENTS)
                break
        else:
            break
    return state
