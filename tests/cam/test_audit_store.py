"""Audit samples on the card: their room, who gives way to whom, and that what stays is still a fair choice."""

import errno
import os
import random
import sqlite3
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from cam_parts import NOW
from records import SOURCE, audited, kept, rejected, withheld

from trapcam.audit_export import export
from trapcam.audit_store import AUDIT_FOLDER
from trapcam.audit_tables import MANIFEST, MANIFEST_COLUMNS, read_table
from trapcam.outbox import DATABASE, FULL_FOLDER, Outbox, open_outbox
from trapcam.status import read_status
from trapkit.errors import StorageError

TRAP = 7


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def opened(data: Path, room: int = 1_000_000) -> Outbox:
    box = open_outbox(data, TRAP, NOW, audit_bytes=room)
    box.declare_source(SOURCE, None)
    return box


def names(data: Path, folder: str = AUDIT_FOLDER) -> set[str]:
    return {path.name for path in (data / folder).iterdir()}


def draws(box: Outbox, stratum: str) -> list[float]:
    return sorted(row["draw"] for row in box.audit.samples() if row["stratum"] == stratum)


def cell(box: Outbox, stratum: str) -> dict[str, Any]:
    (found,) = [row for row in box.audit.cells() if row["stratum"] == stratum]
    return found


def test_a_sample_and_what_it_stands_for(data: Path) -> None:
    box = opened(data)
    box.commit(audited(0, "near"))
    box.commit(audited(1, "far", draw=0.9, share=0.05))
    box.commit(audited(2, "far", draw=0.01, share=0.05))
    box.commit(audited(3, "people", draw=0.01, share=0.0))
    box.commit(rejected(4))  # of a trap without a sampler: as before
    box.commit(withheld(5))
    assert [(c["stratum"], c["bursts"], c["samples"]) for c in box.audit.cells()] == [
        ("near", 1, 1), ("far", 2, 1), ("people", 1, 0)
    ]  # fmt: skip
    assert [(data / AUDIT_FOLDER / row["file"]).read_bytes()[:8] for row in box.audit.samples()] == [
        b"sample 0", b"sample 2"
    ]  # fmt: skip
    status = read_status(data, TRAP)
    assert status["audit"]["far"] == {"bursts": 2, "held": 1, "exported": 0, "collected": 0, "dropped": 0}
    assert status["audit_bytes"] == 1800
    assert box.position(SOURCE) == 6
    box.close()


def test_files_that_no_sample_names_go_at_the_next_start(data: Path) -> None:
    box = opened(data)
    box.commit(audited(0))
    box.close()
    before = names(data)
    (data / AUDIT_FOLDER / ("0" * 64 + ".age")).write_bytes(b"written, never committed")
    opened(data).close()
    assert names(data) == before


def test_the_key_is_drawn_once(data: Path, tmp_path: Path) -> None:
    keys = []
    for folder in (data, data, tmp_path / "other"):
        box = opened(folder)
        keys.append(box.audit.key)
        box.close()
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) == 32


def test_over_the_room_far_ones_go_first_by_their_draw(data: Path) -> None:
    box = opened(data, room=5_000)
    for position in range(3):
        box.commit(audited(position, "near", draw=0.3 * position))
    for position, draw in enumerate((0.01, 0.15, 0.03, 0.12), start=3):
        box.commit(audited(position, "far", draw=draw, share=0.2))
    # 7 × 900 bytes are too many: halved once, the oldest far one stays, for its draw is low.
    assert draws(box, "far") == [0.01, 0.03]
    assert draws(box, "near") == [0.0, 0.3, 0.6]
    assert cell(box, "far")["probability"] == 0.1
    # What comes later is held against the same line, or the choice would not be fair.
    box.commit(audited(7, "far", draw=0.11, share=0.2))
    assert draws(box, "far") == [0.01, 0.03]
    found = cell(box, "far")
    assert (found["bursts"], found["samples"], found["dropped"]) == (5, 2, 1)
    # Near ones drive out all far ones, then each other.
    for position in range(8, 12):
        box.commit(audited(position, "near", draw=0.11 * position - 0.6))
    assert draws(box, "far") == []
    assert all(draw < cell(box, "near")["probability"] < 1 for draw in draws(box, "near"))
    assert sum(row["bytes"] for row in box.audit.samples()) <= 5_000
    assert names(data) == {row["file"] for row in box.audit.samples()}
    box.close()


def test_a_sample_larger_than_the_room_is_not_kept(data: Path) -> None:
    box = opened(data, room=5_000)
    box.commit(audited(0, "near", draw=0.3, size=6_000))
    assert (box.position(SOURCE), cell(box, "near")["probability"], names(data)) == (1, 0.25, set())
    box.close()


