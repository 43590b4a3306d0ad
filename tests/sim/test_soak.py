"""`trapsim soak`: a small one finds nothing, and what may not be is found when it is planted."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from tests.support import many

from trapsim import soakbase, soakhostile, soaknight, soakrun, soaktrap
from trapsim.cli import main
from trapsim.soakforge import Forger
from trapsim.soakhostile import Round
from trapsim.soakledger import Ingest, Ledger
from trapsim.soaknight import Night
from trapsim.soakpage import page
from trapsim.soakplan import BASE_RESETS, TRAP_RESETS, Plan, draw
from trapsim.soakrun import nights, rounds, soak_alerts, soak_hostile
from trapsim.soakstate import digest
from trapwire.baselink import BaseLink
from trapwire.frame import Counter, decode_frame
from trapwire.linkkeys import LinkKey
from trapwire.objects import ALERT, ObjectKey
from trapwire.traplink import TrapLink

HARDWARE = Path(soakrun.__file__).parents[1]
ALERTS = many(3_000, 10_000)
HOSTILE = many(3_000, 10_000)
SEED = 2  # not the one of SOAK.md


def quiet(text: str) -> None: ...


def always() -> bool:
    return True


def a_night(**changes: Any) -> Night:
    """Of one trap on a good air, some alerts and a crop, where nothing goes wrong by itself."""
    plan = next(plan for plan in plans() if len(plan.traps) > 1)
    trap = replace(plan.traps[0], sightings=((0, 0), (0, 500), (9000, 0)), resets=(), receipts=((0, 100),))
    good: dict[str, Any] = {
        "plan": "eu868", "sf": 7, "loss": 0.0, "burst": "none", "traps": (trap,), "base_resets": (),
        "slow_ms": 40, "refused": 0.0, "has_parrot": False,
    }  # fmt: skip
    return Night(replace(plan, **{**good, **changes}))


def plans() -> Iterator[Plan]:
    return (draw(SEED, number) for number in range(1, 1000))


def test_alerts_under_loss_resets_and_collisions_all_arrive_once() -> None:
    counts = soak_alerts(nights(SEED, ALERTS), 2, quiet, always)
    assert counts["violations"] == {}
    assert counts["alerts"] >= ALERTS
    for name in ("lost", "collided", "trap_resets", "base_resets", "repeats", "refused", "played", "crops", "receipts"):
        assert counts[name] > 0, name
    assert counts["longest_ms"] < soaknight.BOUND_MS
    assert sum(channel["alerts"] for channel in counts["channels"].values()) == counts["alerts"]


def test_hostile_frames_take_nothing_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soakrun, "ROUND_FRAMES", HOSTILE // 2)
    counts = soak_hostile(rounds(SEED, HOSTILE), 1, quiet, always)
    assert counts["violations"] == {}
    assert counts["frames"] == sum(counts["by_way"].values()) == HOSTILE
    assert len(counts["by_way"]) == 13
    # Each frame was either refused or only heard, by each of the three.
    assert counts["events"] + counts["ignored"] == 3 * HOSTILE
    for cause in ("old_version", "stranger", "forged", "replayed", "damaged", "short_tags", "long_tags"):
        assert counts[cause] > HOSTILE / 1000, cause


def test_a_night_is_the_same_every_time_and_in_every_process() -> None:
    jobs = list(islice(nights(SEED, 10_000), 3))
    alone = soak_alerts(jobs, 1, quiet, always)
    assert alone == soak_alerts(jobs, 2, quiet, always)
    assert alone != soak_alerts([(SEED + 1, number) for _, number in jobs], 1, quiet, always)


def test_nights_are_of_every_kind() -> None:
    drawn = list(plans())
    assert {plan.burst for plan in drawn} == {"none", "frames", "time"}
    assert {len(plan.traps) for plan in drawn} == set(range(1, 7))
    assert {moment for plan in drawn for trap in plan.traps for _, moment in trap.resets} == set(TRAP_RESETS)
    assert {moment for plan in drawn for _, moment in plan.base_resets} == set(BASE_RESETS)
    assert any(plan.has_parrot for plan in drawn)
    assert max(plan.loss for plan in drawn) > 0.48


def test_a_good_night_has_no_violations() -> None:
    night = a_night()
    assert night.run() == []
    assert night.counts()["alerts"] == 3
    assert len(night.ingest.rows) == 4


@pytest.mark.parametrize("moment", TRAP_RESETS)
def test_a_trap_is_reset_at_the_moment_that_was_planned(moment: str) -> None:
    trap = replace(a_night().plan.traps[0], resets=((0, moment), (9000, moment)))
    night = a_night(traps=(trap,), loss=0.2)
    assert night.run() == []
    assert night.traps[0].resets == 2


@pytest.mark.parametrize("moment", BASE_RESETS)
def test_a_base_is_reset_at_the_moment_that_was_planned(moment: str) -> None:
    night = a_night(base_resets=((0, moment), (9000, moment)), loss=0.2)
    assert night.run() == []
    assert night.base.resets == 2


# What may not be, planted


def found(night: Night, words: str) -> None:
    violations = night.run()
    assert any(words in text for text in violations), violations


def test_a_base_that_acknowledges_before_the_commit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = BaseLink._take

    def hasty(self: BaseLink, peer: Any, envelope: Any, now: int) -> Any:
        events = honest(self, peer, envelope, now)
        self.committed(envelope.key, now)
        return events

    monkeypatch.setattr(BaseLink, "_take", hasty)
    found(a_night(slow_ms=4000), "was told delivered and is not committed")


def test_a_counter_that_was_not_kept_is_found_at_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soaktrap.SoakTrap, "_reserve", lambda self, end: None)
    trap = replace(a_night().plan.traps[0], resets=((5000, "any"),))
    found(a_night(traps=(trap,)), "was used twice under one key")


def test_a_base_whose_counter_goes_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soakbase.SoakBase, "_reserve", lambda self, end: None)
    found(a_night(base_resets=((5000, "any"),)), "was used twice under one key")


def test_a_counter_that_says_a_value_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Counter.take
    monkeypatch.setattr(Counter, "take", lambda self: honest(self) // 2)
    found(a_night(), "was used twice under one key")


def test_an_ingest_that_loses_an_object_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Ingest.commit

    def forgetful(self: Ingest, key: ObjectKey, envelope: bytes) -> None:
        honest(self, key, envelope)
        if key.number == 2:
            del self.rows[key]

    monkeypatch.setattr(Ingest, "commit", forgetful)
    found(a_night(), "number 2 alert was told delivered and is not committed")


def test_an_ingest_that_takes_other_bytes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Ingest.commit
    monkeypatch.setattr(Ingest, "commit", lambda self, key, envelope: honest(self, key, envelope[:-1] + b"x"))
    found(a_night(), "is committed with other bytes")


def test_a_trap_that_forgets_its_queue_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soaktrap.SoakTrap, "_refill", lambda self: None)
    monkeypatch.setattr(soaknight, "BOUND_MS", 60_000)
    trap = replace(a_night().plan.traps[0], resets=((0, "sealed"),))
    found(a_night(traps=(trap,)), "is not committed")


def test_a_base_that_never_says_what_it_committed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseLink, "committed", lambda self, key, now: None)
    monkeypatch.setattr(soaknight, "BOUND_MS", 60_000)
    found(a_night(), "was never told delivered")


def test_a_link_that_invents_an_object_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = BaseLink._take

    def inventive(self: BaseLink, peer: Any, envelope: Any, now: int) -> Any:
        if envelope.key.rung == ALERT:
            envelope.body = bytes(14)
        return honest(self, peer, envelope, now)

    monkeypatch.setattr(BaseLink, "_take", inventive)
    found(a_night(), "which nobody handed over with these bytes")


def test_a_receipt_that_is_acknowledged_before_it_is_kept_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "came_down", lambda self, key, envelope, now: None)
    found(a_night(), "was told to be on its trap and is not")


def test_an_exception_is_a_violation_of_its_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrapLink, "sent", lambda self, now: 1 // 0)
    assert "ZeroDivisionError" in soakrun.run_night((SEED, 1))["violations"][0]


def attacked(words: str, frames: int = 1000) -> None:
    violations = Round(SEED, 1, frames).run()
    assert any(words in text for text in violations), violations


def test_a_link_that_takes_frames_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LinkKey, "open", careless_open)
    attacked("played again: taken")


def careless_open(self: LinkKey, data: bytes) -> Any:
    return decode_frame(data, self._opener, self.heard)


def test_a_refused_frame_that_moves_what_was_heard_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = LinkKey.open

    def moved(self: LinkKey, data: bytes) -> Any:
        try:
            return honest(self, data)
        except ValueError:
            self.heard += 1
            raise

    monkeypatch.setattr(LinkKey, "open", moved)
    attacked("the state of the link is another")


def test_a_frame_that_raises_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = BaseLink.on_frame

    def fragile(self: BaseLink, data: bytes, *how: int) -> Any:
        return [data[2], *honest(self, data, *how)][1:]

    monkeypatch.setattr(BaseLink, "on_frame", fragile)
    attacked("IndexError")


def test_memory_that_grows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = BaseLink.on_frame
    kept = []

    def hoarding(self: BaseLink, data: bytes, *how: int) -> Any:
        kept.append(bytes(data))
        return honest(self, data, *how)

    monkeypatch.setattr(BaseLink, "on_frame", hoarding)
    attacked("memory grew by")


def test_the_state_is_all_that_an_end_knows() -> None:
    night = a_night()
    link = night.base.link
    before = digest(link)
    assert digest(link) == before
    link.counts["forged"] += 1
    assert digest(link) == before
    for field in ("heard", "name"):
        key = link._peers[1].keys[0]
        was = getattr(key, field)
        setattr(key, field, 77)
        assert digest(link) != before
        setattr(key, field, was)
    link._peers[1].acks.append(ObjectKey(1, 2, 3, ALERT))
    assert digest(link) != before


def test_every_way_to_forge_gives_frames() -> None:
    draws = random.Random(1)
    recorded = [bytes([0xC0 | kind, 0, 1]) + draws.randbytes(33) for kind in (1, 2, 6, 7)]
    forger = Forger(draws, recorded, 2)
    for way in forger.ways:
        made = {forger.make(way) for _ in range(200)}
        assert max(map(len, made)) <= 255 + 16
        assert len(made) > {"played again": 3, "another version": 11}.get(way, 20), way


def test_the_command_says_what_was_counted_and_fails_on_a_violation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(soakhostile, "GROWTH_MAX_BYTES", 1 << 20)
    small = ["soak", "--alerts", "50", "--hostile", "300", "--seed", "3", "--workers", "1"]
    assert main([*small, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["alerts"]["alerts"] >= 50
    assert figures["hostile"]["frames"] == 300
    assert main(["soak", "--night", "2", "--seed", "3"]) == 0
    assert "1 nights" in capsys.readouterr().out
    monkeypatch.setattr(Ingest, "commit", lambda self, key, envelope: None)
    assert main([*small, "--hostile", "0"]) == 1
    said = capsys.readouterr()
    assert "seed 3, night 1: at " in said.err
    assert "**Violations:**" in said.out
    assert main(["soak", "--night", "1", "--write"]) == 2


def test_the_page_is_what_its_figures_say() -> None:
    figures = json.loads((HARDWARE / "soak.json").read_text())
    assert (HARDWARE / "SOAK.md").read_text() == page(figures)
    assert figures["violations"] == []
