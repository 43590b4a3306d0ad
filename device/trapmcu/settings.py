"""A unit's settings (mcu.json): every key with its default and its bounds, checked before the unit does anything."""

from trapwire.airtime import largest_frame
from trapwire.errors import WireError
from trapwire.linkkeys import parse_key
from trapwire.traplink import LinkTimes

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

SUPERVISOR = "supervisor"
MODEM = "modem"

# key: (default, lowest, highest, what it is) of whole numbers; deploy/settings.md is made from here
NUMBERS = {
    "trap": (0, 1, 65535, "the trap's number, the same as its Pi's; a modem has none"),
    "sf": (9, 7, 12, "LoRa spreading factor, the same at the base and on its traps"),
    "queue_bytes": (262144, 1, 16777216, "flash for what waits for the air (bytes)"),
    "down_bytes": (16384, 1, 1048576, "flash for what came down and the Pi has not taken (bytes)"),
    "drift_ppm": (100, 1, 100000, "how far the unit's clock may run off, worst case (millionths)"),
    "trial_ms": (600000, 60000, 86400000, "a setting by radio that could cut the link is taken back after this (ms)"),
    "repeat_ms": (5000, 100, 3600000, "until a receipt is offered to the Pi again (ms)"),
}
DEFAULTS: "dict[str, Any]" = {
    "role": SUPERVISOR,
    "plan": "",  # no plan named: the unit refuses to transmit
    "link_key": "",  # this trap's own, 32 hexadecimal digits; a modem has none: it carries frames that it cannot read
    "times": {},  # of the link, in ms: see trapwire.traplink.LinkTimes
}
TIME_MAX_MS = 86400000
# What a base may set by radio of `times`: within the bounds above it could drain a battery or fall silent for a day.
RADIO_BOUNDS = {"heartbeat_ms": (10000, TIME_MAX_MS), "reply_window_ms": (100, 60000)}
ROLES = (MODEM, SUPERVISOR)


def complete(settings: "dict[str, Any]") -> "dict[str, Any]":
    """The settings with their defaults.

    Raises: ValueError naming the setting, its value, and what is allowed.
    """
    if not isinstance(settings, dict):
        raise ValueError('%r is no table of settings; write {"role": …, …}' % (settings,))
    merged = DEFAULTS.copy()
    for name in NUMBERS:
        merged[name] = NUMBERS[name][0]
    for name in settings:
        if name not in merged:
            raise ValueError("unknown setting %r; allowed are: %s" % (name, ", ".join(sorted(merged))))
    merged.update(settings)
    if merged["role"] not in ROLES:
        raise ValueError("role %r is unknown; allowed are: %s" % (merged["role"], ", ".join(ROLES)))
    if not isinstance(merged["plan"], str):
        raise ValueError("plan is %r; allowed is the name of a radio plan" % (merged["plan"],))
    for name in NUMBERS:
        if name != "trap" or merged["role"] == SUPERVISOR:
            _check(name, merged[name], NUMBERS[name][1], NUMBERS[name][2])
    _check_times(merged["times"])
    largest_frame(merged["plan"], merged["sf"])
    _check_key(merged["role"], merged["link_key"])
    return merged


def bounds(name: str) -> "tuple[int, int]":
    """Lowest and highest value of a whole number, `times` included."""
    return (NUMBERS[name][1], NUMBERS[name][2]) if name in NUMBERS else RADIO_BOUNDS.get(name, (1, TIME_MAX_MS))


def _check_times(times: "Any") -> None:
    known = sorted(LinkTimes().__dict__)
    if not isinstance(times, dict):
        raise ValueError("times is %r; allowed is a table with some of: %s" % (times, ", ".join(known)))
    for name in times:
        if name not in known:
            raise ValueError("unknown setting 'times.%s'; allowed are: %s" % (name, ", ".join(known)))
        _check("times." + name, times[name], 1, TIME_MAX_MS)


def _check_key(role: str, key: "Any") -> None:
    """What is wrong with a key is said without the key: errors are read aloud, photographed and sent around."""
    if role == MODEM:
        if key != "":
            raise ValueError("link_key is set; allowed on a modem is none: take it off this unit")
        return
    wrong = ""
    try:
        parse_key(key if isinstance(key, str) else "")
    except WireError as error:
        wrong = str(error)
    if wrong:  # raised out here: MicroPython has no chains of errors, and complains about them
        raise ValueError("link_key has " + wrong)


def _check(name: str, value: "Any", low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError("%s is %r; allowed is a whole number within %d–%d" % (name, value, low, high))
