"""One antenna, one frame at a time: the non-blocking core of the board's LoRa driver, as micropython-lib has it."""

from trapwire.airtime import PREAMBLE_SYMBOLS, airtime_us

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Any

SEND_MS = 30000  # no frame takes so long: the radio does not say that it has left
MEND_MS = 1000  # until a radio that does not answer is reset, doubled each time in a row, 12 times at most


class Antenna:
    """`board.radio` behind two calls. Listens whenever it does not send; counts `frames_sent` and `airtime_ms`.

    All that asks the radio raises what its driver does: RuntimeError.
    """

    def __init__(self, radio: "Any", sf: int) -> None:
        self._radio = radio
        self._sf = sf
        self._preamble = PREAMBLE_SYMBOLS
        self.sending = False
        self.frames_sent = 0
        self.has_sent = False  # a frame has left, until somebody has taken note
        self._airtime_us = 0

    @property
    def airtime_ms(self) -> int:
        return self._airtime_us // 1000

    def counts(self) -> "tuple[int, int]":
        """Frames sent, and their airtime in us: for `resume`, after a deep sleep."""
        return self.frames_sent, self._airtime_us

    def resume(self, counts: "tuple[int, ...]") -> None:
        self.frames_sent, self._airtime_us = counts

    def start(self, freq_khz: int) -> None:
        """Listen, on that channel; 0: on the board's own for its plan.  Raises: RuntimeError where none answers."""
        if self._radio is None:
            raise RuntimeError("the radio does not answer")
        if freq_khz:
            self.tune(self._sf, freq_khz)
        else:
            self.listen()

    def renew(self, radio: "Any", sf: int) -> None:
        """The radio was reset, and is as the board makes it; None: it does not answer."""
        self._radio, self.sending = radio, False
        self.assume(sf, PREAMBLE_SYMBOLS)

    def listen(self) -> None:
        """Receive until told otherwise."""
        self._radio.start_recv(continuous=True)

    def assume(self, sf: int, preamble: int) -> None:
        """The radio is there already, and may hold a frame: nothing is said to it."""
        self._sf, self._preamble = sf, preamble

    def listen_asleep(self, sf: int, freq_khz: int, preamble: int, look_ms: int, every_ms: int) -> None:
        """Look for a preamble every so often, by the radio's own clock, while the unit sleeps."""
        self.tune(sf, freq_khz, preamble)
        self._radio.standby()
        self._radio.listen_asleep(look_ms, every_ms - look_ms)

    def tune(self, sf: int, freq_khz: int, preamble: int = PREAMBLE_SYMBOLS) -> None:
        """Go to another channel, and listen there; never while a frame is sent. freq_khz: 0 leaves it as it is."""
        self._sf, self._preamble = sf, preamble
        lora_cfg = {"sf": sf, "preamble_len": preamble}
        if freq_khz:
            lora_cfg["freq_khz"] = freq_khz
        self._radio.standby()
        self._radio.configure(lora_cfg)
        self.listen()

    def busy(self) -> bool:
        """Whether somebody is heard on the channel."""
        return bool(self._radio.channel_busy())

    def send(self, frame: bytes) -> None:
        """Start sending; `finished()` tells the end."""
        self._radio.prepare_send(frame)
        self._radio.start_send()
        self.sending = True
        self.frames_sent += 1
        self._airtime_us += airtime_us(len(frame), self._sf, preamble=self._preamble)

    def finished(self) -> bool:
        """True once after each frame has left; then the radio listens again."""
        if not self.sending or self._radio.poll_send() is True:
            return False
        self.sending = False
        self.has_sent = True
        self.listen()
        return True

    def received(self) -> "tuple[bytes, int, int] | None":
        """A frame with its RSSI in dBm and SNR in quarter dB, or None."""
        packet = self._radio.poll_recv()
        if packet is True or packet is False or packet is None:
            return None
        return bytes(packet), int(packet.rssi), int(packet.snr)


class Mender:
    """Asks a trap's radio. One that raises, or sends for ever, is reset after a pause; until then the unit goes on
    without it: it takes pictures, keeps them, and sleeps.

    `board.start_radio()` resets it; lost(now): it does not answer. `at`: when it is reset, None while it answers;
    `faults`: in a row, since it has sent a frame.
    """

    def __init__(
        self, board: "Any", antenna: Antenna, settings: "dict[str, Any]", lost: "Callable[[int], None]"
    ) -> None:
        self._board = board
        self._antenna = antenna
        self._sf: int = settings["sf"]
        self._freq_khz: int = settings["freq_khz"]
        self._lost = lost
        self._since = 0
        self.at: "int | None" = None
        self.faults = 0

    def begin(self, now: int) -> None:
        """The radio is as the board has made it: listen."""
        self.ask(self._antenna.start, now, self._freq_khz)

    def mend(self, now: int) -> int:
        """Reset it; the spreading factor at which it is then."""
        self.at = None
        self._board.start_radio()
        self._antenna.renew(self._board.radio, self._sf)
        self.begin(now)
        return self._sf

    def ask(self, act: "Callable[..., None]", now: int, *given: int) -> None:
        """act(*given), which uses the radio."""
        try:
            act(*given)
            if self._antenna.has_sent:
                self.faults = 0
            if self._antenna.has_sent or not self._antenna.sending:
                self._antenna.has_sent = False
                self._since = now
            elif now - self._since > SEND_MS:
                raise RuntimeError("it sends for ever")
        except RuntimeError:
            self.faults = min(self.faults + 1, 255)
            self.at = now + (MEND_MS << min(self.faults, 12))
            self._lost(now)
