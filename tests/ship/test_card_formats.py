"""What is read by hand off a smashed card: `age` without its end, SQLite's pages. Whatever comes, nothing raises."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrage import x25519

from trapship.opencard import agestream, pages
from trapship.opencard.agestream import BLOCK_BYTES, CHUNK_BYTES, read, secret_bytes

KEY, OTHER = x25519.Identity.generate(), x25519.Identity.generate()
SECRET = secret_bytes(str(KEY))


def sealed(plain: bytes) -> bytes:
    return bytes(pyrage.encrypt(plain, [OTHER.to_public(), KEY.to_public()]))


@pytest.mark.parametrize("size", [0, 1, 4000, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 200_000])
@pytest.mark.parametrize("behind", [b"", b"\0" * BLOCK_BYTES, b"another file" * 9000])
def test_an_age_file_is_found_to_its_end_whatever_lies_behind_its_last_block(size: int, behind: bytes) -> None:
    plain = bytes(i * 7 % 251 for i in range(size))
    data = sealed(plain)
    on_the_card = data + bytes(-len(data) % BLOCK_BYTES) + behind
    found = read(on_the_card, [secret_bytes(str(x25519.Identity.generate())), SECRET])
    assert found == agestream.Opened(plain=plain, size=len(data), whole=True)
    assert read(data, [SECRET], exact=True) == found


def test_a_file_whose_tail_is_gone_gives_its_whole_chunks() -> None:
    plain = bytes(i * 7 % 251 for i in range(3 * CHUNK_BYTES))
    found = read(sealed(plain)[: 2 * CHUNK_BYTES + 5000], [SECRET])
    assert found is not None
    assert (found.plain, found.whole) == (plain[: 2 * CHUNK_BYTES], False)


def test_for_another_key_there_is_nothing() -> None:
    assert read(sealed(b"a cat"), [secret_bytes(str(x25519.Identity.generate()))]) is None
    assert read(sealed(b"a cat"), []) is None


def test_a_header_that_was_changed_is_not_believed() -> None:
    data = bytearray(sealed(b"a cat"))
    data[data.index(b"\n--- ") + 6] ^= 1
    assert read(bytes(data), [SECRET]) is None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 800))
def test_garbage_is_no_age_file_and_raises_nothing(noise: bytes, at: int) -> None:
    data = bytearray(sealed(b"a cat in the grass"))
    data[at : at + len(noise)] = noise
    found = read(bytes(data), [SECRET])
    assert found is None or b"a cat in the grass".startswith(found.plain)


def leaf_pages(folder: Path) -> list[bytes]:
    """Pages of a database whose rows have every kind of value, and some that are longer than a page."""
    path = folder / "x.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (a INTEGER, b TEXT, c BLOB, d)")
        values = [0, 1, -1, 127, -129, 40_000, -(1 << 23), 1 << 31, -(1 << 40), (1 << 62) + 1, None, "Ё" * 9]
        for i, value in enumerate(values):
            db.execute("INSERT INTO t VALUES (?, ?, ?, ?)", (i, f"row {i}", bytes([i]) * (i * 1000), value))
        db.commit()
    data = path.read_bytes()
    return [data[at : at + pages.PAGE_BYTES] for at in range(0, len(data), pages.PAGE_BYTES)]


def test_rows_come_off_pages_as_sqlite_wrote_them(tmp_path: Path) -> None:
    made = leaf_pages(tmp_path)
    rows = [row for page in made for row in pages.rows(page, lambda n: made[n - 1])]
    with closing(sqlite3.connect(tmp_path / "x.sqlite")) as db:
        expected = db.execute("SELECT rowid, * FROM t ORDER BY rowid").fetchall()
    ours = sorted((row.rowid, *row.values) for row in rows if len(row.values) == 4)
    assert ours == expected
    assert max(len(row[3]) for row in expected) > 2 * pages.PAGE_BYTES


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_pages_raise_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    made = _PAGES or _PAGES.extend(leaf_pages(tmp_path_factory.mktemp("pages"))) or _PAGES
    page = bytearray(data.draw(st.sampled_from([p for p in made if p[0] == pages.LEAF])))
    noise = data.draw(st.binary(min_size=1, max_size=60))
    at = data.draw(st.integers(0, len(page) - len(noise)))
    page[at : at + len(noise)] = noise
    for row in pages.rows(bytes(page), lambda n: made[n - 1] if 0 < n <= len(made) else None):
        assert len(row.values) <= pages.MAX_COLUMNS
    list(pages.wal_pages(b"\x37\x7f\x06\x82" + bytes(page)))


_PAGES: list[bytes] = []
