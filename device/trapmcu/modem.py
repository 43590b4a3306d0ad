"""The base's modem: frames between the serial line and the air. It reads nothing and decides nothing but when."""

import struct

from trapmcu.duty import Duty
from trapmcu.radio import Antenna
from trapwire import serialline as line
from trapwire.airtime import SF_MAX, SF_MIN, largest_frame
from trapwire.frame import FRAGMENT, MORE
from trapwire.quick import TURN_MS
from trapwire.relay import overheard

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

MAX_QUEUE = 16
MAX_WAIT_MS = 500  # an answer that could not begin within this comes after the trap has stopped listening
FRAMES_A_STEP = 8


class Modem:
    """A modem on `board`; `step(now)` does what is due. Times are ms of the board's clock."""

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._board = board
        self._started: int = board.now_ms()
        self._frame_bytes = largest_frame(settings["plan"], settings["sf"])
        self._antenna = Antenna(board.radio, settings["sf"])
        path = None if board.flash is None else board.flash + "/duty"
        self._duty = Duty(settings["plan"], settings["sf"], path, board.now_ms())
        self._max_wait_ms = settings["times"].get("reply_window_ms", MAX_WAIT_MS)
        self._decoder = line.SerialDecoder()
        self._queue: "list[tuple[int, bytes]]" = []
        self._home = settings["sf"]
        self._sf = self._home
        self._turn: "tuple[int, int] | None" = None  # a quick turn to come: spreading factor and ms
        self._home_at = 0  # the end of the one that is
        self.dropped = 0
        self._freq_khz: int = settings["freq_khz"]
        self._antenna.start(settings["freq_khz"])

    def step(self, now: int) -> "int | None":
        """Do what is due; when to call again at the latest, in ms, unless the UART or radio wakes us earlier."""
        for kind, payload in self._decoder.feed(self._board.uart_read()):
            if kind == line.TRANSMIT and 0 < len(payload) <= self._frame_bytes and len(self._queue) < MAX_QUEUE:
                self._queue.append((now, payload))
            elif kind == line.HELLO and not payload:
                head = struct.pack(">BIBH", self._home, self._freq_khz, len(self._queue), self.dropped & 0xFFFF)
                self._say(line.HELLO, head)
            elif kind == line.TUNE and len(payload) == 3 and SF_MIN <= payload[0] <= SF_MAX:
                self._turn = struct.unpack(">BH", payload)
            else:
                self.dropped += 1
        if self._antenna.finished():
            self._queue = [(now, frame) for _, frame in self._queue]  # its trap listens on for what follows
            self._say(line.SENT, bytes([len(self._queue)]))
        for _ in range(FRAMES_A_STEP):
            packet = self._antenna.received()
            if packet is None:
                break
            frame, rssi, snr = packet
            head = struct.pack(">hb", max(-32768, min(32767, rssi)), max(-128, min(127, snr)))
            self._say(line.HEARD, head + frame)
        while self._queue and now - self._queue[0][0] > self._max_wait_ms:
            del self._queue[0]
            self.dropped += 1
        self._follow(now)
        if not self._queue or self._antenna.sending:
            return self._home_at if self._sf != self._home else None
        if self._antenna.busy():
            return now + 10
        frame = self._queue.pop(0)[1]
        # An answer that has to wait comes too late, and its trap asks again. Acknowledgements use the alerts' tenth.
        if self._duty.wait_ms(now, len(frame), overheard(frame)[0] & 0x0F != FRAGMENT) or not self._duty.spent(
            now, len(frame)
        ):
            self.dropped += 1
            return now
        self._antenna.send(frame)
        if self._sf != self._home and not overheard(frame)[0] & MORE:
            self._home_at = now  # the turn's answer: both go home behind it
        return None

    def works(self, now: int) -> bool:
        """Whether new firmware has shown that it runs: it has for ten minutes."""
        return now - self._started >= 600000

    def note(self, code: int, value: int) -> None:
        """It keeps no log."""

    def rest(self, now: int) -> None:
        """It never sleeps: frames come at any time."""

    def _follow(self, now: int) -> None:
        """Be where the link is: at a quick turn's spreading factor, or the cell's."""
        if self._antenna.sending:
            return
        if self._turn is not None and not self._queue:
            (sf, time_ms), self._turn = self._turn, None
            self._home_at = now + min(time_ms, TURN_MS)
        elif self._sf != self._home and now >= self._home_at:
            sf = self._home
        else:
            return
        self._sf = sf
        self._antenna.tune(sf, 0)
        self._duty.tune(sf)

    def _say(self, kind: int, payload: bytes) -> None:
        self._board.uart_write(line.encode_message(kind, payload))
