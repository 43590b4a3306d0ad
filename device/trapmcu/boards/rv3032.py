"""The clock chip RV-3032-C7: ms since its own epoch, which is when it was last without any supply.

Micro Crystal, Application Manual RV-3032-C7, Rev. 1.3, chapter 3 (registers): 00h hundredths to 07h years, in BCD; 0Dh
status (bit 0 VLF: the supply was too low to count, bit 1 PORF: it was gone); 0Eh temperature's low four bits, and bit 2
EEbusy; 0Fh its high eight (1/16 °C a step); 10h control 1 (bit 2 EERD: no refresh out of the EEPROM); 3Fh EEPROM
command (11h: all configuration into the EEPROM); C0h PMU (bits 5–4 BSM: 10 level switching). Register numbers and bits
were compared with Zephyr's and Linux's drivers, not with a chip. In these the bit of EERD differed once (Linux had 3,
later 2 as the manual has it), and two values of BSM turn the switching off (00 and 11).

That years are 00–99 and every fourth is a leap year holds from 2000 to 2099. That a write to the seconds sets the
hundredths to 0, and that reading holds the counters still, is said of the family's chips; nothing here depends on it.
"""

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Any

STATUS = 0x0D
LOST = 3  # VLF or PORF
BSM = 0x30
LEVEL = 0x20  # over to the backup supply below 2 V: a radio's burst that dips the supply does not switch
BUSY_MS = 150  # an update of the EEPROM takes 46 ms (Linux waits as long)
DAYS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)  # before each month
SAME_MS = 50  # two readings in a row are less apart


class Rv3032:
    """`kept`: whether it went on counting since this chip was asked last; it begins anew where it did not.

    Raises: OSError where the chip does not answer.
    """

    def __init__(self, bus: "Any", sleep_ms: "Callable[[int], None]", address: int = 0x51) -> None:
        self._bus = bus
        self._sleep_ms = sleep_ms
        self._address = address
        status = self._read(STATUS, 1)[0]
        self.kept = not status & LOST
        if self.kept:
            self.kept = self.read_ms() is not None
        if not self.kept:
            self._write(1, b"\x00\x00\x00\x06\x01\x01\x00")  # Saturday, 2000-01-01
            self._write(STATUS, bytes([status & ~LOST]))
        self._set_up_backup()

    def read_ms(self) -> "int | None":
        """Ms of the chip, in steps of 10; None where it does not answer, or answers nonsense twice."""
        try:
            before = self._time()
            for _ in range(3):
                ms = self._time()
                # One that a carry fell into is a second to a year away from its neighbours.
                if before is not None and ms is not None and 0 <= ms - before < SAME_MS:
                    return ms
                before = ms
        except OSError:
            pass
        return None

    def read_temperature_c(self) -> int:
        """Whole degrees."""
        low, high = self._read(0x0E, 2)
        sixteenths = (high << 4 | low >> 4) - (high >> 7 << 12)
        return int((sixteenths + 8) >> 4)

    def _time(self) -> "int | None":
        """One reading; None where its digits are no time."""
        values = []
        for byte in self._read(0, 8):
            if byte & 15 > 9 or byte > 0x99:
                return None
            values.append((byte >> 4) * 10 + (byte & 15))
        hundredths, second, minute, hour, _, day, month, year = values
        if second > 59 or minute > 59 or hour > 23 or not 0 < day < 32 or not 0 < month < 13:
            return None
        days = year * 365 + (year + 3) // 4 + DAYS[month - 1] + day - 1 + (month > 2 and year % 4 == 0)
        return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + hundredths * 10

    def _set_up_backup(self) -> None:
        """Once in a chip's life: its configuration is kept in its EEPROM, which is not written again for nothing."""
        pmu = self._read(0xC0, 1)[0]
        if pmu & BSM == LEVEL:
            return
        control = self._read(0x10, 1)[0]
        self._write(0x10, bytes([control | 4]))
        self._ready()
        self._write(0xC0, bytes([pmu & ~BSM | LEVEL]))
        self._write(0x3F, b"\x11")
        self._ready()
        self._write(0x10, bytes([control & ~4]))

    def _ready(self) -> None:
        for _ in range(BUSY_MS // 10):
            self._sleep_ms(10)
            if not self._read(0x0E, 1)[0] & 4:
                return

    def _read(self, register: int, count: int) -> bytes:
        try:
            return bytes(self._bus.readfrom_mem(self._address, register, count))
        except OSError:  # a disturbance at the start would pass for a clock that began anew
            return bytes(self._bus.readfrom_mem(self._address, register, count))

    def _write(self, register: int, data: bytes) -> None:
        self._bus.writeto_mem(self._address, register, data)
