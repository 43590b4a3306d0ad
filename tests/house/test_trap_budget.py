"""A trap's budgets, held: memory and its growth, bytes a burst; of speed only what one stage costs beside another."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from trapsim.cli import main
from trapsim.trapbudget.budget import prepare, run_child, slope, summed, wake_of
from trapsim.trapbudget.stages import StageClock
from trapsim.trapbudget.table import RSS_MAX_KB, table_of

REAL = 12  # bursts with the real detector
MANY = 60  # with one that answers at once
GROWTH_MAX_KB = 2048  # from the first quarter of many bursts to the last; SQLite alone keeps up to 2 MB of pages
REJECTED_MAX_BYTES = 64 * 1024  # rows and pages of SQLite, no picture
WITHHELD_MAX_BYTES = 48 * 1024


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """On a disk: for a folder in memory the kernel counts nothing as written."""
    with TemporaryDirectory(dir="/var/tmp") as name:
        prepare(Path(name))
        yield Path(name)


@pytest.fixture(scope="module")
def real(place: Path) -> dict[str, Any]:
    return summed(run_child(place, "real", ["--bursts", str(REAL)], 500))


def test_a_trap_has_room_in_its_memory(real: dict[str, Any]) -> None:
    print(f"\n{real['peak_kb'] / 1024:.0f} MB at the most, the simulated camera's pictures included")
    assert real["peak_kb"] <= RSS_MAX_KB


def test_memory_stays_flat_over_many_bursts(place: Path) -> None:
    many = summed(run_child(place, "many", ["--bursts", str(MANY), "--frames", "2", "--stand-in"], 900))
    print(f"\n{many['growth_kb']:.0f} kB more in the last quarter, {many['slope_kb_per_1000']:.0f} kB a 1,000 bursts")
    assert many["growth_kb"] <= GROWTH_MAX_KB
    assert many["peak_kb"] <= RSS_MAX_KB
    assert set(many["outcomes"]) >= {"kept", "rejected", "withheld"}


def test_what_is_not_kept_writes_next_to_nothing(real: dict[str, Any]) -> None:
    outcomes = real["outcomes"]
    assert outcomes["rejected"]["written_most"] <= REJECTED_MAX_BYTES
    assert outcomes["withheld"]["written_most"] <= WITHHELD_MAX_BYTES
    assert outcomes["withheld"]["objects"] == outcomes["rejected"]["objects"] == 0
    kept = outcomes["kept"]
    if kept["written"]:  # the kernel counts nothing for a folder in memory
        assert kept["objects"] <= kept["written"] <= 1.2 * kept["objects"] + REJECTED_MAX_BYTES


def test_a_frame_is_unpacked_once_and_again_only_for_what_is_made_of_it(real: dict[str, Any]) -> None:
    outcomes = real["outcomes"]
    assert outcomes["rejected"]["unpacked"] == outcomes["withheld"]["unpacked"] == real["frames"]
    assert outcomes["kept"]["unpacked"] <= real["frames"] + 3


def test_the_detector_and_unpacking_are_what_a_rejected_burst_costs(real: dict[str, Any]) -> None:
    for name in ("rejected", "withheld"):
        cpu = real["outcomes"][name]["cpu_s"]
        rest = sum(seconds for stage, seconds in cpu.items() if stage not in ("detect", "unpack"))
        assert rest <= 0.5 * (cpu["detect"] + cpu["unpack"]), cpu
        assert cpu["unpack"] <= 2 * cpu["detect"], cpu


def test_the_table_says_what_was_measured(real: dict[str, Any]) -> None:
    at = {"python": 10.0, "imports": 60.0, "outbox and keys": 70.0, "model": 90.0, "camera": 100.0, "wake": 110.0,
          "burst": 200.0, "judged": 260.0}  # fmt: skip
    start = [(name, ms, ms / 2) for name, ms in at.items()]
    armed = [("second wake", 500.0, 130.0), ("wake", 501.0, 130.0), ("burst", 600.0, 140.0), ("judged", 650.0, 180.0)]
    wake = wake_of([{"start": start, "armed": armed}])
    assert (wake["imports"], wake["all, from the process's start"]) == ((50.0, 25.0), (260.0, 130.0))
    assert wake["from WAKE, in a running trap"] == (150.0, 50.0)
    figures = {"command": "trapsim budget", "commit": "0", "stand_in": False, "wake": wake, **real}
    page = "\n".join(table_of(figures))
    assert "| imports | 50 | 25 | 0.2 |" in page
    assert "estimate" in page


def test_the_clock_counts_each_second_in_the_innermost_stage() -> None:
    now = [0.0]
    clock = StageClock(lambda: now[0])
    with clock.stage("detect"):
        now[0] += 1
        with clock.stage("unpack"):
            now[0] += 2
        now[0] += 4
    now[0] += 8
    taken = clock.take()
    assert (taken["detect"], taken["unpack"], taken["other"]) == (5.0, 2.0, 8.0)
    assert clock.take()["other"] == 0.0


def test_a_slope_is_that_of_the_line() -> None:
    assert slope([3.0, 5.0, 7.0, 9.0]) == pytest.approx(2.0)
    assert slope([1.0]) == 0.0


def test_wrong_arguments_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["budget", "--bursts", "1"])
    assert "1 is out of bounds; allowed is 4–100000" in capsys.readouterr().err
