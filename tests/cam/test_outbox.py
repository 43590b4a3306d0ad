"""The outbox: states, receipts, identity, and a disk that refuses."""

import hashlib
import sqlite3
from pathlib import Path

import pytest
from cam_parts import BACKEND, NOW, receipt_for
from nacl.signing import SigningKey
from records import SOURCE, kept, rejected, withheld
from tests.faults.night import full_disk

from trapcam import outbox as outbox_module
from trapcam.outbox import DATABASE, FULL_FOLDER, Outbox, open_outbox
from trapcam.receipts import ReceiptOutcome
from trapcam.states import DELETED, DELIVERED, HELD, STORED, WAITING
from trapcam.status import read_status
from trapkit.errors import SetupError, StorageError
from trapwire.objects import ALERT, CROP, FRAME, FULL, Envelope, ObjectKey

TRAP = 7
KEY = bytes(BACKEND.verify_key)


@pytest.fixture
def box(outbox: Outbox) -> Outbox:
    outbox.declare_source(SOURCE, 100)
    return outbox


def full_files(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "data" / FULL_FOLDER).iterdir()}


def digests(box: Outbox, *keys: tuple[int, int]) -> list[tuple[int, int, bytes]]:
    found = [(number, rung, box.envelope(number, rung)) for number, rung in keys]
    return [(number, rung, hashlib.sha256(e.body).digest()) for number, rung, e in found if e]


def test_a_sighting_is_four_objects(box: Outbox, tmp_path: Path) -> None:
    outcome = kept(0)
    assert box.commit(outcome) == 1
    assert box.position(SOURCE) == 1
    assert box.in_state(WAITING) == [(0, 1, ALERT), (2, 1, CROP)]
    assert box.in_state(HELD) == [(4, 1, FRAME), (6, 1, FULL)]
    assert outcome.sighting is not None
    for made in outcome.sighting.objects:
        envelope = box.envelope(1, made.rung)
        assert envelope is not None
        assert envelope.body == made.body
        assert envelope.key == ObjectKey(TRAP, box.epoch, 1, made.rung)
    assert full_files(tmp_path) == {outcome.sighting.objects[-1].sha256.hex() + ".age"}
    assert box.held_counts() == (4, 1)


def test_the_same_position_twice_is_once(box: Outbox) -> None:
    assert box.commit(kept(0)) == 1
    assert box.commit(kept(0)) is None
    assert box.commit(rejected(0)) is None
    assert box.commit(rejected(1)) is None
    assert box.commit(kept(2)) == 2
    assert box.position(SOURCE) == 3


def test_a_position_is_never_skipped(box: Outbox) -> None:
    with pytest.raises(ValueError, match="test stands at 0, the outcome is of 5"):
        box.commit(kept(5))
    box.declare_source("other", None)
    assert (box.position(SOURCE), box.position("other"), box.held_counts()) == (0, 0, (0, 0))


def test_wild_cats_before_domestic_ones_and_alerts_before_crops(box: Outbox) -> None:
    box.commit(kept(0, species=6))
    box.commit(kept(1))
    box.commit(kept(2))
    assert box.waiting(10, 256) == [
        (0, 2, ALERT), (0, 3, ALERT), (2, 2, CROP), (2, 3, CROP), (4, 1, ALERT), (6, 1, CROP)
    ]  # fmt: skip
    assert box.waiting(10, 1) == [(0, 2, ALERT), (0, 3, ALERT)]
    assert len(box.waiting(3, 256)) == 3


def test_states_only_go_forward(box: Outbox) -> None:
    box.commit(kept(0))
    box.mark([(1, ALERT), (1, CROP), (9, ALERT), (1, FULL)], [])
    assert box.in_state(STORED) == [(0, 1, ALERT), (2, 1, CROP)]
    box.mark([], [(1, ALERT)])
    box.mark([(1, ALERT)], [])
    assert box.in_state(DELIVERED) == [(0, 1, ALERT)]
    box.apply_receipt(receipt_for(TRAP, box.epoch, digests(box, (1, ALERT))), KEY, NOW)
    box.mark([(1, ALERT)], [(1, ALERT)])
    assert box.in_state(DELETED) == [(0, 1, ALERT)]