@pytest.mark.parametrize("seed", range(5))
def test_what_stays_is_always_what_lies_below_the_line(data: Path, seed: int) -> None:
    """Whatever came in whatever order and size, what lies there is exactly the bursts below each cell's probability."""
    dice = random.Random(seed)
    box = opened(data, room=12_000)
    given: list[tuple[str, float]] = []
    for position in range(150):
        stratum, share = dice.choice([("near", 1.0), ("far", 0.5), ("far", 0.5), ("far", 0.25)])
        given.append((f"{stratum}/{share}", dice.random()))
        box.commit(audited(position, stratum, draw=given[-1][1], share=share, size=dice.randrange(200, 1_500)))
        if dice.random() < 0.03:
            box.close()
            box = opened(data, room=12_000)
    rows = box.audit.samples()
    for found in box.audit.cells():
        name = f"{found['stratum']}/{found['share']}"
        there = sorted(r["draw"] for r in rows if f"{r['stratum']}/{r['share']}" == name)
        assert there == sorted(draw for n, draw in given if n == name and draw < found["probability"]), name
        assert found["bursts"] == sum(n == name for n, _ in given)
    assert 0 < sum(row["bytes"] for row in rows) <= 12_000
    assert names(data) == {row["file"] for row in rows}
    box.close()


def test_beside_a_running_trap_copies_are_made_and_go_first(data: Path, tmp_path: Path) -> None:
    """What a stick has too costs the choice nothing when room is short."""
    box = opened(data, room=5_000)
    for position in range(5):
        box.commit(audited(position, "near", draw=position / 5))
    done = export(data, TRAP, tmp_path / "stick", delete=False)
    assert (done.copied, done.deleted, done.damaged) == (5, 0, ())
    for position in range(5, 7):
        box.commit(audited(position, "near", draw=0.99))
    found = cell(box, "near")
    assert (found["probability"], found["samples"], found["dropped"]) == (1.0, 7, 0)
    assert (found["held"], found["exported"], found["collected"]) == (2, 3, 2)
    # The next visit brings what is new, and the table speaks of all.
    assert export(data, TRAP, tmp_path / "stick", delete=True).deleted == 5
    (folder,) = (tmp_path / "stick").iterdir()
    assert len(read_table(folder / MANIFEST, MANIFEST_COLUMNS)) == len(list(folder.glob("*.age"))) == 7
    assert (names(data), cell(box, "near")["collected"]) == (set(), 7)
    box.close()


class Card:
    """A card with so many bytes: what is synced beyond them is refused, as a full file system does."""

    def __init__(self, data: Path, size: int, patch: pytest.MonkeyPatch) -> None:
        self._data, self.size, self._fsync = data, size, os.fsync
        self.full = os.strerror(errno.ENOSPC)
        patch.setattr(os, "fsync", self._sync)

    def used(self) -> int:
        return sum(path.stat().st_size for f in (AUDIT_FOLDER, FULL_FOLDER) for path in (self._data / f).iterdir())

    def _sync(self, fd: int) -> None:
        if self.used() > self.size:
            raise OSError(errno.ENOSPC, self.full)
        self._fsync(fd)


@pytest.fixture
def card(data: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    opened(data).close()
    return Card(data, 40_000, monkeypatch)


def test_a_full_card_lets_go_of_samples_for_a_sighting(data: Path, card: Card) -> None:
    box = opened(data)
    for position in range(20):
        box.commit(audited(position, "near" if position % 2 else "far", draw=position / 20, size=1_900))
    assert len(box.audit.samples()) == 20
    assert box.commit(kept(20)) == 1  # a full frame of 14 kB
    assert draws(box, "near")
    assert len(draws(box, "far")) < 10
    assert box.commit(kept(21)) == 2  # until no sample is left …
    assert box.commit(kept(22)) == 3  # … and then its full frame is left out, for what is small still finds room
    assert (box.audit.samples(), names(data), len(names(data, FULL_FOLDER))) == ([], set(), 2)
    assert cell(box, "near")["dropped"] == cell(box, "far")["dropped"] == 10
    assert "the card is nearly full" in box.shortage
    card.size = 1_000_000
    assert box.commit(kept(23)) == 4
    assert len(names(data, FULL_FOLDER)) == 3
    assert box.shortage == ""
    box.close()


def test_a_full_card_refuses_the_sample_and_not_the_burst(data: Path, card: Card) -> None:
    box = opened(data)
    assert box.commit(kept(0, full=b"x" * 39_500)) == 1
    box.commit(audited(1, "near", draw=0.4))
    assert box.position(SOURCE) == 2
    found = cell(box, "near")
    assert (found["bursts"], found["dropped"], found["probability"], names(data)) == (1, 1, 0.25, set())
    box.close()


def test_a_database_that_may_not_grow_lets_go_of_samples(data: Path) -> None:
    """Their rows stay, so it gains nothing here; but what it says is the disk's own refusal, and nothing is lost."""
    box = opened(data)
    for position in range(4):
        box.commit(audited(position, draw=position / 4))
    (pages,) = box._db.execute("PRAGMA page_count").fetchone()
    box._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="database or disk is full"):
        [box.commit(kept(position)) for position in range(4, 100)]
    assert box.audit.samples() == []
    position = box.position(SOURCE)
    box._db.execute("PRAGMA max_page_count = 100000")
    assert box.commit(kept(position)) is not None
    box.close()


