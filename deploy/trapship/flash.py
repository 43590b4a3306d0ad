"""From a bundle onto a unit, step by step; each step bears to be interrupted and to be done again.

    who is it → what is on it → the slot that does not run: write, read back, compare → the unit's own firmware, from that
    slot, reads the settings → boot.py, main.py → settings → switch → reset → sign of life

Until the switch the unit runs what it ran before. After it the new slot is on trial: firmware that does not come up goes
back to the other by itself (`trapmcu/slots.py`). Outside the slots only the settings are written; counters, queue and
event log in /state are never touched but with `erase_state`.
"""

import base64
import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from trapkit.errors import SetupError
from trapship.boards import BOARDS, LEAST_FREE_BYTES, check_board, dotted
from trapship.bundle import Bundle
from trapship.rawrepl import BoardRefused, RawRepl
from trapship.unitsettings import encode, same_unit

PIECE_BYTES = 768  # 1 kB as base64: a board with its heap in splinters still finds that
PARTIAL = "/partial"  # beside the slots: what is written, until its bytes were compared
ALIVE_S = 30.0  # to a unit's first sign of life: MicroPython, the imports, the radio
SLOTS = ("a", "b")


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
        self._say = say
        self.done = done
        self.state = "nothing on the unit was changed"

    def run(self, who: dict[str, Any], settings: dict[str, Any], *, other_unit: bool, erase_state: bool) -> Done:
        """All steps.  Raises: SetupError when this unit or these settings will not do; Interrupted."""
        try:
            self._meet(who)
            found = self._look(settings, other_unit)
            self._write_slot(found)
            self._check_settings(settings)
            self._write_boot()
            self._write_settings(settings, found)
            if erase_state:
                self._erase()
            self._switch(found)
            self._wake()
        except BoardRefused as error:
            raise Interrupted(f"{self._refusal(error)}; {self.state}; then run the same command again") from error
        except ConnectionError as error:
            raise Interrupted(f"{error}; {self.state}; plug it in and run the same command again") from error
        except KeyboardInterrupt as error:
            raise Interrupted(f"stopped; {self.state}; to go on, run the same command again") from error
        return self.done

    def _meet(self, who: dict[str, Any]) -> None:
        self.done.machine = str(who["machine"])
        self.done.micropython = dotted(tuple(who["version"]))
        self._say(f"this unit: {self.done.machine}, MicroPython {self.done.micropython}")
        check_board(self._board, who, self._bundle.mpy)

    def _look(self, settings: dict[str, Any], other_unit: bool) -> dict[str, Any]:
        """What is on it."""
        found: dict[str, Any] = self._repl.call("unit")
        there = found["settings"]
        if there:
            change = same_unit(there, settings)
            if change and not other_unit:
                raise SetupError(
                    f"this unit lives already, and {change}: with these settings it would be another; "
                    "say --other-unit if it shall"
                )
        elif found["state"]:
            self._note("it has a state of its own and no settings that can be read: its counters and queue are kept")
        if not found["counter"] and settings.get("link_key"):
            self._note(
                "it has no frame counter: if this link_key ever was on another board or before its flash was erased, "
                "make a new one (trapship keys FOLDER --renew N): no value of a counter may be used twice"
            )
        running = found["slot"]
        self.done.slot = "b" if running == "a" else "a"
        self.state = f"it still runs slot {running}, as before" if running else "it is a bare board still, and runs nothing"
        self._say(f"what is on it: {found['words']}; the firmware goes into slot {self.done.slot}")
        return found

    def _write_slot(self, found: dict[str, Any]) -> None:
        files = self._bundle.files[self._board.name]
        slot = f"/{self.done.slot}"
        on_it = dict(self._repl.call("tree", slot))
        paths = [f"{slot}/{path}" for path in files]
        shas = dict(zip(paths, self._shas(paths), strict=True))
        wrong = [path for path in files if shas[f"{slot}/{path}"] != files[path]]
        self._repl.call("remove", f"{slot}/{LIST}")  # until all of it fits, this slot is none
        for path in sorted(set(on_it) - set(paths)):
            self._repl.call("remove", path)
        needs = sum(len(self._bundle.read(self._board.name, path)) for path in wrong)
        self._room(needs)
        for path in wrong:
            self._put(f"{slot}/{path}", self._bundle.read(self._board.name, path))
        self.done.written, self.done.kept = len(wrong), len(files) - len(wrong)
        self._say(f"slot {self.done.slot}: {len(wrong)} files written, {self.done.kept} fitted already")
        shas = dict(zip(paths, self._shas(paths), strict=True))
        unlike = [path for path in files if shas[f"{slot}/{path}"] != files[path]]
        if unlike:
            raise Interrupted(f"{slot}/{unlike[0]}: is not what was written; its flash is worn out; {self.state}")
        self._say(f"slot {self.done.slot}: read back on the unit, all {len(files)} files are those of the bundle")

    def _room(self, needs: int) -> None:
        free = self._repl.call("who")["free_bytes"]
        if free < needs + LEAST_FREE_BYTES // 8:
            raise Interrupted(
                f"its flash is full: {free} bytes are free and {needs} needed; {self.state}; "
                "let the base fetch what waits in it, or say --erase-state to throw that away"
            )

    def _shas(self, paths: list[str]) -> list[str | None]:
        """In portions: the board answers none of them for longer than it may be silent."""
        return [sha for at in range(0, len(paths), 8) for sha in self._repl.call("shas", paths[at : at + 8])]

    def _put(self, path: str, data: bytes) -> None:
        """A file, under another name until its bytes are those that were sent."""
        sha = hashlib.sha256(data).hexdigest()
        for _ in range(2):
            for at in range(0, max(len(data), 1), PIECE_BYTES):
                piece = data[at : at + PIECE_BYTES]
                self._repl.call("piece", PARTIAL, at, base64.b64encode(piece).decode())
            self._repl.call("folder", path.rpartition("/")[0])
            if self._repl.call("place", PARTIAL, path, sha):
                self.done.bytes_written += len(data)
                return
        raise Interrupted(f"{path}: cannot be written so that it reads the same; its flash is worn out; {self.state}")

    def _note(self, text: str) -> None:
        self.done.notes.append(text)
        self._say(f"note: {text}")
