"""The one place that opens a serial port: pyserial under the wire's serial messages, and under a REPL."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import serial
from serial.tools.list_ports import comports

from trapkit.errors import SetupError
from trapkit.serialfind import USB, Adapter, Identity, find_usb, follow, identity_of, plugged_in
from trapwire.serialline import SerialDecoder, encode_message

WRITE_TIMEOUT_S = 2  # a line that takes nothing for so long has nobody at its other end
LOOK_EVERY_S = 1.0  # what is plugged in is listed from dozens of files: not at every turn of a loop


class SerialPort:
    """A line to a microcontroller that may be unplugged, renamed, or reset at any time.

    path: a device, a link to one, or `usb:…` (`trapkit.serialfind`); `adapters`: lists what is plugged in.

    `read()` and `send()` never raise for a line that is gone: they return nothing, `is_open` is false, and the
    next call tries again. What is lost that way is offered again by the layer above.
    """

    def __init__(self, path: str, *, baud: int = 115200, adapters: Callable[[], Sequence[Adapter]] = comports) -> None:
        self.path = path
        self.device = ""  # where it was found last
        self._baud = baud
        self._adapters = adapters
        self._known: Identity | None = None
        self._look_at_s = float("-inf")
        self._port: serial.Serial | None = None
        self._decoder = SerialDecoder()
        self.last_error = ""

    @property
    def is_open(self) -> bool:
        return self._port is not None

    @property
    def damaged(self) -> int:
        """Messages dropped for a bad checksum or size since the start."""
        return self._decoder.damaged

    def fileno(self) -> int | None:
        """For `select`; None while the line is gone."""
        return self._port.fileno() if self._port else None

    def open(self) -> bool:
        """Try to open the line if it is closed; whether it is open now."""
        device = self._locate() if self._port is None else ""
        if device:
            try:
                self._port = serial.Serial(device, self._baud, timeout=0, write_timeout=WRITE_TIMEOUT_S)
            except (serial.SerialException, OSError) as error:
                self.last_error = f"{self.path}: cannot be opened: {_words(error)}; is it plugged in?"
            else:
                self.device = device
                self._known = next(
                    (identity_of(a) for a in self._adapters() if a.device == device and a.vid is not None), self._known
                )
        return self._port is not None

    def _locate(self) -> str:
        """The device to open now; nothing where there is none, or it is not yet time to look again."""
        if not self.path.startswith(USB) and self._known is None:
            return os.path.realpath(self.path)
        now_s = time.monotonic()
        if now_s < self._look_at_s:
            return ""
        self._look_at_s = now_s + LOOK_EVERY_S
        adapters = self._adapters()
        if not self.path.startswith(USB):
            return follow(self.path, self._known, adapters)
        device, why = find_usb(self.path, adapters)
        self.last_error = why and f"{self.path}: {why}; is it plugged in?"
        return device

    def reopen(self) -> None:
        """Close the line; the next call opens it anew. For one that is open and silent."""
        if self._port is not None:
            self._port.close()
            self._port = None
        self._look_at_s = float("-inf")

    def read(self) -> list[tuple[int, bytes]]:
        """The messages that have arrived, without waiting."""
        if not self.open() or self._port is None:
            return []
        try:
            waiting = self._port.in_waiting
            return self._decoder.feed(self._port.read(min(waiting, 65536))) if waiting else []
        except (serial.SerialException, OSError) as error:
            self._close(error)
            return []

    def send(self, kind: int, payload: bytes) -> bool:
        """Whether the message was handed to the line."""
        if not self.open() or self._port is None:
            return False
        try:
            self._port.write(encode_message(kind, payload))
        except (serial.SerialException, OSError) as error:
            self._close(error)
            return False
        return True

    def _close(self, error: Exception) -> None:
        self.last_error = f"{self.path}: went away: {_words(error)}; it is opened again by itself"
        if self._port is not None:
            self._port.close()
            self._port = None


def why_absent(path: str, adapters: Callable[[], Sequence[Adapter]] = comports) -> str:
    """Why the line at `path` (as `SerialPort` takes it) cannot be opened now, with what is plugged in; nothing where it
    is there. Nothing is opened."""
    if path.startswith(USB):
        why = find_usb(path, adapters())[1]
        return why and f"{path}: {why}"
    if Path(path).exists():
        return ""
    return f"{path}: is not there; plugged in: {plugged_in(adapters())}"


class ByteLine:
    """A line's bytes as they are, for a microcontroller at its REPL: it is opened once and says when it is gone.

    Raises: SetupError when the port cannot be opened; ConnectionError from `read` and `write` when it goes away.
    """

    def __init__(self, path: str, *, baud: int = 115200) -> None:
        self.path = path
        try:
            # Exclusive: a gateway that reads along would take half of every answer.
            self._port = serial.Serial(
                os.path.realpath(path), baud, timeout=0, write_timeout=WRITE_TIMEOUT_S, exclusive=True
            )
        except (serial.SerialException, OSError) as error:
            raise SetupError(
                f"{path}: cannot be opened: {_words(error)}; is it plugged in, and does no other program use it?"
            ) from error

    def read(self, timeout_s: float) -> bytes:
        """What has come; waits up to `timeout_s` for the first byte. No bytes: nothing came."""
        try:
            self._port.timeout = max(0.0, timeout_s)
            first: bytes = self._port.read(1)
            return first + self._port.read(min(self._port.in_waiting, 65536)) if first else b""
        except (serial.SerialException, OSError, TypeError) as error:  # TypeError: pyserial, closed under its hands
            raise ConnectionError(f"{self.path}: went away: {_words(error)}") from error

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except (serial.SerialException, OSError, TypeError) as error:
            raise ConnectionError(f"{self.path}: went away: {_words(error)}") from error

    def close(self) -> None:
        self._port.close()


def _words(error: Exception) -> str:
    """The system's own words; pyserial wraps them in its own, number and path included."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if isinstance(number, int) else str(error)
