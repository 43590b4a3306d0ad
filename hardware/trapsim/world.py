"""The whole path in one process and in virtual time: every real part, on simulated hardware, any of which may die.

Real are the outbox, the uplink, the firmware, the link, gateway, ingest, store, batches, upload, receipts and the
back end's core, each on its own folder. Simulated are the air, the serial lines (bytes in memory), the broker, the
clock, and the detector, which sees what a picture's first pixel says. A process that dies is built again, from its
folder alone, after `RESTART_MS`.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trapkit.aes import Aes
from trapsim.crash import Died, Fuse
from trapsim.memorybus import MemoryBroker
from trapsim.places import Places, Tuning
from trapsim.plainboard import PlainBoard
from trapwire.serialline import SerialDecoder, encode_message

RESTART_MS = 500
MAX_JUMP_MS = 250  # the trap and the base have timers that the world does not know


class Wire:
    """A serial line in memory. What comes while its reader is dead is lost, as on a UART."""

    def __init__(self) -> None:
        self._bytes = {"left": b"", "right": b""}
        self.listening = {"left": False, "right": False}

    def write(self, side: str, data: bytes) -> None:
        other = "right" if side == "left" else "left"
        if self.listening[other]:
            self._bytes[other] += data

    def read(self, side: str) -> bytes:
        data, self._bytes[side] = self._bytes[side], b""
        return data

    def hang_up(self, side: str) -> None:
        self.listening[side] = False
        self._bytes[side] = b""


class LinuxPort:
    """The left end of a wire, with the interface of `trapkit.serialport.SerialPort`."""

    is_open = True
    last_error = ""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._decoder = SerialDecoder()
        wire.listening["left"] = True

    def read(self) -> list[tuple[int, bytes]]:
        return self._decoder.feed(self._wire.read("left"))

    def send(self, kind: int, payload: bytes) -> bool:
        self._wire.write("left", encode_message(kind, payload))
        return True


class _Packet(bytes):
    rssi = -97
    snr = 22


class WorldRadio:
    """The LoRa driver's calls, straight onto the air."""

    def __init__(self, air: Places, node: int, clock: Callable[[], int]) -> None:
        self._air = air
        self._node = node
        self._clock = clock
        self._frame = b""
        self._until: int | None = None
        self._sf = air.sf  # at another one a radio neither hears this air nor is heard on it
        self.heard: list[bytes] = []
        air.nodes.add(node)

    def standby(self) -> None:
        """It stops for `configure`."""

    def configure(self, lora_cfg: dict[str, int]) -> None:
        """As micropython-lib's drivers have it; what the firmware tunes."""
        self._air.tune(self._node, Tuning.of(lora_cfg, self._air.sf), self._clock())

    def prepare_send(self, packet: bytes) -> None:
        self._frame = bytes(packet)

    def start_send(self) -> None:
        self._until = self._air.transmit(self._node, self._frame, self._clock())

    def poll_send(self) -> bool | int:
        if self._until is None or self._clock() < self._until:
            return self._until is not None
        ended, self._until = self._until, None
        return ended

    def start_recv(self, *, continuous: bool = False) -> None:
        """It always listens."""

    def poll_recv(self) -> _Packet | bool:
        return _Packet(self.heard.pop(0)) if self.heard else True

    def channel_busy(self) -> bool:
        return self._air.busy(self._node, self._clock())


class WorldBoard(PlainBoard):
    """A board for `trapmcu` in virtual time; the right end of a wire. `pir_ms`: times of PIR edges still to come."""

    def __init__(self, world: "World", node: int, wire: Wire, flash: Path, pir_ms: list[int]) -> None:
        flash.mkdir(parents=True, exist_ok=True)
        self.flash = str(flash)
        self._world = world
        self._wire = wire
        self._pir_ms = pir_ms
        self._random = random.Random(world.seed * 1000 + node + world.now)  # noqa: S311 - back-off, repeatable
        self.radio = WorldRadio(world.air, node, self.now_ms)
        wire.listening["right"] = True

    def now_ms(self) -> int:
        return self._world.now

    def random(self, below: int) -> int:
        return self._random.randrange(below) if below > 0 else 0

    def uart_read(self) -> bytes:
        return self._wire.read("right")

    def uart_write(self, data: bytes) -> None:
        self._wire.write("right", data)

    def aes(self, key: bytes) -> Aes:
        return Aes(key)

    def pir_edges(self) -> int:
        due = [t for t in self._pir_ms if t <= self._world.now]
        del self._pir_ms[: len(due)]
        return len(due)


@dataclass(kw_only=True)
class Process:
    """One program: how to build it from its folder, what it does in a step, what its death leaves undone.

    `build` gives the step, which returns when it wants to be called again (ms) or None; `died` is told of a death.
    """

    name: str
    build: Callable[[], Callable[[int], int | None]]
    died: Callable[[], None]
    step: Callable[[int], int | None] | None = None
    start_at: int = 0
    deaths: int = 0


class World:
    """Processes on one clock. `fuse`: which durable calls kill whoever makes them."""

    def __init__(self, *, seed: int, loss: float, sf: int, fuse: Fuse) -> None:
        self.seed = seed
        self.now = 1000
        self.air = Places(sf, loss, random.Random(seed).random)  # noqa: S311 - loss, repeatable
        self.broker = MemoryBroker()
        self.radios: dict[int, WorldRadio] = {}
        self.processes: list[Process] = []
        self._fuse = fuse

    def add(self, process: Process) -> None:
        self.processes.append(process)

    def kill(self, process: Process) -> None:
        """End a process between two steps."""
        process.step = None
        process.deaths += 1
        process.start_at = self.now + RESTART_MS
        process.died()

    def run(self, finished: Callable[[], bool], limit_ms: int) -> bool:
        """Let time pass until `finished()` or the limit; which of the two."""
        end = self.now + limit_ms
        while self.now < end:
            if self._round() is False and finished():
                return True
        return False

    def _round(self) -> bool:
        """Step everything at this moment, then move time to the next one; whether anything died."""
        for node, frame in self.air.advance(self.now):
            if node in self.radios:
                self.radios[node].heard.append(frame)
        deaths = 0
        wanted = [self.now + MAX_JUMP_MS]
        for process in self.processes:
            deadline, died = self._step(process)
            deaths += died
            if deadline is not None:
                wanted.append(deadline)
        air = self.air.deadline()
        if air is not None:
            wanted.append(air)
        self.now = max(self.now + 5, min(wanted))
        return deaths > 0

    def _step(self, process: Process) -> tuple[int | None, bool]:
        self._fuse.armed = True
        try:
            if process.step is None:
                if self.now < process.start_at:
                    return process.start_at, False
                process.step = process.build()
            return process.step(self.now), False
        except Died:
            self._fuse.armed = False
            self.kill(process)
            return process.start_at, True
        finally:
            self._fuse.armed = False

    def attach(self, node: int, board: Any) -> None:
        """The node's antenna; an earlier one falls silent with its board."""
        self.radios[node] = board.radio