def test_other_trouble_costs_no_sample(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = opened(data)
    box.commit(audited(0))

    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(StorageError, match="a full frame cannot be written"):
            box.commit(kept(1))
        with pytest.raises(StorageError, match=r"an audit sample cannot be written: .*replace the card"):
            box.commit(audited(1))
    assert len(box.audit.samples()) == len(names(data)) == 1
    box.close()


def test_an_outbox_that_named_its_place_forgets_it(data: Path) -> None:
    """Schema 3 named station and region in the clear. Cells of two places become one, fairly, and no byte is left."""
    data.mkdir()
    (data / AUDIT_FOLDER).mkdir()
    db = sqlite3.connect(data / DATABASE)
    db.execute("PRAGMA journal_mode = WAL")
    for step in ("001_outbox.sql", "002_undelivered.sql", "003_audit.sql"):
        db.executescript((files("trapcam") / "sql" / step).read_text())
    db.executescript("PRAGMA user_version = 3; INSERT INTO outbox VALUES (1, 7, 99, 0);")
    places = {1: ("Nizhnee Ushchelye", 0.5), 2: ("Verkhniy Klyuch", 0.25)}
    for number, (station, probability) in places.items():
        db.execute(
            "INSERT INTO audit_cells VALUES (?, ?, 'Primorye', '2027 winter', 'far', 0.5, ?, 10)",
            (number, station, probability),
        )
    for number, (which, draw) in enumerate([(1, 0.1), (1, 0.4), (2, 0.2)], start=1):
        db.execute("INSERT INTO bursts VALUES (?, 'test', ?, 'x', 0, 0, 0, 1, 'rejected', '', 0)", (number, number))
        db.execute(
            "INSERT INTO audit VALUES (?, ?, ?, 'held', 3, ?, ?)", (number, which, draw, bytes(32), f"{number}.age")
        )
        (data / AUDIT_FOLDER / f"{number}.age").write_bytes(b"abc")
    db.commit()
    db.close()
    box = opened(data)
    (one,) = box.audit.cells()
    assert (one["bursts"], one["probability"], one["samples"], one["dropped"]) == (20, 0.25, 2, 1)
    assert names(data) == {"1.age", "3.age"}, "what is above the lower line of both went, the others stay"
    box.commit(replace(audited(0, "far", draw=0.3, share=0.5), position=0))
    assert [c["bursts"] for c in box.audit.cells()] == [21]
    assert box._db.execute("PRAGMA foreign_key_check").fetchall() == []
    for path in data.rglob("*"):
        for station in ("Nizhnee", "Verkhniy", "Primorye"):
            assert path.is_dir() or station.encode() not in path.read_bytes(), path
    box.close()


def test_an_outbox_of_before_goes_on(data: Path) -> None:
    """Schema 2 with a rejected burst: it is no part of what is measured, for nobody knows whether it was near."""
    data.mkdir()
    db = sqlite3.connect(data / DATABASE)
    for step in ("001_outbox.sql", "002_undelivered.sql"):
        db.executescript((files("trapcam") / "sql" / step).read_text())
    db.executescript(
        "PRAGMA user_version = 2; INSERT INTO outbox VALUES (1, 7, 99, 0);"
        "INSERT INTO progress VALUES ('test', 1, NULL); INSERT INTO counters VALUES ('frames_in', 1);"
        "INSERT INTO bursts VALUES (1, 'test', 0, '0.jpg', 0, 0, 0, 1, 'rejected', 'nothing seen', 0.1);"
    )
    db.close()
    assert read_status(data, TRAP)["audit"] == {}
    box = opened(data)
    box.commit(audited(1))
    assert (box.epoch, box.position(SOURCE), [c["bursts"] for c in box.audit.cells()]) == (99, 2, [1])
    box.close()
