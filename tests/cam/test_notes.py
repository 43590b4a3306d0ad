"""Notes and scenes in the outbox: one series of numbers, states and carriers as others, alarms before all else."""

import sqlite3
from pathlib import Path

import pytest
from cam_parts import BACKEND, NOW, receipt_for
from records import SOURCE, kept, sealed

from trapcam import outbox as outbox_module
from trapcam.outbox import DATABASE, Outbox, open_outbox
from trapcam.states import DELIVERED, HELD, STORED, WAITING
from trapkit.errors import StorageError
from trapwire.notes import DAY, MOVED, OPENED, SHADOW
from trapwire.objects import NOTE, SCENE

BODY = b"signed"


def states(outbox: Outbox) -> dict[tuple[int, int], str]:
    return {
        (number, rung): state
        for state in (HELD, WAITING, STORED, DELIVERED)
        for _, number, rung in outbox.in_state(state)
    }


def test_notes_scenes_and_sightings_share_one_series_of_numbers(outbox: Outbox) -> None:
    outbox.declare_source(SOURCE, None)
    numbers = [
        outbox.commit(kept(0)),
        outbox.notes.add_note(DAY, NOW, lambda number: BODY + bytes([number])),
        outbox.notes.add_scene(sealed(SCENE, b"scene"), NOW),
        outbox.commit(kept(1)),
        outbox.notes.add_alarm(OPENED, NOW, 3, lambda number: BODY),
    ]
    assert numbers == [1, 2, 3, 4, 5]
    envelope = outbox.envelope(2, NOTE)
    assert envelope is not None
    assert envelope.body == BODY + b"\2"
    assert (states(outbox)[2, NOTE], states(outbox)[3, SCENE]) == (WAITING, HELD)


def test_an_alarm_goes_before_every_alert_and_a_day_after_them(outbox: Outbox) -> None:
    outbox.declare_source(SOURCE, None)
    outbox.commit(kept(0))
    outbox.notes.add_note(DAY, NOW, lambda number: BODY)
    outbox.notes.add_alarm(OPENED, NOW, 9, lambda number: BODY)
    order = [(number, rung) for _, number, rung in outbox.waiting(10, 256)]
    assert order[:2] == [(3, NOTE), (1, 0)]
    assert outbox.undelivered(3)[0][1:3] == (3, NOTE)
    assert (2, NOTE) in order


def test_a_scene_goes_by_radio_when_it_is_wanted(outbox: Outbox) -> None:
    number = outbox.notes.add_scene(sealed(SCENE, b"scene"), NOW)
    assert outbox.waiting(10, 256) == []
    assert outbox.want(number, SCENE)
    assert outbox.waiting(10, 256) == [(1, number, SCENE)]


def test_a_receipt_lets_a_note_go_and_keeps_its_digest(outbox: Outbox) -> None:
    number = outbox.notes.add_note(DAY, NOW, lambda number: BODY)
    digest = sealed(NOTE, BODY).sha256
    receipt = receipt_for(outbox.trap, outbox.epoch, [(number, NOTE, digest)])
    assert outbox.apply_receipt(receipt, bytes(BACKEND.verify_key), NOW).value == "applied"
    assert outbox.envelope(number, NOTE) is None


def test_the_same_wake_told_twice_is_one_alarm(outbox: Outbox) -> None:
    assert outbox.notes.add_alarm(OPENED, NOW, 9, lambda number: BODY) == 1
    assert outbox.notes.add_alarm(OPENED, NOW + 60_000, 9, lambda number: BODY) is None
    assert outbox.notes.add_alarm(OPENED, NOW + 60_000, 10, lambda number: BODY) == 2
    assert outbox.notes.add_alarm(MOVED, NOW + 60_000, None, lambda number: BODY) == 3
    assert [kind for _, kind, _ in outbox.notes.open_alarms()] == ["opened", "opened", "moved"]
    assert outbox.notes.close_alarms() == 3
    assert outbox.notes.open_alarms() == []


def test_a_note_that_cannot_be_signed_leaves_nothing(outbox: Outbox) -> None:
    def fail(number: int) -> bytes:
        raise ValueError("no key")

    with pytest.raises(ValueError, match="no key"):
        outbox.notes.add_alarm(OPENED, NOW, 9, fail)
    assert outbox.notes.open_alarms() == []
    assert outbox.notes.add_note(DAY, NOW, lambda number: BODY) == 1


