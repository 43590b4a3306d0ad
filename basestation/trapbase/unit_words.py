"""What units' numbers mean, for people: states, event codes with their values. Pure.

`device/trapmcu/EVENTS.md` is made from these tables (`deploy/make-events-page`); tests hold their codes to
`trapwire.events` and `trapwire.unitstates`, and what values mean to what the firmware writes.
"""

from datetime import timedelta

from trapwire import events, unitstates
from trapwire.alert import TIME_BASE_UNIX_MS
from trapwire.payloads import UNKNOWN

DAYS_UNKNOWN, DEGREES_UNKNOWN = UNKNOWN["days_left"], UNKNOWN["temperature_c"]

# state: its name, and what the unit does
STATES = {
    unitstates.PARKED: ("parked", "asleep until something moves"),
    unitstates.ARMED: ("armed", "awake, camera warm"),
    unitstates.SHOOTING: ("shooting", "taking pictures"),
    unitstates.SENDING: ("sending", "sending what it has, camera off"),
    unitstates.SERVICE: ("service", "in service: somebody is there"),
    unitstates.SAVING: ("saving", "saving its battery: alerts only"),
    unitstates.SAFE: ("safe", "in safe mode after repeated resets: radio only"),
}

# Those that need a person, and for what
TROUBLES = {
    unitstates.SAVING: "saves its battery and sends alerts only, no pictures. Take fresh cells on the next visit.",
    unitstates.SAFE: "started again and again, and leaves its camera off for hours. Look at its battery and cables.",
}

RESETS = {0: "power came back", 1: "woke", 2: "by the watchdog", 3: "by itself"}
PI_REASONS = {
    0: "something moved", 1: "its partner called", 2: "hours or season", 3: "service", 4: "the day's picture",
    5: "its lid was opened",
}  # fmt: skip
CUTS = {0: "it was silent", 1: "it did not halt", 3: "battery gave way under it"}
PLACES = {1: "settings"}
SLOTS = {97: "a", 98: "b"}
STATE_NAMES = {state: f"unit is {name}" for state, (name, _) in STATES.items()}

# code: its name, what happened, what its value is: None nothing, its words, or those of each number
Value = None | str | dict[int, str]
EVENTS: dict[int, tuple[str, str, Value]] = {
    events.REPEATED: ("REPEATED", "came more often than is written down", None),
    events.STATE: ("STATE", "another state", None),
    events.PI_ON: ("PI_ON", "Pi switched on", PI_REASONS),
    events.PI_UP: ("PI_UP", "Pi is up", "# s after power"),
    events.PI_LEAVE: ("PI_LEAVE", "Pi asked to leave", STATE_NAMES),
    events.PI_HALTED: ("PI_HALTED", "Pi is off", "# s after it was asked"),
    events.CLOCK_SET: ("CLOCK_SET", "clock set by the base", None),
    events.BASE_HEARD: ("BASE_HEARD", "base heard again", "# days without"),
    events.SERVICE_ENTERED: ("SERVICE_ENTERED", "service begins", None),
    events.SERVICE_LEFT: ("SERVICE_LEFT", "service ends", "# s long"),
    events.BATTERY_OK: ("BATTERY_OK", "battery has recovered", "# mV"),
    events.SAFE_LEFT: ("SAFE_LEFT", "safe mode ends", "# resets in all"),
    events.SETTINGS_KEPT: ("SETTINGS_KEPT", "new settings are kept", "version #"),
    events.SLOT_KEPT: ("SLOT_KEPT", "new firmware is kept, slot", SLOTS),
    events.START: ("START", "started", RESETS),
    events.SLOT_TRIED: ("SLOT_TRIED", "new firmware on trial, slot", SLOTS),
    events.SETTINGS_TRIED: ("SETTINGS_TRIED", "new settings on trial", "version #"),
    events.LID_OPENED: ("LID_OPENED", "lid opened in service", None),
    events.WATCHDOG: ("WATCHDOG", "it hung, and its watchdog restarted it", "# resets in all"),
    events.BROWN_OUT: ("BROWN_OUT", "battery gave way while the camera ran", "# mV"),
    events.SAFE_ENTERED: ("SAFE_ENTERED", "safe mode begins", "# resets in a row"),
    events.PI_CUT: ("PI_CUT", "camera computer (Pi) cut off", CUTS),
    events.PI_NO_SHOW: ("PI_NO_SHOW", "camera computer (Pi) did not start", "# times in a row"),
    events.BUDGET_SPENT: ("BUDGET_SPENT", "triggered too often to look each time; a bush in the wind?", "# triggers"),
    events.PIR_STUCK: ("PIR_STUCK", "motion sensor is stuck", "high for # min"),
    events.BATTERY_LOW: ("BATTERY_LOW", "battery is low", "# mV"),
    events.BATTERY_CRITICAL: ("BATTERY_CRITICAL", "battery is nearly empty", "# mV"),
    events.CLOCK_LOST: ("CLOCK_LOST", "clock lost its power and time", None),
    events.CLOCK_DOUBTFUL: ("CLOCK_DOUBTFUL", "clock was wrong by more than it knew: the base has another time", "# s"),
    events.FLASH_FULL: ("FLASH_FULL", "flash takes nothing: full, or worn out", "# KiB queued"),
    events.FLASH_DAMAGED: ("FLASH_DAMAGED", "damaged in flash", PLACES),
    events.QUEUE_FULL: ("QUEUE_FULL", "queue for the air is full", "# objects"),
    events.CARD_FAULT: ("CARD_FAULT", "memory card has a fault", "number #"),
    events.RADIO_FAULT: ("RADIO_FAULT", "radio does not answer", "# times in a row"),
    events.BASE_LOST: ("BASE_LOST", "base not heard", "# days"),
    events.SETTINGS_REVERTED: ("SETTINGS_REVERTED", "settings taken back", "version # again"),
    events.SLOT_REVERTED: ("SLOT_REVERTED", "firmware taken back, slot", SLOTS),
    events.LID_ALARM: ("LID_ALARM", "lid opened, and nobody was expected", "for the #th time in a day"),
    events.BUTTON_STUCK: ("BUTTON_STUCK", "button or magnet does not let go", "held for # min"),
}


