"""A board's raw REPL over its serial port: code in, what it printed out; comes back after a reset or a deep sleep."""

import time

import serial

ENTERED = b"raw REPL; CTRL-B to exit\r\n>"
BAUD = 115200
ANSWER_WITHIN_S = 5.0
BACK_WITHIN_S = 20.0  # USB goes away with a deep sleep, and the host takes seconds to see it again


class BoardError(AssertionError):
    """The board printed a traceback, or nothing at all; the message is what came."""


class Repl:
    """One board. Opens the port at once, and again after `gone()`."""

    def __init__(self, port: str, back_within_s: float = BACK_WITHIN_S) -> None:
        self.port = port
        self._line: serial.Serial | None = None
        self._enter(back_within_s)

    def run(self, code: str, within_s: float = ANSWER_WITHIN_S) -> str:
        """What `code` printed.  Raises: BoardError with its traceback, or when it does not end in time."""
        self.start(code)
        return self.result(within_s)

    def start(self, code: str) -> None:
        """Begin running `code`; `result()` waits for its end."""
        assert self._line is not None
        self._line.write(code.encode() + b"\x04")
        found = self._until(b"OK", ANSWER_WITHIN_S)
        if not found.endswith(b"OK"):
            raise BoardError(f"{self.port}: did not take the code: {found!r}")

    def result(self, within_s: float = ANSWER_WITHIN_S) -> str:
        out = self._until(b"\x04", within_s)
        error = self._until(b"\x04>", ANSWER_WITHIN_S)
        if not out.endswith(b"\x04") or error != b"\x04>":
            raise BoardError(f"{self.port}: {(out + error).decode(errors='replace')}")
        return out[:-1].decode().strip()

    def gone(self, after_s: float = 0.0, within_s: float = BACK_WITHIN_S) -> None:
        """The board resets or sleeps now, for `after_s`: the same port again, and its raw REPL."""
        self.close()
        time.sleep(after_s)
        self._enter(within_s)

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None

    def _enter(self, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while True:
            try:
                self._line = serial.Serial(self.port, BAUD, timeout=0.1)
                self._line.write(b"\r\x03\x03\x01")
                found = self._until(ENTERED, 2.0)
            except (OSError, serial.SerialException) as error:
                found = str(error).encode()
            if found.endswith(ENTERED):
                return
            self.close()
            if time.monotonic() > deadline:
                raise BoardError(f"{self.port}: no MicroPython answers: {found[-200:]!r}")
            time.sleep(0.2)

    def _until(self, end: bytes, within_s: float) -> bytes:
        assert self._line is not None
        deadline = time.monotonic() + within_s
        found = b""
        while not found.endswith(end) and time.monotonic() < deadline:
            found += self._line.read(1)
        return found
