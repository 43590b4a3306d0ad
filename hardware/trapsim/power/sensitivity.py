"""Which numbers move the days of life most, each 30 % smaller and larger."""

from typing import Any

from trapkit.errors import SetupError
from trapsim.power.budget import budget
from trapsim.power.figures import Figures
from trapsim.power.loads import Habit

STEP = 0.30
# Voltages and shares, of which 30 % more is none; the number of triggers stands for its share of false ones, and the
# capacity for the shares of it. What only says which cats are pictured moves no day.
VOLTAGES = ("awake.pad", "awake.pad_min", "sleep.pad_low", "boost.input_min", "buck.input_min", "passes.false_share")
SKIP = ("solar.", "passes.view", "passes.pir", "passes.warm", "passes.pair", "passes.speed", "passes.cats")
ENDINGS = (".rest", ".usable", ".shelf", ".charge_min")


def sensitivity(figures: Figures, battery: str, temp_c: float, habit: Habit, count: int = 5) -> list[dict[str, Any]]:
    """The `count` entries with the widest range of days, by charge (a shelf life would hide them)."""
    base = _days(figures, battery, temp_c, habit)
    rows: list[dict[str, Any]] = []
    for name in figures.entries:
        other = name.startswith("battery.") and not name.startswith(f"battery.{battery}.")
        if other or name in VOLTAGES or name.startswith(SKIP) or name.endswith(ENDINGS):
            continue
        low = _days(figures.scaled(name, 1 - STEP), battery, temp_c, habit)
        high = _days(figures.scaled(name, 1 + STEP), battery, temp_c, habit)
        rows.append({"name": name, "days": base, "days_less_30": low, "days_more_30": high})
    rows.sort(key=lambda row: -abs((row["days_more_30"] or 0) - (row["days_less_30"] or 0)))
    return rows[:count]


def _days(figures: Figures, battery: str, temp_c: float, habit: Habit) -> float | None:
    """None: with this number the trap does not run."""
    try:
        found = budget(figures, battery, temp_c, habit)
    except (SetupError, ZeroDivisionError):
        return None
    days: float | None = found["days_by_charge"]
    return days if found["limited_by"] in ("charge", "shelf life") else None
