"""The battery between board and model: when it is measured, what the unit draws meanwhile, what is remembered."""

import struct

from trapmcu.battery import OK, Battery
from trapmcu.flash import read_file, write_file
from trapmcu.retained import POWER

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

MEASURE_MS = 60000
MEASURE_PI_MS = 3000  # while the Pi boots, and draws the most
REST_MS = 300000  # after a load, until the voltage tells something
WRITE_MS = 86400000
WRITE_FIRST_MS = 3600000  # after a reset: those that come more often lead to `safe`
# Drawn from the pack, in mW; hardware/power.toml has where they come from. They need not be exact: days left follow
# the share of the pack that is used, and the sum is put right by the voltage where a kind of cell allows it.
ASLEEP_UW = 400
AWAKE_MW = 90
PI_MW = 1400


class Gauge:
    """`level`, `percent`, `days_left` as the model has them; without a model OK, None and None.

    kept: what `keep` gave before a deep sleep, else None.
    """

    def __init__(self, board: "Any", settings: "dict[str, Any]", now: int, kept: "bytes | None") -> None:
        self._board = board
        self._path = board.flash + "/battery"
        self._cut_mv = settings["cut_mv"]
        self._nominal_mv = settings["battery_mv"]
        self._model: "Battery | None" = None
        self._due_at = now
        self._loaded_at: "int | None" = None  # not known: a reset says nothing of the load before
        self._write_at = now + WRITE_FIRST_MS
        self._power_lost = kept is None and board.reset_cause() == POWER
        self.celsius: "int | None" = None
        self.mv: "int | None" = None
        if settings["battery"]:
            state = (read_file(self._path) or b"") if kept is None else kept[16:]
            self._model = Battery(settings["battery"], settings["battery_cells"], settings["battery_mah"], state)
            if kept is None:
                self._model.skip(now, WRITE_MS)
            else:
                self._write_at, loaded_at = struct.unpack(">QQ", kept[:16])
                self._loaded_at = loaded_at or None
                self._model.spend(now, ASLEEP_UW * 1000 // self._nominal_mv)

    @property
    def level(self) -> int:
        return OK if self._model is None else self._model.level

    @property
    def percent(self) -> "int | None":
        return None if self._model is None else self._model.percent

    @property
    def days_left(self) -> "int | None":
        return None if self._model is None else self._model.days_left

    def step(self, now: int, pi_on: bool, booting: bool) -> bool:
        """Measure, if that is due; whether the pack gives way under the Pi."""
        if pi_on:
            self._loaded_at = now
        if now < self._due_at:
            return False
        self._due_at = now + (MEASURE_PI_MS if booting else MEASURE_MS)
        self.celsius = self._board.temperature_c()
        mv = self.mv = self._board.battery_mv()
        model = self._model
        if model is not None:
            self._spend(now, pi_on)
            if pi_on:
                model.reading(None, self.celsius, mv)
            elif self._loaded_at is None or now - self._loaded_at >= REST_MS:
                model.reading(mv, self.celsius, None, self._power_lost)
                self._power_lost = False
            if now >= self._write_at:
                self._write(now)
        return pi_on and mv is not None and mv < self._cut_mv

    def deadline(self) -> int:
        return self._due_at

    def keep(self, now: int) -> bytes:
        """For a deep sleep that follows at once."""
        if self._model is None:
            return b""
        self._spend(now, False)
        return struct.pack(">QQ", self._write_at, self._loaded_at or 0) + self._model.pack()

    def _spend(self, now: int, pi_on: bool) -> None:
        if self._model is not None:
            self._model.spend(now, (AWAKE_MW + (PI_MW if pi_on else 0)) * 1000000 // self._nominal_mv)

    def _write(self, now: int) -> None:
        self._write_at = now + WRITE_MS
        try:
            write_file(self._path, b"" if self._model is None else self._model.pack())
        except OSError:
            pass  # flash is full: after a loss of power the count is that of an earlier day