def test_a_receipt_lets_go_of_exactly_what_it_names(box: Outbox, tmp_path: Path) -> None:
    for position in range(3):
        box.commit(kept(position))
    named = [(1, ALERT), (1, FULL), (2, CROP)]
    receipt = receipt_for(TRAP, box.epoch, digests(box, *named))
    before = full_files(tmp_path)
    assert box.apply_receipt(receipt, KEY, NOW) is ReceiptOutcome.APPLIED
    assert [(n, r) for _, n, r in box.in_state(DELETED)] == [(1, ALERT), (2, CROP), (1, FULL)]
    assert all(box.envelope(*key) is None for key in named)
    assert box.envelope(2, ALERT) is not None
    assert len(before - full_files(tmp_path)) == 1
    assert box.held_counts() == (9, 2)
    # Again, and after a restart, changes nothing and is not refused.
    assert box.apply_receipt(receipt, KEY, NOW) is ReceiptOutcome.REPEATED
    other = open_outbox(tmp_path / "data", TRAP, NOW)
    assert other.apply_receipt(receipt, KEY, NOW) is ReceiptOutcome.REPEATED
    other.close()
    status = read_status(tmp_path / "data", TRAP)
    assert (status["receipts"], status["receipts_refused"]) == (1, 0)


def test_a_second_receipt_over_deleted_objects_is_fine(box: Outbox) -> None:
    box.commit(kept(0))
    both = digests(box, (1, ALERT), (1, CROP))
    assert box.apply_receipt(receipt_for(TRAP, box.epoch, both[:1]), KEY, NOW) is ReceiptOutcome.APPLIED
    assert box.apply_receipt(receipt_for(TRAP, box.epoch, both), KEY, NOW) is ReceiptOutcome.APPLIED
    assert box.held_counts() == (2, 1)


def strangers(box: Outbox) -> list[tuple[int, int, bytes]]:
    """What somebody else brought in this trap's name: an unknown number, and other bytes under one of its own."""
    return [(99, ALERT, bytes(range(32))), (1, CROP, bytes(32))]


def test_a_whole_receipt_lets_go_of_exactly_what_lies_here_under_the_digest_that_was_signed(
    box: Outbox, tmp_path: Path
) -> None:
    box.commit(kept(0))
    named = [*digests(box, (1, ALERT), (1, FULL)), *strangers(box)]
    short, whole = (receipt_for(TRAP, box.epoch, named, number, whole=number == 2) for number in (1, 2))
    assert box.apply_receipt(short, KEY, NOW) is ReceiptOutcome.REFUSED
    assert box.answer(short, ReceiptOutcome.REFUSED) == [short.key, box.key(1, ALERT)]
    assert box.apply_receipt(whole, KEY, NOW) is ReceiptOutcome.PARTLY
    assert [(n, r) for _, n, r in box.in_state(DELETED)] == [(1, ALERT), (1, FULL)]
    assert box.envelope(1, CROP) is not None, "nobody has signed for these bytes"
    assert box.apply_receipt(whole, KEY, NOW) is ReceiptOutcome.REPEATED
    assert box.apply_receipt(short, KEY, NOW) is ReceiptOutcome.REPEATED, "the base's own repeat may have crossed"
    assert box.answer(short, ReceiptOutcome.REPEATED) == [short.key]
    status = read_status(tmp_path / "data", TRAP)
    assert (status["receipts"], status["receipts_refused"], status["receipt_strangers"]) == (1, 1, 2)


def test_a_whole_receipt_for_strangers_alone_deletes_nothing(box: Outbox) -> None:
    box.commit(kept(0))
    envelope = receipt_for(TRAP, box.epoch, strangers(box), whole=True)
    assert box.apply_receipt(envelope, KEY, NOW) is ReceiptOutcome.PARTLY
    assert box.in_state(DELETED) == []


