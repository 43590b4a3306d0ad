"""The power budget: its table, its models, and that POWER.md is what they say."""

import json
import tomllib
from pathlib import Path

import pytest

from trapkit.errors import SetupError
from trapsim.cli import main
from trapsim.power import passes
from trapsim.power.budget import budget, supervisor_a
from trapsim.power.cells import Pack
from trapsim.power.figures import MARKS, TABLE, Figures, load_figures
from trapsim.power.loads import PROFILES, Habit, draws
from trapsim.power.page import page
from trapsim.power.solar import size, yield_wh_per_w
from trapsim.power.tables import GOAL_BATTERY, GOAL_C, tables
from trapsim.power.traffic import listening
from trapwire.airtime import airtime_us
from trapwire.wake import PREAMBLE

HARDWARE = TABLE.parent
FIGURES = load_figures()
PARKED, ARMED, ALWAYS = (Habit(profile=profile) for profile in PROFILES)


def test_every_number_has_unit_mark_and_source() -> None:
    data = tomllib.loads(TABLE.read_text())
    assert len(FIGURES.entries) > 140
    for name, entry in FIGURES.entries.items():
        assert entry.mark in MARKS, name
        assert len(data["sources"][entry.source]) > 8, name
    used = {entry.source for entry in FIGURES.entries.values()}
    assert set(data["sources"]) - used == {"seeed-sleep", "semtech-duty", "linden"} - used
    # What is said to be from memory is no datasheet.
    assert not [n for n, e in FIGURES.entries.items() if e.mark != "estimate" and "memory" in data["sources"][e.source]]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('x = { value = 1, unit = "uA", mark = "guess", source = "a" }', "mark 'guess'; allowed are measured"),
        ('x = { value = 1, unit = "furlong", mark = "estimate", source = "a" }', "unit 'furlong'"),
        ('x = { value = 1, unit = "uA", mark = "estimate", source = "b" }', "source 'b' is not in"),
        ('x = { value = "1", unit = "uA", mark = "estimate", source = "a" }', "value '1' in uA"),
        ('x = { value = [[2, 1], [1, 1]], unit = "V at C", mark = "estimate", source = "a" }', "rising x"),
        ("x = 3", "x: is 3; allowed is"),
        ('x = { value = 1, unit = "uA", mark = "estimate", source = "a", sauce = 1 }', "'sauce'"),
        ("x = ", "is not TOML"),
    ],
)
def test_a_number_without_them_is_refused_by_name(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "power.toml"
    path.write_text('[sources]\na = "somebody"\n[sleep]\n' + line)
    with pytest.raises(SetupError, match=r"power\.toml: ") as caught:
        load_figures(path)
    assert words in str(caught.value)


def test_units_come_as_amperes_seconds_and_coulombs() -> None:
    assert FIGURES.get("sleep.pir") == pytest.approx(6e-6)
    assert FIGURES.get("awake.mcu") == pytest.approx(0.034)
    assert FIGURES.get("awake.wake_charge") == pytest.approx(0.042)
    assert FIGURES.get("sleep.monitor_bus") == 830e3
    assert FIGURES.at("battery.lithium-d.cold", -25) == pytest.approx(0.82)
    assert FIGURES.at("battery.lithium-d.cold", -60) == 0.70
    assert FIGURES.at("battery.lithium-d.cold", 60) == 1.0


@pytest.mark.parametrize("battery", sorted(FIGURES.layouts))
@pytest.mark.parametrize("habit", [PARKED, ARMED, ALWAYS], ids=PROFILES)
def test_the_colder_the_shorter(battery: str, habit: Habit) -> None:
    days = [budget(FIGURES, battery, temp, habit)["days_of_life"] for temp in range(-40, 61, 10)]
    assert days == sorted(days)


@pytest.mark.parametrize(
    "name",
    [name for name, entry in FIGURES.entries.items() if entry.unit in ("uA", "mA") and name not in ("sleep.xiao_low",)],
)
def test_the_more_current_the_shorter(name: str) -> None:
    for habit, battery in ((PARKED, "lithium-d"), (ARMED, "lithium-d"), (ARMED, "lifepo4")):
        now = budget(FIGURES, battery, -20, habit)["days_by_charge"]
        more = FIGURES.scaled(name, 1.3)
        if name == "pi.armed" and habit is ARMED:  # busy is told as more than armed
            assert budget(more, battery, -20, habit)["days_by_charge"] < now * 0.9
        assert budget(more, battery, -20, habit)["days_by_charge"] <= now + 0.01


@pytest.mark.parametrize("battery", sorted(set(FIGURES.layouts) - {"lithium-d-bobbin"}))
@pytest.mark.parametrize("habit", [PARKED, ARMED, ALWAYS], ids=PROFILES)
def test_the_parts_sum_to_the_whole(battery: str, habit: Habit) -> None:
    found = budget(FIGURES, battery, -10, habit)
    lines = draws(FIGURES, Pack(FIGURES, battery, -10), habit)
    drawn = [row for row in found["breakdown"] if row["part"] != "battery"]
    assert sum(row["j"] for row in drawn) == pytest.approx(found["energy_per_day_j"], rel=1e-3)
    assert sum(row["share"] for row in found["breakdown"]) == pytest.approx(1, abs=1e-3)
    assert sum(line.energy_j for line in lines) == pytest.approx(found["energy_per_day_j"], abs=0.1)
    pack = Pack(FIGURES, battery, -10)
    spent = sum(line.cost_c for line in lines) + pack.lost_c_a_day
    assert pack.usable_c / spent == pytest.approx(found["days_by_charge"], rel=1e-2)


def test_a_pi_for_an_hour_by_hand() -> None:
    """240 mA at 5 V through a converter of 0.914 from 3.57 V behind 0.117 ohm."""
    pack = Pack(FIGURES, "lithium-d", -20)
    watt = pack.five_volts(0.24)
    assert watt == pytest.approx(1.2 / 0.914, rel=1e-3)
    point = pack.under_load(watt)
    assert point is not None
    volt, amp = point
    assert volt * amp == pytest.approx(watt)
    assert volt == pytest.approx(3.57 - amp * 0.70 / 6)
    assert pack.cost_c(amp, 3600) == pytest.approx(amp * 3600 * (1 + amp / 6 / 1.3))


def test_bobbin_cells_brown_out_and_capacitors_help() -> None:
    bare, helped = (Pack(FIGURES, name, -20).start(1.0) for name in ("lithium-d-bobbin", "lithium-d-hybrid"))
    assert (bare.verdict, bare.volt) == ("brown-out", None)
    assert helped.verdict == "ok"
    spiral = Pack(FIGURES, "lithium-d", -20).start(1.0)
    assert spiral.verdict == "stale"
    assert spiral.stale_volt is not None
    assert spiral.stale_volt < 3.1 < (spiral.volt or 0)
    assert budget(FIGURES, "lithium-d-bobbin", -20, PARKED)["limited_by"] == "brown-out"
    assert budget(FIGURES, "lithium-d-hybrid", -30, ARMED)["limited_by"] == "cells cannot carry the armed Pi"


def test_a_parked_camera_misses_most_and_an_armed_one_few() -> None:
    cold, warm = passes.parked(FIGURES), passes.armed(FIGURES)
    assert cold.alone < cold.pictured < cold.any < 0.25
    assert warm.pictured > 0.99
    assert cold.both < cold.pictured
    # A camera without delay sees what its PIR sees.
    assert passes.stays(FIGURES, 0) == 1
    quick = FIGURES.scaled("pi.boot_s", 0.01)
    assert cold.pictured < passes.parked(quick).pictured < 0.96
    near, far = passes.parked(FIGURES, 3), passes.parked(FIGURES, 10)
    assert cold.pictured < near.pictured < far.pictured
    # Far apart: the first has its own PIR alone, the second the whole way.
    very_far = passes.parked(FIGURES, 400)
    assert very_far.pictured == pytest.approx((cold.alone + 0.8 + 0.2 * cold.alone) / 2)
    for found in (cold, warm, near, far, very_far):
        assert found.both <= found.pictured <= found.any <= 1


def test_the_model_agrees_with_cats_drawn_by_chance() -> None:
    """The same race drawn: who is seen by whose PIR, and who is still there."""
    import random

    draw = random.Random(1)
    count, pictured, both = 200_000, 0, 0
    latency = passes.parked_latency_s(FIGURES)
    for _ in range(count):
        time_s = 4.0 * 1.2 * draw.lognormvariate(0, 0.5)
        own, other = draw.random() < 0.8, draw.random() < 0.8
        at = [latency if sees else latency + 0.5 if own or other else 1e9 for sees in (own, other)]
        pictured += time_s >= at[0]
        both += time_s >= max(at)
    model = passes.parked(FIGURES)
    assert pictured / count == pytest.approx(model.pictured, abs=0.004)
    assert both / count == pytest.approx(model.both, abs=0.004)


def test_listening_is_a_window_in_each_preamble() -> None:
    found = listening(FIGURES)
    assert found.preamble_symbols == PREAMBLE
    assert found.wake_s == pytest.approx(airtime_us(24, 7, preamble=PREAMBLE) / 1e6)
    # Whenever a preamble begins, a whole window lies in it.
    assert found.receive_s + found.sleep_s + 0.005 + found.receive_s <= PREAMBLE * 1.024e-3 + 1e-9
    longer = listening(FIGURES, 1000)
    assert longer.average_a < found.average_a
    assert listening(FIGURES, gated=True).average_a < found.average_a - 50e-6


def test_the_goals_are_those_of_the_page() -> None:
    """Pinned: whoever moves a number moves these, and POWER.md, on purpose."""
    parked, armed = (budget(FIGURES, GOAL_BATTERY, GOAL_C, habit) for habit in (PARKED, ARMED))
    assert parked["days_of_life"] == pytest.approx(2988, abs=1)
    assert parked["passes_pictured"] == pytest.approx(0.184, abs=0.001)
    assert armed["days_of_life"] == pytest.approx(14.96, abs=0.05)
    assert armed["passes_pictured"] == pytest.approx(0.713, abs=0.001)
    assert parked["supervisor_ua"] == pytest.approx(294.0, abs=0.1)  # 150 wanted: missed, and said so
    gated = Habit(profile="parked", preamble=720, gated=True)
    assert supervisor_a(FIGURES, Pack(FIGURES, GOAL_BATTERY, GOAL_C), gated) * 1e6 == pytest.approx(149.6, abs=0.1)
    assert size(FIGURES, "lto", -20, 60, 10)["smallest"] == {"panel_w": 20, "income_wh": 21.5, "battery_wh": 173}


def test_the_committed_page_is_what_the_table_says() -> None:
    assert (HARDWARE / "POWER.md").read_text() == page(FIGURES, tables(FIGURES))
    assert (HARDWARE / "power.png").read_bytes()[:4] == b"\x89PNG"


def test_the_sun_carries_or_it_does_not() -> None:
    assert yield_wh_per_w(FIGURES) == pytest.approx(1.07, abs=0.01)
    weak, strong = (budget(FIGURES, "lto", -20, ARMED, solar_w=watt) for watt in (5, 20))
    assert weak["days_of_life"] > budget(FIGURES, "lto", -20, ARMED)["days_of_life"]
    assert strong["days_of_life"] is None
    # Below 0 C LiFePO4 pays for its heater first.
    assert budget(FIGURES, "lifepo4", -20, ARMED, solar_w=5)["sun_wh_a_day"] == 0
    assert budget(FIGURES, "lifepo4", 5, ARMED, solar_w=5)["sun_wh_a_day"] == pytest.approx(5.37, abs=0.02)
    few, many = (size(FIGURES, "lto", -20, nights, 10)["options"][0]["battery_wh"] for nights in (10, 60))
    assert many == pytest.approx(6 * few, rel=0.01)


def test_a_bush_costs_days() -> None:
    days = [
        budget(FIGURES, "lithium-d", -20, Habit(profile="parked", triggers=count))["days_by_charge"]
        for count in (0, 2.64, 20, 500)
    ]
    assert days == sorted(days, reverse=True)
    assert days[-1] < 60


def test_the_command_prints_json_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = tmp_path / "days.png"
    given = ["power", "--profile", "armed", "--battery", "liion", "--temp", "0", "--json", "--plot", str(plot)]
    assert main(given) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"days_of_life", "energy_per_sighting_j", "passes_pictured", "breakdown", "pi_start"} <= set(found)
    assert plot.read_bytes()[:4] == b"\x89PNG"
    assert main(["power", "size", "--battery", "lto", "--nights", "60"]) == 0
    assert "battery Wh" in capsys.readouterr().out
    assert main(["power", "--deaf", "--triggers", "20"]) == 0
    assert "days_of_life" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--battery", "potato"], "battery 'potato' is unknown; allowed are"),
        (["--solar", "10"], "cannot be charged; leave --solar away"),
        (["--plot", "/nowhere/at/all.png"], "there is no folder"),
        (["--plot", "/tmp"], "--plot /tmp: is a folder; name a file in it"),
        (["--hours", "5"], "--hours 5: counts under --profile armed, or for size; this is parked"),
        (["--nights", "3"], "--nights 3: counts for size alone"),
        (["size", "--solar", "5"], "size goes with"),
    ],
)
def test_wrong_use_is_named(given: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", *given]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("given", [["--temp", "-80"], ["--temp", "cold"], ["--hours", "25"], ["--profile", "asleep"]])
def test_bad_arguments_end_with_two(given: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["power", *given])
    assert caught.value.code == 2


def test_a_habit_knows_its_bounds() -> None:
    for wrong in ({"profile": "x"}, {"profile": "armed", "hours": 25}, {"profile": "parked", "triggers": -1}):
        with pytest.raises(SetupError):
            Habit(**wrong)  # type: ignore[arg-type]
    with pytest.raises(SetupError, match="temperature -50"):
        Pack(FIGURES, "lto", -50)
    assert isinstance(FIGURES.scaled("solar.sky", 9), Figures)
    assert FIGURES.scaled("solar.sky", 9).get("solar.sky") == 1.0
