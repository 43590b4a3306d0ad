"""The repeater: frames of a few traps, one hop further. It holds hop keys only: it can read none, and make none."""

from trapmcu.duty import Duty
from trapmcu.radio import Antenna
from trapwire.airtime import usable_frame
from trapwire.ccm import Ccm
from trapwire.frame import FRAGMENT, PIECE
from trapwire.hop import HopKey
from trapwire.linkkeys import parse_key
from trapwire.relay import Relay, overheard

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

FRAMES_A_STEP = 8


class Repeater:
    """A repeater on `board`; `step(now)` does what is due. Times are ms of the board's clock.

    It keeps nothing over a reset: what that lets be carried twice, the link refuses at its end.
    """

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._started: int = board.now_ms()
        keys = {}
        for name in settings["hops"]:
            trap = int(name)
            keys[trap] = HopKey(parse_key(settings["hops"][name]), trap, lambda key: Ccm(board.aes(key)))
        self._antenna = Antenna(board.radio, settings["sf"])
        self.relay = Relay(
            keys,
            usable_frame(settings["plan"], settings["sf"]),
            settings["sf"],
            settings["hop_burst_s"],
            settings["hop_permille"],
            board.random,
        )
        path = None if board.flash is None else board.flash + "/duty"
        self._duty = Duty(settings["plan"], settings["sf"], path, board.now_ms())
        self.dropped = 0
        self._antenna.start(settings["freq_khz"])

    def step(self, now: int) -> "int | None":
        """Do what is due; when to call again at the latest, in ms, unless the radio wakes us earlier."""
        self._antenna.finished()
        for _ in range(FRAMES_A_STEP):
            packet = self._antenna.received()
            if packet is None:
                break
            self.relay.on_frame(packet[0], now)
        if not self._antenna.sending:
            frame = self.relay.next_frame(now, self._antenna.busy())
            if frame is not None and self._may(frame, now):
                self._antenna.send(frame)
        return None if self._antenna.sending else self.relay.deadline()

    def works(self, now: int) -> bool:
        """Whether new firmware has shown that it runs: it has for ten minutes."""
        return now - self._started >= 600000

    def note(self, code: int, value: int) -> None:
        """It keeps no log."""

    def rest(self, now: int) -> None:
        """It never sleeps: frames come at any time."""

    def _may(self, frame: bytes, now: int) -> bool:
        """What the plan's share leaves no room for is not sent: later it would come too late."""
        urgent = overheard(frame)[0] & 0x0F not in (FRAGMENT, PIECE)
        may = not self._duty.wait_ms(now, len(frame), urgent) and self._duty.spent(now, len(frame))
        self.dropped += not may
        return may
