"""`trapbase import`: parcels in any order and twice, damaged ones, hostile ones, beside a running base."""

import errno
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.base.parts import EPOCH, NOW, alert, deliver, envelope, picture, sighting
from trapbase import cmd_import, parcels
from trapbase.cli import main
from trapbase.ingest import SUBSCRIPTIONS, Ingest
from trapbase.parcels import find_parcels, import_parcel
from trapbase.reader import Reader
from trapbase.store import Store
from trapbase.store_rows import INLINE_BYTES
from trapbase.verify import problems
from trapkit.errors import SetupError
from trapkit.files import lock_folder
from trapkit.parcel import Entry, Index, encode_index, file_name, folder_name
from trapsim.memorybus import MemoryBroker
from trapwire.objects import ALERT, CROP, FULL, FULL_2, MAX_BODY_BYTES, NOTE, RECEIPT, SCENE, Envelope

Output = Any


class Stick:
    """A stick as `trapcam collect` leaves it, and a base."""

    def __init__(self, folder: Path) -> None:
        self.stick, self.base = folder / "stick", folder / "base"
        self.config = folder / "base.toml"
        self.config.write_text(f"""
name = "North"
folder = "{self.base}"
[[trap]]
number = 1
station = "S1"
latitude = 1.0
longitude = 2.0
""")
        (self.stick / "pugmark").mkdir(parents=True)
        self.store = Store(self.base)

    def parcel(self, trap: int = 1, epoch: int = EPOCH) -> Path:
        path = self.stick / "pugmark" / folder_name(trap, epoch)
        path.mkdir(exist_ok=True)
        return path

    def put(self, *envelopes: Envelope, index: bool = True) -> list[Path]:
        paths = []
        for e in envelopes:
            path = self.parcel(e.key.trap, e.key.epoch) / file_name(e.key.number, e.key.rung)
            path.write_bytes(e.encode())
            paths.append(path)
        if index:
            for path in paths:
                files = sorted(path.parent.glob("*.obj"))
                entries = tuple(Entry(file=f.name, bytes=f.stat().st_size - 28, sha256="00" * 32) for f in files)
                made = Index(trap=1, epoch=f"{EPOCH:08x}", parcel="0a1b2c3d", written_ms=NOW, objects=entries)
                (path.parent / "parcel.json").write_bytes(encode_index(made))
        return paths

    def go(self, capsys: Output, folder: Path | None = None) -> tuple[int, dict[str, Any]]:
        code = main(["import", str(folder or self.stick), "--config", str(self.config), "--json"])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, json.loads(said.out) if said.out else {"said": said.err}

    def note(self, trap: int = 1) -> str:
        return (self.parcel(trap) / "taken-north.txt").read_text()


@pytest.fixture
def stick(tmp_path: Path) -> Any:
    made = Stick(tmp_path)
    yield made
    made.store.close()


def night() -> list[Envelope]:
    """Every rung that there is, of a sighting and of none."""
    more = [envelope(1, 1, rung, picture(rung)) for rung in (2, FULL, FULL_2)]
    return [*sighting(1, 1), *more, envelope(1, 2, NOTE, b"note"), envelope(1, 3, SCENE, b"scene")]


@pytest.mark.parametrize("rung", [ALERT, NOTE, CROP])
def test_what_is_here_already_is_a_double_whatever_it_is(stick: Stick, rung: int) -> None:
    stick.put(envelope(1, 1, rung, b"a" * 100 if rung != NOTE else bytes(72)))
    tell = lambda name, count: None  # noqa: E731
    assert import_parcel(stick.store, stick.parcel(), NOW, tell).new == 1
    assert import_parcel(stick.store, stick.parcel(), NOW, tell).doubles == 1


