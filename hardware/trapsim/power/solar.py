"""Panel and battery for nights in a row, armed, in December and January at 43 N."""

import math
from typing import Any

from trapkit.errors import SetupError
from trapsim.power.cells import Pack
from trapsim.power.figures import Figures
from trapsim.power.loads import Habit, draws

PANELS_W = (0, 5, 10, 15, 20, 30, 40)


def yield_wh_per_w(figures: Figures) -> float:
    """Watt-hours a day into the battery for each watt of the panel (at 1 kW/m2), on the average day."""
    value = figures.get("solar.clear")
    for name in ("december", "sky", "trees", "snow_free", "charger"):
        value *= figures.get(f"solar.{name}")
    return value


def size(figures: Figures, battery: str, temp_c: float, nights: int, hours: float) -> dict[str, Any]:
    """What panel and how many watt-hours (nominal, at +20 C) carry so many nights.  Raises: SetupError.

    With each panel the battery has to bridge the larger of the dark spell and what the panel lacks over all nights.
    """
    if not 1 <= nights <= 365:
        raise SetupError(f"nights {nights}; allowed are 1 to 365")
    pack = Pack(figures, battery, temp_c)
    habit = Habit(profile="armed", hours=hours)
    lines = draws(figures, pack, habit)
    costs = sum(line.cost_c for line in lines) + pack.lost_c_a_day
    load_wh = costs * pack.rest_v / 3600
    heated = temp_c < pack.charge_min_c <= 100
    # Of a nominal watt-hour this much comes out here, at this temperature.
    share = pack.usable_c / pack.nominal_c
    primary = pack.charge_min_c > 100
    rows = []
    for watt in (0,) if primary else PANELS_W:
        income = watt * yield_wh_per_w(figures)
        if heated and watt:
            income = max(0.0, income - figures.get("solar.heater"))
        lacking = nights * max(0.0, load_wh - income)
        spell = figures.get("solar.dark_days") * load_wh if watt else 0.0
        need = max(lacking, min(spell, nights * load_wh)) * figures.get("solar.reserve")
        rows.append({"panel_w": watt, "income_wh": round(income, 1), "battery_wh": math.ceil(need / share)})
    enough = [row for row in rows if row["income_wh"] >= load_wh * figures.get("solar.reserve")]
    return {
        "battery": battery,
        "battery_text": pack.text,
        "temp_c": temp_c,
        "nights": nights,
        "hours": hours,
        "load_wh_a_day": round(load_wh, 1),
        "yield_wh_per_w": round(yield_wh_per_w(figures), 2),
        "heater_wh_a_day": figures.get("solar.heater") if heated else 0.0,
        "usable_share": round(share, 3),
        "primary": primary,
        "options": rows,
        "smallest": enough[0] if enough else None,
    }
