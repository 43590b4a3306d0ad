"""A simulated board for `trapmcu` on a host: serial line, flash folder, PIR, radio on the simulated channel.

Written in the subset that MicroPython runs: the demo's units are MicroPython processes where there is one.
"""

import os
import select
import socket
import struct
import time

from trapsim.datagrams import BUSY, CONFIGURE, CONFIGURE_FORMAT, FRAME, JOIN, JOIN_EVERY_MS, TRANSMIT
from trapsim.plainboard import PlainBoard
from trapsim.walker.hand import HELD_MS, Hand
from trapwire.airtime import PREAMBLE_SYMBOLS, airtime_us

try:
    from trapmcu.aes import Aes
except ImportError:  # a host's CPython has no cryptolib, and a host's MicroPython nothing else
    from trapkit.aes import Aes  # type: ignore[assignment]

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Any

EAGAIN = 11
ECONNREFUSED = 111  # a peer was restarted and its old port is closed
WRITE_WAIT_MS = 200
HAND_US = 50000  # so often it is asked what somebody does at the unit
CELL_MV = 4050  # two Li-ion cells in their first weeks, and a mild winter day
POWER, SLEEP = 0, 1  # why the unit started
PIR = 2  # what woke it


class Slept(Exception):  # noqa: N818 - it says what happened
    """The unit has slept and wakes: it starts anew, its heap is gone."""


def monotonic_us() -> int:
    """Microseconds that never go back; MicroPython's ticks wrap only on boards, not on a host."""
    if hasattr(time, "ticks_us"):
        return int(time.ticks_us())
    return time.monotonic_ns() // 1000


class Packet:
    """A received frame with its signal, as the driver's `RxPacket` has it: `rssi` dBm, `snr` quarter dB."""

    def __init__(self, data: bytes, rssi: int, snr: int) -> None:
        self._data = data
        self.rssi = rssi
        self.snr = snr

    def __bytes__(self) -> bytes:
        return self._data

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> "Any":
        return iter(self._data)


class SimRadio:
    """The calls of micropython-lib's LoRa modem that the firmware uses, over datagrams to the channel.

    `poll_send` is True while sending, a time once when it has ended, then False; `poll_recv` a packet, or True
    while it listens. `channel_busy` stands for the channel-activity detection of the board's own subclass.
    """

    def __init__(self, channel_port: int, sf: int, clock: "Callable[[], int]") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(socket.getaddrinfo("127.0.0.1", 0)[0][-1])
        self.socket.setblocking(False)
        self._channel = socket.getaddrinfo("127.0.0.1", channel_port)[0][-1]
        self._sf = sf
        self._preamble = PREAMBLE_SYMBOLS
        self._clock = clock
        self._frame = b""
        self._sends_until: int | None = None
        self._busy_until = 0
        self._join_at = 0
        self._heard: list[Packet] = []

    def standby(self) -> None:
        """It stops for `configure`."""

    def configure(self, lora_cfg: "dict[str, int]") -> None:
        """`sf`, `freq_khz`, `preamble_len`; what was being heard is lost."""
        self._sf = lora_cfg.get("sf", self._sf)
        self._preamble = lora_cfg.get("preamble_len", PREAMBLE_SYMBOLS)
        self._tell(CONFIGURE + struct.pack(CONFIGURE_FORMAT, self._sf, lora_cfg.get("freq_khz", 0), self._preamble))
        self._busy_until = 0

    def prepare_send(self, packet: bytes) -> None:
        self._frame = bytes(packet)

    def start_send(self) -> None:
        self._sends_until = (
            self._clock() + (airtime_us(len(self._frame), self._sf, preamble=self._preamble) + 999) // 1000
        )
        self._tell(TRANSMIT + self._frame)

    def poll_send(self) -> "bool | int":
        if self._sends_until is None:
            return False
        if self._clock() < self._sends_until:
            return True
        ended, self._sends_until = self._sends_until, None
        return ended

    def start_recv(self, continuous: bool = False) -> None:
        self._join()

    def poll_recv(self) -> "Packet | bool":
        self._pump()
        return self._heard.pop(0) if self._heard else True

    def channel_busy(self) -> bool:
        self._pump()
        return self._clock() < self._busy_until

    def sending_until(self) -> "int | None":
        return self._sends_until

    def _pump(self) -> None:
        if self._clock() >= self._join_at:
            self._join()
        while True:
            try:
                data = self.socket.recvfrom(2048)[0]
            except OSError as error:
                if error.errno not in (EAGAIN, ECONNREFUSED):
                    raise
                return
            if data[:1] == BUSY and len(data) == 5:
                self._busy_until = self._clock() + struct.unpack(">I", data[1:])[0]
            elif data[:1] == FRAME and len(data) > 4:
                rssi, snr = struct.unpack(">hb", data[1:4])
                self._heard.append(Packet(bytes(data[4:]), rssi, snr))

    def _join(self) -> None:
        self._join_at = self._clock() + JOIN_EVERY_MS
        self._tell(JOIN)

    def _tell(self, data: bytes) -> None:
        try:
            self.socket.sendto(data, self._channel)
        except OSError:
            return  # the channel is being restarted: nobody hears it


