"""A station whose other camera is gone: an engineer lets one trap go alone; never two at once, and not for ever."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from tests.base.parts import NOW, TRAPS
from tests.base.updates.parts import HOUR_MS, NEW, NEXT, OLD, Updating
from tests.base.updates.test_shown import get, seen
from trapbase.cli import main
from trapbase.updates.alone import Allowance, allowances, one_line
from trapbase.updates.waves import MAY, PROVES, TAKES, WAITS, Permitted, Rollout, Rules, Unit, decide

DAY_MS = 24 * HOUR_MS
RULES = Rules()


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Updating]:
    """Trap 2 of S001 is not heard any more; its partner, trap 1, is."""
    base = Updating(tmp_path / "base")
    base.hear(1, 2, 3)
    for trap in (1, 2, 3):
        base.says(trap, OLD, "running")
    base.kept.hold(NEW, 7, NOW, {"application": "0.2"}, 5000, NOW)
    base.now_ms += 10 * HOUR_MS
    base.hear(1, 3)
    base.kept.begin(NEW, base.now_ms)
    base.step()
    yield base
    base.close()


@pytest.fixture
def say(
    base: Updating, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    monkeypatch.setattr("time.time_ns", lambda: base.now_ms * 1_000_000)
    monkeypatch.setenv("SUDO_USER", "anna")
    config = tmp_path / "base.toml"
    tables = "".join(
        f'[[trap]]\nnumber = {t.number}\nstation = "{t.station}"\nside = "{t.side}"\nlatitude = 1\nlongitude = 1\n'
        for t in TRAPS.values()
    )
    config.write_text(f'folder = "{base.folder}"\n{tables}')

    def run(*words: str) -> tuple[int, str]:
        code = main(["updates", *words, "--config", str(config)])
        out = capsys.readouterr()
        return code, out.out + out.err

    return run


def alone(base: Updating, trap: int = 1, days: int = 14) -> None:
    until_ms = base.now_ms + days * DAY_MS
    base.kept.allow(
        base.rollout(), Allowance(trap=trap, who="anna", why="stolen", since_ms=base.now_ms, until_ms=until_ms)
    )


def later(base: Updating, hours: float, *heard: int) -> None:
    for _ in range(round(hours * 2)):
        base.now_ms += HOUR_MS // 2
        base.hear(*heard)
        base.step(0.001)


def test_by_the_engineers_word_it_goes_though_its_partner_is_not_heard(
    base: Updating, say: Callable[..., tuple[int, str]]
) -> None:
    later(base, 1, 1, 3)
    assert base.released_to() == {}
    assert "waits: trap 2 is not heard" in say()[1]
    code, said = say("allow", "1", "--why", "its partner was stolen")
    assert code == 0
    assert f"trap 1 may take {NEW} though trap 2 beside it is not heard, for 14 days" in said
    later(base, 1, 1, 3)
    assert base.released_to() == {1: NEW}
    line = "may go without its partner until 2025-12-05 (anna, 2025-11-21: its partner was stolen)"
    assert line in say()[1].replace("\n", " ")
    assert f'<span class="quiet allowed">{line}</span>' in get(base.folder, "/").text.replace("&#39;", "'")
    base.says(1, NEW, "confirmed")
    later(base, 30, 1, 3)
    assert base.rollout()["wave"] == 2
    assert base.released_to() == {1: NEW, 3: NEW}
    assert "it runs 2026.12.1 already" in say("allow", "1", "--why", "x")[1]


def test_where_nothing_keeps_it_or_it_would_be_both_it_is_refused_with_why(
    base: Updating, say: Callable[..., tuple[int, str]]
) -> None:
    later(base, 1, 1, 3)
    for words, why in (
        (["allow"], "name the TRAP"),
        (["allow", "9", "--why", "x"], "this base knows no trap 9"),
        (["allow", "2", "--why", "x"], "trap 1 beside it is heard; both cameras of a station never change at once"),
        (["allow", "3", "--why", "x"], "it stands alone at S002, and waits for no partner"),
        (["allow", "1"], "--why and --by: '': allowed are 1–120 characters"),
        (["allow", "1", "--why", "x" * 121], "allowed are 1–120 characters"),
        (["allow", "1", "--why", "x", "--days", "61"], "--days 61: allowed are 1-60"),
        (["allow", "1", "--days", "0"], "nothing is allowed to it now"),
        (["go", "1"], "belong to `trapbase updates allow`"),
    ):
        code, said = say(*words)
        assert (code, why in said) == (2, True), said
    base.hear(1, 2, 3)
    assert "trap 2 beside it is heard" in say("allow", "1", "--why", "x")[1]
    later(base, 7, 3)
    assert "it is not heard itself" in say("allow", "1", "--why", "x")[1]
    assert seen(base).allowed == []


def test_it_ends_after_its_days_and_by_the_engineers_word_and_stays_written_down(
    base: Updating, say: Callable[..., tuple[int, str]]
) -> None:
    alone(base, days=1)
    later(base, 1, 1, 3)
    assert base.released_to() == {1: NEW}
    later(base, 24, 1, 3)
    assert base.released_to() == {1: ""}
    assert "may take 2026.12.1: held back: trap 2 is not heard" in say()[1]
    assert "might go without its partner until" in say()[1]
    assert say("allow", "1", "--why", "again", "--by", "boris")[0] == 0
    assert [one.who for one in seen(base).allowed if one.holds(base.now_ms)] == ["boris"]
    later(base, 1, 1, 3)
    assert base.released_to() == {1: NEW}
    assert say("allow", "1", "--days", "0") == (0, "trapbase: trap 1 waits for its partner again\n")
    assert [one.who for one in seen(base).allowed] == ["boris"]
    assert not seen(base).allowed[0].holds(base.now_ms)
    later(base, 1, 1, 3)
    assert base.released_to() == {1: ""}


def test_before_its_turn_it_ends_unused(base: Updating) -> None:
    base.kept.stop(base.rollout(), "", base.now_ms)
    alone(base, days=1)
    later(base, 25, 1, 3)
    base.kept.go(base.rollout(), base.now_ms)
    later(base, 1, 1, 3)
    assert base.released_to() == {}


def test_it_is_for_one_release(base: Updating) -> None:
    alone(base)
    later(base, 1, 1, 3)
    base.kept.begin(NEXT, base.now_ms)
    later(base, 1, 1, 3)
    assert base.released_to() == {1: ""}
    assert seen(base).allowed == []


def test_one_that_died_in_its_turn_keeps_its_partner_no_longer_and_may_not_any_more(base: Updating) -> None:
    base.hear(1, 2, 3)
    base.step()
    assert base.released_to() == {1: NEW}
    base.says(1, OLD, "trial", NEW)
    later(base, 8, 2, 3)
    assert base.rollout()["state"] == "stopped", "it fell silent in its turn"
    base.kept.go(base.rollout(), base.now_ms)
    later(base, 1, 2, 3)
    assert base.released_to() == {1: NEW}
    alone(base, trap=2)
    later(base, 1, 2, 3)
    assert base.released_to() == {1: "", 2: NEW}


def test_heard_again_the_two_take_turns_as_ever(base: Updating) -> None:
    alone(base)
    later(base, 1, 1, 3)
    base.says(1, OLD, "trial", NEW)
    later(base, 1, 1, 2, 3)
    assert base.released_to() == {1: NEW}
    base.says(1, NEW, "confirmed")
    later(base, 11, 1, 2, 3)
    assert base.released_to() == {1: NEW}
    later(base, 2, 1, 2, 3)
    assert base.released_to() == {1: NEW, 2: NEW}


@pytest.mark.parametrize("seed", range(20))
def test_two_that_are_heard_never_change_at_once_whoever_may_go_alone(seed: int) -> None:
    """Whatever each of a station's two does, is heard or not, and is allowed or not."""
    random = Random(seed)
    for _ in range(300):
        units = [_unit(random, trap) for trap in (1, 2)]
        permitted = {trap: Permitted(since_ms=NOW - DAY_MS) for trap in (1, 2) if random.random() < 0.6}
        allowed = frozenset(trap for trap in (1, 2) if random.random() < 0.6)
        rollout = Rollout(release=NEW, begun_ms=NOW - 2 * DAY_MS, go_ms=NOW, permitted=permitted, alone=allowed)
        decision = decide(rollout, units, RULES, NOW)
        assert len(decision.allow) <= 1
        step = {s.trap: s.step for s in decision.standings}
        heard = {unit.trap: unit.heard_ms == NOW for unit in units}
        for trap in decision.allow:
            other = 3 - trap
            if step[trap] == TAKES:
                continue  # it has begun, and nobody can call it back
            if heard[other]:
                assert step[other] != TAKES
                assert not (step[other] == PROVES and units[other - 1].since_ms > NOW - RULES.pair_ms)
            else:
                assert trap in allowed or step[trap] == MAY, "a camera that nobody hears keeps its partner"
        if not allowed:
            waits = [trap for trap in decision.allow if step[trap] == WAITS]
            assert not waits or all(heard.values())


def _unit(random: Random, trap: int) -> Unit:
    running = random.choice((OLD, NEW))
    phase = random.choice(("running", "waiting", "staged", "trial"))
    return Unit(
        trap=trap, station="S001", heard_ms=NOW - random.choice((0, DAY_MS)), running=running,
        tried=random.choice((NEW, "")), phase=phase, said_ms=NOW, since_ms=NOW - random.choice((1, 20)) * HOUR_MS,
    )  # fmt: skip


def test_a_mark_that_cannot_be_read_allows_nothing() -> None:
    said = Allowance(trap=1, who="anna", why="stolen", since_ms=1, until_ms=5)
    marks = [{"trap": 1, "kind": kind, "words": words, "since_ms": 1} for kind, words in (
        ("silent", said.encode()), ("alone", "{"), ("alone", '{"who": "x"}'), ("alone", "[]"), ("alone", said.encode()),
    )]  # fmt: skip
    assert allowances(marks) == [said]
    assert [said.holds(ms) for ms in (4, 5)] == [True, False]
    assert one_line("  two \n words ") == "two words"
    for bad in ("", " ", "x" * 121, "a\x1b[2Jb"):
        with pytest.raises(ValueError, match="allowed are"):
            one_line(bad)
