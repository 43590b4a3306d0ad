"""Waves of an update, in virtual time: by station, never both cameras at once, stopped by what goes wrong."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

import pytest

from trapbase.updates.waves import (
    BACK,
    FAULT,
    FEWER,
    MAY,
    PROVES,
    REFUSED,
    RUNS,
    SILENT,
    TAKES,
    WAITS,
    Decision,
    Permitted,
    Rollout,
    Rules,
    Unit,
    decide,
    waves_of,
)

HOUR_MS = 3_600_000
NOW = 1_763_686_800_000
OLD, NEW = "2026.11.3", "2026.12.1"
RULES = Rules(first=("S002",), most=4)


class Fleet:
    """Units that do as they are told, and a base that decides every half hour and keeps what it must."""

    def __init__(self, stations: dict[str, tuple[int, ...]], rules: Rules = RULES) -> None:
        self.rules = rules
        self.now_ms = NOW
        self.units = {
            trap: Unit(trap=trap, station=name, heard_ms=NOW, running=OLD, phase="running", said_ms=1, since_ms=1)
            for name, own in stations.items()
            for trap in own
        }
        self.rollout = Rollout(release=NEW, begun_ms=NOW)
        self.silent: set[int] = set()
        self.log: list[tuple[str, int]] = []  # what became of which unit, in order
        self.decision = decide(self.rollout, [], rules, NOW)

    def tell(self, trap: int, **values: object) -> None:
        """A unit says something of its updates."""
        unit = self.units[trap]
        since = self.now_ms if values.get("running", unit.running) != unit.running else unit.since_ms
        self.units[trap] = replace(unit, said_ms=self.now_ms, since_ms=since, **values)  # type: ignore[arg-type]
        self.log.append((str(values.get("phase", "")), trap))

    def take(self, trap: int) -> None:
        self.tell(trap, tried=NEW, phase="trial")

    def look(self) -> Decision:
        self.decision = decide(self.rollout, self.units.values(), self.rules, self.now_ms)
        before, permitted = set(self.rollout.permitted), dict(self.rollout.permitted)
        for trap in self.decision.allow:
            permitted.setdefault(trap, Permitted(since_ms=self.now_ms, fault=self.units[trap].fault))
        self.rollout = replace(
            self.rollout, permitted=permitted, stopped=self.rollout.stopped or bool(self.decision.stops),
            troubles={(t.trap, t.kind): t.since_ms for t in self.decision.troubles} | dict(self.rollout.troubles),
        )  # fmt: skip
        for trap in set(permitted) - before:
            self.take(trap)
        return self.decision

    def go(self) -> None:
        """The operator's word."""
        asked = self.rollout.asked if self.rollout.stopped else self.decision.wave + 1
        self.rollout = replace(self.rollout, stopped=False, go_ms=self.now_ms, asked=asked)

    def steps(self) -> dict[int, str]:
        return {s.trap: s.step for s in self.decision.standings}

    def changing(self) -> list[int]:
        return [trap for trap, step in self.steps().items() if step in (MAY, TAKES)]

    def run(self, hours: float, each: Callable[[], None] = lambda: None) -> None:
        for _ in range(round(hours * 2)):
            self.now_ms += HOUR_MS // 2
            for trap in self.units:
                if trap not in self.silent:
                    self.units[trap] = replace(self.units[trap], heard_ms=self.now_ms)
            self.look()
            each()

    def confirm(self, traps: Iterable[int] | None = None) -> None:
        """Whoever tries it finds it good."""
        for trap, unit in self.units.items():
            if unit.phase == "trial" and (traps is None or trap in traps):
                self.tell(trap, running=NEW, tried="", phase="confirmed")


def pairs(count: int, rules: Rules = RULES) -> Fleet:
    return Fleet({f"S{n:03}": (2 * n - 1, 2 * n) for n in range(1, count + 1)}, rules)


def test_waves_begin_with_the_named_stations_and_double() -> None:
    names = [f"S{n:03}" for n in range(1, 12)]
    assert waves_of(names, RULES) == [["S002"], ["S001", "S003"], names[3:7], names[7:11]]
    assert waves_of(names, Rules(first=("S009", "S004", "gone")))[0] == ["S009", "S004"]
    assert waves_of(names, Rules())[:2] == [["S001"], ["S002", "S003"]]
    assert waves_of([], RULES) == []


