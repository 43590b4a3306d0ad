"""`trapbase verify` finds what does not fit together, says what to do, and is quick to say that all is well."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.base.forwarding import World
from tests.base.note_parts import day
from tests.base.parts import NOW, deliver, sighting
from trapbase.reader import Reader
from trapbase.verify import problems

DAY_S = 86_400


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base with a batch that is signed for, one that is still to go, and what waits."""
    folder = tmp_path_factory.mktemp("whole")
    world = World(folder)
    deliver(world.broker, *sighting(1, 1), *sighting(2, 1), day(1, 5, 2))
    world.until("receipted")
    world.outlet.store.close()  # type: ignore[union-attr]
    world.outlet.store = None
    deliver(world.broker, *sighting(1, 2))
    world.base.run(60_000, 90_000, 1000)
    deliver(world.broker, *sighting(3, 9))
    world.base.ingest.step(90_000, NOW)
    assert world.states() == ["receipted", "cut"]
    world.base.close()
    return folder / "base"


@pytest.fixture
def base(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "base")
    return tmp_path / "base"


def sql(*statements: str) -> Callable[[Path], None]:
    def change(base: Path) -> None:
        db = sqlite3.connect(base / "base.sqlite3")
        for statement in statements:
            db.execute(statement)
        db.commit()
        db.close()

    return change


def old_file(name: str) -> Callable[[Path], None]:
    def change(base: Path) -> None:
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left")
        os.utime(path, (0, 0))

    return change


def outbox(base: Path) -> Path:
    return next((base / "outbox").glob("*.zip"))


def damage_zip(base: Path) -> None:
    data = bytearray(outbox(base).read_bytes())
    at = data.index(b"sealed/") + 60
    data[at] ^= 0xFF
    outbox(base).write_bytes(data)


def test_a_whole_base_is_clean_and_says_how_far_it_is(base: Path) -> None:
    told: list[tuple[str, int, int]] = []
    assert list(problems(base, lambda *said: told.append(said))) == []
    assert told == [], "nothing to tell of so few"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            sql("UPDATE events SET species = 6 WHERE number = 1 AND trap = 1"),
            "its event says something else than it does",
        ),
        (sql("UPDATE notes SET said = '{}'"), "what is noted of it is something else than it says"),
        (sql("UPDATE receipts SET body = x'00' WHERE id = 1"), "receipt 1 for trap 1: cannot be read"),
        (sql("UPDATE receipts SET trap = 3 WHERE id = 1"), "objects that are not the 0 of its batch"),
        (
            sql("UPDATE objects SET gone_ms = 1, body = NULL WHERE state = 'stored' AND rung = 1"),
            "given up and it is not signed for",
        ),
        (sql("UPDATE objects SET gone_ms = 1 WHERE rung = 1"), "its bytes were given up for room, and are here"),
        (sql("UPDATE room SET media_bytes = 7"), "media: 7 bytes are counted"),
        (sql("UPDATE objects SET sha256 = zeroblob(32) WHERE state = 'batched' AND rung = 1"), "its name is not that"),
        (
            sql(
                "PRAGMA foreign_keys = OFF", "UPDATE objects SET batch_id = 'x' WHERE state = 'receipted' AND trap = 2"
            ),
            "of objects belongs to no row of batches",
        ),
        (sql("DELETE FROM objects WHERE rung = 6"), "1 notes have no object, the first is trap 1"),
        (old_file("media/ab/" + "ab" * 32), "media/ab/" + "ab" * 32 + ": belongs to no record: it may be deleted"),
        (old_file("media/incoming/half"), "media/incoming/half: belongs to no record"),
        (old_file("outbox/nobody.zip"), "outbox/nobody.zip: belongs to no record"),
        (old_file("pieces/what"), "pieces/what: belongs to no record"),
        (damage_zip, "its file is damaged at sealed/"),
        (lambda base: outbox(base).write_bytes(bytes(outbox(base).stat().st_size)), "its file cannot be read"),
    ],
)
def test_what_does_not_fit_is_named_with_what_to_do(base: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(base)
    found = list(problems(base))
    assert any(words in line for line in found), found
    assert all(": " in line for line in found)


def test_a_young_file_that_no_record_knows_may_be_on_its_way(base: Path) -> None:
    path = base / "media" / "ab" / ("ab" * 32)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"a crash came before its record")
    now_s = path.stat().st_mtime
    assert list(problems(base, now_s=now_s + DAY_S - 1)) == []
    assert len(list(problems(base, now_s=now_s + DAY_S + 1))) >= 1


def test_a_damaged_database_is_named(base: Path) -> None:
    db = sqlite3.connect(base / "base.sqlite3")
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_master SET sql = replace(sql, '(species, arrival)', '(arrival, species)')")
    db.commit()
    db.close()
    assert any("trapbase restore" in line and line.startswith("database: ") for line in problems(base))


def test_what_is_read_in_pages_is_found_by_an_index(base: Path) -> None:
    reader = Reader(base)
    for name, values in (
        ("all_objects", (0, 9)),
        ("all_receipts", (0, 9)),
        ("batch_states", ("", "g", 9)),
        ("batch_identities", ("x",)),
        ("files_of", (b"\x00", b"\x01")),
    ):
        plan = [str(r[3]) for r in reader._db.execute("EXPLAIN QUERY PLAN " + reader._sql[name], values)]
        assert not [step for step in plan if step.startswith("SCAN") and "conflicts" not in step], (name, plan)
    reader.close()
