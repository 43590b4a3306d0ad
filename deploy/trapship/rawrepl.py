"""MicroPython's raw REPL, spoken by ourselves: every wait has an end, and every answer a checksum.

mpremote's transport waits without end for a board that has gone, prints on stdout and calls its interface unstable;
its package installer is what `bundle` uses. What is sent here is made to be said again: a request that came through
damaged, or whose answer did, is repeated, so the board's functions (`board_side.py`) bear a second time.
Protocol: MicroPython's reference manual, "The MicroPython Interactive Interpreter Mode", raw mode.
"""

import ast
import binascii
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

# Ctrl-C. To a modem this byte is data; sixteen in a row, its board file may know, are no message of the line.
INTERRUPT = b"\r" + b"\x03" * 16
ENTER_TRIES = 2
CALL_TRIES = 4
ANSWER_S = 15.0  # littlefs may erase for seconds when its blocks are worn; a chip that says nothing for longer is gone
ENTER_S = 0.5
QUIET_S = 0.15
MAX_ANSWER_BYTES = 65536  # garbage without an end is no answer
BURST_BYTES = 256  # what a board's input surely takes before it looks: mpremote's figure
BURST_PAUSE_S = 0.01
NOTHING = "no answer"
BANNER = b"raw REPL; CTRL-B to exit\r\n>"
BOARD_SIDE = Path(__file__).with_name("board_side.py")


class Line(Protocol):
    """The bytes' way to the board (`trapkit.serialport.ByteLine`)."""

    def read(self, timeout_s: float) -> bytes: ...
    def write(self, data: bytes) -> None: ...


class NoAnswer(ConnectionError):  # noqa: N818 - what happened, not a fault of this program
    """The board says nothing, or nothing that is a raw REPL's."""


class BoardRefused(Exception):  # noqa: N818
    """The board's own exception, in its words. `kind`: the exception's name; `number`: an OSError's, else 0."""

    def __init__(self, kind: str, words: str, number: int = 0) -> None:
        super().__init__(f"{kind}: {words}")
        self.kind, self.words, self.number = kind, words, number


class RawRepl:
    """A board at its raw REPL over `line`; `pause(seconds)` lets it breathe between bursts."""

    def __init__(self, line: Line, pause: Callable[[float], None] = time.sleep) -> None:
        self._line = line
        self._pause = pause
        self._ready = False
        self._kept = b""  # what came behind the last answer's end

    def enter(self) -> None:
        """Interrupt what runs and reach the raw REPL.  Raises: NoAnswer, ConnectionError."""
        heard = b""
        for _ in range(ENTER_TRIES):
            self._line.write(INTERRUPT)
            drained = self._drain()
            self._line.write(b"\r\x01")
            heard = self._until(BANNER, ENTER_S) or drained or heard
            if heard.endswith(BANNER):
                return
        if not heard:
            raise NoAnswer(NOTHING)
        raise NoAnswer(f"what answers is no MicroPython at its prompt; it said {heard[-60:]!r}")

    def call(self, name: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        """The answer of `board_side.name(*arguments)`, both JSON.

        Raises: BoardRefused with the board's exception; NoAnswer, ConnectionError.
        """
        request = binascii.b2a_base64(json.dumps([name, *arguments]).encode(), newline=False)
        # Space inside the brackets costs nothing; a damaged digit of either is noticed by the other.
        command = b"_r('%s',%d)" % (request, binascii.crc32(request))
        for attempt in range(CALL_TRIES):
            if attempt:
                self._ready = False
            try:
                self._prepare()
                answer = self._answer(self._exec(command, timeout_s or ANSWER_S))
            except NoAnswer:
                if attempt == CALL_TRIES - 1:
                    raise
                continue
            if answer is None:
                continue
            if answer[0] == "raised":
                raise BoardRefused(*answer[1:])
            return answer[1]
        raise NoAnswer("its answers come damaged; try another cable or socket")

    def send_last(self, name: str) -> None:
        """Call what has no answer: a reset.  Raises: NoAnswer, ConnectionError."""
        self._prepare()
        self._line.write(b"_r('%s',0)\x04" % binascii.b2a_base64(json.dumps([name]).encode(), newline=False))
        self._until(b"OK", 1.0)
        self._ready = False

    def listen(self, until: Callable[[bytes], bool], timeout_s: float) -> bytes:
        """What the board says by itself, until it is enough or the time is over."""
        heard = b""
        deadline = time.monotonic() + timeout_s
        while not until(heard) and (left := deadline - time.monotonic()) > 0:
            heard = (heard + self._line.read(min(left, 0.2)))[-MAX_ANSWER_BYTES:]
        return heard

    def _prepare(self) -> None:
        """The board's side of this program, once in its memory."""
        if self._ready:
            return
        self.enter()
        # In pieces: a board whose heap is in splinters finds no room for all of it at once.
        for piece in BOARD_SIDE.read_text("utf-8").split("\n# ---\n"):
            _, trouble = self._exec(_squeezed(piece).encode(), ANSWER_S)
            if trouble:
                raise NoAnswer(f"it did not take this program's own words: {_last_line(trouble)}")
        self._ready = True

    def _exec(self, command: bytes, timeout_s: float) -> tuple[bytes, bytes]:
        """Run `command`: what it printed, and its traceback or nothing."""
        for start in range(0, len(command), BURST_BYTES):
            self._line.write(command[start : start + BURST_BYTES])
            if start:
                self._pause(BURST_PAUSE_S)
        self._line.write(b"\x04")
        heard = self._until(b"OK", timeout_s)
        if not heard.endswith(b"OK"):
            raise NoAnswer("it took a command and did not say so")
        parts = []
        for ending in (b"\x04", b"\x04", b">"):
            parts.append(self._until(ending, timeout_s))
            if not parts[-1].endswith(ending):
                raise NoAnswer("it stopped in the middle of an answer")
        output, trouble, _ = parts
        return output[:-1], trouble[:-1]

    def _answer(self, said: tuple[bytes, bytes]) -> Any:
        """The JSON between STX and ETX with its checksum; None where it is damaged."""
        output, trouble = said
        start, end = output.rfind(b"\x02"), output.rfind(b"\x03")
        if trouble or not 0 <= start < end:
            return None
        try:
            body = output[start + 1 : end]
            return json.loads(body) if int(output[end + 1 :], 16) == binascii.crc32(body) else None
        except ValueError:
            return None

    def _until(self, ending: bytes, timeout_s: float) -> bytes:
        """Bytes up to and with `ending`, or as many as came in time. What follows `ending` is kept for the next."""
        deadline = time.monotonic() + timeout_s
        heard, self._kept = self._kept, b""
        while True:
            place = heard.find(ending)
            if place >= 0:
                self._kept = heard[place + len(ending) :]
                return heard[: place + len(ending)]
            left = deadline - time.monotonic()
            if left <= 0 or len(heard) > MAX_ANSWER_BYTES:
                return heard
            heard += self._line.read(left)

    def _drain(self) -> bytes:
        """Let what is under way arrive; its end."""
        heard, self._kept = self._kept, b""
        for _ in range(20):
            came = self._line.read(QUIET_S)
            if not came:
                break
            heard = (heard + came)[-MAX_ANSWER_BYTES:]
        return heard


def _squeezed(source: str) -> str:
    """Without comments and docstrings: they would only use the line's time and the board's heap."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef):
            node.body = [part for part in node.body if not _is_text(part)]
    return ast.unparse(tree)


def _is_text(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)


def _last_line(trouble: bytes) -> str:
    lines = trouble.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "nothing"
