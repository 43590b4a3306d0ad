"""The power goes at any write of a unit's client: nothing half is handed over, nothing seen is forgotten."""

import random
import sys

import pytest
from tests.ship.release_bench import Bench, Trap, pack

from trapkit.update.offer import Refused
from trapship.release.repository import Repository
from trapsim.powercut import recorder
from trapsim.powercut.disk import MODES, Disk
from trapsim.powercut.recorder import Op

pytestmark = pytest.mark.skipif(recorder.strace() is None, reason="no strace, or this machine forbids tracing")
CUTS = 30
# The unit as a process of its own: it takes the first release, says so, takes the second one from another folder.
PROGRAM = """
import sys
from pathlib import Path
from trapkit.update.client import Unit, take
from trapkit.update.sources import FolderSource
from trapkit.update.timefloor import Moment

state, root, now_ms, *sources = sys.argv[1:]

class Clock:
    def read(self): return Moment(int(now_ms), True)
    def monotonic_ms(self): return 0

running = ""
for source in sources:
    unit = Unit(root=Path(root).read_bytes(), running=running)
    running = take(FolderSource(Path(source)), Path(state), Clock(), unit=unit).release.release
    print(running, file=sys.stderr, flush=True)
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("cuts"))
    bench.release("2026.12.1", random.Random(1).randbytes(40_000).hex())
    bench.copy("first")
    bench.release("2026.12.2", settings=[pack(bench.folder / "in", "x")])
    return bench


@pytest.fixture(scope="module")
def record(bench: Bench) -> list[Op]:
    """The operations of taking both, one after the other."""
    folder = bench.folder / "recorded"
    folder.mkdir()
    now_ms = str(int(bench.now.timestamp() * 1000))
    words = [str(folder / "state"), str(bench.folder / "operator/tuf/root.json"), now_ms]
    words += [str(bench.folder / "first"), str(bench.repository.folder)]
    log = bench.folder / "strace.log"
    done = recorder.run([sys.executable, "-c", PROGRAM, *words], log)
    assert done.stderr.split() == ["2026.12.1", "2026.12.2"], done.stderr
    return recorder.operations(log, [folder])


def states(bench: Bench, record: list[Op], name: str) -> "list[tuple[Trap, int]]":
    """A unit after each cut, and how many releases it had said that it took."""
    root = bench.folder / "recorded"
    dice, disk, units, said, done = random.Random(7), Disk(root), [], 0, 0
    for op in (Op("mkdir", str(root)), Op("sync", str(root.parent))):
        disk.apply(op)  # it was there before
    places = [*sorted(dice.choices(range(len(record) + 1), k=CUTS)), *([len(record)] * 2 * len(MODES))]
    for number, at in enumerate(places):
        for op in record[done:at]:
            if op.kind == "said":
                said += op.data.count(b"2026")
            else:
                disk.apply(op)
        done = at
        unit = bench.unit(f"{name}-{number}")
        disk.write_out(unit.state.parent / f"card-{name}-{number}", dice, MODES[number % len(MODES)])
        unit.state = unit.state.parent / f"card-{name}-{number}/state"
        units.append((unit, said))
    return units


def wrong(bench: Bench, record: list[Op], name: str) -> list[str]:
    """What is wrong after each cut."""
    found = []
    for number, (unit, said) in enumerate(states(bench, record, name)):
        try:
            if said == 2:
                with pytest.raises(Refused, match="rollback"):
                    unit.take(bench.folder / "first")
            offered = unit.take()
            assert offered
            for part, file in offered.files.items():
                target = offered.release.parts[part].target.split("/")[-1]
                (signed,) = Repository(bench.repository.folder).targets.rglob(f"*.{target}")
                assert file.read_bytes() == signed.read_bytes()
            assert offered.release.release == "2026.12.2"
        except (Exception, pytest.fail.Exception) as error:
            found.append(f"cut {number}: {type(error).__name__}: {error}")
    return found


def test_after_a_cut_at_any_write_a_unit_takes_the_release_and_remembers_what_it_saw(
    bench: Bench, record: list[Op]
) -> None:
    assert wrong(bench, record, "unit") == []


def test_a_planted_fault_is_found(bench: Bench, record: list[Op]) -> None:
    """Proved lists that are renamed before they are synced: some cut loses what the unit had seen."""
    without = [op for op in record if not (op.kind == "sync" and "metadata.new/" in op.path)]
    assert len(without) < len(record)
    assert wrong(bench, without, "faulty") != []