def test_a_whole_receipt_that_is_not_signed_for_what_it_says_changes_nothing(box: Outbox) -> None:
    """The bytes say what is let go, so they must be the signed ones: every flipped byte is refused, or names others."""
    box.commit(kept(0))
    named = [*digests(box, (1, ALERT)), strangers(box)[0]]
    valid = receipt_for(TRAP, box.epoch, named, whole=True)
    for at in range(len(valid.body)):
        body = valid.body[:at] + bytes([valid.body[at] ^ 1]) + valid.body[at + 1 :]
        assert box.apply_receipt(Envelope(valid.key, body), KEY, NOW) is ReceiptOutcome.REFUSED, at
    for wrong in (
        receipt_for(TRAP, box.epoch, named, key=SigningKey.generate(), whole=True),
        receipt_for(TRAP, box.epoch ^ 1, named, whole=True),
        receipt_for(TRAP + 1, box.epoch, named, whole=True),
    ):
        assert box.apply_receipt(wrong, KEY, NOW) is ReceiptOutcome.REFUSED
        assert box.answer(wrong, ReceiptOutcome.REFUSED) == [wrong.key], "there is nothing more to ask for"
    assert box.in_state(DELETED) == []


def test_receipts_that_are_refused_change_nothing(box: Outbox, tmp_path: Path) -> None:
    box.commit(kept(0))
    good = digests(box, (1, ALERT), (1, FULL))
    wrong_digest = [(1, ALERT, bytes(32))]
    valid = receipt_for(TRAP, box.epoch, good)
    flipped = valid.body[:-1] + bytes([valid.body[-1] ^ 1])
    more = valid.body[:5] + bytes([0, 0, 0, 1, CROP]) + valid.body[10:]
    refused = [
        receipt_for(TRAP, box.epoch, good, key=SigningKey.generate()),
        receipt_for(TRAP, box.epoch, wrong_digest),
        receipt_for(TRAP, box.epoch, [*good, (2, ALERT, bytes(32))]),
        receipt_for(TRAP, box.epoch ^ 1, good),
        receipt_for(TRAP + 1, box.epoch, good),
        Envelope(valid.key, flipped),
        Envelope(valid.key, more),
        Envelope(valid.key, b"short"),
        Envelope(ObjectKey(TRAP, box.epoch, 1, ALERT), valid.body),
    ]
    before = full_files(tmp_path)
    for envelope in refused:
        assert box.apply_receipt(envelope, KEY, NOW) is ReceiptOutcome.REFUSED
    assert box.held_counts() == (4, 1)
    assert full_files(tmp_path) == before
    assert read_status(tmp_path / "data", TRAP)["receipts_refused"] == len(refused)
    assert box.apply_receipt(valid, KEY, NOW) is ReceiptOutcome.APPLIED


def test_a_blank_card_draws_a_new_epoch_and_a_used_one_keeps_its_own(tmp_path: Path) -> None:
    epochs = set()
    for name in ("a", "a", "b", "c"):
        box = open_outbox(tmp_path / name, TRAP, NOW)
        epochs.add((name, box.epoch))
        box.close()
    assert len(epochs) == 3
    assert len({epoch for _, epoch in epochs}) == 3


def test_another_trap_s_card_is_refused(tmp_path: Path) -> None:
    open_outbox(tmp_path / "data", TRAP, NOW).close()
    with pytest.raises(SetupError, match="belongs to trap 7, the setting `trap` is 8"):
        open_outbox(tmp_path / "data", 8, NOW)


def test_a_card_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot be used for the outbox"):
        open_outbox(tmp_path / "file" / "data", TRAP, NOW)


def test_files_that_no_object_names_go_at_the_next_start(box: Outbox, tmp_path: Path) -> None:
    box.commit(kept(0))
    folder = tmp_path / "data" / FULL_FOLDER
    named = full_files(tmp_path)
    (folder / ("0" * 64 + ".age")).write_bytes(b"written, never committed")
    (folder / ".x.age.12.tmp").write_bytes(b"half")
    open_outbox(tmp_path / "data", TRAP, NOW).close()
    assert full_files(tmp_path) == named


def test_full_frames_whose_outbox_is_gone_are_set_aside(box: Outbox, tmp_path: Path) -> None:
    box.commit(kept(0))
    box.close()
    named, epoch = full_files(tmp_path), box.epoch
    for path in (tmp_path / "data").glob("outbox.sqlite*"):
        path.unlink()
    again = open_outbox(tmp_path / "data", TRAP, NOW)
    assert again.aside == tmp_path / "data" / "outbox.damaged-1"
    assert {path.name for path in (again.aside / FULL_FOLDER).iterdir()} == named
    assert (full_files(tmp_path), again.epoch == epoch) == (set(), False)
    again.close()


