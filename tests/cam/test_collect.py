"""`trapcam collect`: what lies on the stick, what goes on after a stick was pulled out, and what a bad stick says."""

import errno
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cam_parts import BACKEND, NOW, receipt_for
from network_parts import objects_of
from records import SOURCE, kept

from trapcam import collect as collecting
from trapcam.cli import main
from trapcam.collect import collect
from trapcam.outbox import DATABASE, FULL_FOLDER, Outbox, open_outbox
from trapcam.states import DELETED, DELIVERED
from trapcam.status import read_status
from trapkit import files, parcel
from trapkit.parcel import decode_index
from trapwire.objects import ALERT, CROP, FRAME, FULL, RUNG_NAMES, decode_envelope

TRAP = 7
RUNGS = (ALERT, CROP, FRAME, FULL)
KEY = bytes(BACKEND.verify_key)


def quiet(*_: int) -> None: ...


class Visit:
    """A running trap's outbox with sightings, and a stick."""

    def __init__(self, folder: Path, outbox: Outbox) -> None:
        self.data, self.stick, self.outbox = folder / "data", folder / "stick", outbox
        self.stick.mkdir()
        self.made = 0

    def sightings(self, count: int) -> None:
        for _ in range(count):
            self.outbox.commit(kept(self.made))
            self.made += 1

    def go(self, **options: Any) -> collecting.Collected:
        return collect(self.data, TRAP, self.stick, NOW, tell=quiet, **options)

    @property
    def parcel(self) -> Path:
        return self.stick / "pugmark" / f"{TRAP}-{self.outbox.epoch:08x}"

    def files(self) -> set[str]:
        return {path.name for path in self.parcel.iterdir() if path.suffix == ".obj"}

    def status(self) -> dict[str, Any]:
        return read_status(self.data, TRAP)


@pytest.fixture
def visit(tmp_path: Path, outbox: Outbox) -> Visit:
    outbox.declare_source(SOURCE, None)
    return Visit(tmp_path, outbox)


def test_everything_without_a_receipt_lies_on_the_stick_as_it_was_sealed(visit: Visit) -> None:
    visit.sightings(3)
    visit.outbox.mark([(1, ALERT)], [(1, CROP), (2, FULL)])
    done = visit.go()
    assert (done.there, done.written, done.damaged) == (12, 12, [])
    assert visit.files() == {f"{number}-{RUNG_NAMES[rung]}.obj" for number in (1, 2, 3) for rung in RUNGS}
    index = decode_index((visit.parcel / "parcel.json").read_bytes())
    assert index is not None
    assert (index.trap, index.epoch, index.parcel) == (TRAP, f"{visit.outbox.epoch:08x}", done.parcel)
    for entry in index.objects:
        envelope = decode_envelope((visit.parcel / entry.file).read_bytes())
        assert visit.outbox._digest(envelope.key.number, envelope.key.rung) == bytes.fromhex(entry.sha256)
        assert len(envelope.body) == entry.bytes
    assert len(index.objects) == 12


def test_nothing_is_deleted_or_taken_for_delivered(visit: Visit) -> None:
    visit.sightings(2)
    before = visit.status()
    visit.go()
    after = visit.status()
    assert (after["objects"], after["bytes"]) == (before["objects"], before["bytes"])
    assert len(list((visit.data / FULL_FOLDER).iterdir())) == 2


def test_status_says_what_was_carried_when_and_in_which_parcel(visit: Visit) -> None:
    visit.sightings(2)
    assert (visit.status()["carried"], visit.status()["parcels"]) == (0, [])
    done = visit.go()
    assert visit.status()["carried"] == 8
    assert visit.status()["parcels"] == [{"parcel": done.parcel, "carried_ms": NOW, "objects": 8, "unreceipted": 8}]
    visit.outbox.apply_receipt(receipt_for(TRAP, visit.outbox.epoch, objects_of(visit.outbox, 1, *RUNGS)), KEY, NOW)
    assert len(visit.outbox.in_state(DELETED)) == 4
    assert visit.status()["carried"] == 4
    assert visit.status()["parcels"][0]["unreceipted"] == 4


def test_what_a_receipt_has_let_go_is_not_carried(visit: Visit) -> None:
    visit.sightings(2)
    visit.outbox.apply_receipt(receipt_for(TRAP, visit.outbox.epoch, objects_of(visit.outbox, 1, *RUNGS)), KEY, NOW)
    assert visit.go().there == 4
    assert {name[0] for name in visit.files()} == {"2"}


def test_the_same_again_writes_only_what_is_new(visit: Visit) -> None:
    visit.sightings(2)
    first = visit.go()
    visit.sightings(1)
    again = visit.go()
    assert (again.there, again.written, again.parcel) == (12, 4, first.parcel)


