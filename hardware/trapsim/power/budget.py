"""Days of life, joules a sighting, passes pictured: one profile on one battery at one temperature."""

from typing import Any

from trapkit.errors import SetupError
from trapsim.power import passes, traffic
from trapsim.power.cells import SECONDS_A_DAY, Pack
from trapsim.power.figures import Figures
from trapsim.power.loads import PROFILES, Draw, Habit, draws, events, sighting_j
from trapsim.power.solar import yield_wh_per_w

__all__ = ["PROFILES", "Habit", "budget", "supervisor_a"]


def seen(figures: Figures, habit: Habit, apart_m: float = 0.0) -> passes.Passes:
    """Under the profile: armed hours have their share of the cats."""
    cold, warm = passes.parked(figures, apart_m), passes.armed(figures, apart_m)
    share = figures.get("passes.night_share") if habit.profile == "armed" and habit.hours else habit.armed_share
    return passes.mix(warm, cold, share)


def supervisor_a(figures: Figures, pack: Pack, habit: Habit) -> float:
    """Average out of the battery with the Pi off and nothing happening: asleep, listening, its heartbeats."""
    quiet = Habit(profile="parked", triggers=0, listens=habit.listens, preamble=habit.preamble, gated=habit.gated)
    return sum(line.charge_c for line in draws(figures, pack, quiet)) / SECONDS_A_DAY


def budget(
    figures: Figures, battery: str, temp_c: float, habit: Habit, apart_m: float = 0.0, solar_w: float = 0.0
) -> dict[str, Any]:
    """All that is to be said of it, ready for JSON.

    Raises: SetupError. `days_of_life` is None where the sun gives more than a day takes.
    """
    if not 0 <= solar_w <= 500:
        raise SetupError(f"solar {solar_w:g} W; allowed is 0 to 500")
    if not 0 <= apart_m <= 500:
        raise SetupError(f"apart {apart_m:g} m; allowed is 0 to 500 between the cameras of a station")
    pack = Pack(figures, battery, temp_c)
    if solar_w and temp_c < pack.charge_min_c and pack.charge_min_c > 100:
        raise SetupError(f"{battery} is a primary battery: it cannot be charged; leave --solar away")
    start = pack.start(figures.get("pi.start_peak"))
    needs_a = figures.get("pi.busy")
    runs = start.verdict != "brown-out" and pack.under_load(pack.five_volts(needs_a), pack.brief_ohm) is not None
    carries = pack.carries(figures.get("pi.armed"))
    works = runs and (carries or not habit.armed_share)
    lines: list[Draw] = draws(figures, pack, habit if works else _quiet(habit))
    spent_c = sum(line.cost_c for line in lines)
    energy_j = sum(line.energy_j for line in lines)
    sun_c = _sun_c(figures, pack, solar_w)
    net_c = spent_c + pack.lost_c_a_day - sun_c
    by_charge = pack.usable_c / net_c if net_c > 0 else None
    days, why = _days(by_charge, pack, runs, carries, habit)
    pictured = seen(figures, habit, apart_m)
    cats = events(figures, habit).cats
    got = cats * pictured.pictured
    return {
        "profile": habit.profile,
        "battery": battery,
        "battery_text": pack.text,
        "temp_c": temp_c,
        "armed_hours": round(habit.armed_share * 24, 2),
        "triggers_per_day": round(events(figures, habit).all, 2),
        "days_of_life": days,
        "limited_by": why,
        "days_by_charge": None if by_charge is None else round(by_charge, 2),
        "energy_per_day_j": round(energy_j, 1),
        "energy_per_sighting_j": round(sighting_j(figures, pack, habit), 1) if works else None,
        "energy_per_pictured_cat_j": round(energy_j / got, 0) if works and got else None,
        "passes_pictured": round(pictured.pictured, 3) if works else 0.0,
        "passes_pictured_alone": round(pictured.alone, 3) if works else 0.0,
        "passes_pictured_station": round(pictured.any, 3) if works else 0.0,
        "passes_both_flanks": round(pictured.both, 3) if works else 0.0,
        "first_picture_s": round(passes.parked_latency_s(figures), 2),
        "supervisor_ua": round(supervisor_a(figures, pack, habit) * 1e6, 1),
        "usable_wh": round(pack.usable_wh, 1),
        "sun_wh_a_day": round(sun_c * pack.rest_v / 3600, 2),
        "pi_start": {
            "verdict": start.verdict, "volt": start.volt, "volt_after_months": start.stale_volt,
            "volt_least": round(pack.lowest_v(), 2), "cell_a": start.cell_a, "cell_a_most": start.cell_a_most,
        },
        "carries_armed_pi": carries,
        "breakdown": breakdown(lines, pack),
    }  # fmt: skip


def breakdown(lines: list[Draw], pack: Pack) -> list[dict[str, Any]]:
    """The draws of a day and the self-discharge, largest first; shares are of the capacity that a day takes."""
    whole = sum(line.cost_c for line in lines) + pack.lost_c_a_day
    rows = [
        {
            "part": line.part, "doing": line.doing, "mah": round(line.charge_c / 3.6, 4),
            "j": round(line.energy_j, 3), "share": round(line.cost_c / whole, 5),
        }
        for line in lines
    ]  # fmt: skip
    rows.append(
        {
            "part": "battery", "doing": "self-discharge", "mah": round(pack.lost_c_a_day / 3.6, 4),
            "j": round(pack.lost_c_a_day * pack.rest_v, 3), "share": round(pack.lost_c_a_day / whole, 5),
        }
    )  # fmt: skip
    return sorted(rows, key=lambda row: -float(str(row["share"])))


def _quiet(habit: Habit) -> Habit:
    """A unit whose Pi cannot run still listens and says that it lives."""
    return Habit(profile="parked", triggers=0, listens=habit.listens, preamble=habit.preamble, gated=habit.gated)


def _days(by_charge: float | None, pack: Pack, runs: bool, carries: bool, habit: Habit) -> tuple[float | None, str]:
    if not runs:
        return 0.0, "brown-out"
    if habit.armed_share and not carries:
        return 0.0, "cells cannot carry the armed Pi"
    if by_charge is None:
        return None, "the sun gives more than a day takes"
    if by_charge > pack.shelf_days:
        return round(pack.shelf_days, 2), "shelf life"
    return round(by_charge, 2), "charge"


def _sun_c(figures: Figures, pack: Pack, solar_w: float) -> float:
    if not solar_w:
        return 0.0
    wh: float = solar_w * yield_wh_per_w(figures)
    if pack.temp_c < pack.charge_min_c:
        wh = max(0.0, wh - figures.get("solar.heater"))
    charge_c: float = wh * 3600 / pack.rest_v
    return charge_c


def listening_table(figures: Figures, pack: Pack, preambles: tuple[int, ...]) -> list[dict[str, Any]]:
    """The supervisor's average against the wake frame's preamble, RF switch held on and gated."""
    rows = []
    for symbols in preambles:
        found = traffic.listening(figures, symbols)
        both = [
            supervisor_a(figures, pack, Habit(profile="parked", preamble=symbols, gated=gated)) * 1e6
            for gated in (False, True)
        ]
        rows.append(
            {
                "preamble_symbols": symbols, "wake_frame_s": round(found.wake_s, 3), "sleep_s": round(found.sleep_s, 3),
                "supervisor_ua": round(both[0], 1), "supervisor_gated_ua": round(both[1], 1),
            }
        )  # fmt: skip
    return rows
