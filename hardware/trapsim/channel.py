"""The radio channel as a process: `Air` behind loopback datagrams, on a clock that `--speed` makes run faster."""

import random
import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapsim.datagrams import BUSY, CONFIGURE, CONFIGURE_FORMAT, FRAME, TRANSMIT
from trapsim.places import Places, Tuning

FORGET_NODE_MS = 20000
STATS_EVERY_S = 0.5


class Stats(msgspec.Struct, kw_only=True):
    """What has been on the air since the first start, over restarts of this process."""

    frames: int = 0
    airtime_ms: int = 0
    collisions: int = 0
    lost: int = 0


def read_stats(path: Path) -> Stats:
    """The last written figures; zeros when there are none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Stats)
    except (OSError, msgspec.DecodeError):
        return Stats()


def open_socket(port: int) -> socket.socket:
    """A non-blocking datagram socket on loopback.  Raises: SetupError."""
    # Not SO_REUSEADDR: with datagrams it would let two channels have the same port, and each half of the frames.
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError as error:
        sock.close()
        raise SetupError(f"--port {port}: cannot be used: {error.strerror}; name another") from error
    sock.setblocking(False)
    return sock


def receive(sock: socket.socket) -> tuple[bytes, tuple[str, int]] | None:
    """The next datagram with its sender, or None."""
    try:
        data, sender = sock.recvfrom(2048)
    except (BlockingIOError, ConnectionRefusedError):
        return None  # a refused one: a node was restarted and its old port is closed
    return data, sender


def pack_frame(rssi_dbm: int, snr_quarters: int, frame: bytes) -> bytes:
    return FRAME + struct.pack(">hb", rssi_dbm, snr_quarters) + frame


class Channel:
    """Joins the nodes' datagrams with the air.

    sock: on loopback; speed: ms of the air for one ms of the wall.
    """

    def __init__(self, sock: socket.socket, air: Places, speed: float, signal: Callable[[], tuple[int, int]]):
        self._sock = sock
        self._air = air
        self._speed = speed
        self._signal = signal
        self._ids: dict[tuple[str, int], int] = {}
        self._seen: dict[int, int] = {}
        self._next_id = 0

    def step(self, now: int) -> int | None:
        """Take what has come, hand out what has ended; when to call again, in ms of the air."""
        while (message := receive(self._sock)) is not None:
            data, sender = message
            node = self._node(sender, now)
            if data[:1] == TRANSMIT and 1 < len(data) <= 256:
                end = self._air.transmit(node, data[1:], now)
                self._tell_all(node, BUSY + struct.pack(">I", end - now))
            elif data[:1] == CONFIGURE and len(data) == 1 + struct.calcsize(CONFIGURE_FORMAT):
                sf, khz, preamble = struct.unpack(CONFIGURE_FORMAT, data[1:])
                self._air.tune(node, Tuning(sf, khz, preamble), now)
                if self._air.busy(node, now):
                    self._send(BUSY + struct.pack(">I", self._air.busy_ms(node, now)), sender)
        addresses = {node: address for address, node in self._ids.items()}
        for receiver, frame in self._air.advance(now):
            if receiver in addresses:
                self._send(pack_frame(*self._signal(), frame), addresses[receiver])
        self._forget(now)
        return self._air.deadline()

    def _node(self, sender: tuple[str, int], now: int) -> int:
        if sender not in self._ids:
            self._ids[sender] = self._next_id
            self._next_id += 1
        node = self._ids[sender]
        self._seen[node] = now
        self._air.nodes.add(node)
        return node

    def _forget(self, now: int) -> None:
        # A node that was restarted comes back from another port: its old one must not count as a receiver.
        limit = FORGET_NODE_MS * max(self._speed, 1)
        for address, node in list(self._ids.items()):
            if now - self._seen[node] > limit:
                del self._ids[address], self._seen[node]
                self._air.nodes.discard(node)

    def _tell_all(self, sender: int, data: bytes) -> None:
        for address, node in self._ids.items():
            if self._air.tuned_alike(node, sender):
                self._send(data, address)

    def _send(self, data: bytes, address: tuple[str, int]) -> None:
        try:
            self._sock.sendto(data, address)
        except OSError:
            return  # the node has gone: a frame nobody hears


def run_channel(
    *, port: int, sf: int, loss: float, speed: float, seed: int, stats: Path, running: Callable[[], bool]
) -> int:
    """Run until `running` says no; the figures are kept in the file `stats`."""
    rng = random.Random(seed)  # noqa: S311 - a simulation, repeatable by its seed
    before = read_stats(stats)
    with open_socket(port) as sock:
        air = Places(sf, loss, rng.random)
        channel = Channel(sock, air, speed, lambda: (rng.randint(-112, -84), rng.randint(-20, 36)))
        started = time.monotonic()
        next_stats = 0.0
        while running():
            now = int((time.monotonic() - started) * 1000 * speed)
            deadline = channel.step(now)
            wait_s = 0.1 if deadline is None else max(0.0, min(0.1, (deadline - now) / 1000 / speed))
            if time.monotonic() >= next_stats:
                next_stats = time.monotonic() + STATS_EVERY_S
                figures = Stats(
                    frames=before.frames + air.frames,
                    airtime_ms=before.airtime_ms + air.airtime_ms,
                    collisions=before.collisions + air.collisions,
                    lost=before.lost + air.lost,
                )
                with suppress(OSError):  # a full disk: the air does not stop for its figures
                    write_atomically(stats, msgspec.json.encode(figures))
            select.select([sock], [], [], wait_s)
    return 0
