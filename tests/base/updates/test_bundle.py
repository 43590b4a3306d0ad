"""The file for a ranger's phone: what a trap takes of it, and a copy that broke off and goes on."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.base.updates.parts import NEW, Updating
from tests.base.updates.test_shown import begin, get, get_each
from tests.ship.release_bench import Bench
from trapbase.updates.bundle import bundle_of
from trapkit.tarball import members
from trapkit.update.sources import FolderSource


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Updating]:
    base = Updating(tmp_path / "base")
    base.hear(1, 2, 3)
    yield base
    base.close()


def test_what_a_phone_gets_from_the_page_a_trap_takes(base: Updating, tmp_path: Path) -> None:
    bench = Bench(tmp_path / "operator")
    bench.release(NEW)
    mirror = base.folder / "updates"
    copy(bench.repository.folder, mirror)
    begin(base)
    answer = get(base.folder, "/update.tar")
    assert answer.headers["content-disposition"] == f'attachment; filename="pugmark-update-{NEW}.tar"'
    assert len(answer.content) == int(answer.headers["content-length"])
    assert f'href="/update.tar" download>pugmark-update-{NEW}.tar' in get(base.folder, "/").text
    names = list_of(answer.content)
    assert names[-1] == "metadata/timestamp.json"
    assert "permits/1.permit" in names
    assert not [name for name in names if "state" in name or "key" in name]
    out = tmp_path / "card"
    unpack(answer.content, out)
    assert bench.unit().update(FolderSource(out)) == NEW


def copy(source: Path, place: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            (place / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (place / path.relative_to(source)).write_bytes(path.read_bytes())


def list_of(data: bytes) -> list[str]:
    return [member.name for member in members(io.BytesIO(data), len(data)) if not member.refusal]


def unpack(data: bytes, place: Path) -> None:
    for member in members(io.BytesIO(data), len(data)):
        path = place / member.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data[member.start : member.start + member.size])


def test_a_copy_that_broke_off_goes_on_where_it_stopped_whatever_was_permitted_meanwhile(
    base: Updating, tmp_path: Path
) -> None:
    bench = Bench(tmp_path / "operator")
    bench.release(NEW)
    copy(bench.repository.folder, base.folder / "updates")
    begin(base)
    permit = base.folder / "updates/permits/1.permit"
    whole = get(base.folder, "/update.tar")
    tag, size = whole.headers["etag"], len(whole.content)
    assert whole.headers["accept-ranges"] == "bytes"
    for stop in (1, 511, 512, 513, 2000, size - 1025, size - 1):
        first, rest = get_each(
            base.folder, "/update.tar", {}, {"Range": f"bytes={stop}-", "If-Range": tag},
            between=lambda: permit.write_bytes(b"another permission"),
        )  # fmt: skip
        permit.write_bytes(file_of(whole.content, "permits/1.permit"))
        assert (first.status_code, rest.status_code) == (200, 206)
        assert rest.headers["content-range"] == f"bytes {stop}-{size - 1}/{size}"
        assert int(rest.headers["content-length"]) == size - stop
        assert first.content[:stop] + rest.content == whole.content
    part = get(base.folder, "/update.tar", Range="bytes=600-699")
    assert (part.status_code, part.content) == (206, whole.content[600:700])
    assert get(base.folder, "/update.tar", Range=f"bytes={size}-").status_code == 416
    assert get(base.folder, "/update.tar", Range="bytes=0-1,5-6").content == whole.content, "one range or all"
    old = get(base.folder, "/update.tar", Range="bytes=600-", **{"If-Range": '"another file"'})
    assert (old.status_code, old.content) == (200, whole.content), "of another file it begins anew"
    out = tmp_path / "card"
    unpack(whole.content[:700] + get(base.folder, "/update.tar", Range="bytes=700-").content, out)
    assert bench.unit().update(FolderSource(out)) == NEW


def file_of(data: bytes, name: str) -> bytes:
    found = {member.name: member for member in members(io.BytesIO(data), len(data))}[name]
    return data[found.start : found.start + found.size]


def test_every_part_of_the_tar_is_as_in_the_whole(tmp_path: Path) -> None:
    target = f"targets/model/{'ab' * 32}.feline.tar"
    for name, size in (
        ("metadata/timestamp.json", 600),
        (target, 70_000),
        ("permits/1.permit", 0),
        (f"{target}.b", 512),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(n % 251 for n in range(size)))
    bundle = bundle_of(tmp_path)
    assert bundle is not None
    whole = b"".join(bundle.read())
    assert len(whole) == bundle.size
    assert list_of(whole) == ["permits/1.permit", target, f"{target}.b", "metadata/timestamp.json"]
    for first in (*range(0, bundle.size, 997), *range(505, 520), *range(bundle.size - 1030, bundle.size, 7)):
        for length in (1, 600, 66_000):
            last = min(first + length, bundle.size) - 1
            assert b"".join(bundle.read(first, last)) == whole[first : last + 1]
    (tmp_path / "permits/1.permit").write_bytes(b"new")
    again = bundle_of(tmp_path)
    assert again is not None
    assert again.tag != bundle.tag
    assert b"".join(bundle.read()) == whole, "as it was when it was asked for"


def test_a_file_that_becomes_shorter_meanwhile_ends_the_tar_short(tmp_path: Path) -> None:
    target = f"targets/{'ab' * 32}.feline.tar"
    for name in ("metadata/timestamp.json", target):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 600)
    bundle = bundle_of(tmp_path)
    assert bundle is not None
    (tmp_path / target).write_bytes(b"x")
    with pytest.raises(OSError, match="has become shorter"):
        b"".join(bundle.read())