def test_a_file_that_was_damaged_on_the_stick_is_written_anew(visit: Visit) -> None:
    visit.sightings(1)
    visit.go()
    path = visit.parcel / "1-full.obj"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    (visit.parcel / "parcel.json").write_bytes(b"\0" * 500)
    (visit.parcel / ".1-crop.obj.99.tmp").write_bytes(b"half")
    done = visit.go()
    assert (done.there, done.written) == (4, 1)
    assert path.read_bytes() == whole
    assert decode_index((visit.parcel / "parcel.json").read_bytes()) is not None
    assert not list(visit.parcel.glob(".*"))


class Pulled:
    """A stick on which so many files can be written, and then no more, for this reason."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, writes: int, number: int) -> None:
        self.left, self._number = writes, number
        self._real = collecting.write_and_read_back
        monkeypatch.setattr(collecting, "write_and_read_back", self.write)

    def write(self, path: Path, data: bytes) -> None:
        if self.left <= 0:
            raise OSError(self._number, os.strerror(self._number), str(path))
        self.left -= 1
        self._real(path, data)


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.EIO, "gone or broken"),
        (errno.ENODEV, "gone or broken"),
        (errno.ENOSPC, "the stick is full"),
        (errno.EROFS, "the stick is read-only"),
        (errno.EACCES, "so that this program's user may write there"),
        (errno.ENAMETOOLONG, "take another stick"),
    ],
)
def test_a_stick_that_refuses_in_between_is_told_and_the_next_time_goes_on(
    visit: Visit, keys: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, number: int, word: str
) -> None:
    visit.sightings(3)
    config = tmp_path / "trapcam.toml"
    config.write_text(keys)
    command = ["collect", "--config", str(config), "--to", str(visit.stick), "--json"]
    with monkeypatch.context() as patch:
        Pulled(patch, 5, number)
        assert main(command) == 1
    said = capsys.readouterr()
    assert word in said.err
    assert "Traceback" not in said.err
    assert len(visit.files()) == 5
    assert visit.status()["carried"] == 5, "what is on it is on it"
    assert {name.split("-")[1] for name in visit.files()} == {"alert.obj", "crop.obj"}, "the most urgent first"
    assert main(command) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["objects"], done["written"]) == (12, 7)


def test_a_second_stick_takes_the_rest(visit: Visit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    visit.sightings(3)
    with monkeypatch.context() as patch:
        Pulled(patch, 5, errno.ENOSPC)
        with pytest.raises(Exception, match="--rest"):
            visit.go()
    first = visit.files()
    visit.stick = tmp_path / "second"
    visit.stick.mkdir()
    assert visit.go(rest=True).there == 7
    assert visit.files().isdisjoint(first)
    assert visit.go(rest=True).there == 0
    assert len(visit.status()["parcels"]) == 2


def test_a_stick_that_holds_other_bytes_than_were_written_is_refused(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A counterfeit stick takes everything and keeps the last few gigabytes."""
    visit.sightings(1)
    monkeypatch.setattr(files, "read_back", lambda path: bytes(path.stat().st_size))
    with pytest.raises(Exception, match="read back other than it was written; take another stick"):
        visit.go()
    assert visit.status()["carried"] == 0


def test_a_full_frame_that_is_damaged_here_is_named_and_the_others_go(visit: Visit, keys: str, capsys: Any) -> None:
    visit.sightings(2)
    (name,) = {path.name for path in (visit.data / FULL_FOLDER).iterdir()} - {
        f"{visit.outbox._digest(2, FULL).hex()}.age"  # type: ignore[union-attr]
    }
    (visit.data / FULL_FOLDER / name).write_bytes(b"not what was sealed")
    config = visit.data.parent / "trapcam.toml"
    config.write_text(keys)
    assert main(["collect", "--config", str(config), "--to", str(visit.stick)]) == 1
    said = capsys.readouterr()
    assert name in said.err
    assert "7 objects lie in" in said.out
    assert "7 of 8 objects" not in said.err
    assert "8 of 8 objects" in said.err, "progress"


@pytest.mark.parametrize("what", ["no stick", "no outbox", "another trap's"])
def test_a_wrong_set_up_is_named(tmp_path: Path, visit: Visit, keys: str, capsys: Any, what: str) -> None:
    config = tmp_path / "trapcam.toml"
    config.write_text(keys)
    to = visit.stick
    if what == "no stick":
        to = tmp_path / "not mounted"
    elif what == "no outbox":
        config.write_text(keys.replace(f"{tmp_path}/data", f"{tmp_path}/nothing"))
    else:
        config.write_text(keys.replace("trap = 7", "trap = 8"))
    assert main(["collect", "--config", str(config), "--to", str(to)]) == 2
    said = capsys.readouterr()
    words = {"no stick": "is the stick mounted", "no outbox": "there is no outbox", "another trap's": "not of trap 8"}
    assert words[what] in said.err
    assert not to.exists() or not list(to.iterdir())