def test_the_second_camera_follows_when_the_first_is_proved_and_the_second_wave_when_both_are() -> None:
    fleet = pairs(2)
    fleet.run(1)
    assert fleet.changing() == [3], "the canary's first camera alone"
    fleet.confirm()
    fleet.run(11.5)
    assert fleet.steps() == {3: PROVES, 4: WAITS, 1: WAITS, 2: WAITS}
    (second,) = [s for s in fleet.decision.standings if s.trap == 4]
    assert second.why == "trap 3 beside it has just changed and must prove itself first"
    fleet.run(1)
    assert fleet.changing() == [4]
    fleet.run(4, fleet.confirm)
    assert fleet.decision.wave == 1
    assert fleet.decision.standings[-1].why == "its wave (2) has not begun"
    fleet.run(24)
    assert (fleet.decision.wave, fleet.changing()) == (2, [1])
    fleet.run(80, fleet.confirm)
    assert set(fleet.steps().values()) == {RUNS}
    assert fleet.decision.done
    assert [trap for phase, trap in fleet.log if phase == "confirmed"] == [3, 4, 1, 2]


def test_a_lone_camera_is_a_station_of_its_own() -> None:
    fleet = Fleet({"S002": (9,), "S001": (4,)})
    fleet.run(60, fleet.confirm)
    assert fleet.decision.done


@pytest.mark.parametrize("seed", range(6))
def test_never_two_of_a_station_and_nobody_before_the_canaries_whatever_the_units_do(seed: int) -> None:
    random = Random(seed)
    fleet = pairs(6, Rules(first=("S002",), most=4, tolerate=random.randrange(3)))
    station = {trap: unit.station for trap, unit in fleet.units.items()}

    def anything() -> None:
        for trap, unit in list(fleet.units.items()):
            dice = random.random()
            if unit.phase == "trial" and dice < 0.2:
                good = random.random() < 0.9
                values = {"running": NEW, "phase": "confirmed"} if good else {"phase": "reverted", "code": "not-heard"}
                fleet.tell(trap, **values)
            elif dice > 0.995:
                fleet.silent ^= {trap}
        if fleet.rollout.stopped and random.random() < 0.1:
            fleet.go()
        changing = [station[trap] for trap in fleet.changing()]
        assert len(changing) == len(set(changing)), fleet.log
        tried = {station[trap] for trap in fleet.rollout.permitted}
        if tried - {"S002"}:
            assert {3, 4} & set(fleet.rollout.permitted), "the canary went first"
        phases = [station[trap] for trap, unit in fleet.units.items() if unit.phase == "trial"]
        assert len(phases) == len(set(phases))

    fleet.run(500, anything)
    assert len(fleet.rollout.permitted) > 6, "it went on all the same"


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ({"phase": "reverted", "code": "camera-gives-nothing"}, BACK, f"went back to {OLD}: the camera gave no frame"),
        ({"phase": "refused", "code": "no-room"}, REFUSED, "refused it: the card has no room"),
        ({"fault": "radio does not answer"}, FAULT, "has a fault that it had not before: radio does not answer"),
        (
            {"running": NEW, "phase": "confirmed", "fewer": "has 2 triggers since then, where 60 are usual for it"},
            FEWER,
            "has 2 triggers since then, where 60 are usual",
        ),
    ],
)
def test_a_unit_in_trouble_stops_everything_and_is_named(what: dict[str, object], kind: str, words: str) -> None:
    fleet = pairs(3)
    fleet.run(1)
    fleet.tell(3, **what)
    fleet.run(0.5)
    (stop,) = fleet.decision.stops
    assert (stop.trap, stop.kind) == (3, kind)
    assert stop.words.startswith(words)
    assert fleet.decision.allow == ()
    fleet.run(300)
    assert list(fleet.rollout.permitted) == [3], "nobody else gets it"


def test_a_unit_that_falls_silent_under_it_stops_everything() -> None:
    fleet = pairs(3)
    fleet.silent = {3}
    fleet.run(6)
    assert not fleet.decision.stops
    fleet.run(1)
    (stop,) = fleet.decision.stops
    assert (stop.kind, stop.words) == (SILENT, "has not been heard for 7 h")


