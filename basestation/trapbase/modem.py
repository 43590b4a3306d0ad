"""What can be said of the modems, from this side of their lines: kept in a file for `trapbase status` and the page.

A modem says each frame that has left its antenna, and each that it heard. What it was given and does not send came
too late for its trap, or was over its share of the air; the trap asks again.

A modem that has been silent is asked whether it is there. One that has answered before and does not now hangs: its line
is opened anew, again and again with growing pauses, and that is said. One with firmware from before the question
answers nothing, but says what it hears.
"""

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from trapbase.moments import moment
from trapkit.files import write_atomically
from trapwire.serialline import HEARD, HELLO, SENT, TRANSMIT

FILE = "modem.json"
WRITE_EVERY_MS = 20_000
MAX_BYTES = 16_384
COUNTS = ("heard", "given", "sent")
ASK_AFTER_MS = 10_000  # of silence: a modem answers within a second
SILENT_MS = 35_000  # and three questions: then it hangs, or is no modem
REOPEN_MOST_MS = 600_000  # opening a line may reset a board, which then needs seconds to start
ANSWER = ">BIBH"  # HELLO: spreading factor, frequency in kHz, frames queued, dropped
State = dict[str, Any]


class Port(Protocol):
    """A serial line (`trapkit.serialport.SerialPort`)."""

    path: str
    last_error: str

    @property
    def is_open(self) -> bool: ...
    @property
    def damaged(self) -> int: ...
    def read(self) -> list[tuple[int, bytes]]: ...
    def send(self, kind: int, payload: bytes) -> bool: ...
    def reopen(self) -> None: ...


class ModemLine:
    """The line to one modem, which counts what passes and asks it when it is silent. `sf`: at which it has to be.

    `trouble`: what is wrong with it now, or nothing.
    """

    def __init__(self, line: Port, sf: int | None = None) -> None:
        self._line = line
        self._sf = sf
        self.counts = dict.fromkeys(COUNTS, 0)
        self.said_ms: int | None = None  # Unix ms of its last word
        self.answer: dict[str, int] = {}  # what it said of itself
        self._spoke = self._answers = False
        self._was_open = False
        self._since_ms = 0  # of its last word, or of the line's opening
        self._ask_ms = 0
        self._wait_ms = SILENT_MS
        self._damaged = 0
        self._silent = ""

    @property
    def name(self) -> str:
        return self._line.path

    @property
    def is_open(self) -> bool:
        return self._line.is_open

    def read(self) -> list[tuple[int, bytes]]:
        messages = self._line.read()
        for kind, payload in messages:
            self.counts["heard"] += kind == HEARD
            self.counts["sent"] += kind == SENT
            if kind == HELLO and len(payload) >= struct.calcsize(ANSWER):
                self._answers = True
                said = struct.unpack_from(ANSWER, payload)
                self.answer = {"sf": said[0], "freq_khz": said[1], "dropped": said[3]}
            self._spoke |= kind in (HELLO, HEARD, SENT)
        return messages

    def send(self, kind: int, payload: bytes) -> bool:
        taken = self._line.send(kind, payload)
        self.counts["given"] += taken and kind == TRANSMIT
        return taken

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """Ask it, or open its line anew, where that is due; whether there is something new to say of it."""
        news = self._line.is_open != self._was_open
        if self._spoke:
            news |= self.said_ms is None or bool(self._silent)
            self.said_ms, self._spoke = utc_ms, False
            self._since_ms, self._wait_ms, self._silent = now_ms, SILENT_MS, ""
            self._damaged = self._line.damaged
        elif self._line.is_open and not self._was_open:
            self._since_ms = now_ms
        self._was_open = self._line.is_open
        if not self._was_open:
            return news
        silent_ms = now_ms - self._since_ms
        if silent_ms >= ASK_AFTER_MS and now_ms >= self._ask_ms:
            self._ask_ms = now_ms + ASK_AFTER_MS
            self._line.send(HELLO, b"")
        if silent_ms >= self._wait_ms and (self._answers or self.said_ms is None):
            before, self._silent = self._silent, self._silence()
            news |= before != self._silent
            self._wait_ms = min(2 * self._wait_ms, REOPEN_MOST_MS)
            self._line.reopen()
            self._was_open = False
        return news

    def _silence(self) -> str:
        if self._line.damaged > self._damaged:
            return f"{self.name}: brings only noise; is its speed (baud) the modem's, and is a modem there?"
        if self._answers:
            return (
                f"{self.name}: is open, and the modem no longer answers: it is opened anew; if that goes on, unplug it"
            )
        return f"{self.name}: is open, and nobody answers there: is it the modem, with its firmware?"

    @property
    def trouble(self) -> str:
        if self._silent:
            return self._silent
        if not self._line.is_open:
            return self._line.last_error
        sf = self.answer.get("sf")
        if sf is not None and self._sf is not None and sf != self._sf:
            return f"{self.name}: the modem is at SF{sf}, these settings say {self._sf}: change one of the two"
        return ""

    def state(self) -> State:
        return {"serial": self.name, "said_ms": self.said_ms, "trouble": self.trouble, **self.counts, **self.answer}


