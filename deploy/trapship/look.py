"""What is on a unit, read over its raw REPL: slots, settings, state."""

import base64
from dataclasses import dataclass, field
from typing import Any

from trapship.layout import (
    BEFORE,
    COUNTER,
    LIST,
    SETTINGS,
    SETTINGS_TRIAL,
    SLOT,
    SLOTS,
    STATE,
    SlotState,
    decode_list,
    decode_settings,
    decode_slots,
    without_check,
)
from trapship.rawrepl import RawRepl

MOST_BYTES = 16384  # of one file that is read: a slot's list is 4 kB
SHAS_A_CALL = 8  # files of which the board makes hashes before it says something


@dataclass(kw_only=True)
class Look:
    """slots: as `trapmcu.boot.state` sees it; slot_file: /slot itself, None where damaged or none; lists: by slot, None
    where it is no whole slot; settings: in force, None where damaged or none."""

    slots: SlotState
    slot_file: SlotState | None
    slot_raw: bytes | None
    lists: dict[str, dict[str, str] | None]
    settings: dict[str, Any] | None
    settings_version: int
    settings_raw: bytes
    settings_damaged: bool
    settings_on_trial: bool
    has_state: bool
    has_counter: bool
    found_sound: set[str] = field(default_factory=set)

    def runs_words(self) -> str:
        if self.lists[self.slots.now] is None:
            return "it is a bare board still, and runs nothing"
        return f"it still runs slot {self.slots.now}, as before"

    def words(self) -> str:
        """For the operator."""
        if all(found is None for found in self.lists.values()):
            return "no firmware" + (" that is whole" if self.has_state else "")
        trial = f" on trial ({self.slots.left} of its starts' worth left)" if self.slots.on_trial else ""
        who = "no settings" if self.settings is None else self.settings.get("role", "supervisor")
        if self.settings and self.settings.get("trap"):
            who += f" of trap {self.settings['trap']}"
        return f"slot {self.slots.now}{trial}, {who}"

    def sound(self, repl: RawRepl, slot: str, files: dict[str, str]) -> bool:
        """Whether every file of the slot has the hash that `files` says; asked on the unit, once."""
        if slot in self.found_sound:
            return True
        if shas(repl, [f"/{slot}/{path}" for path in files]) == list(files.values()):
            self.found_sound.add(slot)
        return slot in self.found_sound


def look(repl: RawRepl) -> Look:
    """Raises: as `RawRepl.call`."""
    slot_raw = read(repl, SLOT)
    slot_file = decode_slots(slot_raw)
    lists = {slot: decode_list(read(repl, f"/{slot}/{LIST}")) for slot in SLOTS}
    first = "b" if lists["a"] is None and lists["b"] is not None else "a"
    raw = read(repl, SETTINGS)
    settings = decode_settings(raw)
    before = decode_settings(read(repl, BEFORE)) if raw is not None and settings is None else None
    in_force = settings or before
    return Look(
        slots=slot_file or SlotState(first, first, 0),
        slot_file=slot_file,
        slot_raw=slot_raw,
        lists=lists,
        settings=None if in_force is None else in_force[1],
        settings_version=0 if in_force is None else in_force[0],
        settings_raw=(without_check(raw) or raw or b"") if settings else b"",
        settings_damaged=raw is not None and settings is None,
        settings_on_trial=without_check(read(repl, SETTINGS_TRIAL)) is not None,
        has_state=bool(repl.call("tree", STATE)),
        has_counter=repl.call("shas", [COUNTER]) != [None],
    )


def read(repl: RawRepl, path: str) -> bytes | None:
    """A small file's bytes, None where there is none."""
    said = repl.call("text", path, MOST_BYTES)
    return None if said is None else base64.b64decode(said)


def shas(repl: RawRepl, paths: list[str]) -> list[str | None]:
    """The SHA-256 of each, in portions: the board is never silent for long."""
    portions = (paths[at : at + SHAS_A_CALL] for at in range(0, len(paths), SHAS_A_CALL))
    return [sha for portion in portions for sha in repl.call("shas", portion)]