def test_every_object_is_in_custody_and_the_stick_says_so(stick: Stick, capsys: Output) -> None:
    stick.put(*night())
    code, said = stick.go(capsys)
    (done,) = said["parcels"]
    assert (code, done["new"], done["doubles"], done["damaged"], done["missing"]) == (0, 7, 0, [], [])
    stored = {o.rung: o for o in stick.store.all_objects([1], 9)}
    assert set(stored) == {0, 1, 2, 3, 4, 6, 7}
    assert list(problems(stick.base)) == []
    assert "7 objects are safe there: 7 new, 0 it had" in stick.note()
    assert "Taken by base North" in stick.note()
    assert len(list((stick.base / "media" / "incoming-import").iterdir())) == 0


def test_doubles_collapse_in_any_order_and_from_any_carrier(stick: Stick, capsys: Output, tmp_path: Path) -> None:
    objects = night()
    broker = MemoryBroker()
    ingest = Ingest(broker.connect("ingest", SUBSCRIPTIONS), stick.store)
    deliver(broker, *objects[:3])
    ingest.step(0, NOW)
    stick.put(*objects)
    _, said = stick.go(capsys)
    assert (said["parcels"][0]["new"], said["parcels"][0]["doubles"]) == (4, 3)
    code, said = stick.go(capsys)
    assert (code, said["parcels"][0]["new"], said["parcels"][0]["doubles"]) == (0, 0, 7)
    deliver(broker, *objects)
    ingest.step(1, NOW)
    assert len(stick.store.all_objects([1], 99)) == 7


def test_parcels_of_many_traps_and_a_part_of_a_stick(stick: Stick, capsys: Output) -> None:
    stick.put(*sighting(1, 1), *sighting(2, 1), *sighting(3, 1))
    _, said = stick.go(capsys, stick.parcel(2))
    assert [Path(p["folder"]).name for p in said["parcels"]] == ["2-c0ffee01"]
    _, said = stick.go(capsys, stick.stick / "pugmark")
    assert [p["new"] for p in said["parcels"]] == [2, 0, 2]
    assert said["not_in_settings"] == [2, 3]


def test_damaged_files_are_named_and_the_others_are_taken(stick: Stick, capsys: Output) -> None:
    paths = stick.put(*night())
    whole = paths[3].read_bytes()
    paths[3].write_bytes(whole[:-1] + b"?")
    paths[4].write_bytes(b"")
    paths[5].unlink()
    code, said = stick.go(capsys)
    (done,) = said["parcels"]
    assert (code, done["new"]) == (1, 4)
    assert [name.split(":")[0] for name in done["damaged"]] == ["1-full-2.obj", "1-full.obj"]
    assert "digest does not match" in done["damaged"][1]
    assert done["missing"] == ["2-note.obj"]
    for words in ("Damaged: 1-full.obj", "Missing: 2-note.obj", "collect there again"):
        assert words in stick.note()
    main(["import", str(stick.stick), "--config", str(stick.config)])
    out = capsys.readouterr().out
    assert "damaged: 1-full-2.obj" in out
    assert "missing: 2-note.obj" in out


def test_hostile_files_are_bounded_and_named(stick: Stick, capsys: Output, tmp_path: Path) -> None:
    parcel = stick.parcel()
    secret = tmp_path / "secret.obj"
    secret.write_bytes(sighting(1, 9)[0].encode())
    (parcel / "1-alert.obj").symlink_to(secret)
    os.mkfifo(parcel / "2-alert.obj")
    (parcel / "3-alert.obj").mkdir()
    with (parcel / "4-full.obj").open("wb") as file:
        file.truncate(MAX_BODY_BYTES * 20)
    (parcel / "5-crop.obj").write_bytes(envelope(1, 5, CROP, bytes(70_000)).encode())
    (parcel / "6-receipt.obj").write_bytes(envelope(1, 6, RECEIPT, b"down").encode())
    (parcel / "parcel.json").write_text('{"objects": [' * 50_000)
    (stick.stick / "pugmark" / "7-00000000").symlink_to(tmp_path)
    stick.put(*sighting(1, 8), index=False)
    code, said = stick.go(capsys)
    (done,) = said["parcels"]
    assert (code, done["new"], len(done["damaged"])) == (1, 2, 6)
    assert "8-alert" not in str(done["damaged"])
    assert {o.number for o in stick.store.all_objects([1], 99)} == {8}


