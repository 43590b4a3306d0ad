"""A card that fills up: samples go first, then full frames are left out and counted; what is small goes on for long."""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cam_parts import CAT, NOW, write_picture
from records import SOURCE, audited, kept, sealed

from trapcam.audit_store import AUDIT_FOLDER
from trapcam.outbox import FULL_FOLDER, Outbox, open_outbox
from trapcam.record import Outcome
from trapcam.room import Room
from trapcam.status import read_status
from trapwire import serialline as kinds
from trapwire.objects import ALERT, CROP, FRAME, FULL, FULLS

TRAP = 7
RESERVE = 50_000


class Card:
    """A card of so many bytes, of which the files in the data folder are counted."""

    def __init__(self, size: int) -> None:
        self.size = size

    def free(self, folder: Path) -> int:
        files = [path for name in (FULL_FOLDER, AUDIT_FOLDER) for path in (folder / name).iterdir()]
        return self.size - sum(path.stat().st_size for path in files)


@pytest.fixture
def card() -> Card:
    return Card(RESERVE + 40_000)


@pytest.fixture
def box(tmp_path: Path, card: Card) -> Any:
    made = open_outbox(tmp_path / "data", TRAP, NOW, reserve_bytes=RESERVE, free=card.free)
    made.declare_source(SOURCE, None)
    yield made
    made.close()


def burst_of(position: int, fulls: int, size: int = 10_000) -> Outcome:
    """A sighting with so many full frames."""
    outcome = kept(position)
    assert outcome.sighting is not None
    small = [made for made in outcome.sighting.objects if made.rung not in FULLS]
    large = [sealed(rung, b"%d %d " % (position, rung) * (size // 4)) for rung in FULLS[:fulls]]
    large = [sealed(made.rung, made.body[:size]) for made in large]
    return replace(outcome, sighting=replace(outcome.sighting, objects=(*small, *large)))


def rungs(box: Outbox, number: int) -> set[int]:
    return {rung for rung in range(8) if box._digest(number, rung)}


def test_samples_go_then_further_full_frames_then_all_and_it_comes_back_by_itself(
    box: Outbox, card: Card, tmp_path: Path
) -> None:
    for position in range(6):
        box.commit(audited(position, "near", draw=position / 6, size=5_000))
    assert len(box.audit.samples()) == 6
    assert box.commit(burst_of(6, 2)) == 1
    assert rungs(box, 1) == {ALERT, CROP, FRAME, *FULLS[:2]}
    assert 0 < len(box.audit.samples()) < 6, "they made room"
    assert box.commit(burst_of(7, 3)) == 2
    assert rungs(box, 2) == {ALERT, CROP, FRAME, *FULLS[:2]}, "the best of them are kept"
    assert box.audit.samples() == []
    for position in range(8, 30):
        box.commit(burst_of(position, 3))
        assert rungs(box, position - 5) == {ALERT, CROP, FRAME}
    assert len(list((tmp_path / "data" / FULL_FOLDER).iterdir())) == 4
    assert "the card is nearly full: full frames and audit samples are not kept any more" in box.shortage
    status = read_status(tmp_path / "data", TRAP)
    assert (status["sightings"], status["full_frames_left_out"]) == (24, 1 + 22 * 3)
    box.commit(audited(30, "near", draw=0.5))
    assert box.audit.samples() == [], "nor may a sample touch the reserve"
    card.size += 20_000
    assert box.shortage != "", "as much as was left out must fit, or it would come and go with every sighting"
    card.size += 10_000
    assert box.shortage == ""
    assert box.commit(burst_of(31, 3)) == 25
    assert rungs(box, 25) == {ALERT, CROP, FRAME, *FULLS}


def test_a_card_that_cannot_be_asked_is_written_to(tmp_path: Path) -> None:
    def gone(folder: Path) -> int:
        raise OSError(5, "Input/output error")

    room = Room(tmp_path, RESERVE, gone)
    assert (room.lacking(1_000_000), room.shortage) == (0, "")


def test_a_card_that_lies_about_its_room_is_believed_when_it_refuses(
    box: Outbox, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(sealed: Any) -> None:
        raise_full(box)

    def raise_full(box: Outbox) -> None:
        from trapkit.errors import StorageError

        raise StorageError("a full frame cannot be written") from OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(box, "_write_full", refuses)
        assert box.commit(burst_of(0, 1)) == 1
        assert rungs(box, 1) == {ALERT, CROP, FRAME}
        assert box.shortage != ""
    assert box.commit(burst_of(1, 1)) == 2
    assert (rungs(box, 2), box.shortage) == ({ALERT, CROP, FRAME, FULL}, "")


def test_a_repeat_leaves_what_lies_there_alone(box: Outbox, card: Card) -> None:
    box.commit(burst_of(0, 1))
    card.size = 0
    assert box.commit(burst_of(0, 1)) is None
    envelope = box.envelope(1, FULL)
    assert envelope is not None
    assert len(envelope.body) == 10_000


def test_the_supervisor_hears_of_it_once_and_that_it_is_over(
    make_unit: Callable[..., Any], pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        write_picture(pictures / f"{number}.png", CAT, number)
    unit = make_unit()
    free = [0]
    monkeypatch.setattr(unit.outbox, "_room", Room(Path("card"), RESERVE, lambda folder: free[0]))

    def wake() -> None:
        unit.supervisor.say(kinds.WAKE, struct.pack(">IB", 1, 0))
        unit.steps(12, each_ms=2_000)

    def faults() -> list[bytes]:
        return [payload for kind, payload in unit.supervisor.heard if kind == kinds.FAULT]

    wake()
    wake()
    assert unit.position == 2
    assert [line for line in unit.lines if "the card is nearly full" in line] == [unit.outbox.shortage]
    assert set(faults()) == {b"\x01"}
    assert len(unit.supervisor.queue) == 4, "alerts and crops go on"
    free[0] = 10_000_000
    wake()
    assert unit.lines[-1] == "card's room: the trouble is over"
    assert faults()[-1] == b"\x00"


def test_a_slow_card_is_said_once_and_triggers_wait(
    make_unit: Callable[..., Any], pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each commit takes half a minute: what comes meanwhile waits its turn, and nothing is lost."""
    for number in range(5):
        write_picture(pictures / f"{number}.png", CAT, number)
    unit = make_unit()
    elapsed, took = [0], [30_000]
    commit = unit.outbox.commit

    def slowly(outcome: Any) -> Any:
        elapsed[0] += took[0]
        unit.now += took[0]
        return commit(outcome)

    monkeypatch.setattr(unit.outbox, "commit", slowly)
    monkeypatch.setattr(unit.app, "_elapsed_ms", lambda: elapsed[0])
    for number in range(4):
        unit.supervisor.say(kinds.WAKE, struct.pack(">IB", number, 0))
    unit.steps(20)
    assert unit.position == 4
    assert unit.app.dropped_triggers == 0
    assert len([line for line in unit.lines if "the card is slow: a commit took 5 s or more" in line]) == 1
    took[0] = 20
    unit.supervisor.say(kinds.WAKE, struct.pack(">IB", 9, 0))
    unit.steps(5, each_ms=10_000)
    assert (unit.position, unit.lines[-1]) == (5, "card's speed: the trouble is over")
