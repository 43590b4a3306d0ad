"""What was set by radio, in flash beside mcu.json: the values in force, and the last command with its outcome.

One file, replaced whole, with a CRC. A damaged one is none, and so is a value that its bounds refuse. A value counts
for as long as mcu.json says what it said when it was set: who changes that at the trap has the last word.
"""

import struct

from trapmcu.flash import write_file
from trapmcu.settings import bounds
from trapwire.airtime import usable_frame
from trapwire.errors import WireError
from trapwire.serialline import SerialDecoder, encode_message
from trapwire.words import OUTCOME_NAMES, SETTING_NAMES

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

FILE_VERSION = 1
LAST = ">HBIBI"  # command, setting, value asked for, outcome, value in force
ENTRY = ">BII"  # setting, value, mcu.json's value
LAST_BYTES = 12
ENTRY_BYTES = 9


class Last:
    """The last command, and what became of it."""

    def __init__(self, command: int, setting: int, value: int, outcome: int, in_force: int) -> None:
        self.command = command
        self.setting = setting
        self.value = value
        self.outcome = outcome
        self.in_force = in_force

    def is_repeat(self, command: int, setting: int, value: int) -> bool:
        return (self.command, self.setting, self.value) == (command, setting, value)


class Overlay:
    """`values`: settings in force by their code, those of mcu.json included; `last`: the last command or None."""

    def __init__(self, path: str, settings: "dict[str, Any]", defaults: "dict[str, int]") -> None:
        self._path = path
        self._plan = settings["plan"]
        self._own = {}  # mcu.json's
        for code, name in SETTING_NAMES.items():
            self._own[code] = settings["times"].get(name, defaults.get(name, settings.get(name)))
        self.values = dict(self._own)
        self.last: "Last | None" = None
        self._read()

    def is_allowed(self, setting: int, value: int) -> bool:
        """Whether a known setting may have this value, by its bounds and the radio plan."""
        name = SETTING_NAMES[setting]
        low, high = bounds(name)
        if not low <= value <= high:
            return False
        if name == "sf":
            try:
                usable_frame(self._plan, value)
            except WireError:
                return False
        return True

    def write(self, last: Last, values: "dict[int, int]") -> None:
        """Both durable, or neither.  Raises: OSError."""
        data = struct.pack(LAST, last.command, last.setting, last.value, last.outcome, last.in_force)
        for code in sorted(values):
            if values[code] != self._own[code]:
                data += struct.pack(ENTRY, code, values[code], self._own[code])
        write_file(self._path, encode_message(FILE_VERSION, data))
        self.last = last
        self.values = dict(values)

    def _read(self) -> None:
        try:
            with open(self._path, "rb") as file:
                found = SerialDecoder().feed(file.read())
        except OSError:
            return
        if len(found) != 1 or found[0][0] != FILE_VERSION or len(found[0][1]) % ENTRY_BYTES != LAST_BYTES % ENTRY_BYTES:
            return
        data = found[0][1]
        if len(data) < LAST_BYTES:
            return
        last = Last(*struct.unpack(LAST, data[:LAST_BYTES]))
        if last.outcome not in OUTCOME_NAMES:
            return
        self.last = last
        for at in range(LAST_BYTES, len(data), ENTRY_BYTES):
            code, value, own = struct.unpack(ENTRY, data[at : at + ENTRY_BYTES])
            if code in self._own and self._own[code] == own and self.is_allowed(code, value):
                self.values[code] = value
