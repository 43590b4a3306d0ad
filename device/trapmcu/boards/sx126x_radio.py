"""The SX1262 as the firmware asks for it: micropython-lib's driver, and what that has not.

The driver receives, sends and configures. Here are: starting without a reset, and without losing the frame for which
the radio has woken us; whether the channel is taken; listening while the microcontroller sleeps; power by the plan.
"DS": Semtech SX1261/2 datasheet, rev. 2.1; commands that the driver does not use were compared with RadioLib's.

Whether the channel is taken. While the radio listens, its receiver says when a preamble or a header comes: that needs
no look of its own, and takes nothing from a frame that is coming. Only after it was elsewhere it may have missed a
frame's beginning; then it looks once for activity (CAD), which finds LoRa's symbols anywhere in a frame.
"""

import time

# Not `SX1262`: that one comes with calls that block. It is no part of this project: `trapship bundle` brings it.
from lora.sx126x import _SX1262  # pyright: ignore[reportMissingImports]
from micropython import const

from trapwire.airtime import PREAMBLE_SYMBOLS
from trapwire.plans import plan_named

MYPY = False  # pyright takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

_RX_DONE = const(0x002)
_PREAMBLE = const(0x004)
_HEADER = const(0x010)
_HEADER_ERROR = const(0x020)
_CRC_ERROR = const(0x040)
_CAD_DONE = const(0x080)
_CAD_DETECTED = const(0x100)
_IRQS = const(0x3F7)  # all that LoRa has
_DIO1_IRQS = const(0x203)  # received, sent, timeout

# Gain of the antenna, less its cable, in hundredths of a dB. Plans count EIRP; a half-wave dipole has 2.15 dBi, and no
# whip that fits a trap has more. A better antenna needs another number here.
_ANTENNA_CDB = const(215)
_TCXO_MV = const(1800)  # both modules: Meshtastic's variants seeed_xiao_s3 and rpipico
_TCXO_US = const(5000)  # until it swings; RadioLib waits as long
_PUBLIC = const(0x34)  # sync word of public networks
_AWAY_MS = const(50)  # shorter than this elsewhere, and the channel is taken for what it was

# DetPeak for spreading factors 7 to 12 and, below, symbols: ST RM0453 rev. 5, table 36 (this radio in another chip),
# which follows Semtech's AN1200.48. Too low a peak would find activity in noise, and we would wait for nothing.
_PEAKS = b"\x16\x16\x17\x18\x19\x1c"
_DET_MIN = const(10)