def test_a_full_frame_whose_file_is_gone_is_counted(box: Outbox, tmp_path: Path) -> None:
    box.commit(kept(0))
    box.commit(kept(1))
    (tmp_path / "data" / FULL_FOLDER / full_files(tmp_path).pop()).unlink()
    again = open_outbox(tmp_path / "data", TRAP, NOW)
    assert again.missing == 1
    again.close()


def test_people_leave_counters_only(box: Outbox, tmp_path: Path) -> None:
    box.commit(withheld(0))
    box.commit(withheld(1, hour_ms=3_600_000))
    box.commit(withheld(2, hour_ms=3_600_000))
    status = read_status(tmp_path / "data", TRAP)
    assert (status["frames_in"], status["frames_withheld"], box.position(SOURCE)) == (3, 3, 3)
    assert status["people_hours"] == [{"hour_ms": 3_600_000, "category": "person", "count": 2}]
    db = sqlite3.connect(tmp_path / "data" / DATABASE)
    assert db.execute("SELECT count(*) FROM bursts").fetchone() == (0,)
    db.close()


def test_a_full_card_refuses_and_forgets_nothing(box: Outbox, tmp_path: Path) -> None:
    box.commit(kept(0))
    refused = r"a full frame cannot be written: .*/full: File too large: make room"
    with full_disk(), pytest.raises(StorageError, match=refused):
        box.commit(kept(1))
    assert box.position(SOURCE) == 1
    assert len(full_files(tmp_path)) == 1
    assert box.commit(kept(1)) == 2


def test_a_database_that_may_not_grow_refuses_and_forgets_nothing(box: Outbox, tmp_path: Path) -> None:
    box.commit(kept(0))
    (pages,) = box._db.execute("PRAGMA page_count").fetchone()
    box._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="database or disk is full"):
        [box.commit(kept(position)) for position in range(1, 100)]
    position = box.position(SOURCE)
    assert 1 <= position < 99
    box._db.execute("PRAGMA max_page_count = 100000")
    assert box.commit(kept(position)) == position + 1
    status = read_status(tmp_path / "data", TRAP)
    assert status["sightings"] == status["frames_in"] == position + 1


def test_status_before_the_first_start(tmp_path: Path) -> None:
    status = read_status(tmp_path, TRAP)
    assert (status["frames_in"], status["objects"], status["epoch"]) == (0, {}, None)


def test_what_cannot_be_cleared_away_at_the_start_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    box = open_outbox(tmp_path / "data", TRAP, NOW)
    box.declare_source(SOURCE, None)
    box.commit(kept(0))
    box.close()
    stray = tmp_path / "data" / FULL_FOLDER / "stray"
    stray.mkdir()  # which no `unlink` takes away
    with pytest.raises(StorageError, match=r"the outbox cannot be opened: .*/full/stray: "):
        open_outbox(tmp_path / "data", TRAP, NOW)
    stray.rmdir()
    box = open_outbox(tmp_path / "data", TRAP, NOW)
    assert (box.position(SOURCE), box.missing, len(full_files(tmp_path))) == (1, 0, 1)
    box.close()


@pytest.mark.parametrize("tables", [0, 1])
def test_status_after_a_first_start_that_was_cut_off(tmp_path: Path, tables: int) -> None:
    """Its file is there, and the migrations are not, or not all of them."""
    (tmp_path / "data").mkdir()
    db = sqlite3.connect(tmp_path / "data" / DATABASE)
    db.execute("PRAGMA journal_mode = WAL")
    folder = Path(outbox_module.__file__).parent / "sql"
    for step in sorted(folder.glob("0*.sql"))[:tables]:
        db.executescript(step.read_text())
    db.execute(f"PRAGMA user_version = {tables}")
    db.close()
    assert read_status(tmp_path / "data", TRAP)["epoch"] is None
    box = open_outbox(tmp_path / "data", TRAP, NOW)
    assert read_status(tmp_path / "data", TRAP)["epoch"] == box.epoch
    box.close()
