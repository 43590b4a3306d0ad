"""From a bundle onto a unit, step by step; each step bears to be interrupted and to be done again.

    who is it → what is on it → the slot that is not the good one: write, read back, compare → the firmware in that slot
    reads the settings, on the unit → boot.py, main.py → settings → switch → reset → sign of life

Until the switch the unit runs what it ran before. After it the new slot is on trial: firmware that does not come up, or
does not hear its base, gives way to the good one by itself (`trapmcu/boot.py`). Outside the slots only boot.py, main.py
and the settings are written; counters, queue and event log in /state are never touched but with `erase_state`.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from trapkit.errors import SetupError
from trapship.boards import BOARDS, LEAST_FREE_BYTES, check_board, dotted
from trapship.bundle import Bundle
from trapship.layout import (
    BEFORE,
    LIST,
    SETTINGS,
    SETTINGS_TRIAL,
    SLOT,
    STATE,
    TRIAL,
    SlotState,
    encode_list,
    encode_settings,
    encode_slots,
    encode_trial,
    with_check,
)
from trapship.look import Look, look, shas
from trapship.rawrepl import BoardRefused, RawRepl
from trapship.unitsettings import plainer, same_unit

PIECE_BYTES = 768  # 1 kB as base64: a board with its heap in splinters still finds that
PARTIAL = "/partial"  # beside the slots: what is written, until its bytes were compared
ALIVE_S = 30.0  # to a unit's first sign of life: MicroPython, the imports, the radio
SIGN = b"pugmark: "  # how the line begins by which a unit says that it runs
PROMPT = b">>> "  # MicroPython's, when nothing runs
TROUBLE = b"Traceback"
TROUBLE_S = 0.5
PLAN_470 = "cn470"
NOTE_470 = (
    "plan cn470 needs a 470 MHz radio; those of hardware/bom.csv for trap, base and repeater are for 862–930 MHz, and "
    "the chip cannot tell (hardware/README.md, China)"
)
AGAIN = "run the same command again, it goes on from there"


@dataclass(kw_only=True)
class Done:
    """What a run did and found: its `--json`."""

    port: str
    board: str
    role: str
    version: str
    machine: str = ""
    micropython: str = ""
    slot: str = ""
    on_trial: bool = False
    written: int = 0
    kept: int = 0
    bytes_written: int = 0
    settings: str = ""
    alive: str = ""
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Interrupted(Exception):  # noqa: N818
    """The unit went away or refused; the message says in which state it is now, and what to do."""


class Flasher:
    """One run. `say`: a line for the operator."""

    def __init__(self, repl: RawRepl, bundle: Bundle, done: Done, say: Callable[[str], None]) -> None:
        self._repl = repl
        self._bundle = bundle
        self._board = BOARDS[done.board]
        self._files = bundle.files[done.board]
        self._say = say
        self.done = done
        self.state = "nothing on the unit was changed"

    def run(self, who: dict[str, Any], settings: dict[str, Any], *, other_unit: bool, erase_state: bool) -> Done:
        """All steps.  Raises: SetupError when this unit or these settings will not do; Interrupted."""
        try:
            self._meet(who)
            there = self._look(settings, other_unit)
            after = self._choose(there)
            self._write_slot(there)
            self._check_settings(settings)
            if erase_state:
                self._repl.call("remove", STATE)
                self._say("state: erased, with counters, queue and event log")
            self._write_boot()
            self._write_settings(settings, there)
            self._switch(there, after)
            self._wake()
        except BoardRefused as error:
            raise Interrupted(f"{self._refusal(error)}; {self.state}; then {AGAIN}") from error
        except ConnectionError as error:
            raise Interrupted(f"{error}; {self.state}; plug it in and {AGAIN}") from error
        except KeyboardInterrupt as error:
            raise Interrupted(f"stopped; {self.state}; to finish, {AGAIN}") from error
        return self.done

    def _meet(self, who: dict[str, Any]) -> None:
        self.done.machine = str(who["machine"])
        self.done.micropython = dotted(tuple(who["version"]))
        self._say(f"this unit: {self.done.machine}, MicroPython {self.done.micropython}")
        check_board(self._board, who, self._bundle.mpy)

    def _look(self, settings: dict[str, Any], other_unit: bool) -> Look:
        """What is on it, and whether these settings are for it."""
        there = look(self._repl)
        self._say(f"what is on it: {there.words()}")
        if settings.get("plan") == PLAN_470:
            self._note(NOTE_470)
        self.state = there.runs_words()
        if there.settings is not None:
            change = same_unit(there.settings, settings)
            if change and not other_unit:
                raise SetupError(
                    f"this unit lives already: {change}; with these settings it would be another unit. "
                    "Look for the right file, or say --other-unit"
                )
        elif there.has_state:
            self._note("it has counters and no settings that can be read; the counters are kept")
        if settings.get("link_key") and not there.has_counter:
            self._note(
                "it has no frame counter: if this link_key ever was on another board, or here before the flash was "
                "erased, make a new one (trapship keys FOLDER --renew N), or its counter's values are used twice"
            )
        return there

    def _choose(self, there: Look) -> SlotState:
        """Which slot the firmware goes into, and what /slot says afterwards."""
        state = there.slots
        for slot in (state.now, state.good):
            if there.lists.get(slot) == self._files and there.sound(self._repl, slot, self._files):
                self.done.slot = slot
                return state if slot == state.now else SlotState(slot, slot, 0)
        whole = there.lists.get(state.good)
        if whole is None or not there.sound(self._repl, state.good, whole):
            if whole is not None:
                self._note(f"slot {state.good}, by which it ran, is damaged; it is written anew")
            self.done.slot = state.good
            return SlotState(state.good, state.good, 0)
        self.done.slot = "b" if state.good == "a" else "a"
        return SlotState(state.good, self.done.slot, TRIAL)

    def _write_slot(self, there: Look) -> None:
        slot = f"/{self.done.slot}"
        if there.lists.get(self.done.slot) == self._files and self.done.slot in there.found_sound:
            self.done.kept = len(self._files)
            self._say(f"slot {self.done.slot}: all {len(self._files)} files are those of the bundle already")
            return
        if there.slots.on_trial:  # what is taken away now is not what a start between may try
            self._put(SLOT, encode_slots(SlotState(there.slots.good, there.slots.good, 0)))
            there.slots = SlotState(there.slots.good, there.slots.good, 0)
            self.state = there.runs_words()
        found = self._shas(slot)
        wrong = [path for path in self._files if found[path] != self._files[path]]
        self._repl.call("remove", f"{slot}/{LIST}")  # from here on it is no slot
        for path, _ in self._repl.call("tree", slot):
            if path.removeprefix(slot + "/") not in self._files:
                self._repl.call("remove", path)
        self._room(sum(len(self._bundle.read(self._board.name, path)) for path in wrong))
        self._say(f"slot {self.done.slot}: writing {len(wrong)} files…")
        for path in wrong:
            self._put(f"{slot}/{path}", self._bundle.read(self._board.name, path))
        self.done.written, self.done.kept = len(wrong), len(self._files) - len(wrong)
        found = self._shas(slot)
        unlike = [path for path in self._files if found[path] != self._files[path]]
        if unlike:
            raise Interrupted(f"{slot}/{unlike[0]}: does not read as it was written, its flash is worn; {self.state}")
        self._put(f"{slot}/{LIST}", encode_list(self._files))
        self._say(f"slot {self.done.slot}: read back on the unit, all {len(self._files)} files are those of the bundle")

    def _room(self, needs: int) -> None:
        free = self._repl.call("who")["free_bytes"]
        if free < needs + LEAST_FREE_BYTES:
            raise Interrupted(
                f"its flash is full: {free} bytes are free, {needs + LEAST_FREE_BYTES} are needed; {self.state}; "
                "let its base fetch what waits in it, or say --erase-state to throw that away"
            )

    def _shas(self, slot: str) -> dict[str, str | None]:
        paths = [f"{slot}/{path}" for path in self._files]
        return dict(zip(self._files, shas(self._repl, paths), strict=True))

    def _put(self, path: str, data: bytes) -> None:
        """A file: under another name until the unit has found the hash of what was sent, then it takes its place."""
        sha = hashlib.sha256(data).hexdigest()
        if folder := path.rpartition("/")[0]:
            self._repl.call("folder", folder)
        for _ in range(2):
            for at in range(0, max(len(data), 1), PIECE_BYTES):
                self._repl.call("piece", PARTIAL, at, base64.b64encode(data[at : at + PIECE_BYTES]).decode())
            if self._repl.call("place", PARTIAL, path, sha):
                self.done.bytes_written += len(data)
                return
        raise Interrupted(f"{path}: does not read as it was written, its flash is worn; {self.state}")

    def _check_settings(self, settings: dict[str, Any]) -> None:
        """By the firmware that was just written: what it would refuse in the forest it refuses here."""
        refused = self._repl.call("check", self.done.slot, settings)
        if refused:
            raise SetupError(f"the firmware refuses these settings: {plainer(refused)}; {self.state}")
        self._say("settings: the firmware on the unit takes them")

    def _write_boot(self) -> None:
        for path, data in self._bundle.start.items():
            if shas(self._repl, [f"/{path}"]) != [hashlib.sha256(data).hexdigest()]:
                self._put(f"/{path}", data)
                self._say(f"/{path}: written")

    def _write_settings(self, settings: dict[str, Any], there: Look) -> None:
        """New ones of the same unit are on trial: they go back when they cut it off."""
        if there.settings == settings and not there.settings_damaged:
            self.done.settings = "as they were"
        elif there.settings is not None and not same_unit(there.settings, settings):
            if not there.settings_on_trial and not there.settings_damaged:  # else the ones before are the good ones
                self._put(BEFORE, with_check(there.settings_raw))
            self._put(SETTINGS_TRIAL, encode_trial(there.settings_version + 1))
            self._put(SETTINGS, encode_settings(settings, there.settings_version + 1))
            self.done.settings = "on trial until its base is heard, or the ones before come back"
        else:
            for path in (SETTINGS_TRIAL, BEFORE):
                self._repl.call("remove", path)
            self._put(SETTINGS, encode_settings(settings, there.settings_version + 1))
            self.done.settings = "written"
        self._say(f"settings: {self.done.settings}")

    def _switch(self, there: Look, after: SlotState) -> None:
        if there.slots != after or not there.slot_file:
            self._put(SLOT, encode_slots(after))
        self.done.on_trial = after.on_trial
        self._repl.call("remove", PARTIAL)
        back = f", on trial: if it goes on failing, slot {after.good} runs again by itself" if after.on_trial else ""
        self.state = f"it starts slot {after.now} from now on{back}"
        trial = ", on trial until its base is heard; then it is the good one" if after.on_trial else ""
        self._say(f"slot: it starts slot {after.now}{trial}")

    def _wake(self) -> None:
        self._repl.send_last("reset")
        self._say("reset; waiting for its first sign of life…")
        try:
            heard = self._repl.listen(_is_enough, ALIVE_S)
            if TROUBLE in heard:
                heard += self._repl.listen(lambda _: False, TROUBLE_S)  # to its last line, which says what it is
        except ConnectionError:  # a board's own USB goes away with the reset
            self.done.alive = "it left the cable, as a board does that starts; look at its lamp, or: trapship doctor"
            self._say(self.done.alive)
            return
        line = heard.partition(SIGN)[2].partition(b"\n")[0].strip()
        if TROUBLE in heard or PROMPT in heard:
            words = heard.partition(PROMPT)[0].decode("utf-8", "replace").strip().splitlines()[-8:]
            raise Interrupted("the firmware did not stay up; it said:\n  " + "\n  ".join(words) + f"\n{self.state}")
        slot = re.search(rb"\bslot ([ab])\b", line)
        if slot and slot[1].decode() != self.done.slot:
            now = slot[1].decode()
            raise Interrupted(
                f"slot {self.done.slot} does not start: the unit went back to slot {now} by itself and runs that; "
                "this bundle's firmware has a fault"
            )
        self.done.alive = line.decode("utf-8", "replace") if line else "it runs, and says nothing"
        self._say(f"it lives: {self.done.alive}")

    def _refusal(self, error: BoardRefused) -> str:
        if error.kind == "OSError":
            try:
                free = self._repl.call("who")["free_bytes"]
            except (ConnectionError, BoardRefused):
                free = LEAST_FREE_BYTES
            if free < PIECE_BYTES * 8:
                return f"its flash is full: {free} bytes are free"
        return f"the unit refused: {error}"

    def _note(self, text: str) -> None:
        self.done.notes.append(text)
        self._say(f"note: {text}")


def _is_enough(heard: bytes) -> bool:
    return PROMPT in heard or TROUBLE in heard or b"\n" in heard.partition(SIGN)[2]