class SerialEnd:
    """One end of a pty, without waiting; unbuffered, so that a poll tells the truth."""

    def __init__(self, path: str) -> None:
        self.file = open(path, "r+b", 0)  # noqa: SIM115 - as long as the unit runs
        self._reading = select.poll()
        self._reading.register(self.file, select.POLLIN)
        self._writing = select.poll()
        self._writing.register(self.file, select.POLLOUT)

    def read(self) -> bytes:
        """What has come; byte by byte, as MicroPython's `read(n)` waits for all n."""
        data = bytearray()
        while self._reading.poll(0) and len(data) < 4096:
            data += self.file.read(1)
        return bytes(data)

    def write(self, data: bytes) -> None:
        # A UART has no back-pressure: what the other side does not take is lost, and said again by the protocol.
        for start in range(0, len(data), 256):
            if not self._writing.poll(WRITE_WAIT_MS):
                return
            self.file.write(data[start : start + 256])


class SimBoard(PlainBoard):
    """What `trapmcu` asks of a board (device/trapmcu/README.md).

    serial: path of the line; flash: folder; pir_ms: wall ms between simulated PIR edges, none with 0; speed: ms of
    the board's clock for one ms of the wall; running: whether to go on.
    """

    def __init__(
        self,
        serial: str,
        flash: str,
        channel_port: int,
        sf: int,
        speed: float,
        seed: int,
        pir_ms: int,
        running: "Callable[[], bool]",
    ) -> None:
        self.flash = flash
        self._beside = flash[: flash.rfind("/")]  # where the demo finds its Pi's switch
        self._memory = b""
        self._cause = POWER
        self._woke = 0
        self._edges = 0
        self._on: "bool | None" = None
        self.running = running
        self._speed = speed
        self._seed = seed
        self._state = seed * 2654435761 + 1 & 0xFFFFFFFF or 1
        self._line = SerialEnd(serial)
        self._pir_us = pir_ms * 1000
        self._pir_at = monotonic_us() + self._pir_us
        self._hand = Hand(self._beside)
        self._hand_at = 0
        self._held, self._walked = self._hand.holds, self._hand.edges  # of these the firmware knows
        self.radio = SimRadio(channel_port, sf, self.now_ms)
        self._poll = select.poll()
        self._poll.register(self._line.file, select.POLLIN)
        self._poll.register(self.radio.socket, select.POLLIN)

    def now_ms(self) -> int:
        return int(monotonic_us() / 1000 * self._speed)

    def random(self, below: int) -> int:
        """Xorshift: repeatable by its seed on both interpreters."""
        x = self._state
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        self._state = x
        return x % below if below > 0 else 0

    def uart_read(self) -> bytes:
        return self._line.read()

    def uart_write(self, data: bytes) -> None:
        self._line.write(data)

    def clock_kept(self) -> bool:
        return True  # the host's

    def reset_cause(self) -> int:
        return self._cause

    def woke_by(self) -> int:
        return self._woke

    def retained(self) -> bytes:
        return self._memory

    def retain(self, data: bytes) -> None:
        self._memory = data

    def battery_mv(self) -> "int | None":
        return 2 * (CELL_MV - self._seed * 7 % 40)

    def temperature_c(self) -> "int | None":
        return -8 - self._seed % 5

    def pi_power(self, on: bool) -> None:
        """A file beside the flash, for whoever runs the Pi (`trapsim.processes.Switched`): when it was switched on."""
        if on != self._on:
            self._on = on
            with open(self._beside + "/pi-power", "w") as file:
                file.write(str(monotonic_us()) if on else "0")

    def pi_halted(self) -> "bool | None":
        try:
            os.stat(self._beside + "/pi-halted")
        except OSError:
            return False
        return True

    def sleep(self, ms: "int | None", wakes: int) -> None:
        """Until the time is over, or the PIR sees something.  Raises: Slept, always."""
        until = None if ms is None else self.now_ms() + ms
        while self.running() and (until is None or self.now_ms() < until):
            self.wait(1000)
            if wakes & PIR and self._moved():
                self._edges, self._woke = 1, PIR
                break
        else:
            self._woke = 1
        self._cause = SLEEP
        raise Slept

    def button(self) -> int:
        self._look_at_hand()
        new, self._held = self._hand.holds - self._held, self._hand.holds
        return HELD_MS if new > 0 else 0

    def pir_edges(self) -> int:
        edges, self._edges = self._edges, 0
        return edges + self._moved()

    def _look_at_hand(self) -> None:
        if monotonic_us() >= self._hand_at:
            self._hand_at = monotonic_us() + HAND_US
            self._hand.read()

    def _moved(self) -> int:
        self._look_at_hand()
        walked, self._walked = self._hand.edges - self._walked, self._hand.edges
        if walked > 0:
            return walked
        if self._pir_us <= 0 or monotonic_us() < self._pir_at:
            return 0
        self._pir_at = monotonic_us() + self._pir_us
        return 0 if self._hand.here else 1  # no animal comes while somebody is there

    def aes(self, key: bytes) -> "Any":
        return Aes(key)

    def wait(self, ms: int) -> None:
        """Return after `ms` of the board's clock, or when the line, the radio or the PIR has something."""
        until = self.radio.sending_until()
        if until is not None:
            ms = min(ms, until - self.now_ms())
        wait_ms = min(max(ms, 0) / self._speed, 50)
        if self._pir_us > 0:
            wait_ms = min(wait_ms, max(self._pir_at - monotonic_us(), 0) / 1000)
        self._poll.poll(int(wait_ms + 0.999))


def make_folders(path: str) -> None:
    """The folder and those above it."""
    for end in [i for i, c in enumerate(path) if c == "/" and i > 0] + [len(path)]:
        try:
            os.mkdir(path[:end])
        except OSError as error:
            if error.errno != 17:  # it is there already
                raise
