"""The firmware's battery model beside the simulator's battery, hour by hour through a winter until that is empty.

The unit knows one current a state, as it is at +20 C, and reads voltage and temperature once an hour. The simulator's
battery knows the cold, the rate and its own resistance. What is asserted is how far the unit's days_left was off.
"""

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import pytest

from trapmcu.battery import CRITICAL, LOW, OK, Battery
from trapsim.power.cells import Pack
from trapsim.power.figures import load_figures
from trapsim.power.loads import Habit, draws

FIGURES = load_figures()
HOUR_MS = 3600000
HABITS = {"parked": Habit(profile="parked"), "armed": Habit(profile="always-on")}  # of one hour


@dataclass
class Day:
    """What was told at the end of a day."""

    day: int
    days_left: int | None
    percent: int
    level: int
    true_share: float


def temperature_c(hour: int) -> int:
    """From the 1st of November: -4 C on average, -22 C in the middle of January, and 6 C up and down each day."""
    season = -13 + 9 * math.cos(2 * math.pi * hour / 24 / 150)
    return round(season - 6 * math.cos(2 * math.pi * (hour % 24 - 3) / 24))


@cache
def pack_at(battery: str, temp_c: int) -> Pack:
    return Pack(FIGURES, battery, temp_c)


@cache
def hour_of(battery: str, temp_c: int, state: str) -> tuple[float, float]:
    """Coulombs drawn in an hour of a state, and what they cost the battery."""
    lines = draws(FIGURES, pack_at(battery, temp_c), HABITS[state])
    return sum(line.charge_c for line in lines) / 24, sum(line.cost_c for line in lines) / 24


def rest_v(pack: Pack, used: float) -> float:
    """The simulator's one voltage a temperature, and for Li-ion the slope that it has in truth."""
    if pack.name != "liion":
        return pack.rest_v
    curve = [(0, 4.15), (0.1, 4.02), (0.25, 3.90), (0.5, 3.70), (0.75, 3.58), (0.9, 3.45), (1.01, 3.30)]
    (x0, y0), (x1, y1) = next((a, b) for a, b in pairwise(curve) if used <= b[0])
    return y0 + (y1 - y0) * (used - x0) / (x1 - x0) - 0.001 * (20 - pack.temp_c)


def winter(battery: str, kind: str, every: int, believed: float = 1.0, days: int = 400) -> list[Day]:
    """Armed for ten hours each `every` nights; `believed`: what the unit takes its currents for, over the truth."""
    warm = pack_at(battery, 20)
    mah = round(warm.usable_c / 3.6 * 0.97)  # what is usable, less some for the rate
    state = b""
    told: list[Day] = []
    spent_c = 0.0
    now = 1700000000000
    for hour in range(days * 24):
        doing = "armed" if hour // 24 % every == 0 and hour % 24 < 10 else "parked"
        temp_c = temperature_c(hour)
        pack = pack_at(battery, temp_c)
        _, cost_c = hour_of(battery, temp_c, doing)
        spent_c += cost_c + pack.lost_c_a_day / 24
        if spent_c >= pack.usable_c:
            break
        # Each hour a deep sleep: what the unit knows goes through its bytes.
        unit = Battery(kind, warm.series, mah, state)
        if not state:
            unit.spend(now, 0)
        now += HOUR_MS
        unit.spend(now, round(hour_of(battery, 20, doing)[0] / 3600 * 1e6 * believed))
        load = pack.under_load(pack.five_volts(0.43))
        share = spent_c / pack.usable_c
        knee = 1 - 0.12 * max(0.0, share - 0.95) / 0.05  # the last twentieth falls
        unit.reading(
            round(rest_v(pack, spent_c / warm.usable_c) * 1000 * knee) if hour % 24 > 12 else None,
            temp_c,
            round(load[0] * 1000 * knee) if load and doing == "armed" else None,
        )
        state = unit.pack()
        if hour % 24 == 23:
            told.append(Day(hour // 24 + 1, unit.days_left, unit.percent, unit.level, share))
    return told


def judge(told: list[Day], first: int, share: float, days: float) -> None:
    """days_left within a share of what is left in truth, and some days; the last day is the one before the end."""
    end = told[-1].day + 1
    for day in told[first:]:
        assert day.days_left is not None
        assert abs(day.days_left - (end - day.day)) <= share * (end - day.day) + days, (day, end)


@pytest.mark.parametrize(("every", "least", "first"), [(7, 60, 21), (3, 30, 10), (1, 13, 2)])
def test_days_left_through_a_winter_on_lithium(every: int, least: int, first: int) -> None:
    """Within 30 % and a day more than the habit's own step: a week, where each seventh night is armed."""
    told = winter("lithium-d", "lithium-primary", every)
    assert len(told) > least
    judge(told, first, 0.30, every + 1)


@pytest.mark.parametrize("believed", [0.8, 1.25])
def test_currents_wrong_by_a_quarter_make_days_wrong_by_two_fifths_of_the_life(believed: float) -> None:
    """Too small a current is wrong twice: in what is left, and in what a day takes."""
    told = winter("lithium-d", "lithium-primary", 7, believed)
    judge(told, 21, 0.4, 0.4 * len(told))


def test_the_classes_come_in_time_and_not_for_the_cold() -> None:
    told = winter("lithium-d", "lithium-primary", 7)
    for day in told:
        if day.true_share < 0.5:
            assert day.level != CRITICAL, day
    levels = [day.level for day in told]
    assert levels[0] == OK
    assert len(levels) - levels.index(LOW) >= 14
    assert len(levels) - levels.index(CRITICAL) >= 2
    assert levels[-1] == CRITICAL


@pytest.mark.parametrize(("kind", "every", "least"), [("liion", 7, 14), ("lifepo4", 7, 35), ("lifepo4", 3, 17)])
def test_rechargeable_packs_through_their_winter(kind: str, every: int, least: int) -> None:
    """As lithium: 30 %, and a day more than the habit's step. Li-ion lives for two armed nights."""
    told = winter(kind, kind, every)
    assert len(told) >= least
    judge(told, 7, 0.30, every + 1)


def test_what_the_unit_draws_is_what_the_day_says() -> None:
    """An hour of each state, against the day of the budget."""
    day = sum(line.charge_c for line in draws(FIGURES, pack_at("lithium-d", -20), HABITS["parked"]))
    assert hour_of("lithium-d", -20, "parked")[0] * 24 == pytest.approx(day)
    assert hour_of("lithium-d", -20, "armed")[0] > 100 * hour_of("lithium-d", -20, "parked")[0]