def test_an_object_of_nothing_is_refused_by_the_database(outbox: Outbox) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="of no event"):
        outbox._db.execute(
            "INSERT INTO objects VALUES (99, 6, 0, 'waiting', 1, zeroblob(32), x'00', NULL)",
        )


def test_an_outbox_from_before_keeps_every_object(tmp_path: Path) -> None:
    """Migration 004 makes `objects` anew: what was in it, its order and its states are as they were."""
    folder = tmp_path / "old"
    box = open_outbox(folder, 7, NOW)
    box.declare_source(SOURCE, None)
    for position in range(3):
        box.commit(kept(position))
    box.mark([(2, 0)], [(1, 0)])
    epoch = box.epoch
    box.close()
    before = _downgraded(folder / DATABASE)
    box = open_outbox(folder, 7, NOW)
    assert box.epoch == epoch
    now = box._db.execute("SELECT number, rung, state, priority, sha256 FROM objects ORDER BY 1, 2").fetchall()
    assert [tuple(row) for row in now] == before
    assert box.notes.add_note(DAY, NOW, lambda number: BODY) == 4
    assert box._db.execute("PRAGMA foreign_key_check").fetchall() == []
    box.close()


def test_notes_of_any_kind_come_with_the_eighth_migration_and_nothing_is_lost(tmp_path: Path) -> None:
    """Alarms and days refer to notes, whose table is made anew; and the version before may go on with it."""
    db = sqlite3.connect(tmp_path / "outbox.sqlite", isolation_level=None)
    steps = sorted((Path(outbox_module.__file__).parent / "sql").glob("0*.sql"))
    for step in steps[:7]:
        db.executescript(step.read_text())
    db.executescript(
        "PRAGMA user_version = 7; INSERT INTO outbox (id, trap, epoch, created_ms) VALUES (1, 7, 99, 0);"
        "INSERT INTO notes VALUES (1, 'opened', 5), (2, 'day', 6);"
        "INSERT INTO alarms VALUES (1, 'opened', 5, 3, 1); INSERT INTO days (day, number) VALUES (9, 2);"
    )
    db.close()
    box = open_outbox(tmp_path, 7, NOW)
    assert box.notes.open_alarms() == [(1, "opened", 5)]
    assert box.notes.add_note(SHADOW, NOW, lambda number: BODY) == 3
    assert [tuple(row) for row in box._db.execute("SELECT number, kind FROM notes")] == [
        (1, "opened"),
        (2, "day"),
        (3, "shadow"),
    ]
    assert box._db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert box._db.execute("PRAGMA application_id").fetchone()[0] == 8007
    box.close()


def _downgraded(path: Path) -> list[tuple[object, ...]]:
    """The database as version 3 had it, made by that version's own statements."""
    old = path.with_name("old.sqlite")
    db = sqlite3.connect(old, isolation_level=None)
    for name in ("001_outbox", "002_undelivered", "003_audit"):
        db.executescript((Path(outbox_module.__file__).parent / "sql" / f"{name}.sql").read_text())
    db.execute("ATTACH ? AS new", (str(path),))
    for (table,) in db.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall():
        shared = "SELECT name FROM pragma_table_info(?, 'main') INTERSECT SELECT name FROM pragma_table_info(?, 'new')"
        columns = ", ".join(row[0] for row in db.execute(shared, (table, table)))
        db.execute(f"DELETE FROM main.{table}")
        db.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")
    db.execute("DETACH new")
    db.execute("PRAGMA user_version = 3")
    found = db.execute("SELECT number, rung, state, priority, sha256 FROM objects ORDER BY 1, 2").fetchall()
    db.close()
    old.replace(path)
    return found


def test_a_full_card_refuses_a_note_whole(outbox: Outbox) -> None:
    pages = outbox._db.execute("PRAGMA page_count").fetchone()[0]
    outbox._db.execute(f"PRAGMA max_page_count = {pages}")
    made, refused = 0, False
    while not refused:
        try:
            outbox.notes.add_note(DAY, NOW, lambda number: BODY * 20)
            made += 1
        except StorageError:
            refused = True
        assert made < 10_000
    rows = outbox._db.execute("SELECT (SELECT count(*) FROM notes), (SELECT count(*) FROM objects)").fetchone()
    assert tuple(rows) == (made, made)
