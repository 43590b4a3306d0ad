"""The battery monitor INA226: one measurement at a time, and no current in between.

TI datasheet INA226 (SBOS547), section 7.6: configuration 0x00 (averages in bits 11–9, time for a conversion of the bus
in 8–6, mode in 2–0: 0 powered down, 2 the bus once), bus voltage 0x02 (1.25 mV a step, 15 bits), mask/enable 0x06
(bit 3: a conversion is ready; reading clears it), manufacturer 0xFE ("TI").
"""

import struct

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Any

ONCE = 0x4322  # bit 14 is always 1; 4 averages of 1.1 ms each, the bus once
DOWN = 0x4320
READY = 8
TRIES = 20  # of 1 ms; 4.4 ms are needed, and 10 % more for the chip's own clock


class Ina226:
    """sleep_ms: `time.sleep_ms` of the board."""

    def __init__(self, bus: "Any", sleep_ms: "Callable[[int], None]", address: int = 0x40) -> None:
        self._bus = bus
        self._sleep_ms = sleep_ms
        self._address = address

    def read_mv(self) -> "int | None":
        """The battery's voltage; None where the chip is not there, is another, or does not finish."""
        try:
            if self._read(0xFE) != 0x5449:
                return None
            self._write(0, ONCE)
            try:
                for _ in range(TRIES):
                    self._sleep_ms(1)
                    if self._read(6) & READY:
                        return (self._read(2) & 0x7FFF) * 5 // 4
            finally:
                self._write(0, DOWN)
        except OSError:
            pass
        return None

    def _read(self, register: int) -> int:
        return int(struct.unpack(">H", self._bus.readfrom_mem(self._address, register, 2))[0])

    def _write(self, register: int, value: int) -> None:
        self._bus.writeto_mem(self._address, register, struct.pack(">H", value))