class Radio(_SX1262):
    """`rf_switch`: a pin that is high to receive, where the board has one; dio2 of the chip does the rest.

    attach: the chip may be listening or hold a frame (after deep sleep): it is not reset.

    Raises: WireError when the channel is none of the plan's; RuntimeError, OSError when there is no radio.
    """

    def __init__(
        self,
        spi: "Any",
        cs: "Any",
        busy: "Any",
        dio1: "Any",
        reset: "Any",
        plan: str,
        sf: int,
        freq_khz: int,
        rf_switch: "Any" = None,
        attach: bool = False,
    ) -> None:
        self._plan = plan_named(plan)
        self._kept: "Any" = None
        self._channel: "tuple[int, int] | None" = None
        self._left: "tuple[int, int] | None" = None
        self._left_at = 0
        self._band = 0
        self._unknown = True  # what is on this channel
        self._stage = 0  # of a frame that is being received, and since when
        self._since = self._held = time.ticks_ms()
        if attach and self._take(spi, cs, busy):
            reset = None
        super().__init__(
            spi,
            cs,
            busy,
            dio1,
            True,
            _TCXO_MV,
            _TCXO_US,
            reset,
            None,
            None if rf_switch is None else _Switch(rf_switch),
        )
        self._cmd("BB", 0x96, 1)  # DS 13.1.11: DC-DC; both modules have its coil
        self.calibrate()  # DS 13.3.6: what was calibrated before the TCXO ran is wrong
        self._irqs(_DIO1_IRQS)
        self.configure(
            {
                "freq_khz": freq_khz or self._plan.channel_khz,
                "sf": sf,
                "bw": 125,
                "coding_rate": 5,
                "preamble_len": PREAMBLE_SYMBOLS,
                "syncword": _PUBLIC,
            }
        )

    def _after_init(self) -> None:
        """Asked for by the driver's base class."""

    def _take(self, spi: "Any", cs: "Any", busy: "Any") -> bool:
        """Whether the chip answers; its frame, if it has one, before the driver clears all."""
        self._spi, self._cs, self._busy = spi, cs, busy
        self._sleep = True
        self._buf_view = memoryview(bytearray(9))
        self._busy_timeout = 7000 + _TCXO_US
        self._last_irq = None
        try:
            self._wakeup()
            flags = self._get_irq()
            if flags & (_RX_DONE | _CRC_ERROR | _HEADER_ERROR) == _RX_DONE:
                self._kept = self._read_packet(None, flags)
        except RuntimeError:
            return False
        return True

    def _irqs(self, dio1: int) -> None:
        # The driver switches on only those that it waits for itself.
        self._cmd(">BHHHH", 0x08, _IRQS, dio1, 0, 0)

    def configure(self, lora_cfg: "dict[str, int]") -> None:
        freq_khz = lora_cfg.get("freq_khz")
        if freq_khz:
            lora_cfg = dict(lora_cfg)
            lora_cfg["output_power"] = (self._plan.power_cdbm(freq_khz) - _ANTENNA_CDB) // 100
        super().configure(lora_cfg)
        channel = (self._rf_freq_hz, self._sf)
        if channel != self._channel:
            now = time.ticks_ms()
            back = channel == self._left and time.ticks_diff(now, self._left_at) < _AWAY_MS
            self._left, self._left_at = self._channel, now
            self._channel = channel
            self._unknown = not back
        if self._rf_freq_hz // 10000000 != self._band:
            self._band = self._rf_freq_hz // 10000000
            try:
                self.calibrate_image()
            except ValueError:
                pass  # the datasheet has no values for this band

    def standby(self) -> None:
        callback, self._irq_callback = self._irq_callback, None  # nothing has come: the loop need not look
        super().standby()
        self._irq_callback = callback

    def start_recv(self, timeout_ms: "int | None" = None, continuous: bool = False, rx_length: int = 0xFF) -> "Any":
        self._stage = 0
        return super().start_recv(timeout_ms, continuous, rx_length)

    def poll_recv(self, rx_packet: "Any" = None) -> "Any":
        if self._kept is not None:
            packet, self._kept = self._kept, None
            return packet
        return super().poll_recv(rx_packet)

    def channel_busy(self) -> bool:
        """Whether somebody is heard, or a frame is being received, or has come and was not taken yet."""
        flags = self._get_irq()
        if self._tx or flags & _RX_DONE:
            self._stage = 0
            return True
        now = time.ticks_ms()
        stage = 2 if flags & _HEADER else bool(flags & _PREAMBLE)
        if flags & _HEADER_ERROR:
            stage = 0
            self._clear_irq(_PREAMBLE | _HEADER | _HEADER_ERROR)
        if stage != self._stage:
            self._stage = stage
            self._since = now
        if stage:
            begun_us = (self._preamble_len + 16) * self._get_t_sym_us()
            most_us = begun_us if stage == 1 else self.get_time_on_air_us(255)
            if time.ticks_diff(now, self._since) <= most_us // 1000 + 1:
                return True
            self._clear_irq(_PREAMBLE | _HEADER)  # noise was taken for one
            self._stage = 0
        if self._unknown:
            self._unknown = False
            return self._look()
        if time.ticks_diff(self._held, now) > 0:
            return True
        limit = self._plan.listen_dbm
        return limit is not None and self._rx is not False and self.rssi_dbm() >= limit

    def _look(self) -> bool:
        """Channel activity detection, DS 13.1.6 and 13.4.7; goes on receiving, at once where there is activity."""
        listening = self._rx is not False
        symbols = 1 if self._sf < 9 else 2  # codes of 2 and 4
        symbol_us = self._get_t_sym_us()
        self._standby()
        if self._ant_sw:
            self._ant_sw.rx()
        # Exit mode 1: on to receiving, for the time of the longest frame.
        longest = self.get_time_on_air_us(255) * 8 // 125
        self._cmd(">BBBBI", 0x88, symbols, _PEAKS[min(max(self._sf, 7), 12) - 7], _DET_MIN, 1 << 24 | longest)
        self._cmd("B", 0xC5)
        until = time.ticks_add(time.ticks_ms(), symbol_us * (2 * symbols + 4) // 1000 + 10)
        while True:
            flags = self._get_irq()
            if flags & _CAD_DONE:
                found = bool(flags & _CAD_DETECTED)
                break
            if time.ticks_diff(until, time.ticks_ms()) < 0:
                found = True  # it does not say: nobody sends
                break
            time.sleep_ms(1)
        if found:
            # Until its receiver has found the preamble by itself.
            self._held = time.ticks_add(time.ticks_ms(), 16 * symbol_us // 1000)
        if listening and not flags & _CAD_DETECTED:
            self.start_recv(continuous=True)
        return found

    def rssi_dbm(self) -> int:
        """What the antenna picks up now; while it listens."""
        return self._cmd("B", 0x15, n_read=2)[1] // -2

    def listen_asleep(self, rx_ms: int, sleep_ms: int) -> None:
        """Listen for rx_ms every rx_ms + sleep_ms, by itself, until a frame is there (DS 13.1.7).

        A preamble is found where `sleep_ms` and 8 symbols are shorter than it, and its frame is received where
        2 * rx_ms + sleep_ms is longer than it. For the pair's, of 327.7 ms: 14 and 300.
        """
        self.start_recv(continuous=True)
        self._standby()
        self._irqs(_RX_DONE)
        rx, asleep = rx_ms * 64, sleep_ms * 64
        self._cmd(">BBHBH", 0x94, rx >> 16, rx & 0xFFFF, asleep >> 16, asleep & 0xFFFF)
        self._sleep = True  # perhaps: the next command wakes it

    def doze(self) -> None:
        """Its own sleep, 0.6 uA with the configuration kept; the next command wakes it."""
        self.sleep()


class _Switch:
    """The driver's `ant_sw`, of a switch that knows by itself when we send (DIO2)."""

    def __init__(self, pin: "Any") -> None:
        self.rx = pin.on
        self.idle = pin.off
        self._pin = pin

    def tx(self, _high_power: bool) -> None:
        self._pin.off()
