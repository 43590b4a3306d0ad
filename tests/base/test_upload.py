"""Uploads: resumed, repeated, made again; whatever fails on the way only costs time."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.base.forwarding import Recorder, World
from tests.base.parts import NOW, UPLOAD, deliver, sighting
from trapbase.gate import pause_ms
from trapbase.outlet import OutletError


@given(failures=st.integers(1, 10_000), chance=st.floats(0, 1))
def test_pauses_grow_spread_and_end(failures: int, chance: float) -> None:
    pause = pause_ms(failures, UPLOAD, chance)
    longest = min(8000, 1000 * 2 ** min(failures - 1, 10))
    assert longest / 2 <= pause <= longest


def test_after_a_restart_at_any_piece_at_most_one_is_sent_twice(tmp_path: Path) -> None:
    for kill_after in range(1, 8):
        world = World(tmp_path / str(kill_after))
        recorder = Recorder(world.outlet)
        world.restart()
        world.base.uploader._outlet = world.base.receipts._outlet = recorder
        deliver(world.broker, *sighting(1, 1), *sighting(2, 1))
        now = 0
        while len(recorder.sent) < kill_after and world.states() != ["receipted"]:
            world.base.step(now)
            now += 250
        world.restart()
        world.base.uploader._outlet = world.base.receipts._outlet = recorder
        world.base.run(now, now + 15_000)
        assert world.states() == ["receipted"]
        ((size,),) = world.rows("SELECT size FROM batches")
        offsets = [offset for offset, _ in recorder.sent]
        assert offsets == sorted(set(offsets)), "nothing twice: the back end had said how far it was"
        assert sum(length for _, length in recorder.sent) == size
        assert world.backend.stats()["repeated_batches"] == 0
        world.close()


@pytest.mark.parametrize("when", ["create", "created", "offset", "send", "sent", "receipts"])
@pytest.mark.parametrize("refused", [True, False])
def test_one_failure_anywhere_only_costs_time(world: World, when: str, refused: bool) -> None:
    recorder = Recorder(world.outlet)
    world.base.uploader._outlet = world.base.receipts._outlet = recorder
    left = [1]

    def fail(now: str) -> None:
        if now == when and left:
            left.pop()
            raise OutletError("back end: it stumbled", refused=refused)

    recorder.fail = fail
    deliver(world.broker, *sighting(1, 1))
    world.base.run(0, 30_000)
    # The address is asked for its offset after a failure or a restart only.
    assert left == ([1] if when == "offset" else [])
    assert world.states() == ["receipted"]
    assert world.backend.stats() | {"objects": 2, "duplicated": 0, "batches": 1} == world.backend.stats()


@pytest.mark.parametrize("lie", [0, 10**9, -5])
def test_a_back_end_that_lies_about_offsets_gets_the_bytes_again(world: World, lie: int) -> None:
    recorder = Recorder(world.outlet)
    world.base.uploader._outlet = recorder
    lies = [lie, lie]
    honest = recorder.inner.send
    recorder.inner.send = lambda url, offset, data: (  # type: ignore[method-assign]
        honest(url, offset, data) if not lies else (honest(url, offset, data), lies.pop())[1]
    )
    deliver(world.broker, *sighting(1, 1))
    world.base.run(0, 40_000)
    assert world.states() == ["receipted"]
    assert world.backend.stats()["duplicated"] == 0


def test_a_back_end_that_forgets_uploads_gets_them_again(world: World) -> None:
    deliver(world.broker, *sighting(1, 1))
    now = world.until("uploading")
    world.backend._db.execute("DELETE FROM uploads")
    world.base.run(now, now + 20_000)
    assert world.states() == ["receipted"]


def test_a_back_end_that_lost_a_whole_batch_gets_it_again(world: World) -> None:
    deliver(world.broker, *sighting(1, 1))
    recorder = Recorder(world.outlet)

    def fail(when: str) -> None:
        if when == "receipts":
            raise OutletError("back end: busy")

    recorder.fail = fail
    world.base.receipts._outlet = recorder
    now = world.until("uploaded")
    world.base.receipts._outlet = world.outlet
    for table in ("batch_objects", "objects", "batches", "uploads"):
        world.backend._db.execute(f"DELETE FROM {table}")
    world.base.run(now, now + 30_000)
    assert world.states() == ["receipted"]
    assert world.backend.stats()["objects"] == 2


def test_a_file_that_is_gone_or_was_damaged_is_made_again(world: World) -> None:
    deliver(world.broker, *sighting(1, 1))
    backend, world.outlet.store = world.outlet.store, None
    now = world.until("cut")
    world.outlet.store = backend
    (path,) = (world.folder / "base" / "outbox").iterdir()
    whole = path.read_bytes()
    path.unlink()
    world.restart()
    world.base.forward.step(now, NOW + now)
    assert path.read_bytes() == whole, "the same rows always give the same bytes"
    path.write_bytes(whole[:-200] + bytes(200))
    world.base.run(now, now + 40_000)
    assert world.backend.stats()["refused"] >= 1
    assert world.states() == ["receipted"]


def test_an_outbox_that_cannot_be_read_stops_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver(world.broker, *sighting(1, 1))
    now = world.until("uploading")
    (path,) = (world.folder / "base" / "outbox").iterdir()
    path.unlink()
    path.mkdir()
    (path.parent / "folder").mkdir()
    (path.parent / "folder.zip").mkdir()
    world.base.step(now)
    assert "outbox" in world.base.uploader.last_error
    world.base.run(now, now + 20_000)
    assert world.states() == ["receipted"]
    deliver(world.broker, *sighting(1, 2))
    opened, failing = Path.open, [True]

    def eio(self: Path, *more: Any, **named: Any) -> Any:
        if failing and self.parent == path.parent:
            failing.pop()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return opened(self, *more, **named)

    monkeypatch.setattr(Path, "open", eio)
    world.base.run(now + 20_000, now + 50_000)
    assert not failing
    assert world.states() == ["receipted", "receipted"]


def test_a_restart_with_folders_in_the_outbox(world: World) -> None:
    backend, world.outlet.store = world.outlet.store, None
    deliver(world.broker, *sighting(1, 1))
    now = world.until("cut")
    (path,) = (world.folder / "base" / "outbox").iterdir()
    path.unlink()
    (path / "full").mkdir(parents=True)
    (path.parent / "stray").mkdir()
    world.outlet.store = backend
    world.restart()
    world.base.run(now, now + 20_000)
    assert world.states() == ["uploading"]
    assert "outbox" in world.base.uploader.last_error
    (path / "full").rmdir()
    world.base.run(now + 20_000, now + 50_000)
    assert world.states() == ["receipted"]