def state_words(state: int | None) -> str:
    """What a unit does now; nothing where it has not said."""
    return "" if state is None else STATES.get(state, ("", f"in state {state}, which this base does not know"))[1]


def health_words(health: dict[str, int]) -> list[str]:
    """State, days left, temperature and fault of a heartbeat, as far as the unit says them."""
    words = [state_words(health.get("state"))]
    days, degrees = health.get("days_left", DAYS_UNKNOWN), health.get("temperature_c", DEGREES_UNKNOWN)
    if days != DAYS_UNKNOWN:
        words.append(f"battery for about {days} days")
    if degrees != DEGREES_UNKNOWN:
        words.append(degrees_words(degrees))
    fault = fault_words(health.get("fault"))
    return [word for word in (*words, fault and f"fault in the last day: {fault}") if word]


def degrees_words(degrees: int) -> str:
    """A temperature, with a true minus."""
    return f"{degrees} °C".replace("-", "−")


def fault_words(code: int | None) -> str:
    """A heartbeat's fault; nothing for none."""
    return "" if not code else _what(code)


def entry_words(code: int, value: int) -> str:
    """One entry of a log."""
    if code == events.REPEATED:
        count = {1: "once", 255: "255 or more times"}.get(value & 255, f"{value & 255} times")
        return f"{_what(value >> 8)}: {count} more, not written down"
    if code == events.STATE:
        return f"from {_state(value >> 8)} to {_state(value & 255)}"
    meaning = EVENTS[code][2] if code in EVENTS else "value #"
    if meaning is None:
        return _what(code)
    said = meaning.get(value, str(value)) if isinstance(meaning, dict) else meaning.replace("#", str(value))
    return f"{_what(code)}: {said}"


def entry_time(time_s: int, is_true: bool) -> int | None:
    """Unix ms of an entry, None where the unit did not know the time."""
    return TIME_BASE_UNIX_MS + time_s * 1000 if is_true else None


def clock_words(time_s: int) -> str:
    """A time of the unit's own clock."""
    return f"its clock at {timedelta(seconds=time_s)}"


def _what(code: int) -> str:
    return EVENTS[code][1] if code in EVENTS else f"event {code}, which this base does not know"


def _state(state: int) -> str:
    return STATES[state][0] if state in STATES else str(state)
