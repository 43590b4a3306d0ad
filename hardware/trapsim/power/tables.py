"""All that POWER.md says, computed: the matrix, the goals, the levers, what a bush costs."""

from typing import Any

from trapsim.power import passes
from trapsim.power.budget import budget, listening_table, supervisor_a
from trapsim.power.cells import Pack
from trapsim.power.figures import Figures
from trapsim.power.loads import PROFILES, Habit
from trapsim.power.sensitivity import sensitivity
from trapsim.power.solar import size
from trapsim.power.traffic import listening

TEMPS_C = (20, 0, -20, -30)
GOAL_BATTERY, GOAL_C = "lithium-d", -20
NIGHTS, HOURS = 60, 10.0
LISTENING_UA = 150
PREAMBLES = (320, 480, 640, 800, 1000, 1500)
TRIGGERS = (2.64, 20.0, 100.0, 500.0)
APART_M = (0.0, 3.0, 10.0)
BOOTS_S = (5.0, 3.5, 2.0)
SIZED = ("lto", "lifepo4")
# What is said, the number that changes (none: the RF switch), and to what, in A, s or symbols.
LEVERS = (
    ("as it is", "", 0.0),
    ("RF switch by DIO2 in place of a pin held on", "", 0.0),
    ("oscillator ready in 1 ms in place of 5", "radio.oscillator_s", 0.001),
    ("a XIAO that sleeps at 12 µA, as the better of two measured", "sleep.xiao", 11.9e-6),
    (
        "windows of 4 symbols in place of 8: whether the chip finds a preamble so is unproved",
        "radio.window_symbols",
        4.0,
    ),
)


def tables(figures: Figures) -> dict[str, Any]:
    """Everything, in the order of the page.  Raises: SetupError."""
    pack = Pack(figures, GOAL_BATTERY, GOAL_C)
    habits = [Habit(profile=profile) for profile in PROFILES]
    matrix = [
        budget(figures, battery, temp_c, habit) for battery in figures.layouts for habit in habits for temp_c in TEMPS_C
    ]
    parked, armed = (budget(figures, GOAL_BATTERY, GOAL_C, habit) for habit in habits[:2])
    return {
        "marks": figures.marks(),
        "matrix": matrix,
        "parked": parked,
        "armed": armed,
        "sizes": [size(figures, battery, GOAL_C, NIGHTS, HOURS) for battery in SIZED],
        "without_sun": size(figures, GOAL_BATTERY, GOAL_C, NIGHTS, HOURS),
        "listening": listening_table(figures, pack, PREAMBLES),
        "deaf_ua": budget(figures, GOAL_BATTERY, GOAL_C, Habit(profile="parked", listens=False))["supervisor_ua"],
        "levers": levers(figures, pack),
        "first_that_listens": first_preamble(figures, pack),
        "bush": [_bush(figures, count) for count in TRIGGERS],
        "stations": [_station(figures, apart_m) for apart_m in APART_M],
        "boots": [_boot(figures, seconds) for seconds in BOOTS_S],
        "sensitivity": {
            profile: sensitivity(figures, GOAL_BATTERY, GOAL_C, Habit(profile=profile)) for profile in PROFILES[:2]
        },
    }


def first_preamble(figures: Figures, pack: Pack) -> dict[str, Any] | None:
    """The shortest preamble, in steps of ten symbols, with which a gated RF switch keeps the goal."""
    for symbols in range(320, 4000, 10):
        row = listening_table(figures, pack, (symbols,))[0]
        if row["supervisor_gated_ua"] <= LISTENING_UA:
            return row
    return None


def levers(figures: Figures, pack: Pack) -> list[dict[str, Any]]:
    """The supervisor's average with today's wake frame, one lever after the other added."""
    rows = []
    for words, name, value in LEVERS:
        if name:
            figures = figures.scaled(name, value / figures.get(name))
        habit = Habit(profile="parked", gated=words != LEVERS[0][0])
        rows.append({"words": words, "supervisor_ua": round(supervisor_a(figures, pack, habit) * 1e6, 1)})
    return rows


def _bush(figures: Figures, count: float) -> dict[str, Any]:
    found = [budget(figures, GOAL_BATTERY, GOAL_C, Habit(profile=profile, triggers=count)) for profile in PROFILES[:2]]
    return {"triggers": count, "parked": found[0]["days_by_charge"], "armed": found[1]["days_by_charge"]}


def _station(figures: Figures, apart_m: float) -> dict[str, Any]:
    cold, warm = passes.parked(figures, apart_m), passes.armed(figures, apart_m)
    return {"apart_m": apart_m, "parked": cold, "armed": warm}


def _boot(figures: Figures, seconds: float) -> dict[str, Any]:
    quick = figures.scaled("pi.boot_s", seconds / figures.get("pi.boot_s"))
    found = passes.parked(quick)
    return {"boot_s": seconds, "first_picture_s": found.latency_s, "pictured": found.pictured, "any": found.any}


def window_ms(figures: Figures) -> float:
    """How long the chip listens each time."""
    return listening(figures).receive_s * 1000