def test_a_stick_whose_folder_leads_elsewhere_is_refused(visit: Visit, tmp_path: Path) -> None:
    visit.sightings(1)
    (tmp_path / "elsewhere").mkdir()
    (visit.stick / "pugmark").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="Not a folder of its own"):
        visit.go()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_it_runs_beside_a_running_trap_that_lets_go_meanwhile(visit: Visit) -> None:
    visit.sightings(3)
    receipt = receipt_for(TRAP, visit.outbox.epoch, objects_of(visit.outbox, 3, *RUNGS))

    def tell(done: int, *_: int) -> None:
        if done == 5:
            visit.outbox.apply_receipt(receipt, KEY, NOW)

    done = collect(visit.data, TRAP, visit.stick, NOW, tell=tell)
    assert (done.there, done.damaged) == (8 + 1, []), "its alert was copied before"
    assert len(visit.outbox.in_state(DELETED)) == 4


def test_collected_objects_still_go_by_radio_and_network(visit: Visit) -> None:
    visit.sightings(1)
    visit.go()
    assert [(number, rung) for _, number, rung in visit.outbox.waiting(9, 256)] == [(1, ALERT), (1, CROP)]
    visit.outbox.mark([], [(1, rung) for rung in RUNGS])
    assert len(visit.outbox.in_state(DELIVERED)) == 4
    assert visit.go().there == 4


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An outbox that a program wrote which did not know of parcels."""
    folder = tmp_path / "old"
    folder.mkdir()
    sql = Path(__file__).parents[2] / "device" / "trapcam" / "sql"
    db = sqlite3.connect(folder / DATABASE)
    for step in ("001_outbox.sql", "002_undelivered.sql", "003_audit.sql"):
        db.executescript((sql / step).read_text())
    db.executescript("PRAGMA user_version = 3; INSERT INTO outbox VALUES (1, 7, 99, 0);")
    db.close()
    return folder


def test_an_outbox_of_before_shows_no_parcels_and_can_be_collected(old: Path, tmp_path: Path) -> None:
    assert read_status(old, TRAP)["parcels"] == []
    (tmp_path / "stick").mkdir()
    done = collect(old, TRAP, tmp_path / "stick", NOW, tell=quiet)
    assert done.there == 0
    open_outbox(old, TRAP, NOW).close()


def test_names_hold_on_fat(visit: Visit) -> None:
    visit.sightings(1)
    visit.go()
    for path in visit.stick.rglob("*"):
        assert path.name == path.name.lower()
        assert not set(path.name) & set('\\:*?"<>|')
        assert len(path.name) < 64
    assert all(parcel.is_file_name(name) for name in visit.files())
    assert not any(
        map(parcel.is_file_name, ("1-tiger.obj", "01-full.obj", "1-full.OBJ", "../1-full.obj", "parcel.json"))
    )


def test_progress_comes_for_every_object(visit: Visit) -> None:
    visit.sightings(2)
    told: list[tuple[int, ...]] = []
    tell: Callable[..., None] = lambda *figures: told.append(figures)  # noqa: E731
    collect(visit.data, TRAP, visit.stick, NOW, tell=tell)
    total = visit.status()["bytes"]
    assert told[0] == (0, 8, 0, total)
    assert told[-1] == (8, 8, total, total)


IN_A_ROOM_OF_ITS_OWN = ("unshare", "-rm", "sh", "-c")  # mounts are seen by that shell alone
TRAPCAM = Path(sys.executable).parent / "trapcam"


@pytest.mark.parametrize(
    ("mount", "words", "some"),
    [
        ("mount -t tmpfs -o size=64k none {stick}", "the stick is full", True),
        ("mount -t tmpfs -o ro,size=1m none {stick}", "the stick is read-only", False),
    ],
)
def test_a_real_file_system_that_is_full_or_read_only(
    visit: Visit, keys: str, tmp_path: Path, mount: str, words: str, some: bool
) -> None:
    """What the kernel says, and not what a test thinks that it says."""
    if subprocess.run([*IN_A_ROOM_OF_ITS_OWN, "mount -t tmpfs none /tmp"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system of their own")
    visit.sightings(5)
    config = tmp_path / "trapcam.toml"
    config.write_text(keys)
    collected = f"{TRAPCAM} collect --config {config} --to {visit.stick}; echo exit $?; ls {visit.stick}/pugmark/*"
    command = [*IN_A_ROOM_OF_ITS_OWN, f"{mount.format(stick=visit.stick)} && {collected}"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert words in run.stderr
    assert "exit 1" in run.stdout
    names = [name for name in run.stdout.split() if name.endswith(".obj")]
    assert visit.status()["carried"] == len(names)
    assert (0 < len(names) < 20) == some
    assert not any(name.endswith(".tmp") for name in run.stdout.split()), "no half file"