def test_other_bytes_under_a_key_are_kept_aside_and_said(stick: Stick, capsys: Output) -> None:
    stick.put(envelope(1, 1, FULL, b"first"))
    stick.go(capsys)
    stick.put(envelope(1, 1, FULL, b"second"))
    code, said = stick.go(capsys)
    assert (code, said["parcels"][0]["aside"], said["parcels"][0]["new"]) == (0, 1, 0)
    assert stick.store.all_objects([1], 9)[0].size == len(b"first")


@pytest.mark.parametrize("what", ["no folder", "no parcels", "no base"])
def test_a_wrong_call_is_named(stick: Stick, capsys: Output, what: str, tmp_path: Path) -> None:
    stick.put(*sighting(1, 1))
    folder = stick.stick
    if what == "no folder":
        folder = tmp_path / "nothing"
    elif what == "no parcels":
        folder = tmp_path / "empty"
        folder.mkdir()
    else:
        stick.config.write_text(f'folder = "{tmp_path}/other"\n')
    code, said = stick.go(capsys, folder)
    words = {"no folder": "is the stick mounted", "no parcels": "trapcam collect", "no base": "is not there"}
    assert code == 2
    assert words[what] in said["said"]
    assert not (tmp_path / "other").exists()


def test_a_stick_that_cannot_be_written_is_taken_all_the_same(
    stick: Stick, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick.put(*sighting(1, 1))

    def read_only(path: Path, data: bytes) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(parcels, "write_atomically", read_only)
    code, said = stick.go(capsys)
    assert code == 0
    assert said["parcels"][0]["note"] == "no note on the stick: Read-only file system"
    assert len(stick.store.all_objects([1], 9)) == 2


def test_a_stick_that_is_pulled_out_in_between_leaves_what_was_taken_and_the_next_time_goes_on(
    stick: Stick, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = [e for number in range(1, 6) for e in sighting(1, number)]
    stick.put(*objects)
    monkeypatch.setattr(parcels, "GROUP", 4)
    real, reads = os.open, 0

    def pulled(path: Any, *flags: Any, **more: Any) -> int:
        nonlocal reads
        reads += str(path).endswith(".obj")
        if reads > 7 and ".obj" in str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path, *flags, **more)

    iterdir = Path.iterdir

    def gone(path: Path) -> Any:
        if path == stick.parcel():
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return iterdir(path)

    with monkeypatch.context() as patch:
        patch.setattr(parcels.os, "open", pulled)
        patch.setattr(Path, "iterdir", gone)
        code, said = stick.go(capsys)
    assert code == 1
    assert "the stick cannot be read: Input/output error" in said["said"]
    assert len(stick.store.all_objects([1], 99)) == 4
    code, said = stick.go(capsys)
    assert (code, said["parcels"][0]["new"], said["parcels"][0]["doubles"]) == (0, 6, 4)


def test_one_bad_place_of_a_stick_does_not_hold_up_the_others(
    stick: Stick, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick.put(*sighting(1, 1), *sighting(1, 2))
    real = os.open

    def bad(path: Any, *flags: Any, **more: Any) -> int:
        if str(path).endswith("1-crop.obj"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return real(path, *flags, **more)

    monkeypatch.setattr(parcels.os, "open", bad)
    code, said = stick.go(capsys)
    assert (code, said["parcels"][0]["new"]) == (1, 3)
    assert said["parcels"][0]["damaged"] == ["1-crop.obj: cannot be read: Input/output error"]


def test_the_bases_disk_refuses_and_nothing_is_said_to_be_taken(
    stick: Stick, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick.put(envelope(1, 1, CROP, bytes(INLINE_BYTES + 1)))
    stick.store.close()
    media = stick.base / "media"
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(media))

        patch.setattr("trapbase.media.MediaFolder.put", full)
        code, said = stick.go(capsys)
    assert code == 1
    assert "make room there" in said["said"]
    assert not (stick.parcel() / "taken-north.txt").exists()
    stick.store = Store(stick.base)
    assert stick.store.all_objects([1], 9) == []


def test_two_imports_at_once_are_refused(stick: Stick, capsys: Output) -> None:
    stick.put(*sighting(1, 1))
    with lock_folder(stick.base, "trapbase-import"):
        code, said = stick.go(capsys)
    assert code == 2
    assert "another trapbase-import" in said["said"]


def test_a_running_base_that_stores_the_same_object_at_the_same_moment_makes_one_of_them(
    stick: Stick, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = [sighting(1, 1)[0], envelope(1, 1, CROP, bytes(INLINE_BYTES + 1))]
    stick.put(*objects)
    other = Store(stick.base, incoming=cmd_import.INCOMING)
    real, met = other.media.put, []

    def meanwhile(bodies: Any) -> None:
        real(bodies)
        if not met:
            met.append(True)
            broker = MemoryBroker()
            ingest = Ingest(broker.connect("ingest", SUBSCRIPTIONS), stick.store)
            deliver(broker, *objects)
            assert ingest.step(0, NOW)

    monkeypatch.setattr(other.media, "put", meanwhile)
    done = import_parcel(other, stick.parcel(), NOW, lambda name, count: None)
    assert (done.taken, met) == (2, [True])
    other.close()
    assert len(stick.store.all_objects([1], 9)) == 2
    reader = Reader(stick.base)
    counters = reader.summary()["counters"]
    reader.close()
    assert (counters["repeats"], counters["conflicts"]) == (2, 0)
    assert list(problems(stick.base)) == []


def test_a_group_is_bounded_in_bytes(stick: Stick, monkeypatch: pytest.MonkeyPatch) -> None:
    stick.put(*(envelope(1, number, FULL, bytes([number]) * 1000) for number in range(1, 30)))
    monkeypatch.setattr(parcels, "GROUP_BYTES", 5000)
    groups: list[int] = []
    real = stick.store.add

    def add(arrivals: Any, *more: Any) -> Any:
        groups.append(len(arrivals))
        return real(arrivals, *more)

    monkeypatch.setattr(stick.store, "add", add)
    assert import_parcel(stick.store, stick.parcel(), NOW, lambda name, count: None).new == 29
    assert set(groups) == {5, 4}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), index=st.one_of(st.binary(max_size=200), st.text().map(str.encode)))
def test_no_bytes_on_a_stick_crash_it(stick: Stick, data: bytes, index: bytes) -> None:
    parcel = stick.parcel(5)
    (parcel / "1-full.obj").write_bytes(data)
    (parcel / "2-alert.obj").write_bytes(envelope(5, 2, ALERT, alert()).encode()[: len(data)])
    (parcel / "parcel.json").write_bytes(index)
    done = import_parcel(stick.store, parcel, NOW, lambda name, count: None)
    assert len(done.damaged) + done.taken == 2


def test_an_index_of_a_newer_version_is_no_trouble(stick: Stick, capsys: Output) -> None:
    (path, *_) = stick.put(*sighting(1, 1))
    index = msgspec.json.decode((path.parent / "parcel.json").read_bytes())
    (path.parent / "parcel.json").write_bytes(msgspec.json.encode(index | {"version": 2}))
    code, said = stick.go(capsys)
    assert (code, said["parcels"][0]["new"], said["parcels"][0]["missing"]) == (0, 2, [])


def test_a_parcel_may_be_given_by_a_relative_path(stick: Stick, monkeypatch: pytest.MonkeyPatch) -> None:
    stick.put(*sighting(1, 1))
    monkeypatch.chdir(stick.parcel())
    assert find_parcels(Path()) == [Path()]
    monkeypatch.chdir(stick.stick)
    assert find_parcels(Path()) == [Path("pugmark/1-c0ffee01")]
    with pytest.raises(SetupError):
        find_parcels(stick.config)


def test_a_base_of_before_goes_on(stick: Stick) -> None:
    stick.store.close()
    db = sqlite3.connect(stick.base / "base.sqlite3")
    assert db.execute("SELECT value FROM counters WHERE name = 'partials_let_go'").fetchone() == (0,)
    db.close()
    stick.store = Store(stick.base)
