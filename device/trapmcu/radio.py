"""One antenna, one frame at a time: the non-blocking core of the board's LoRa driver, as micropython-lib has it."""

from trapwire.airtime import airtime_us

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any


class Antenna:
    """`board.radio` behind two calls. Listens whenever it does not send; counts `frames_sent` and `airtime_ms`."""

    def __init__(self, radio: "Any", sf: int) -> None:
        self._radio = radio
        self._sf = sf
        self.sending = False
        self.frames_sent = 0
        self._airtime_us = 0

    @property
    def airtime_ms(self) -> int:
        return self._airtime_us // 1000

    def tune(self, sf: int) -> None:
        """Another spreading factor from now on; not while a frame is in the air."""
        if sf != self._sf:
            self._sf = sf
            self._radio.standby()
            self._radio.configure({"sf": sf})
            self.listen()

    def listen(self) -> None:
        """Receive until told otherwise."""
        self._radio.start_recv(continuous=True)

    def busy(self) -> bool:
        """Whether somebody is heard on the channel."""
        return bool(self._radio.channel_busy())

    def send(self, frame: bytes) -> None:
        """Start sending; `finished()` tells the end."""
        self._radio.prepare_send(frame)
        self._radio.start_send()
        self.sending = True
        self.frames_sent += 1
        self._airtime_us += airtime_us(len(frame), self._sf)

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
