"""The power goes at a trap, in each stage between a trigger and the word that all is delivered."""

from dataclasses import replace
from pathlib import Path

import pytest

from trapsim.crash import fused
from trapsim.trapsoak.plan import Season, draw
from trapsim.trapsoak.season import STAGES, Run

BURSTS = 14
TIMES = (1, 3)  # a stage is entered: the power goes at each of these in a run of its own


def calm(number: int) -> Season:
    """A season without any fault of its own but its receipts."""
    season = draw(1, number, BURSTS)
    bursts = tuple(replace(burst, fault="") for burst in season.bursts)
    receipts = ((8_000, "receipt good"), (14_000, "receipt good"), (20_000, "receipt good"), (26_000, "receipt good"))
    return replace(season, bursts=bursts, spells=(), moments=receipts, deaths=(), networked=False)


@pytest.mark.parametrize("stage", STAGES)
def test_a_power_cut_in_each_stage_loses_and_doubles_nothing(tmp_path: Path, stage: str) -> None:
    for time in TIMES:
        with fused() as fuse:
            run = Run(calm(1), tmp_path / str(time), fuse, die_at=[(stage, time)])
            books = run.run()
        assert run.counts[f"power cuts in {stage}"] == run.counts["power cuts"] == 1
        assert books.violations == []
        assert books.counts["sightings"] == books.counts["kept"] > 3
        assert books.counts["bursts"] == BURSTS
        assert books.counts["objects let go by a receipt"] > 0


def test_a_power_cut_in_every_stage_in_turn_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with fused() as fuse:
        run = Run(calm(2), tmp_path / "all", fuse, die_at=[(stage, 3) for stage in STAGES])
        books = run.run()
    assert run.counts["power cuts"] >= len(STAGES) - 1
    assert books.violations == []
