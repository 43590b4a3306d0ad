"""Batches by stick, and the back end's receipts back: a stick that comes and goes, is full, is read-only, or lies."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from tests.base.outlet_parts import Ways
from tests.base.parts import BATCH, BOX, NOW, SIGNING, TRAPS
from trapbase.cutter import Cutter
from trapbase.forward import Forward
from trapbase.outlet_settings import OutletSettings
from trapbase.store import Store
from trapbase.verify import problems
from trapsim.backend_stick import take_stick
from trapsim.backend_store import BackendStore


class Valley(Ways):
    """A base without any line out, a stick, and a back end in town."""

    def __init__(self, folder: Path) -> None:
        self.stick = folder / "usb" / "pugmark"
        super().__init__(
            folder, OutletSettings(name="stick", kind="folder", path=str(self.stick), poll_s=1, retry_max_s=4)
        )
        self.store = Store(self.folder)
        self.forward = Forward(Cutter(self.store, TRAPS, BATCH, bytes(BOX)), None, None)
        self.backend = BackendStore(folder / "backend", bytes(SIGNING))
        self.part = self.start("stick")

    def plug(self) -> None:
        self.stick.mkdir(parents=True, exist_ok=True)

    def cut(self, number: int) -> None:
        """A batch of one sighting."""
        self.see(1, number)
        self.now_ms += 11_000
        while self.forward.step(self.now_ms, NOW + self.now_ms):
            pass

    def names(self, folder: str = "batches") -> list[str]:
        return sorted(p.name for p in (self.stick / folder).iterdir())

    def states(self) -> list[str]:
        return [state for (state,) in self.sql("SELECT state FROM batches ORDER BY cut_ms")]

    def close(self) -> None:
        self.backend.close()
        self.store.close()
        super().close()


@pytest.fixture
def valley(tmp_path: Path) -> Iterator[Valley]:
    made = Valley(tmp_path)
    yield made
    made.close()


def test_a_round_trip_by_stick_ends_custody_as_http_does(valley: Valley) -> None:
    valley.plug()
    valley.cut(1)
    valley.cut(2)
    valley.run(valley.now_ms + 5000)
    assert len(valley.names()) == 4
    assert take_stick(valley.backend, valley.stick) == {"taken": 2, "signed": 2, "damaged": 0}
    assert valley.backend.stats()["objects"] == 4
    valley.run(valley.now_ms + 5000)
    assert valley.states() == ["receipted", "receipted"]
    assert len(valley.store.open_receipts(9)) == 2, "they go down to the traps as any others do"
    assert valley.names() == valley.names("receipts") == [], "what is signed for makes room"
    assert list((valley.folder / "outbox").iterdir()) == []
    assert list(problems(valley.folder)) == []
    assert valley.part.last_error == ""


def test_a_stick_that_comes_and_goes_gets_what_is_open_then(valley: Valley) -> None:
    valley.cut(1)
    valley.run(valley.now_ms + 60_000)
    assert not valley.stick.exists(), "nothing is written onto the disk under a stick that is away"
    assert "is not there; plug the stick in" in valley.part.last_error
    valley.plug()
    valley.run(valley.now_ms + 3000)
    assert len(valley.names()) == 2
    gone = valley.stick.rename(valley.stick.with_name("in-town"))
    valley.cut(2)
    valley.run(valley.now_ms + 5000)
    valley.plug()  # another, empty one
    valley.run(valley.now_ms + 5000)
    assert len(valley.names()) == 4, "both are open still"
    take_stick(valley.backend, gone)
    for path in valley.stick.glob("*/*"):
        path.unlink()
    (gone / "receipts").rename(valley.stick / "received")
    (valley.stick / "receipts").rmdir()
    (valley.stick / "received").rename(valley.stick / "receipts")
    valley.run(valley.now_ms + 5000)
    assert valley.states() == ["receipted", "cut"]
    assert valley.backend.stats()["duplicated"] == 0


def test_a_full_stick_is_said_and_the_rest_follows_on_the_next(valley: Valley) -> None:
    valley.plug()
    valley.cut(1)
    valley.part._free = lambda path: 1 << 20
    valley.run(valley.now_ms + 5000)
    assert "no room for the" in valley.part.last_error
    assert "make room there" in valley.part.last_error
    valley.part._free = lambda path: 1 << 30
    valley.run(valley.now_ms + 10_000)
    assert len(valley.names()) == 2
    assert valley.part.last_error == ""


def test_a_stick_that_cannot_be_written_is_said_and_tried_again(
    valley: Valley, monkeypatch: pytest.MonkeyPatch
) -> None:
    valley.plug()
    valley.cut(1)

    def read_only(path: Path, data: bytes) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr("trapbase.outlets.folder.write_and_read_back", read_only)
        valley.run(valley.now_ms + 20_000)
    assert "Read-only file system: mount it writable again" in valley.part.last_error
    valley.run(valley.now_ms + 10_000)
    assert len(valley.names()) == 2


def test_a_zip_that_was_cut_off_is_written_again_and_never_taken(valley: Valley) -> None:
    valley.plug()
    valley.cut(1)
    valley.run(valley.now_ms + 3000)
    (zipped,) = valley.stick.glob("batches/*.zip")
    whole = zipped.read_bytes()
    zipped.write_bytes(whole[:-100])
    assert take_stick(valley.backend, valley.stick) == {"taken": 0, "signed": 0, "damaged": 1}
    valley.run(valley.now_ms + 3000)
    assert zipped.read_bytes() == whole
    assert take_stick(valley.backend, valley.stick)["signed"] == 1


def forged(answer: dict[str, object]) -> bytes:
    return json.dumps(answer).encode()


@pytest.mark.parametrize("how", ["garbage", "empty", "huge", "another key", "too few objects", "another batch"])
def test_receipts_that_are_none_let_nothing_go_and_are_counted_once(valley: Valley, how: str) -> None:
    valley.plug()
    valley.cut(1)
    valley.run(valley.now_ms + 3000)
    (zipped,) = valley.stick.glob("batches/*.zip")
    name = zipped.stem
    take_stick(valley.backend, valley.stick)
    path = valley.stick / "receipts" / f"{name}.json"
    answer = json.loads(path.read_bytes())
    bad = {"garbage": b"\xff{", "empty": b"", "huge": b" " * (2 << 20)}
    if how == "another key":
        answer["receipts"][0]["signature"] = SigningKey.generate().sign(b"x").signature.hex()
    elif how == "too few objects":
        answer["receipts"][0]["objects"].pop()
    elif how == "another batch":
        answer["batch_id"] = "0" * 64
    path.write_bytes(bad.get(how) or (b"" if how == "empty" else forged(answer)))
    valley.run(valley.now_ms + 20_000)
    assert valley.states() == ["cut"]
    assert "nothing is let go" in valley.part.last_error
    assert valley.sql("SELECT value FROM counters WHERE name = 'bad_receipts'") == [(1,)]
    take_stick(valley.backend, valley.stick)
    valley.run(valley.now_ms + 5000)
    assert valley.states() == ["receipted"]
    assert valley.part.last_error == ""


def test_what_else_lies_on_a_stick_is_left_alone(valley: Valley) -> None:
    valley.plug()
    for name in ("batches", "receipts"):
        (valley.stick / name).mkdir()
    others = {
        "batches/" + "a" * 64 + ".zip": b"another base's",
        "batches/notes.txt": b"mine",
        "receipts/" + "b" * 64 + ".json": b"{}",
        "photo.jpg": b"x",
    }  # fmt: skip
    for name, data in others.items():
        (valley.stick / name).write_bytes(data)
    (valley.stick / "batches" / ("c" * 64 + ".zip")).symlink_to("/etc/passwd")
    valley.cut(1)
    valley.run(valley.now_ms + 3000)
    take_stick(valley.backend, valley.stick)
    valley.run(valley.now_ms + 3000)
    assert valley.states() == ["receipted"]
    assert {n: (valley.stick / n).read_bytes() for n in others} == others
    assert (valley.stick / "batches" / ("c" * 64 + ".zip")).is_symlink()


def test_a_batch_goes_onto_the_stick_only_when_the_line_had_its_chance(tmp_path: Path) -> None:
    valley = Valley(tmp_path)
    valley.stop("stick")
    outlet = OutletSettings(name="late", kind="folder", path=str(valley.stick), poll_s=1, after_s=3600)
    object.__setattr__(valley, "settings", valley.settings.__class__(**{
        name: getattr(valley.settings, name) for name in valley.settings.__struct_fields__ if name != "outlet"
    } | {"outlet": (outlet,)}))  # fmt: skip
    valley.start("late")
    valley.plug()
    valley.cut(1)
    valley.run(valley.now_ms + 3_580_000, every_ms=10_000)
    assert not (valley.stick / "batches").exists()
    valley.run(valley.now_ms + 60_000)
    assert len(valley.names()) == 2
    valley.close()
