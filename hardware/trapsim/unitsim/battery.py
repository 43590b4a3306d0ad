"""The battery, the load on it, and the weather around it.

A simple model: an open voltage that falls as charge goes, behind a resistance that grows as it gets cold. The figures
stand for six Li-SOCl2 D cells, two in series and three beside each other, and are estimates, made to sag where a real
pack would, not to foretell a date.
"""

import math

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from trapsim.unitsim.world import World

DAY_MS = 86400000
REST_OHM = 0.5  # of the pack at 20 °C
BROWN_OUT_MV = 3300  # below it the regulator of the supervisor gives up
EFFICIENCY = 0.85  # of the converter to 5 V
PI_W = 0.75
PI_START_W = 2.0  # while it boots
MCU_AWAKE_W = 0.12
MCU_ASLEEP_W = 0.00005
# Open voltage (mV) by charge: two Li-SOCl2 cells in series, flat and falling only over the last tenth; two Li-ion
LITHIUM = ((0.0, 5000), (0.1, 7320), (1.0, 7320))
LIION = ((0.0, 6600), (0.2, 7160), (0.95, 8180), (1.0, 8340))


class Weather:
    """Whole degrees by day and season: coldest at the end of January, warmest at two in the afternoon.

    winter_c, summer_c: means of the coldest and the warmest day; fixed_c: always this, for one story's frost.
    """

    def __init__(self, world: "World", winter_c: int = -22, summer_c: int = 18, fixed_c: "int | None" = None) -> None:
        self._world = world
        self._winter_c = winter_c
        self._summer_c = summer_c
        self.fixed_c = fixed_c

    def now_c(self) -> int:
        if self.fixed_c is not None:
            return self.fixed_c
        day = self._world.now / DAY_MS + 304  # of the year
        season = (1 - math.cos(2 * math.pi * (day - 25) / 365)) / 2
        hour = self._world.now % DAY_MS / DAY_MS
        return int(
            self._winter_c + (self._summer_c - self._winter_c) * season - 6 * math.cos(2 * math.pi * (hour - 0.083))
        )


class Battery:
    """capacity_wh; charge: 0 to 1; curve: open mV by charge. `ohm` at 20 °C doubles with every 15 degrees less."""

    def __init__(
        self,
        weather: Weather,
        capacity_wh: float = 300.0,
        charge: float = 1.0,
        ohm: float = REST_OHM,
        curve: "tuple[tuple[float, int], ...]" = LITHIUM,
    ) -> None:
        self.weather = weather
        self.curve = curve
        self.capacity_wh = capacity_wh
        self.charge = charge
        self.ohm = ohm
        self.spent_wh = 0.0
        self.lowest_mv = curve[-1][1]

    def open_mv(self) -> int:
        """Without a load."""
        charge = max(0.0, min(1.0, self.charge))
        low = self.curve[0]
        for high in self.curve[1:]:
            if charge <= high[0]:
                return int(low[1] + (high[1] - low[1]) * (charge - low[0]) / (high[0] - low[0]))
            low = high
        return low[1]

    def under_load_mv(self, load_w: float) -> int:
        """The terminal voltage; 0 where the pack cannot give so much."""
        volts = self.open_mv() / 1000
        ohm = self.ohm * 2 ** ((20 - self.weather.now_c()) / 15)
        inside = volts * volts - 4 * ohm * load_w
        millivolts = int(500 * (volts + math.sqrt(inside))) if inside > 0 else 0
        self.lowest_mv = min(self.lowest_mv, millivolts)
        return millivolts

    def spend(self, load_w: float, ms: int) -> None:
        used = load_w * ms / 3600000
        self.spent_wh += used
        self.charge = max(0.0, self.charge - used / self.capacity_wh)
