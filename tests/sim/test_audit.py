"""The auditor can say that something is wrong: each fault, planted in otherwise good databases, is found."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from trapbase.store import Store
from trapcam.outbox import open_outbox
from trapsim.audit import look
from trapsim.backend_store import BackendStore

DIGESTS = {rung: bytes([rung]) * 32 for rung in (0, 1, 3)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One picture, one sighting, delivered everywhere and deleted on the trap."""
    trap = tmp_path / "trap1" / "data"
    trap.mkdir(parents=True)
    box = open_outbox(trap, 1, 0)
    epoch = box.epoch
    box.close()
    change(trap / "outbox.sqlite", "INSERT INTO progress VALUES ('r', 1, 1)")
    change(trap / "outbox.sqlite", "INSERT INTO counters VALUES ('frames_in', 1)")
    change(trap / "outbox.sqlite", "INSERT INTO bursts VALUES (1, 'r', 0, 'cat.png', 1, 0, 0, 1, 'kept', '', 0.9)")
    event = "INSERT INTO events VALUES (1, 1, 0, NULL, 'feline', 0, 0.9, 1, 0, 0, 1, 1, 'm', '', 0)"
    change(trap / "outbox.sqlite", event)
    for rung, digest in DIGESTS.items():
        state, body = ("held", b"x") if rung == 3 else ("deleted", None)
        row = (1, rung, 0, state, 1, digest, body, None)
        change(trap / "outbox.sqlite", "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    Store(tmp_path / "base").close()
    backend = tmp_path / "backend"
    backend.mkdir()
    BackendStore(backend, bytes(32)).close()
    change(backend / "backend.sqlite3", "INSERT INTO batches VALUES ('b', 1, 2)")
    for rung in (0, 1):
        row = (1, epoch, 1, rung, DIGESTS[rung])
        columns = "trap, epoch, number, rung, sha256, size, base, received_ms, stored_ms"
        change(tmp_path / "base" / "base.sqlite3", f"INSERT INTO objects ({columns}) VALUES (?,?,?,?,?,1,'',0,0)", row)
        change(backend / "backend.sqlite3", "INSERT INTO objects VALUES (?, ?, ?, ?, ?, 'b')", row)
    row = (1, epoch, 1)
    change(tmp_path / "base" / "base.sqlite3", f"INSERT INTO events VALUES (?,?,?{',0' * 9},NULL,NULL,NULL)", row)
    return tmp_path


def change(path: Path, sql: str, values: tuple[object, ...] = ()) -> None:
    with sqlite3.connect(path) as db:
        db.execute(sql, values)
    db.close()


def outbox(sql: str) -> Callable[[Path], None]:
    return lambda folder: change(folder / "trap1" / "data" / "outbox.sqlite", sql)


def base(sql: str) -> Callable[[Path], None]:
    return lambda folder: change(folder / "base" / "base.sqlite3", sql)


def backend(sql: str) -> Callable[[Path], None]:
    return lambda folder: change(folder / "backend" / "backend.sqlite3", sql)


def test_a_clean_run_is_finished(folder: Path) -> None:
    audit = look(folder, 1, traps=(1,))
    assert (audit.lost, audit.duplicated, audit.missing, audit.finished) == (0, 0, (), True)
    assert (audit.deleted_on_trap, audit.full_frames_held, audit.media_stored) == (2, 1, 1)


def test_further_full_frames_are_held_too(folder: Path) -> None:
    outbox("INSERT INTO objects VALUES (1, 4, 0, 'held', 1, zeroblob(32), x'00', NULL)")(folder)
    audit = look(folder, 1, traps=(1,))
    assert (audit.full_frames_held, audit.lost, audit.finished) == (2, 0, True)


@pytest.mark.parametrize(
    "fault",
    [
        backend("DELETE FROM objects WHERE rung = 1"),
        base("DELETE FROM objects WHERE rung = 1"),
        backend("UPDATE objects SET sha256 = zeroblob(32) WHERE rung = 1"),
        base("UPDATE objects SET sha256 = zeroblob(32) WHERE rung = 1"),
        outbox("DELETE FROM objects WHERE rung = 1"),
        outbox("DELETE FROM objects WHERE rung = 3"),
        outbox("INSERT INTO objects VALUES (1, 5, 0, 'held', 1, zeroblob(32), x'00', NULL)"),
        outbox("UPDATE progress SET position = 2"),
    ],
)
def test_every_loss_is_seen(folder: Path, fault: Callable[[Path], None]) -> None:
    fault(folder)
    audit = look(folder, 1, traps=(1,))
    assert audit.lost > 0
    assert not audit.finished


@pytest.mark.parametrize(
    "fault",
    [
        outbox("INSERT INTO bursts VALUES (2, 'r', 1, 'cat.png', 1, 0, 0, 1, 'kept', '', 0.9)"),
        backend("UPDATE counters SET value = 1 WHERE name = 'duplicated'"),
        base("UPDATE objects SET number = 2 WHERE rung = 1"),
        backend("UPDATE objects SET trap = 2 WHERE rung = 0"),
    ],
)
def test_every_double_or_invention_is_seen(folder: Path, fault: Callable[[Path], None]) -> None:
    fault(folder)
    change(folder / "trap1" / "data" / "outbox.sqlite", "INSERT INTO events SELECT 2, 2, taken_ms, NULL, category, "
           "species, confidence, count, x, y, w, h, model, model_sha256, 0 FROM events WHERE EXISTS "
           "(SELECT 1 FROM bursts WHERE burst_no = 2)")  # fmt: skip
    assert look(folder, 1, traps=(1,)).duplicated > 0


def networked(folder: Path) -> None:
    """The same trap with a network: its frame and full frame have arrived, and are deleted too."""
    outbox_path, digest = folder / "trap1" / "data" / "outbox.sqlite", bytes([2]) * 32
    change(outbox_path, "INSERT INTO objects VALUES (1, 2, 2, 'deleted', 1, ?, NULL, NULL)", (digest,))
    change(outbox_path, "UPDATE objects SET state = 'deleted', body = NULL")
    for rung, sha256 in ((2, digest), (3, DIGESTS[3])):
        for path in (folder / "base" / "base.sqlite3", folder / "backend" / "backend.sqlite3"):
            with sqlite3.connect(path) as db:
                (trap, epoch), columns = db.execute("SELECT trap, epoch FROM objects").fetchone(), "trap, epoch, number"
                if path.parent.name == "base":
                    row = f"INSERT INTO objects ({columns}, rung, sha256, size, base, received_ms, stored_ms) "
                    db.execute(row + "VALUES (?, ?, 1, ?, ?, 1, '', 0, 0)", (trap, epoch, rung, sha256))
                else:
                    db.execute("INSERT INTO objects VALUES (?, ?, 1, ?, ?, 'b')", (trap, epoch, rung, sha256))
            db.close()


def test_of_a_trap_with_a_network_the_full_frame_is_waited_for(folder: Path) -> None:
    assert not look(folder, 1, traps=(1,), networked=(1,)).finished, "its frame and its full frame are not there"
    networked(folder)
    audit = look(folder, 1, traps=(1,), networked=(1,))
    assert (audit.lost, audit.duplicated, audit.missing, audit.finished) == (0, 0, (), True)
    assert (audit.full_frames_held, audit.full_frames_received, audit.deleted_on_trap) == (0, 1, 4)


@pytest.mark.parametrize(
    "fault",
    [
        base("DELETE FROM objects WHERE rung = 3"),
        backend("UPDATE objects SET sha256 = zeroblob(32) WHERE rung = 3"),
        outbox("DELETE FROM objects WHERE rung = 2"),
        outbox("INSERT INTO objects VALUES (1, 4, 8, 'deleted', 1, zeroblob(32), NULL, NULL)"),
    ],
)
def test_a_full_frame_that_was_let_go_too_early_is_seen(folder: Path, fault: Callable[[Path], None]) -> None:
    networked(folder)
    fault(folder)
    assert look(folder, 1, traps=(1,), networked=(1,)).lost > 0


def test_one_trap_ahead_does_not_hide_one_behind(folder: Path) -> None:
    assert not look(folder, 1, traps=(1, 2)).finished


def test_a_receipt_under_way_is_waited_for(folder: Path) -> None:
    row = "INSERT INTO receipts (batch_id, trap, epoch, body, stored_ms) VALUES ('b', 1, 1, x'00', 0)"
    change(folder / "base" / "base.sqlite3", row)
    assert not look(folder, 1, traps=(1,)).finished


def test_what_is_still_under_way_is_missing_and_not_lost(folder: Path) -> None:
    change(
        folder / "trap1" / "data" / "outbox.sqlite", "UPDATE objects SET state = 'stored', body = x'00' WHERE rung = 1"
    )
    audit = look(folder, 1, traps=(1,))
    assert (audit.lost, len(audit.missing), audit.finished) == (0, 1, False)


def test_a_burst_of_people_of_several_frames_is_one_picture_judged(folder: Path) -> None:
    """It leaves only its frames in two sums behind: that is neither lost nor doubled."""
    for sql in (
        "UPDATE progress SET position = 2",
        "UPDATE counters SET value = 7 WHERE name = 'frames_in'",
        "INSERT INTO counters VALUES ('frames_withheld', 6)",
    ):
        outbox(sql)(folder)
    audit = look(folder, 2, traps=(1,))
    assert (audit.lost, audit.duplicated, audit.frames_in, audit.judged, audit.finished) == (0, 0, 7, 2, True)
