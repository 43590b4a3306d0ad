"""Batteries in the cold: capacity, voltage under load, whether the Pi can start.

A cell is a voltage at rest behind a resistance, both against temperature. What it gives falls with the cold, and with
the current: a coulomb drawn at I costs 1 + I / half_a of those of a small current (`half_a`: where it gives half).
That is additive over the states of a day, so a table of parts sums to the whole. No model here was checked against a
cell: power.toml says which numbers are a maker's.
"""

import math
from dataclasses import dataclass

from trapkit.errors import SetupError
from trapsim.power.figures import Figures

COLDEST_C, WARMEST_C = -40, 60
SECONDS_A_DAY = 86400.0
PI_V = 5.0


@dataclass(frozen=True, kw_only=True)
class Start:
    """The Pi's first peak: battery's voltage and current under it; None: no such point, the voltage collapses."""

    verdict: str  # ok, stale (resets after months of sleep, not once it is woken up), brown-out
    volt: float | None
    stale_volt: float | None
    cell_a: float | None
    cell_a_most: float


class Pack:
    """One battery of the table at one temperature (degrees C)."""

    def __init__(self, figures: Figures, name: str, temp_c: float) -> None:
        """Raises: SetupError where there is no such battery, or the temperature is none for it."""
        if name not in figures.layouts:
            raise SetupError(f"battery {name!r} is unknown; allowed are {', '.join(sorted(figures.layouts))}")
        if not COLDEST_C <= temp_c <= WARMEST_C:
            raise SetupError(f"temperature {temp_c:g} C; allowed is {COLDEST_C} to {WARMEST_C}")
        self._figures, self.name, self.temp_c = figures, name, temp_c
        layout = figures.layouts[name]
        self.text: str = layout["text"]
        self.series: int = layout["series"]
        self.parallel: int = layout["parallel"]
        self.supply: str = layout["supply"]
        self.rest_v = self._at("rest") * self.series
        self.ohm = self._at("ohm") * self.series / self.parallel
        self.half_a = self._at("half_a") * self.parallel
        self.nominal_c: float = self._one("capacity") * 3600 * self.parallel
        self.usable_c = self.nominal_c * self._at("cold") * self._one("usable")
        self.lost_c_a_day = self.nominal_c * self._one("self_discharge") / 365
        self.shelf_days = self._one("shelf")
        self.charge_min_c = self._one("charge_min")
        self.is_direct = self.series == 1  # the supervisor's board hangs on the battery itself
        self.has_capacitors = f"battery.{name}.pulse_ohm" in figures.entries
        # Short loads come out of the capacitors, which the cells fill again at their leisure.
        self.brief_ohm = 1 / (1 / self.ohm + 1 / self._at("pulse_ohm")) if self.has_capacitors else self.ohm

    def _one(self, key: str) -> float:
        return self._figures.get(f"battery.{self.name}.{key}")

    def _at(self, key: str) -> float:
        return self._figures.at(f"battery.{self.name}.{key}", self.temp_c)

    @property
    def usable_wh(self) -> float:
        """What a small load gets out of it at this temperature."""
        wh: float = self.usable_c * self.rest_v / 3600
        return wh

    def cost_c(self, amp: float, seconds: float, *, brief: bool = False) -> float:
        """What `seconds` of `amp` take out of `usable_c`; brief: a few seconds at a time."""
        return amp * seconds * (1.0 if brief and self.has_capacitors else 1 + amp / self.half_a)

    def under_load(self, watt: float, ohm: float | None = None) -> tuple[float, float] | None:
        """Volts and amperes where the battery gives `watt`; None where it cannot."""
        ohm = self.ohm if ohm is None else ohm
        root = self.rest_v * self.rest_v - 4 * watt * ohm
        if root < 0:
            return None
        amp = (self.rest_v - math.sqrt(root)) / (2 * ohm)
        return self.rest_v - amp * ohm, amp

    def five_volts(self, amp: float) -> float:
        """Watts out of the battery for `amp` at the Pi's 5 V."""
        return PI_V * amp / self._figures.at(f"{self.supply}.efficiency", amp * 1000)

    def lowest_v(self) -> float:
        """Below it the supervisor resets, or the Pi's converter stops."""
        converter = self._figures.get(f"{self.supply}.input_min")
        return max(converter, self._figures.get("awake.pad_min")) if self.is_direct else converter

    def start(self, peak_a: float) -> Start:
        """Whether the Pi's first peak leaves the supervisor running."""
        watt = self.five_volts(peak_a)
        stale_ohm = self.brief_ohm if self.has_capacitors else self.ohm * self._one("stale")
        fresh, stale = self.under_load(watt, self.brief_ohm), self.under_load(watt, stale_ohm)
        lowest = self.lowest_v()
        verdict = "ok"
        if fresh is None or fresh[0] < lowest:
            verdict = "brown-out"
        elif stale is None or stale[0] < lowest:
            verdict = "stale"
        return Start(
            verdict=verdict,
            volt=fresh and round(fresh[0], 3),
            stale_volt=stale and round(stale[0], 3),
            cell_a=fresh and round(fresh[1] / self.parallel, 3),
            cell_a_most=self._one("most_a"),
        )

    def carries(self, amp: float) -> bool:
        """Whether the cells may give `amp` (at 5 V) for hours, and the supervisor stays up."""
        point = self.under_load(self.five_volts(amp))
        return point is not None and point[0] >= self.lowest_v() and point[1] / self.parallel <= self._one("most_a")
