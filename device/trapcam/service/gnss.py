"""A GNSS module on a serial line, read in the trap's loop while the page is open; one that is gone is tried again."""

from collections.abc import Callable

from trapcam.service.nmea import Nmea
from trapcam.service.unit import Gnss
from trapkit.errors import SetupError
from trapkit.serialport import ByteLine

RETRY_MS = 10_000
SILENT_MS = 10_000  # a module says something every second


class GnssModule:
    """path, baud: its line, empty without one; monotonic_ms: nobody sets it; report: words for the operator."""

    def __init__(self, path: str, baud: int, monotonic_ms: Callable[[], int], report: Callable[[str], None]) -> None:
        self._path = path
        self._baud = baud
        self._monotonic_ms = monotonic_ms
        self._report = report
        self._line: ByteLine | None = None
        self._nmea = Nmea()
        self._failed_ms: int | None = None
        self._told = ""

    def step(self) -> None:
        """Take what has come, without waiting."""
        now_ms = self._monotonic_ms()
        if not self._path or (self._failed_ms is not None and now_ms - self._failed_ms < RETRY_MS):
            return
        try:
            if self._line is None:
                self._line = ByteLine(self._path, baud=self._baud)
                self._failed_ms, self._told = None, ""
            self._nmea.feed(self._line.read(0), now_ms)
        except (SetupError, ConnectionError) as error:
            self.close()
            self._failed_ms = now_ms
            if str(error) != self._told:
                self._told = str(error)
                self._report(f"GNSS module: {error}")

    def close(self) -> None:
        """Let the line go, and forget where it was; harmless when repeated."""
        if self._line is not None:
            self._line.close()
            self._line = None
        self._nmea = Nmea()

    def now(self) -> Gnss | None:
        """What it says; None where there is no module."""
        if not self._path:
            return None
        now_ms, heard_ms = self._monotonic_ms(), self._nmea.heard_ms
        if heard_ms is None or now_ms - heard_ms > SILENT_MS:
            return Gnss(heard=False)
        fix = self._nmea.fix(now_ms)
        if fix is None:
            return Gnss(heard=True, satellites=self._nmea.satellites)
        return Gnss(
            heard=True, satellites=fix.satellites, latitude=fix.latitude, longitude=fix.longitude, hdop=fix.hdop,
            age_s=(now_ms - fix.at_ms) // 1000,
        )  # fmt: skip
