"""A clock that steps back a day, at the trap, at the base, at both: nothing stops, is lost or doubled."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.night import FAULT_MS, Night
from trapsim import station

DAY_MS = 86_400_000
STEP_MS = FAULT_MS[0]


def step_back(night: Night, monkeypatch: pytest.MonkeyPatch, *, trap: bool, base: bool) -> None:
    """From `STEP_MS` on. All programs of a station share the constant; a trap's is put right where only the base's
    steps."""
    real = station.UTC_MS

    def at_base(own: Callable[[int], Any], now: int) -> Any:
        if base and now >= STEP_MS:
            monkeypatch.setattr(station, "UTC_MS", real - DAY_MS)
        return own(now)

    def at_trap(own: Callable[[int], Any], now: int) -> Any:
        monkeypatch.setattr(station, "UTC_MS", real - DAY_MS if trap and now >= STEP_MS else real)
        return own(now)

    night.wrap("trapcam1", at_trap)
    for name in ("gateway", "ingest", "forward"):
        night.wrap(name, at_base)
    night.wrap("modem", lambda own, now: (monkeypatch.setattr(station, "UTC_MS", real), own(now))[1])


@pytest.mark.parametrize(("trap", "base"), [(True, False), (False, True), (True, True)])
def test_a_clock_that_steps_back_a_day_stops_nothing_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: bool, base: bool
) -> None:
    night = Night(tmp_path / "night")
    step_back(night, monkeypatch, trap=trap, base=base)
    night.run()
    db = sqlite3.connect(tmp_path / "night" / "base" / "base.sqlite3")
    events = db.execute("SELECT time_ms, uncertainty_ms, event_id FROM events ORDER BY number").fetchall()
    stored = db.execute("SELECT stored_ms FROM objects ORDER BY id").fetchall()
    open_batches = db.execute("SELECT count(*) FROM batches WHERE state <> 'receipted'").fetchone()
    batches = db.execute("SELECT count(*), count(DISTINCT batch_id) FROM batches").fetchone()
    db.close()
    first, second = events
    assert (second[0] < first[0] - DAY_MS / 2) == trap, "an alert says what its trap's clock said"
    assert first[1] == second[1] == 208, "and how far that may be off: 200 ms, as far as its byte can say"
    assert (first[2] != second[2]) == trap, "a day apart is another event"
    assert first[2]
    assert second[2]
    assert (min(stored) < (max(stored)[0] - DAY_MS / 2,)) == base
    assert open_batches == (0,)
    assert batches[0] == batches[1] <= 4
