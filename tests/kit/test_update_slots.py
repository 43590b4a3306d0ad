"""Releases into the slots of the Pi, and what starts from them."""

import errno
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trapkit.update import install, launch, unpack
from trapkit.update import slots as slots_module
from trapkit.update.install import STARTS, Record
from trapkit.update.offer import Offered, Part, Release
from trapkit.update.slots import Slots, StageError
from trapkit.update.unpack import BadArchiveError, contents, members

NOW = 1_800_000_000_000


def archive(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(zipfile.ZipInfo(name), data)
    return path


def offered(name: str, files: dict[str, Path], serial: int = 1) -> Offered:
    parts = {part: Part(version=name, target=part) for part in files}
    return Offered(release=Release(release=name, built_ms=0, serial=serial, parts=parts), files=files)


def application(folder: Path, says: str) -> Path:
    code = f"import sys, trapkit\nprint({says!r}, *sys.argv[1:])\nsys.exit(7)\n"
    return archive(folder / "pugmark.whl", {"trapcam/__main__.py": code.encode(), "trapcam/__init__.py": b""})


def staged(slots: Slots, offer: Offered, record: Record) -> None:
    for _ in slots.stage(offer, record):
        pass


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    return Slots(tmp_path / "update")


def test_a_release_lies_whole_in_the_other_slot_and_nothing_that_runs_is_touched(slots: Slots, tmp_path: Path) -> None:
    model = archive(tmp_path / "model.zip", {"feline.tflite": b"net", "feline.toml": b"x"})
    staged(slots, offered("2026.12.1", {"application": application(tmp_path, "one"), "model": model}), Record())
    told = slots.slot("a")
    assert told is not None
    assert (told.release, dict(told.versions)) == ("2026.12.1", {"application": "2026.12.1", "model": "2026.12.1"})
    assert slots.is_whole("a")
    assert (slots.root / "a/model/feline.tflite").read_bytes() == b"net"
    assert slots.read() == Record()
    assert not (slots.root / "current").exists()


def test_what_a_release_does_not_bring_stays_as_it_was(slots: Slots, tmp_path: Path) -> None:
    (tmp_path / "pack").write_text("name = 'one'\n")
    one = {"application": application(tmp_path, "one"), "settings": tmp_path / "pack"}
    staged(slots, offered("2026.12.1", one), Record())
    good = Record(good="a", release="2026.12.1", serial=1)
    staged(slots, offered("2026.12.2", {"model": archive(tmp_path / "m.zip", {"n.tflite": b"new"})}, 2), good)
    told = slots.slot("b")
    assert told is not None
    assert dict(told.versions) == {"application": "2026.12.1", "settings": "2026.12.1", "model": "2026.12.2"}
    for path in ("application/trapcam/__main__.py", "settings/pack.toml"):
        assert (slots.root / "b" / path).read_bytes() == (slots.root / "a" / path).read_bytes()
    slots.write(good)
    assert (slots.root / "current/settings/pack.toml").read_text() == "name = 'one'\n"


def test_wheels_of_others_may_travel_in_the_application(slots: Slots, tmp_path: Path) -> None:
    other = archive(tmp_path / "other-1.whl", {"other/__init__.py": b"x = 1\n"})
    both = archive(
        tmp_path / "app.zip",
        {"pugmark-1.whl": application(tmp_path, "one").read_bytes(), "other-1.whl": other.read_bytes()},
    )
    staged(slots, offered("2026.12.1", {"application": both}), Record())
    assert sorted(path.name for path in (slots.root / "a/application").iterdir()) == ["other", "trapcam"]
    mixed = archive(tmp_path / "mixed.zip", {"pugmark-1.whl": b"", "run.sh": b""})
    with pytest.raises(StageError, match="wheels alone"):
        staged(slots, offered("2026.12.1", {"application": mixed}), Record())


BAD: dict[str, bytes] = {
    "../out": b"",
    "/etc/x": b"",
    "a//b": b"",
    "a/./b": b"",
    ".hidden": b"",
    "a\\b": b"",
    "c:x": b"",
    "x" * 201: b"",
    "line\nbreak": b"",
}


@pytest.mark.parametrize("name", BAD)
def test_an_archive_that_leads_elsewhere_is_refused_before_a_byte_is_written(
    slots: Slots, tmp_path: Path, name: str
) -> None:
    bad = archive(tmp_path / "bad.zip", {"good": b"x", name: b"y"})
    with pytest.raises(StageError, match="unpack-refused"):
        staged(slots, offered("2026.12.1", {"model": bad}), Record())
    assert not (slots.root / "a/model").exists()
    assert slots.slot("a") is None


def test_links_doubles_and_archives_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as made:
        made.writestr(link, "/etc/passwd")
    with pytest.raises(BadArchiveError, match="no plain file"):
        members(tmp_path / "link.zip")
    with pytest.raises(BadArchiveError, match="twice"):
        members(archive(tmp_path / "case.zip", {"A": b"", "a": b""}))
    with pytest.raises(BadArchiveError, match="lies in a file"):
        members(archive(tmp_path / "in.zip", {"a": b"", "a/b": b""}))
    monkeypatch.setattr(unpack, "MAX_BYTES", 1000)
    with pytest.raises(BadArchiveError, match="more than"):
        members(archive(tmp_path / "bomb.zip", {"a": bytes(1001)}))
    monkeypatch.setattr(unpack, "MAX_FILES", 2)
    with pytest.raises(BadArchiveError, match="more than"):
        members(archive(tmp_path / "many.zip", {"a": b"", "b": b"", "c": b""}))


@given(st.integers(0, 400), st.binary(min_size=1, max_size=6))
def test_a_damaged_archive_is_refused_by_one_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, damage: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    whole = bytearray(archive(path, {"one": b"1" * 300, "two/three": os.urandom(50)}).read_bytes())
    whole[at % len(whole) : at % len(whole) + len(damage)] = damage
    path.write_bytes(bytes(whole))
    try:
        for entry in members(path):
            assert sum(len(piece) for piece in contents(path, entry)) == entry.file_size
    except BadArchiveError:
        pass


def test_source_that_this_python_cannot_read_is_refused(slots: Slots, tmp_path: Path) -> None:
    bad = archive(tmp_path / "bad.whl", {"trapcam/__init__.py": b"def (\n"})
    with pytest.raises(StageError, match="no Python of this computer"):
        staged(slots, offered("2026.12.1", {"application": bad}), Record())


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "no-room"), (errno.EIO, "card-refused")])
def test_a_card_that_refuses_leaves_no_slot_and_the_same_again_succeeds(
    slots: Slots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    offer = offered("2026.12.1", {"application": application(tmp_path, "one")})
    sync, calls = os.fsync, [0]

    def refuse(fd: int) -> None:
        calls[0] += 1
        if calls[0] == 4:
            raise OSError(number, os.strerror(number))
        sync(fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        with pytest.raises(StageError) as error:
            staged(slots, offer, Record())
    assert error.value.code == code
    assert slots.slot("a") is None
    staged(slots, offer, Record())
    assert slots.is_whole("a")


def test_a_release_that_is_larger_than_the_room_is_not_begun(
    slots: Slots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots_module, "SPARE_BYTES", 1 << 60)
    with pytest.raises(StageError, match="no-room"):
        staged(slots, offered("2026.12.1", {"application": application(tmp_path, "one")}), Record())
    assert list((slots.root / "a").iterdir()) == []


def test_a_part_that_is_named_and_missing_is_refused(slots: Slots, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="part-missing"):
        staged(slots, offered("2026.12.1", {"model": tmp_path / "nowhere"}), Record())


@pytest.fixture
def tried(slots: Slots, tmp_path: Path) -> Slots:
    """Release 1 is good, release 2 on trial."""
    staged(slots, offered("2026.12.1", {"application": application(tmp_path / "1", "one")}), Record())
    good = Record(good="a", release="2026.12.1", serial=1)
    staged(slots, offered("2026.12.2", {"application": application(tmp_path / "2", "two")}, 2), good)
    slots.write(install.begin(good, "2026.12.2", 2, "", "", NOW))
    return slots


def test_a_start_of_run_is_counted_and_no_other(tried: Slots) -> None:
    for _ in range(10):
        assert launch.chosen(tried, NOW, counted=False) == "b"
    assert [launch.chosen(tried, NOW) for _ in range(STARTS + 1)] == ["b"] * STARTS + ["a"]
    assert (tried.root / "current").readlink() == Path("a")


def test_a_trial_that_cannot_be_counted_does_not_start(tried: Slots, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(slots_module, "write_atomically", refuse)
    assert launch.chosen(tried, NOW) == "a"


def test_any_damaged_file_of_a_slot_keeps_it_from_starting(tried: Slots) -> None:
    told = tried.slot("b")
    assert told is not None
    for path in told.files:
        whole = (tried.root / "b" / path).read_bytes()
        (tried.root / "b" / path).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if whole else b"x")
        assert not tried.is_whole("b"), path
        (tried.root / "b" / path).write_bytes(whole)
    assert tried.is_whole("b")
    (tried.root / "b/slot.json").write_bytes(b"{}")
    assert launch.chosen(tried, NOW) == "a"


def test_without_a_readable_record_the_link_tells(tried: Slots) -> None:
    (tried.root / "slots.json").write_bytes(b"torn")
    assert tried.read() == Record(good="b", release="2026.12.2", serial=2)
    (tried.root / "current").unlink()
    assert tried.read() == Record()
    assert launch.chosen(tried, NOW) == ""


def test_the_application_of_the_slot_runs_with_what_is_installed_around_it(tried: Slots) -> None:
    """The real launcher, as a process: it becomes the slot's own `trapcam`, which finds this environment's packages."""
    words = [sys.executable, "-m", "trapkit.update.launch", "--root", str(tried.root), "--", "run", "--config", "x"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.returncode) == ("two run --config x\n", 7)
    assert "starts slot b" in done.stderr
    record = tried.read()
    assert record.trial is not None
    assert record.trial.starts_left == STARTS - 1
    assert tried.is_whole("b"), "a start writes nothing into a slot"


def test_what_the_application_finds_around_it(tried: Slots) -> None:
    found = launch.environment(tried, "b", {"PYTHONPATH": "/before", "PUGMARK_SLOT": "z", "HOME": "/h"})
    assert found["PYTHONPATH"] == f"{tried.root}/b/application:/before"
    assert (found[launch.SLOT], found[launch.FOLDER], found[launch.PATH_BEFORE]) == ("b", str(tried.root), "/before")
    found = launch.environment(tried, "", {"HOME": "/h"})
    assert "PYTHONPATH" not in found
    assert found[launch.SLOT] == ""
