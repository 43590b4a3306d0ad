"""A ranger's card in the outbox: shut on the card, signed, first of all, and its way to the base told."""

import hashlib
from pathlib import Path

import pytest
from cam_parts import BACKEND, BASE, NOW, receipt_for, sealer
from nacl.signing import SigningKey
from records import SOURCE, kept

from trapcam.card_notes import CardNotes
from trapcam.outbox import Outbox
from trapcam.states import ALERTS_ONLY
from trapkit.cards import Card, CardError, Sample, Visit, Written, decode
from trapkit.errors import StorageError
from trapkit.sealing import open_box, signature_is_valid
from trapwire.notes import CARD, DAY, SAMPLE, decode_note, split, statement
from trapwire.objects import NOTE

UNIT = SigningKey(bytes(range(64, 96)))
PLACED = Card(
    action="place", station="Pass", side="left", who="A. Ivanova", at_ms=NOW, latitude=43.1, longitude=131.4,
    height_cm=45,
)  # fmt: skip
FOUND = Sample(barcode="PM-7", kind="scat", kept="ethanol", station="Pass", who="A. Ivanova", at_ms=NOW, sighting=1)

VISITED = Visit(who="A. Ivanova", at_ms=NOW, done=("battery", "lens"), note="ice")


@pytest.fixture
def notes(outbox: Outbox) -> CardNotes:
    return CardNotes(outbox, sealer(), bytes(UNIT))


@pytest.mark.parametrize(("said", "kind"), [(PLACED, CARD), (VISITED, CARD), (FOUND, SAMPLE)])
def test_a_base_proves_and_opens_what_was_saved(outbox: Outbox, notes: CardNotes, said: Written, kind: int) -> None:
    number = notes.save(said, (NOW, 320))
    envelope = outbox.envelope(number, NOTE)
    assert envelope is not None
    note = decode_note(envelope.body)
    assert (note.kind, note.time_ms, note.uncertainty_ms) == (kind, NOW, 320)
    fields, signature = split(envelope.body)
    key = bytes(UNIT.verify_key)
    assert signature_is_valid(key, statement(outbox.trap, outbox.epoch, number, fields), signature)
    opened = open_box(bytes(BASE), note.sealed)
    assert opened is not None
    assert decode(opened) == said


def test_nothing_of_it_can_be_read_on_the_card(outbox: Outbox, notes: CardNotes, tmp_path: Path) -> None:
    notes.save(PLACED, (NOW, None))
    outbox.close()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        data = path.read_bytes()
        for word in (b"Pass", b"Ivanova", b"43.1", b"131.4"):
            assert word not in data


def test_it_goes_before_every_alert_and_to_a_supervisor_that_takes_alerts_alone(
    outbox: Outbox, notes: CardNotes
) -> None:
    outbox.declare_source(SOURCE, None)
    outbox.commit(kept(0))
    outbox.notes.add_note(DAY, NOW, lambda number: b"signed")
    number = notes.save(PLACED, (NOW, 320))
    assert outbox.waiting(10, ALERTS_ONLY)[0][1:] == (number, NOTE)
    assert outbox.undelivered(1)[0][1:3] == (number, NOTE)


def test_a_ranger_is_told_how_far_it_has_come(outbox: Outbox, notes: CardNotes) -> None:
    number = notes.save(PLACED, (NOW, 320))
    said = [notes.progress(number)]
    outbox.mark([(number, NOTE)], [])
    said.append(notes.progress(number))
    outbox.mark([], [(number, NOTE)])
    said.append(notes.progress(number))
    envelope = outbox.envelope(number, NOTE)
    assert envelope is not None
    receipt = receipt_for(outbox.trap, outbox.epoch, [(number, NOTE, _digest(envelope.body))])
    assert outbox.apply_receipt(receipt, bytes(BACKEND.verify_key), NOW).value == "applied"
    said.append(notes.progress(number))
    assert said == ["waiting", "stored", "delivered", "delivered"]
    with pytest.raises(KeyError):
        notes.progress(number + 1)


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


@pytest.mark.parametrize("at_ms", [0, 1 << 45])
def test_a_clock_of_another_age_is_saved_as_not_known(outbox: Outbox, notes: CardNotes, at_ms: int) -> None:
    envelope = outbox.envelope(notes.save(PLACED, (at_ms, 320)), NOTE)
    assert envelope is not None
    assert decode_note(envelope.body).uncertainty_ms is None


def test_a_card_whose_texts_are_too_long_is_refused_and_a_long_one_fits(outbox: Outbox, notes: CardNotes) -> None:
    notes.save(Card(**{**_fields(PLACED), "note": "豹" * 200, "who": "豹" * 40, "station": "豹" * 32}), (NOW, 320))
    with pytest.raises(CardError):
        notes.save(Card(**{**_fields(PLACED), "note": "\N{SNOWFLAKE}\n" * 300}), (NOW, 320))
    assert outbox.undelivered(10)[1:] == []


def _fields(card: Card) -> dict[str, object]:
    return {name: getattr(card, name) for name in card.__struct_fields__}


def _fill(notes: CardNotes) -> None:
    for _ in range(200):
        notes.save(PLACED, (NOW, 320))


def test_a_card_of_the_disk_that_is_full_keeps_nothing(outbox: Outbox, notes: CardNotes) -> None:
    outbox._db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StorageError):  # the pages that are there take some
        _fill(notes)
    outbox._db.execute("PRAGMA max_page_count = 100000")
    before = len(outbox.undelivered(1000))
    assert notes.save(PLACED, (NOW, 320)) == before + 1
