"""The other side of every interface of the trap: a scripted detector, a supervisor on a pty, keys, pictures."""

import fcntl
import os
import select
import struct
import termios
import time
import tty
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyrage
from nacl.public import PrivateKey
from nacl.signing import SigningKey
from PIL import Image as Pictures

from trapcam.frames import Image
from trapcam.seal import Sealer
from trapkit.serialport import SerialPort
from trapwire import serialline as kinds
from trapwire.objects import RECEIPT, Envelope, ObjectKey, decode_envelope, pack_keys, unpack_keys
from trapwire.receipt import Receipt, statement

NOW = 1_800_000_000_000  # 2027-01-15
BASE = PrivateKey(bytes(range(32)))
BACKEND = SigningKey(bytes(range(32, 64)))
REVIEWER = pyrage.x25519.Identity.generate()


def sealer() -> Sealer:
    return Sealer(bytes(BASE.public_key), [REVIEWER.to_public()])


@dataclass(frozen=True, kw_only=True)
class FakeDetection:
    category: str = "feline"
    confidence: float = 0.9
    bbox: tuple[float, float, float, float] = (0.25, 0.25, 0.5, 0.5)
    likely: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class FakeDescription:
    name: str = "scripted"
    version: str = "1"
    sha256: str = "00" * 32
    thresholds: Mapping[str, float] = field(
        default_factory=lambda: {"feline": 0.5, "other_animal": 0.5, "person": 0.4, "vehicle": 0.4}
    )


class ColourJudge:
    """Sees what a picture's first pixel says: red a feline, blue a person, green another animal, else nothing."""

    description = FakeDescription()

    def detect(self, image: Image, moved: object = None) -> Sequence[FakeDetection]:
        red, green, blue = (int(v) for v in image[0, 0])
        if red > 200 and green < 60:
            return [FakeDetection()]
        if blue > 200 and red < 60:
            return [FakeDetection(category="person", confidence=0.7)]
        if green > 200 and red < 60:
            return [FakeDetection(category="other_animal")]
        return []


CAT, PERSON, DEER, NOTHING = (255, 0, 0), (0, 0, 255), (0, 255, 0), (128, 128, 128)


def write_picture(path: Path, corner: tuple[int, int, int], seed: int = 0, size: tuple[int, int] = (64, 48)) -> None:
    """A small PNG of noise whose first pixel tells `ColourJudge` what it shows."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    pixels[0, 0] = corner
    Pictures.fromarray(pixels).save(path, "PNG")


def receipt_for(
    trap: int,
    epoch: int,
    objects: list[tuple[int, int, bytes]],
    number: int = 1,
    key: SigningKey = BACKEND,
    *,
    whole: bool = False,
) -> Envelope:
    """A receipt for (number, rung, SHA-256) as the back end signs it, in the envelope the radio brings."""
    signature = key.sign(statement(trap, epoch, objects)).signature
    receipt = Receipt(epoch, [(n, r) for n, r, _ in objects], signature, [d for *_, d in objects] if whole else None)
    return Envelope(ObjectKey(trap, epoch, number, RECEIPT), receipt.encode())


class CountingPort(SerialPort):
    """The real port; it counts what it has written, so that the other end knows what to wait for."""

    written = 0

    def send(self, kind: int, payload: bytes) -> bool:
        sent = super().send(kind, payload)
        if sent:
            self.written += len(kinds.encode_message(kind, payload))
        return sent


def _waiting(fd: int) -> int:
    """Bytes that can be read from a terminal now."""
    return int(struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0])


class PtySupervisor:
    """The supervisor's end of a real pty: answers as the firmware does, or as a test tells it to.

    chunk: bytes written at once; `mute` swallows everything; `full` answers FULL_QUEUE to PUT.
    The kernel moves a pty's bytes in its own time: `step` waits for those that were written, so that a turn of both
    ends is a turn on any machine.
    """

    def __init__(self, link: Path, chunk: int = 2048) -> None:
        self.link = link
        self.chunk = chunk
        self.port = CountingPort(str(link))
        self.mute = self.full = False
        self.queue: dict[ObjectKey, Envelope] = {}
        self.delivered: set[ObjectKey] = set()
        self.down: dict[ObjectKey, bytes] = {}
        self.heard: list[tuple[int, bytes]] = []
        self._out = b""
        self.connect()

    def connect(self) -> None:
        """A new pty behind the same link, as after a reset of the adapter."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(slave))
        self._slave = slave  # held open: bytes written while nobody listens wait, as in a UART's buffer
        self._decoder = kinds.SerialDecoder()
        self._read = self.port.written

    def disconnect(self) -> None:
        os.close(self._slave)
        os.close(self._master)
        self.link.unlink()
        self._master = -1

    def close(self) -> None:
        if self._master >= 0:
            self.disconnect()

    def say(self, kind: int, payload: bytes = b"") -> None:
        self.raw(kinds.encode_message(kind, payload))

    def raw(self, data: bytes) -> None:
        self._out += data

    def step(self) -> None:
        """Answer what has come and write one chunk of what is to be said."""
        data = b""
        while self._read < self.port.written:
            assert select.select([self._master], [], [], 10)[0], "the pty lost bytes"
            part = os.read(self._master, 65536)
            self._read += len(part)
            data += part
        self._hear(data)
        unread = _waiting(self._slave)
        if self._out and unread < 2048:  # a terminal holds 4096
            sent = os.write(self._master, self._out[: self.chunk])
            self._out = self._out[sent:]
            began = time.monotonic()
            while _waiting(self._slave) < unread + sent:
                assert time.monotonic() - began < 10, "the pty lost bytes"

    def step_live(self, wait_s: float) -> None:
        """One turn against another process, which runs in its own time."""
        data = os.read(self._master, 65536) if select.select([self._master], [], [], wait_s)[0] else b""
        self._hear(data)
        self._out = self._out[os.write(self._master, self._out) :] if self._out else b""

    def _hear(self, data: bytes) -> None:
        for kind, payload in self._decoder.feed(data):
            self.heard.append((kind, payload))
            if not self.mute:
                self._answer(kind, payload)

    def _answer(self, kind: int, payload: bytes) -> None:
        if kind == kinds.HELLO:
            self.say(kinds.HELLO)
            for envelope in self.down.values():
                self.say(kinds.DOWN, envelope)
        elif kind == kinds.RECEIPT_TAKEN:
            self.down = {k: e for k, e in self.down.items() if k not in unpack_keys(payload)}
        elif kind == kinds.PUT:
            envelope = decode_envelope(payload[1:])
            key = pack_keys([envelope.key])
            if envelope.key in self.delivered:
                self.say(kinds.DELIVERED, key)
            elif self.full:
                self.say(kinds.FULL_QUEUE, key)
            else:
                self.queue[envelope.key] = envelope
                self.say(kinds.STORED, key)

    def deliver_all(self) -> None:
        """The base has committed everything in the queue."""
        for key in list(self.queue):
            del self.queue[key]
            self.delivered.add(key)
            self.say(kinds.DELIVERED, pack_keys([key]))

    def bring(self, envelope: Envelope) -> None:
        """Something from the base for the Pi, repeated at HELLO until taken."""
        self.down[envelope.key] = envelope.encode()
        self.say(kinds.DOWN, envelope.encode())
