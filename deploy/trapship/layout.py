"""What lies where in a unit's flash, as `trapmcu.boot`, `slots` and `settingsfile` have it. Pure.

/boot.py  /main.py            outside the slots; by cable alone
/slot                         good slot, the one in force, what is left of its trial, since when; checked
/a  /b                        trapmcu/, trapwire/, lora/ and files.sha256, which is written last
/settings/mcu.json            {"version": n, "settings": {…}} and a line's end; checked
/settings/mcu-before.json     the ones before; /settings/trial: while new ones are tried
/state/                       counter, queue, log: never touched from here, but to be erased
"""

import binascii
import json
import struct
from dataclasses import dataclass
from typing import Any

SLOT = "/slot"
SLOTS = ("a", "b")
LIST = "files.sha256"
SETTINGS = "/settings/mcu.json"
BEFORE = "/settings/mcu-before.json"
SETTINGS_TRIAL = "/settings/trial"
STATE = "/state"
COUNTER = "/state/counter"
LOGS = ("/state/log0", "/state/log1")
TRIAL = 150  # starts' worth: `trapmcu.boot`
ENTRY = ">IBI"
# A trial's beginning by a clock that is not known here. Settings: the unit takes the earlier of this and its own time;
# a slot's trial then ends by its starts alone.
UNKNOWN_S = 0xFFFFFFFF
NEVER_S = 0  # of a slot that is not on trial
SLOT_ENTRY = ">2sBI"


@dataclass(frozen=True)
class SlotState:
    """good: the slot that is known to run; now: the one in force; left: of its trial, 0 where there is none."""

    good: str
    now: str
    left: int

    @property
    def on_trial(self) -> bool:
        return self.now != self.good


def with_check(data: bytes) -> bytes:
    """`data` and eight hexadecimal digits of its CRC-32."""
    return data + b"%08x" % binascii.crc32(data)


def without_check(data: bytes | None) -> bytes | None:
    """What `with_check` was given; None where it is damaged."""
    return data[:-8] if data is not None and with_check(data[:-8]) == data else None


def encode_slots(state: SlotState) -> bytes:
    since_s = UNKNOWN_S if state.on_trial else NEVER_S
    return with_check(struct.pack(SLOT_ENTRY, (state.good + state.now).encode(), state.left, since_s))


def decode_slots(data: bytes | None) -> SlotState | None:
    """None where there is none, or it is damaged."""
    told = without_check(data)
    if told is None or len(told) != struct.calcsize(SLOT_ENTRY) or any(chr(slot) not in SLOTS for slot in told[:2]):
        return None
    return SlotState(chr(told[0]), chr(told[1]), told[2])


def encode_list(files: dict[str, str]) -> bytes:
    """A slot's list: path within the slot -> SHA-256."""
    return "".join(f"{sha}  {name}\n" for name, sha in sorted(files.items())).encode()


def decode_list(data: bytes | None) -> dict[str, str] | None:
    """None where there is none or a line of it is no list's."""
    if data is None:
        return None
    files = {}
    for line in data.decode("utf-8", "replace").splitlines():
        sha, gap, name = line.partition("  ")
        if not gap or len(sha) != 64 or not name:
            return None
        files[name] = sha
    return files


def encode_settings(settings: dict[str, Any], version: int) -> bytes:
    """Sorted, so that the same settings are the same bytes."""
    table = {"settings": settings, "version": version}
    return with_check((json.dumps(table, sort_keys=True, separators=(",", ":")) + "\n").encode())


def decode_settings(data: bytes | None) -> tuple[int, dict[str, Any]] | None:
    """Version and settings; None where they are damaged. A bare table, as a person types it, is version 0."""
    if data is None:
        return None
    checked = without_check(data)
    try:
        said = json.loads(data if checked is None else checked)
        if "version" not in said:
            return 0, dict(said)
        return None if checked is None else (int(said["version"]), dict(said["settings"]))
    except (KeyError, TypeError, ValueError):
        return None


def encode_trial(version: int) -> bytes:
    return with_check(struct.pack(ENTRY, version, TRIAL, UNKNOWN_S))
