"""What the back end makes of a package: the same objects, or a refusal that costs it little."""

import hashlib
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trapsim.backend_package as backend_package
from tests.base.package_parts import NIGHT, night, package
from trapbase.batch import batch_id
from trapbase.package import zip_files
from trapsim.backend_package import BadPackageError, batch_name, read_package
from trapwire.objects import CROP

# What the back end makes of it.


@pytest.fixture
def zipped(tmp_path: Path) -> Iterator[Callable[[dict[str, bytes]], Path]]:
    def make(files: dict[str, bytes]) -> Path:
        path = tmp_path / "batch.zip"
        path.write_bytes(zip_files(files))
        return path

    return make


def test_the_back_end_reads_the_same_objects(zipped: Callable[[dict[str, bytes]], Path]) -> None:
    objects, events = night()
    name = batch_id(objects)
    read = read_package(zipped(package(objects, events)), name)
    assert read == sorted(o.identity for o in objects)
    assert batch_name(read) == name, "two programs, one name"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.update({"sealed/1-c0ffee01-1-crop.box": b"other"}), "do not match its digest"),
        (lambda f: f.update({"media/1-c0ffee01-1-crop.webp": b"other"}), "do not match its digest"),
        (lambda f: f.pop("sealed/1-c0ffee01-1-crop.box"), "KeyError"),
        (lambda f: f.pop("datapackage.json"), "datapackage.json is missing"),
        (lambda f: f.update({"objects.csv": f["objects.csv"].splitlines(True)[0]}), "empty"),
        (lambda f: f.update({"objects.csv": b"".join(f["objects.csv"].splitlines(True)[:-1])}), "batch id"),
        (lambda f: f.update({"objects.csv": f["objects.csv"] + f["objects.csv"].splitlines(True)[1]}), "twice"),
        (lambda f: f.update({"objects.csv": b"\xff\xfe"}), "zip|objects"),
        (lambda f: f.update({"objects.csv": b"trap\n1\n"}), "objects.csv"),
    ],
)
def test_a_package_that_is_not_what_it_says_is_refused(
    zipped: Callable[[dict[str, bytes]], Path], change: Callable[[dict[str, bytes]], object], words: str
) -> None:
    objects, events = night()
    files = package(objects, events)
    change(files)
    with pytest.raises(BadPackageError, match=words):
        read_package(zipped(files), batch_id(objects))


def test_a_zip_bomb_is_refused(zipped: Callable[[dict[str, bytes]], Path]) -> None:
    path = zipped({})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("datapackage.json", "deployments.csv", "media.csv", "observations.csv"):
            archive.writestr(name, b"")
        archive.writestr("objects.csv", bytes(64 * 1024 * 1024))
    with pytest.raises(BadPackageError, match="over"):
        read_package(path, "0" * 64)


def rows_of_zeros(rows: int, trap: int = 1) -> bytes:
    digest = hashlib.sha256(bytes(1 << 20)).hexdigest()
    head = "trap,epoch,number,rung,sha256,size,bodyHex,sealedPath,mediaPath,mediaSha256\n"
    return (head + "".join(f"{trap},1,{i},crop,{digest},1,,s{i},,\n" for i in range(rows))).encode()


def hostile(path: Path, objects: bytes, members: dict[str, bytes] | None = None, method: int = 8) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in ("datapackage.json", "deployments.csv", "media.csv", "observations.csv"):
            archive.writestr(name, b"")
        archive.writestr("objects.csv", objects)
        for name, data in (members or {}).items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_only_two_ways_of_packing_are_read(tmp_path: Path, method: int) -> None:
    with pytest.raises(BadPackageError, match="another method"):
        read_package(hostile(tmp_path / "x.zip", b"", method=method), "0" * 64)


def test_what_a_package_unpacks_to_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[str] = []
    opened = zipfile.ZipFile.open

    def reading(self: zipfile.ZipFile, name: Any, *more: Any, **named: Any) -> Any:
        unpacked.append(name)
        return opened(self, name, *more, **named)

    monkeypatch.setattr(zipfile.ZipFile, "open", reading)
    monkeypatch.setattr(backend_package, "MAX_OPENED_BYTES", 5 << 20)
    zeros = {f"s{i}": bytes(1 << 20) for i in range(8)}
    path = hostile(tmp_path / "x.zip", rows_of_zeros(8), zeros)
    with pytest.raises(BadPackageError, match="batch id"):
        read_package(path, "0" * 64)
    assert unpacked[-1] == "objects.csv", "what is refused anyway is not unpacked"
    digest = hashlib.sha256(bytes(1 << 20)).digest()
    with pytest.raises(BadPackageError, match="its files are over"):
        read_package(path, batch_name([(1, 1, i, CROP, digest) for i in range(8)]))
    one = hostile(tmp_path / "y.zip", re.sub(rb",s\d+,", b",s0,", rows_of_zeros(8)), {"s0": bytes(1 << 20)})
    unpacked.clear()
    assert len(read_package(one, batch_name([(1, 1, i, CROP, digest) for i in range(8)]))) == 8
    assert unpacked.count("s0") == 1
    with pytest.raises(BadPackageError, match="over 64 objects of trap"):
        read_package(hostile(tmp_path / "z.zip", rows_of_zeros(65)), "0" * 64)


@pytest.mark.parametrize("said", [60000, 1])
def test_a_zip_that_lists_too_much_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: int
) -> None:
    listed = struct.pack("<4s4B4H3L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, *[0] * 6) + b"a"
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, said, said, 60000 * len(listed), 0, 0)
    (tmp_path / "x.zip").write_bytes(listed * 60000 + end)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(BadPackageError, match="allowed are 8192"):
        read_package(tmp_path / "x.zip", "0" * 64)


def test_a_zip64_end_is_refused(tmp_path: Path) -> None:
    whole = hostile(tmp_path / "x.zip", b"").read_bytes()
    (tmp_path / "x.zip").write_bytes(whole[:-22] + b"PK\6\7" + bytes(16) + whole[-22:])
    with pytest.raises(BadPackageError, match="allowed are"):
        read_package(tmp_path / "x.zip", "0" * 64)


WHOLE = zip_files(package(*NIGHT))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 8))
def test_a_damaged_zip_is_refused_or_unchanged(tmp_path: Path, where: float, bit: int) -> None:
    whole, objects = WHOLE, NIGHT[0]
    at = int(where * len(whole))
    damaged = whole[:at] if bit == 8 else whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
    (tmp_path / "x.zip").write_bytes(damaged)
    with suppress(BadPackageError):
        assert read_package(tmp_path / "x.zip", batch_id(objects)) == sorted(o.identity for o in objects)
