"""The power goes at any write: nothing safe is lost, nothing doubled, and the same bursts come to the same end."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.card import cuts
from trapsim.powercut import recorder
from trapsim.powercut.disk import Disk
from trapsim.powercut.recorder import Op

LIVES = 6
STATES = 60  # of each life; `python -m tests.card.soak` opens all
LIFE = 1  # of the controls: it has sightings, samples, people, answers and receipts

pytestmark = pytest.mark.skipif(recorder.strace() is None, reason="no strace, or this machine forbids tracing")


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Op]]:
    folder = tmp_path_factory.mktemp("card") / "life"
    return folder, cuts.record(folder, LIFE)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("-shm")
    }


def test_the_record_is_all_that_was_written(tmp_path: Path) -> None:
    """Played back whole, it is the folder, byte for byte: no write went past the recorder."""
    ops = cuts.record(tmp_path / "life", LIFE)
    disk = Disk(tmp_path / "life" / "data")
    for op in ops:
        disk.apply(op)
    disk.write_out(tmp_path / "again", cuts.random.Random(0), "all")
    assert contents(tmp_path / "again") == contents(tmp_path / "life" / "data")
    assert {op.path for op in ops if op.kind == "write"} >= {
        str(tmp_path / "life" / "data" / name) for name in ("outbox.sqlite", "outbox.sqlite-wal")
    }


@pytest.mark.parametrize("number", range(LIVES))
def test_a_power_cut_at_any_write_loses_and_doubles_nothing(tmp_path: Path, number: int) -> None:
    ops = cuts.record(tmp_path / "life", number)
    found = list(cuts.cut(ops, tmp_path / "life", number, STATES))
    assert len(found) == STATES
    assert [wrong for wrong in found if wrong] == []


FAULTS: dict[str, Callable[[Op, Path], bool]] = {
    "the log is never synced": lambda op, data: op.path == str(data / "outbox.sqlite-wal"),
    "the database is never synced": lambda op, data: op.path == str(data / "outbox.sqlite"),
    "full frames are never synced": lambda op, data: "/full/." in op.path,
    "their folder is never synced": lambda op, data: op.path == str(data / "full"),
    "the outbox's folder is never synced": lambda op, data: op.path == str(data),
    "its own name is never synced": lambda op, data: op.path == str(data.parent),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(life: tuple[Path, list[Op]], fault: str) -> None:
    """What a program would write that forgot this one sync: some state shows it."""
    folder, ops = life
    dropped = [at for at, op in enumerate(ops) if op.kind == "sync" and FAULTS[fault](op, folder / "data")]
    without = [op for at, op in enumerate(ops) if at not in dropped]
    assert any(cuts.cut(without, folder, LIFE, 400, first=dropped[0]))
