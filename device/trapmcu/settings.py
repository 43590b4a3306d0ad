"""A unit's settings (mcu.json): every key with its default and its bounds, checked before the unit does anything."""

from trapmcu.battery import KINDS
from trapwire.airtime import SF_MIN, SMALLEST_FRAME_BYTES, largest_frame
from trapwire.errors import WireError
from trapwire.hop import HOP_BYTES, MAX_TRAPS
from trapwire.linkkeys import parse_key
from trapwire.linktimes import LinkTimes
from trapwire.wake import SF as WAKE_SF

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

SUPERVISOR = "supervisor"
MODEM = "modem"
REPEATER = "repeater"

# key: (default, lowest, highest) of whole numbers; what they are: `setting_words`, which no unit carries
NUMBERS = {
    "trap": (0, 1, 65535),
    "sf": (9, 7, 12),
    "quick_sf": (0, 0, 11),
    "queue_bytes": (262144, 1, 16777216),
    "down_bytes": (16384, 1, 1048576),
    "drift_ppm": (100, 1, 100000),
    "trial_ms": (600000, 60000, 86400000),
    "repeat_ms": (5000, 100, 3600000),
    "hop_burst_s": (120, 1, 3600),
    "hop_permille": (10, 1, 1000),
    "freq_khz": (0, 0, 960000),
    "wake_khz": (0, 0, 960000),
    "utc_offset_min": (0, -720, 840),
    "armed_from_h": (0, 0, 24),
    "armed_to_h": (0, 0, 24),
    "armed_from_month": (1, 1, 12),
    "armed_to_month": (12, 1, 12),
    "watch_from_h": (0, 0, 24),
    "watch_to_h": (24, 0, 24),
    "watch_from_month": (1, 1, 12),
    "watch_to_month": (12, 1, 12),
    "pair": (1, 0, 65535),
    "min_gap_ms": (5000, 0, 3600000),
    "triggers_a_day": (100, 1, 100000),
    "trigger_burst": (40, 1, 1000),
    "picture_min": (720, 0, 1440),
    "safe_resets": (5, 2, 256),
    "service_min": (30, 1, 120),
    "pi_boot_ms": (60000, 5000, 7200000),
    "pi_leave_ms": (30000, 5000, 7200000),
    "pi_silent_ms": (60000, 15000, 7200000),
    "pi_busy_ms": (600000, 60000, 7200000),
    "battery_cells": (1, 1, 16),
    "battery_mah": (72000, 100, 1000000),
    "battery_mv": (3600, 1000, 60000),
    "cut_mv": (0, 0, 60000),
}
DEFAULTS: "dict[str, Any]" = {
    "role": SUPERVISOR,
    "plan": "",  # no plan named: the unit does not start
    "link_key": "",  # this trap's own, 32 hexadecimal digits; a modem has none: it carries frames that it cannot read
    "hop_key": "",  # of a trap that goes by a repeater: their key for the hop, and its base's
    "hops": {},  # of a repeater: the hop key of each trap that it serves, by the trap's number
    "station_key": "",  # of a trap that wakes its partner: the pair's own
    "battery": "",  # its kind (trapmcu.battery.KINDS); none: nothing is known of it
    "times": {},  # of the link, in ms: see trapwire.traplink.LinkTimes
}
TIME_MAX_MS = 86400000
# What a base may set by radio of `times`: within the bounds above it could drain a battery or fall silent for a day.
RADIO_BOUNDS = {"heartbeat_ms": (10000, TIME_MAX_MS), "reply_window_ms": (100, 60000)}
ROLES = (MODEM, REPEATER, SUPERVISOR)
KEYS = {"link_key": SUPERVISOR, "hop_key": SUPERVISOR, "station_key": SUPERVISOR}  # and the role that has it


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
    if merged["battery"] != "" and merged["battery"] not in KINDS:
        raise ValueError("battery is %r; allowed are: %s" % (merged["battery"], ", ".join(sorted(KINDS))))
    if merged["quick_sf"] and not SF_MIN <= merged["quick_sf"] < merged["sf"]:
        allowed = "0, or a spreading factor from %d to below sf, which is %d" % (SF_MIN, merged["sf"])
        raise ValueError("quick_sf is %d; allowed is %s" % (merged["quick_sf"], allowed))
    for name in KEYS:
        _check_key(name, merged["role"], merged[name])
    _check_hops(merged)
    if merged["wake_khz"] and not merged["freq_khz"]:
        raise ValueError("wake_khz is %d; allowed is 0 as long as freq_khz is 0: name both" % merged["wake_khz"])
    if merged["station_key"] and merged["sf"] == WAKE_SF and merged["wake_khz"] in (0, merged["freq_khz"]):
        raise ValueError("station_key is set, and the link's sf is %d; then wake_khz has to be another" % WAKE_SF)
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


def _check_key(name: str, role: str, key: "Any") -> None:
    """What is wrong with a key is said without the key: errors are read aloud, photographed and sent around."""
    if role != KEYS[name]:
        if key != "":
            where = "allowed on a modem is none" if role == MODEM else "allowed on a repeater is none"
            raise ValueError("%s is set; %s: take it off this unit" % (name, where))
        return
    if key != "" or name == "link_key":
        _check_secret(name, key)


def _check_secret(name: str, key: "Any") -> None:
    wrong = ""
    try:
        parse_key(key if isinstance(key, str) else "")
    except WireError as error:
        wrong = str(error)
    if wrong:  # raised out here: MicroPython has no chains of errors, and complains about them
        raise ValueError("%s has %s" % (name, wrong))


def _check_hops(merged: "dict[str, Any]") -> None:
    hops = merged["hops"]
    if not isinstance(hops, dict) or len(hops) > MAX_TRAPS or bool(hops) != (merged["role"] == REPEATER):
        raise ValueError('hops is wrong; allowed is {"TRAP": its hop key, …}, 1–%d of a repeater' % MAX_TRAPS)
    for name in hops:
        if not (isinstance(name, str) and name.isdigit() and 0 < int(name) <= 65535 and str(int(name)) == name):
            raise ValueError("hops names trap %r; allowed is 1–65535" % (name,))
        _check_secret("hops of trap " + name, hops[name])
    size = largest_frame(merged["plan"], merged["sf"]) - HOP_BYTES
    if (hops or merged["hop_key"]) and size < SMALLEST_FRAME_BYTES:
        text = "plan %s at SF%d leaves a repeater's traps %d bytes, an alert needs %d: a smaller sf goes"
        raise ValueError(text % (merged["plan"], merged["sf"], size, SMALLEST_FRAME_BYTES))


def _check(name: str, value: "Any", low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError("%s is %r; allowed is a whole number within %d–%d" % (name, value, low, high))
