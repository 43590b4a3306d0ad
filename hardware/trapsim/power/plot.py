"""The budget's pictures: days of life against temperature."""

import io
from collections.abc import Sequence

from trapsim.power.budget import budget
from trapsim.power.figures import Figures
from trapsim.power.loads import PROFILES, Habit

TEMPS_C = tuple(range(-30, 21, 2))
DAYS = (0.5, 1, 3, 10, 30, 100, 365, 1000, 3650)
SHOWN = {
    "lithium-d": "6 LSH 20",
    "lithium-d-hybrid": "6 LS 33600 + HLC",
    "limno2-d": "6 Li-MnO2 D",
    "lifepo4": "LiFePO4 154 Wh",
    "liion": "Li-ion 72 Wh",
}


def profiles_chart(figures: Figures, battery: str, habits: Sequence[Habit]) -> bytes:
    """One battery, a line a profile, days by decades (PNG)."""
    named = {habit.profile: [_point(figures, battery, temp, habit) for temp in TEMPS_C] for habit in habits}
    return _chart(battery, named, log=True)


def batteries_chart(figures: Figures) -> bytes:
    """The batteries of SHOWN: parked on the left, armed on the right (PNG)."""
    from PIL import Image as Pictures

    pictures = []
    for profile, title in (("parked", "Parked, days"), ("armed", "Armed 10 h a night, nights")):
        habit = Habit(profile=profile)
        named = {words: [_point(figures, battery, temp, habit) for temp in TEMPS_C] for battery, words in SHOWN.items()}
        pictures.append(Pictures.open(io.BytesIO(_chart(title, named, log=profile == "parked"))).convert("RGB"))
    sheet = Pictures.new("RGB", (sum(p.width for p in pictures), pictures[0].height), "#ffffff")
    sheet.paste(pictures[0], (0, 0))
    sheet.paste(pictures[1], (pictures[0].width, 0))
    out = io.BytesIO()
    sheet.quantize(128).save(out, "PNG", optimize=True)
    return out.getvalue()


def _point(figures: Figures, battery: str, temp_c: float, habit: Habit) -> tuple[float, float]:
    return temp_c, budget(figures, battery, temp_c, habit)["days_of_life"] or 0.0


def _chart(title: str, named: dict[str, list[tuple[float, float]]], *, log: bool) -> bytes:
    from trapcam.evaluate.plots import Axis, Line, chart  # here: it brings Pillow

    # A battery that does not run at a temperature has no point there: its line ends.
    lines = [Line(name=name, points=[p for p in points if p[1] > 0]) for name, points in named.items()]
    most = max((y for line in lines for _, y in line.points), default=1.0)
    x = Axis(name="°C", low=-30, high=20, ticks=[(t, f"{t:+d}" if t else "0") for t in range(-30, 21, 10)])
    if log:
        least = min((y for line in lines for _, y in line.points), default=1.0)
        low = max(d for d in DAYS if d <= max(least / 10, DAYS[0]))  # room for the legend below the lines
        y = Axis(name="days", low=low, high=4000, ticks=[(d, f"{d:g}") for d in DAYS if d >= low], log=True)
    else:
        high = 5 * (int(most * 1.4) // 5 + 1)  # room for the legend above the lines
        y = Axis(name="nights", low=0, high=high, ticks=[(n, str(n)) for n in range(0, high + 1, 5)])
    return chart(title, x, y, lines, legend_top=not log, legend_left=not log)


__all__ = ["PROFILES", "batteries_chart", "profiles_chart"]