class ModemState:
    """The file at `path` with the state of all modems. What the disk refuses is written later."""

    def __init__(self, modems: Sequence[ModemLine], path: Path) -> None:
        self._modems = modems
        self._path = path
        self._write_ms = 0

    def step(self, now_ms: int, utc_ms: int) -> None:
        """See to each modem; write down what is so, now and then, and at once when one comes, goes, or speaks first."""
        news = [modem.step(now_ms, utc_ms) for modem in self._modems]
        if not any(news) and now_ms < self._write_ms:
            return
        self._write_ms = now_ms + WRITE_EVERY_MS
        own = [modem.state() for modem in self._modems]
        state: State = {"written_ms": utc_ms, "said_ms": max((s["said_ms"] or 0 for s in own), default=0) or None}
        state["trouble"] = "; ".join(filter(None, (s["trouble"] for s in own)))
        state |= {name: sum(s[name] for s in own) for name in COUNTS}
        if len(own) > 1:
            state["modems"] = own
        try:
            write_atomically(self._path, json.dumps(state, sort_keys=True).encode())
        except OSError:
            return


def read_modem(folder: Path) -> State | None:
    """The modem's state as the gateway wrote it last; None before that, or where the file is damaged."""
    try:
        with (folder / FILE).open("rb") as file:
            state = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    whole = _is_state(state) and type(state.get("written_ms")) is int
    return state if whole and all(map(_is_state, _modems(state))) else None


def _modems(state: State) -> list[Any]:
    """Each modem's own state, where there are several."""
    modems = state.get("modems", [])
    return modems if isinstance(modems, list) else [None]


def _is_state(state: object) -> bool:
    if not isinstance(state, dict) or not all(type(state.get(name)) is int for name in COUNTS):
        return False
    said_ms = state.get("said_ms")
    return isinstance(state.get("trouble"), str) and (said_ms is None or type(said_ms) is int)


def modem_words(state: State | None, zone: ZoneInfo) -> str:
    """One line for a person."""
    if state is None:
        return "not known yet: no gateway has run on this folder"
    written = moment(state["written_ms"], zone)
    as_of = f" (since its gateway started; as of {written['there']})" if written else ""
    several = _modems(state)
    said = [f"{each.get('serial')}: {_line_words(each, zone)}" for each in several] or [_line_words(state, zone)]
    return "; ".join(said) + as_of


def _line_words(state: State, zone: ZoneInfo) -> str:
    said = moment(state["said_ms"], zone)
    last = f"last word {said['there']} {said['zone']}" if said else "no word from it yet"
    return ", ".join(filter(None, (state["trouble"], last, count_words(state))))


def count_words(state: State) -> str:
    """What it heard and sent; an answer that is just going out is not sent yet."""
    return f"{state['heard']} frames heard, {min(state['sent'], state['given'])} of {state['given']} answers sent"