def test_what_was_wrong_before_its_turn_is_not_laid_to_the_release() -> None:
    fleet = Fleet({"S002": (3, 4), "S001": (1, 2)})
    fleet.units[4] = replace(fleet.units[4], fault="memory card has a fault", fewer="")
    fleet.tell(1, tried="2026.12.0", phase="reverted", code="not-heard")
    fleet.run(70, fleet.confirm)
    assert not fleet.decision.troubles
    assert fleet.units[4].running == NEW


def test_the_operators_word_excuses_what_was_and_not_what_comes() -> None:
    fleet = pairs(3)
    fleet.run(1)
    fleet.tell(3, phase="reverted", code="not-heard")
    fleet.run(1)
    assert fleet.rollout.stopped
    fleet.go()
    fleet.run(1)
    assert fleet.changing() == [4], "the one that went back is left out, its partner tries it"
    fleet.run(30, fleet.confirm)
    assert fleet.decision.wave == 2
    trap = fleet.changing()[0] if fleet.changing() else next(t for t, s in fleet.steps().items() if s == PROVES)
    fleet.tell(trap, running=OLD, phase="reverted", tried=NEW, code="not-heard")
    fleet.run(1)
    assert [t.trap for t in fleet.decision.stops] == [trap]


def test_as_many_as_are_tolerated_stop_nothing() -> None:
    fleet = pairs(4, replace(RULES, tolerate=1))
    fleet.run(1)
    fleet.tell(3, phase="reverted", code="not-heard")
    fleet.run(60, fleet.confirm)
    assert not fleet.rollout.stopped
    assert fleet.decision.wave == 2
    (first, *_) = [trap for trap in fleet.rollout.permitted if trap not in (3, 4)]
    fleet.tell(first, running=OLD, phase="reverted", tried=NEW, code="not-heard")
    fleet.run(1)
    assert {t.trap for t in fleet.decision.stops} == {3, first}


def test_without_the_operators_word_nothing_begins_where_the_settings_want_it() -> None:
    fleet = pairs(3, replace(RULES, by_itself=False))
    fleet.run(10)
    assert (fleet.decision.allow, fleet.decision.word, fleet.decision.wave) == ((), True, 0)
    fleet.go()
    fleet.run(70, fleet.confirm)
    assert (fleet.decision.wave, fleet.decision.word) == (1, True)
    assert fleet.units[4].running == NEW
    fleet.go()
    fleet.run(0.5)
    assert fleet.decision.wave == 2


def test_by_his_word_a_wave_begins_before_the_one_before_it_is_proved() -> None:
    fleet = pairs(3)
    fleet.run(1)
    fleet.confirm()
    fleet.go()
    fleet.run(0.5)
    assert fleet.decision.allow == (1, 5)


def test_a_silent_station_holds_nobody_up_and_gets_its_turn_when_it_is_heard() -> None:
    fleet = pairs(3)
    fleet.silent = {1, 2}
    fleet.run(90, fleet.confirm)
    assert fleet.decision.wave == 2
    assert {1, 2}.isdisjoint(fleet.rollout.permitted)
    assert {fleet.units[5].running, fleet.units[6].running} == {NEW}
    assert fleet.decision.done
    fleet.silent = set()
    fleet.run(0.5)
    assert fleet.decision.allow == (1,)
    fleet.run(0.5)
    assert not fleet.decision.done


def test_a_camera_whose_partner_is_not_heard_keeps_what_it_runs() -> None:
    fleet = pairs(2)
    fleet.silent = {1}
    fleet.run(120, fleet.confirm)
    assert 2 not in fleet.rollout.permitted
    (one,) = [s for s in fleet.decision.standings if s.trap == 2]
    assert one.why == "trap 1 is not heard"


def test_while_one_still_tries_another_release_its_partner_waits() -> None:
    fleet = Fleet({"S002": (3, 4)})
    fleet.rollout = Rollout(release=NEW, begun_ms=NOW)
    fleet.tell(4, tried="2026.12.9", phase="trial")
    fleet.run(3)
    assert fleet.decision.standings[0].why == "trap 4 takes another release"
    fleet.tell(4, tried="2026.12.9", phase="reverted", code="not-heard")
    fleet.run(0.5)
    assert fleet.decision.allow == (3,)


def test_units_that_run_it_already_are_settled_at_once() -> None:
    fleet = pairs(3)
    for trap in fleet.units:
        fleet.units[trap] = replace(fleet.units[trap], running=NEW, since_ms=NOW - 100 * HOUR_MS)
    assert fleet.look().done
    assert fleet.decision.wave == 2
