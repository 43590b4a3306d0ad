"""What a base knows of a unit that changes: what it said last, since when it runs what, whether it sees less."""

import json
from typing import Any

import pytest

from tests.base.note_parts import TODAY
from tests.base.parts import NOW, TRAPS
from trapbase.updates.units import fewer_words, units_of
from trapwire.notes import DAY

OLD, NEW = "2026.11.3", "2026.12.1"
DAY_MS = 86_400_000
Row = dict[str, Any]


def said(number: int, *, running: str = OLD, phase: str = "running", ago_ms: int = 0, **more: Any) -> Row:
    state = {"running": running, "tried": "", "phase": phase, "code": ""} | more.pop("state", {})
    row: Row = {"trap": 1, "epoch": 1, "number": number, "time_ms": NOW, "stored_ms": NOW - ago_ms, "proof": "verified"}
    return row | {"said": json.dumps(state)} | more


def day(ago: int, watch: int = 1440, **counts: int) -> Row:
    line = {"watch": watch, "seen": watch, "triggers": 0, "bursts": 0, "sightings": 0} | counts
    return {"trap": 1, "kind": DAY, "day": TODAY - ago, "proof": "verified", "said": json.dumps(line)}


def unit(*notes: Row) -> Any:
    traps = [{"trap": 1, "heard_ms": NOW - 5, "came_ms": NOW - 9, "health": {"fault": 0}}]
    (found,) = units_of({1: TRAPS[1]}, (), traps, notes, [], 25)
    return found


def test_the_newest_word_holds_and_its_release_runs_since_it_was_first_said() -> None:
    notes = [
        said(5, ago_ms=900_000),
        said(8, running=NEW, phase="confirmed", ago_ms=600_000),
        said(9, running=NEW, phase="waiting", ago_ms=300_000, state={"tried": "2026.12.2", "code": "no-permit"}),
    ]
    found = unit(*notes)
    assert (found.running, found.phase, found.tried, found.code) == (NEW, "waiting", "2026.12.2", "no-permit")
    assert (found.since_ms, found.said_ms, found.heard_ms) == (NOW - 600_000, NOW - 300_000, NOW - 5)


def test_a_note_that_a_stick_brings_late_changes_nothing() -> None:
    late = said(4, running="2026.10.1", ago_ms=0)
    assert unit(said(8, running=NEW, ago_ms=900_000), late).running == NEW
    other_card = said(1, running=OLD, ago_ms=100, epoch=7)
    assert unit(said(8, running=NEW, ago_ms=900_000), other_card).running == OLD, "a new outbox begins to count anew"


def test_what_is_forged_or_cannot_be_read_is_nothing() -> None:
    assert unit(said(8, running=NEW, proof="forged")).running is None
    for nonsense in ("{}", "[]", '{"running": 5, "tried": "", "phase": "running", "code": ""}'):
        assert unit(said(8) | {"said": nonsense}).running is None
    assert unit().running is None


def test_what_a_card_has_taken_down_is_no_unit_of_the_fleet() -> None:
    assert [u.trap for u in units_of(TRAPS, {2}, [], [], [], 25)] == [1, 3]


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ([day(0, triggers=60)], ""),
        ([day(0, triggers=20)], ""),
        ([day(0, triggers=3)], "has 3 triggers since then, where 60 are usual for it"),
        ([day(0, watch=200, triggers=0)], ""),  # eight are usual in so little time: chance
        (
            [day(0, seen=12, triggers=60)],
            "has 12 minutes in which it could see since then, where 1440 are usual for it",
        ),
        ([], ""),
    ],
)
def test_what_it_counts_is_held_against_its_own_days_before(after: list[Row], words: str) -> None:
    usual = [day(ago, triggers=60, sightings=1) for ago in range(2, 12)]
    assert fewer_words(usual + after, NOW - DAY_MS, 25) == words


def test_of_a_few_days_nobody_says_what_is_usual() -> None:
    usual = [day(ago, triggers=60) for ago in range(2, 6)]
    assert fewer_words([*usual, day(0, triggers=0)], NOW - DAY_MS, 25) == ""
    assert fewer_words([*usual, day(6, triggers=60), day(0, triggers=0)], NOW - DAY_MS, 0) == "", "switched off"
