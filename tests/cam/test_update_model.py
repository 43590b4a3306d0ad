"""A new model judges beside the one that decides: counted over starts, told, and only then it decides or is refused."""

import json
import struct
from pathlib import Path

import pytest
from cam_parts import CAT, DEER, NOTHING, PERSON
from hypothesis import given
from hypothesis import strategies as st
from tests.ship.release_bench import Bench
from update_parts import KnowingJudge, Rig, pictures_of

from trapcam.detect import Detector
from trapcam.outbox import Outbox
from trapcam.updating import build
from trapcam.updating.known import finds_the_known
from trapcam.updating.shadow import DECIDES, GOES_ON, REFUSED, Tally, decode, values
from trapwire import serialline as kinds
from trapwire.notes import FIELDS, SHADOW, Note

MODELS = Path(__file__).resolve().parents[2] / "models"
PICTURES = {"a.png": CAT, "b.png": NOTHING, "c.png": CAT, "d.png": PERSON, "e.png": CAT, "f.png": DEER}


@pytest.fixture
def rig(tmp_path: Path, outbox: Outbox) -> Rig:
    """A release brings a model; it may decide after five bursts, of which two may come out otherwise."""
    bench = Bench(tmp_path / "operator")
    bench.release("2026.12.1", model=[MODELS / "feline.toml"])
    rig = Rig(tmp_path, outbox, bench, shadow_bursts=5, shadow_differ=0.4)
    pictures_of(tmp_path / "pictures", PICTURES)
    return rig


def see(rig: Rig, bursts: int) -> None:
    for number in range(bursts):
        rig.uplink._line._out.append((kinds.WAKE, struct.pack(">IB", number, 0)))  # type: ignore[attr-defined]
    rig.steps(20)


def judged_by(monkeypatch: pytest.MonkeyPatch, judge: KnowingJudge) -> None:
    monkeypatch.setattr(build, "open_model", lambda folder, threads: judge)


def shadows(rig: Rig) -> list[dict[str, int]]:
    return [note.values for note in rig.notes() if note.kind == SHADOW]


def test_a_model_that_agrees_decides_after_so_many_bursts_over_starts(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_by(monkeypatch, KnowingJudge(sha256="ab" * 32))
    rig.start().steps(20)
    see(rig, 3)
    assert rig.said.phase == "staged"
    assert rig.updater.busy is False, "nobody stays awake for bursts that come when they come"
    rig.start().steps(5)
    see(rig, 2)
    assert rig.app.again
    assert shadows(rig) == [
        {"model": 0xABABABAB, "bursts": 5, "only_old": 0, "only_new": 0, "people_old": 0, "people_new": 0, "verdict": 1}
    ]
    rig.lives()
    assert rig.said.phase == "confirmed"
    assert rig.outbox.totals()[1] == 3, "the old one decided, and all its cats are kept"


def test_while_it_goes_on_the_base_is_told_once_a_day_how_it_does(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    judged_by(monkeypatch, KnowingJudge(sha256="ab" * 32, blind=True))
    rig.start().steps(20)
    see(rig, 1)
    assert shadows(rig) == [], "it has just begun"
    rig.bench.later(hours=25)
    rig.steps(20)
    assert shadows(rig) == [], "no burst since"
    see(rig, 1)
    first = {"bursts": 2, "only_old": 1, "only_new": 0, "people_old": 0, "people_new": 0, "verdict": 0}
    assert shadows(rig) == [{"model": 0xABABABAB, **first}]
    see(rig, 1)
    rig.start().steps(20)
    assert len(shadows(rig)) == 1, "nor again on the same day, or at a start"
    rig.bench.later(hours=25)
    see(rig, 2)
    assert [said["verdict"] for said in shadows(rig)] == [0, 2]


def test_a_model_that_is_blind_is_refused_and_the_old_one_goes_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    judged_by(monkeypatch, KnowingJudge(sha256="cd" * 32, blind=True))
    rig.start().steps(20)
    see(rig, 6)
    rig.steps(10)
    (said,) = shadows(rig)
    assert (said["only_old"], said["people_old"], said["verdict"]) == (3, 1, 2)
    assert (rig.said.phase, rig.said.code, rig.slot) == ("refused", "model-differs", "")
    assert rig.outbox.totals()[1] == 3
    rig.bench.later(hours=2)
    rig.lives()
    assert rig.said.code == "model-differs", "not taken again"


def test_a_model_that_this_application_cannot_load_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path, threads: int) -> None:
        raise ValueError("its decoding is grid-9")

    monkeypatch.setattr(build, "open_model", refuse)
    rig.lives()
    assert (rig.said.phase, rig.said.code) == ("refused", "model-not-usable")


def test_the_release_is_asked_after_while_a_shadow_lasts_for_weeks(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    judged_by(monkeypatch, KnowingJudge(sha256="ab" * 32))
    rig.start().steps(20)
    see(rig, 2)
    rig.bench.release("2026.12.2", "TWO = 2")
    rig.bench.later(hours=2)
    rig.steps(40)
    assert rig.said.tried == "2026.12.2"


def test_the_real_detector_finds_the_known_cat_and_a_worse_one_does_not() -> None:
    """Chelsea, as she is and mirrored; by the model that ships."""
    judge = Detector(MODELS / "feline.tflite")
    assert finds_the_known(judge)
    assert finds_the_known(KnowingJudge())
    assert not finds_the_known(KnowingJudge(shift=0.25))


def test_a_slot_s_model_is_opened_or_named(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(ValueError, match="0 models"):
        build.open_model(tmp_path / "model", 1)
    (tmp_path / "model/x.tflite").write_bytes(b"")
    with pytest.raises(ValueError, match=r"x\.t"):
        build.open_model(tmp_path / "model", 1)
    (tmp_path / "model/y.tflite").write_bytes(b"")
    with pytest.raises(ValueError, match="2 models"):
        build.open_model(tmp_path / "model", 1)


BOTH = st.sampled_from([(True, False), (False, True), (False, False)])  # kept, withheld, neither


@given(st.lists(st.tuples(BOTH, BOTH), max_size=40))
def test_a_burst_is_different_once_or_not_at_all(seen: list[tuple[tuple[bool, bool], tuple[bool, bool]]]) -> None:
    tally = Tally(model="ab" * 32)
    for old, new in seen:
        tally = tally.count(old, new)
    assert tally.bursts == len(seen)
    assert tally.different == sum(old != new for old, new in seen)
    assert decode(tally.encode(), "ab" * 32) == tally
    assert decode(tally.encode(), "cd" * 32) == Tally(model="cd" * 32)
    said = values(tally, tally.verdict(20, 0.2))
    assert [name for name, _, _ in FIELDS[SHADOW]] == list(said)
    assert Note(SHADOW, 1_794_700_800_000, None, dict(said)).fields()


def test_a_verdict_comes_with_the_last_burst_or_when_it_cannot_be_otherwise() -> None:
    tally = Tally(model="", bursts=19, only_old=2)
    assert tally.verdict(20, 0.1) == GOES_ON
    assert tally.count((True, False), (True, False)).verdict(20, 0.1) == DECIDES
    assert tally.count((True, False), (False, False)).verdict(20, 0.1) == REFUSED
    assert Tally(model="", bursts=3, people_old=3).verdict(20, 0.1) == REFUSED


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", json.dumps({"model": "x"}), "\x00"])
def test_what_was_kept_and_is_no_tally_begins_anew(text: str) -> None:
    assert decode(text, "ab" * 32) == Tally(model="ab" * 32)
