"""What can be said of the modem, from this side of its serial line: kept in a file for `trapbase status` and the page.

The modem says each frame that has left its antenna, and each that it heard. What it was given and does not send came
too late for its trap, or was over its share of the air; the trap asks again.
"""

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from trapbase.moments import moment
from trapkit.files import write_atomically
from trapkit.serialport import SerialPort
from trapwire.serialline import HEARD, SENT, TRANSMIT

FILE = "modem.json"
WRITE_EVERY_MS = 20_000
MAX_BYTES = 4096
COUNTS = ("heard", "given", "sent")
State = dict[str, Any]


class ModemLine:
    """The line to the modem, which counts what passes; `path`: where its state is written.

    A state that the disk refuses is written later: nothing depends on it.
    """

    def __init__(self, line: SerialPort, path: Path) -> None:
        self._line = line
        self._path = path
        self._counts = dict.fromkeys(COUNTS, 0)
        self._spoke = False
        self._said_ms: int | None = None
        self._was_open: bool | None = None
        self._write_ms = 0

    def read(self) -> list[tuple[int, bytes]]:
        messages = self._line.read()
        for kind, _ in messages:
            self._counts["heard"] += kind == HEARD
            self._counts["sent"] += kind == SENT
        self._spoke |= bool(messages)
        return messages

    def send(self, kind: int, payload: bytes) -> bool:
        taken = self._line.send(kind, payload)
        self._counts["given"] += taken and kind == TRANSMIT
        return taken

    def step(self, now_ms: int, utc_ms: int) -> None:
        """Write down what is so, now and then, and at once when the modem comes, goes, or speaks first."""
        first = self._spoke and self._said_ms is None
        if self._spoke:
            self._said_ms, self._spoke = utc_ms, False
        if self._line.is_open == self._was_open and not first and now_ms < self._write_ms:
            return
        self._was_open, self._write_ms = self._line.is_open, now_ms + WRITE_EVERY_MS
        trouble = "" if self._was_open else self._line.last_error
        state = {"written_ms": utc_ms, "said_ms": self._said_ms, "trouble": trouble, **self._counts}
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
    whole = isinstance(state, dict) and all(type(state.get(name)) is int for name in ("written_ms", *COUNTS))
    return state if whole and isinstance(state.get("trouble"), str) and _is_time(state.get("said_ms")) else None


def _is_time(value: object) -> bool:
    return value is None or type(value) is int


def modem_words(state: State | None, zone: ZoneInfo) -> str:
    """One line for a person."""
    if state is None:
        return "not known yet: no gateway has run on this folder"
    said, written = moment(state["said_ms"], zone), moment(state["written_ms"], zone)
    last = f"last word {said['there']} {said['zone']}" if said else "no word from it yet"
    as_of = f" (since its gateway started; as of {written['there']})" if written else ""
    return ", ".join(filter(None, (state["trouble"], last, count_words(state)))) + as_of


def count_words(state: State) -> str:
    """What it heard and sent; an answer that is just going out is not sent yet."""
    return f"{state['heard']} frames heard, {min(state['sent'], state['given'])} of {state['given']} answers sent"
