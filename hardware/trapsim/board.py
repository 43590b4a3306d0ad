"""A simulated board for `trapmcu` on a host: serial line, flash folder, PIR, radio on the simulated channel."""

import os
import random
import select
import struct
import time
import tty
from collections.abc import Callable
from pathlib import Path

from trapsim import datagrams
from trapwire.airtime import airtime_us


class Packet(bytes):
    """A received frame with its signal, as the driver's `RxPacket` has it: `rssi` dBm, `snr` quarter dB."""

    rssi = 0
    snr = 0


class SimRadio:
    """The calls of micropython-lib's LoRa modem that the firmware uses, over datagrams to the channel.

    `poll_send` is True while sending, a time once when it has ended, then False; `poll_recv` a packet, or True
    while it listens. `channel_busy` stands for the channel-activity detection of the board's own subclass.
    """

    def __init__(self, channel_port: int, sf: int, clock: Callable[[], int]) -> None:
        self._sock = datagrams.open_socket(0)
        self._channel = ("127.0.0.1", channel_port)
        self._sf = sf
        self._clock = clock
        self._frame = b""
        self._sends_until: int | None = None
        self._busy_until = 0
        self._join_at = 0
        self._heard: list[Packet] = []

    def fileno(self) -> int:
        return self._sock.fileno()

    def prepare_send(self, packet: bytes) -> None:
        self._frame = bytes(packet)

    def start_send(self) -> None:
        self._sends_until = self._clock() + (airtime_us(len(self._frame), self._sf) + 999) // 1000
        self._tell(datagrams.TRANSMIT + self._frame)

    def poll_send(self) -> bool | int:
        if self._sends_until is None:
            return False
        if self._clock() < self._sends_until:
            return True
        ended, self._sends_until = self._sends_until, None
        return ended

    def start_recv(self, *, continuous: bool = False) -> None:
        self._join()

    def poll_recv(self) -> "Packet | bool":
        self._pump()
        return self._heard.pop(0) if self._heard else True

    def channel_busy(self) -> bool:
        self._pump()
        return self._clock() < self._busy_until

    def sending_until(self) -> int | None:
        return self._sends_until

    def _pump(self) -> None:
        if self._clock() >= self._join_at:
            self._join()
        while (message := datagrams.receive(self._sock)) is not None:
            data = message[0]
            if data[:1] == datagrams.BUSY and len(data) == 5:
                self._busy_until = self._clock() + struct.unpack(">I", data[1:])[0]
            elif data[:1] == datagrams.FRAME and len(data) > 4:
                packet = Packet(data[4:])
                packet.rssi, packet.snr = struct.unpack(">hb", data[1:4])
                self._heard.append(packet)

    def _join(self) -> None:
        self._join_at = self._clock() + datagrams.JOIN_EVERY_MS
        self._tell(datagrams.JOIN)

    def _tell(self, data: bytes) -> None:
        try:
            self._sock.sendto(data, self._channel)
        except OSError:
            return  # the channel is being restarted: nobody hears it


class SimBoard:
    """What `trapmcu` asks of a board (device/trapmcu/README.md).

    serial: path of the line; flash: folder; pir: seconds of the wall between simulated PIR edges, none with 0;
    speed: ms of the board's clock for one ms of the wall.
    """

    def __init__(
        self,
        *,
        serial: Path,
        flash: Path,
        channel_port: int,
        sf: int,
        speed: float,
        seed: int,
        pir_every_s: float,
        running: Callable[[], bool],
    ) -> None:
        flash.mkdir(parents=True, exist_ok=True)
        self.flash = str(flash)
        self.running = running
        self._speed = speed
        self._random = random.Random(seed)  # noqa: S311 - back-off, repeatable by its seed
        self._fd = os.open(os.path.realpath(serial), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._fd)
        self._pir_every_s = pir_every_s
        self._pir_at = time.monotonic() + pir_every_s
        self.radio = SimRadio(channel_port, sf, self.now_ms)

    def now_ms(self) -> int:
        return int(time.monotonic() * 1000 * self._speed)

    def random(self, below: int) -> int:
        return self._random.randrange(below) if below > 0 else 0

    def uart_read(self) -> bytes:
        try:
            return os.read(self._fd, 65536)
        except BlockingIOError:
            return b""

    def uart_write(self, data: bytes) -> None:
        # A UART has no back-pressure: what the other side does not take is lost, and said again by the protocol.
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                if not select.select([], [self._fd], [], 0.2)[1]:
                    return

    def pir_edges(self) -> int:
        if self._pir_every_s <= 0 or time.monotonic() < self._pir_at:
            return 0
        self._pir_at = time.monotonic() + self._pir_every_s
        return 1

    def wait(self, ms: int) -> None:
        until = self.radio.sending_until()
        if until is not None:
            ms = min(ms, until - self.now_ms()) if ms >= 0 else until - self.now_ms()
        wait_s = min(max(ms, 0) / 1000 / self._speed, 0.05)
        if self._pir_every_s > 0:
            wait_s = min(wait_s, max(self._pir_at - time.monotonic(), 0))
        select.select([self._fd, self.radio.fileno()], [], [], wait_s)
