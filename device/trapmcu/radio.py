"""One antenna, one frame at a time: the non-blocking core of the board's LoRa driver, as micropython-lib has it."""

from trapwire.airtime import PREAMBLE_SYMBOLS, airtime_us

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any


class Antenna:
    """`board.radio` behind two calls. Listens whenever it does not send; counts `frames_sent` and `airtime_ms`."""

    def __init__(self, radio: "Any", sf: int) -> None:
        self._radio = radio
        self._sf = sf
        self._preamble = PREAMBLE_SYMBOLS
        self.sending = False
        self.frames_sent = 0
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
        """Listen, on that channel; 0: on the board's own for its plan."""
        if freq_khz:
            self.tune(self._sf, freq_khz)
        else:
            self.listen()

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
        self.listen()
        return True

    def received(self) -> "tuple[bytes, int, int] | None":
        """A frame with its RSSI in dBm and SNR in quarter dB, or None."""
        packet = self._radio.poll_recv()
        if packet is True or packet is False or packet is None:
            return None
        return bytes(packet), int(packet.rssi), int(packet.snr)
