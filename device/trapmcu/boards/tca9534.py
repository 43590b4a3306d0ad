"""The port expander TCA9534: eight slow lines on two wires.

Registers: TI datasheet TCA9534 (SCPS197), section 8.6.2: 0 input, 1 output (all high after power-on), 3 configuration
(1: input; all inputs after power-on). Register 2 turns inputs round; it is left as it is.
"""

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any


class Tca9534:
    """outputs: mask of the bits that are driven, low at first.

    Raises, like all of its calls: OSError where the chip does not answer.
    """

    def __init__(self, bus: "Any", outputs: int, address: int = 0x20) -> None:
        self._bus = bus
        self._address = address
        self._level = 0
        self._write(1, 0)  # before the direction, so that no line is high for a moment
        self._write(3, ~outputs & 0xFF)

    def set(self, bit: int, on: bool) -> None:
        level = self._level & ~(1 << bit) | bool(on) << bit
        self._write(1, level)
        self._level = level

    def get(self, bit: int) -> bool:
        """The line's level, whoever drives it."""
        return bool(self._bus.readfrom_mem(self._address, 0, 1)[0] >> bit & 1)

    def _write(self, register: int, value: int) -> None:
        self._bus.writeto_mem(self._address, register, bytes([value]))
