"""What a GNSS module says on its line (NMEA 0183: GGA, and RMC's word whether it holds) → the latest position (pure).

A line is believed with a right checksum only, a position only when the module's own time goes on beside ours: what
leaps or stands still comes from a module that has just started, was shaken, or hangs.
"""

from dataclasses import dataclass

MAX_LINE = 120  # bytes; the standard says 82, modules with many digits say more
LEAP_MS = 10_000  # between the module's time and ours: a loop that is busy with a burst reads late
STEADY = 5  # seconds' worth of positions beside each other before one is given
DAY_MS = 86_400_000
FIXED = frozenset("12345")  # GGA's quality: GNSS, differential, PPS, RTK, float; not reckoned, typed or simulated


@dataclass(frozen=True, kw_only=True)
class Fix:
    """Degrees, WGS 84; `hdop`: horizontal dilution of precision; `at_ms`: when it came, by the clock handed in."""

    latitude: float
    longitude: float
    satellites: int
    hdop: float
    at_ms: int


class Nmea:
    """Takes a module's bytes in any pieces. `heard_ms`: when a good line came last; `satellites`: those it uses now."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._over = False  # in a line that is too long
        self._fix: Fix | None = None
        self._steady = 0
        self._beside_ms: int | None = None  # the module's time of day less ours
        self._last_ms: int | None = None  # the module's time of day
        self.heard_ms: int | None = None
        self.satellites = 0
        self.refused = 0  # lines with a wrong checksum, or that mean nothing

    def feed(self, data: bytes, now_ms: int) -> None:
        """More bytes; `now_ms`: a clock that nobody sets."""
        for byte in data:
            if byte in b"\r\n":
                if self._line and not self._over:
                    self._take(bytes(self._line), now_ms)
                self._line.clear()
                self._over = False
            elif byte == ord("$"):  # a line begins wherever one was cut off
                self._line[:] = b"$"
                self._over = False
            elif len(self._line) < MAX_LINE:
                self._line.append(byte)
            else:
                self._over = True

    def fix(self, now_ms: int, most_age_ms: int = LEAP_MS) -> Fix | None:
        """The position, when it is steady and no older than `most_age_ms`."""
        if self._fix is None or self._steady < STEADY or now_ms - self._fix.at_ms > most_age_ms:
            return None
        return self._fix

    def _take(self, line: bytes, now_ms: int) -> None:
        fields = _checked(line)
        if fields is None:
            self.refused += 1
            return
        self.heard_ms = now_ms
        try:
            if fields[0].endswith("GGA") and len(fields) >= 9:
                self._on_gga(fields, now_ms)
            elif fields[0].endswith("RMC") and len(fields) >= 3 and fields[2] != "A":
                self._drop()
        except ValueError:
            self.refused += 1
            self._drop()

    def _on_gga(self, fields: list[str], now_ms: int) -> None:
        """Fields: name, hhmmss.ss, latitude, N/S, longitude, E/W, quality, satellites, HDOP, …"""
        self.satellites = _number(fields[7], 0, 99) if fields[7] else 0
        if fields[6] not in FIXED or not self.satellites:
            self._drop()
            return
        at_ms = _time_ms(fields[1])
        if at_ms == self._last_ms:
            return  # it says the same again: no newer for that
        beside_ms = (at_ms - now_ms) % DAY_MS
        moved_ms = (
            0 if self._beside_ms is None else abs((beside_ms - self._beside_ms + DAY_MS // 2) % DAY_MS - DAY_MS // 2)
        )
        if self._beside_ms is None or moved_ms > LEAP_MS:
            self._beside_ms, self._steady = beside_ms, 0
        self._last_ms = at_ms
        fix = Fix(
            latitude=_angle(fields[2], fields[3], "NS", 90), longitude=_angle(fields[4], fields[5], "EW", 180),
            satellites=self.satellites, hdop=_decimal(fields[8], 0, 100), at_ms=now_ms,
        )  # fmt: skip
        self._fix, self._steady = fix, self._steady + 1

    def _drop(self) -> None:
        self._fix, self._steady = None, 0


def _checked(line: bytes) -> list[str] | None:
    """The fields of `$…*hh`, or None where checksum or letters are wrong."""
    body, star, digits = line.partition(b"*")
    if not star or not body.startswith(b"$") or len(digits) != 2 or not all(32 <= byte < 127 for byte in body):
        return None
    total = 0
    for byte in body[1:]:
        total ^= byte
    if digits.upper() != b"%02X" % total:
        return None
    return body[1:].decode("ascii").split(",")


def _number(text: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ValueError(text)
    return int(text)


def _decimal(text: str, low: float, high: float) -> float:
    whole, _, part = text.partition(".")
    if not whole.isdecimal() or (part and not part.isdecimal()) or not low <= float(text) <= high:
        raise ValueError(text)
    return float(text)


def _time_ms(text: str) -> int:
    """hhmmss.ss, of a day; second 60 is a leap second."""
    if len(text) < 6:
        raise ValueError(text)
    hours, minutes, seconds = _number(text[:2], 0, 23), _number(text[2:4], 0, 59), _decimal(text[4:], 0, 60.999)
    return (hours * 3600 + minutes * 60) * 1000 + round(seconds * 1000)


def _angle(text: str, side: str, sides: str, most: int) -> float:
    """Degrees and minutes written together, (d)ddmm.mmmm, and a letter."""
    point = text.find(".")
    cut = (point if point >= 0 else len(text)) - 2
    if side not in sides or len(side) != 1 or cut < 1:
        raise ValueError(text + side)
    found = _number(text[:cut], 0, most) + _decimal(text[cut:], 0, 59.999_999_999) / 60
    if found > most:
        raise ValueError(text)
    return -found if side == sides[1] else found
