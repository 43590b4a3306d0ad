"""Power cuts at any write of a recorded life: the states, opened with the real code, and what must hold of each."""

import random
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from cam_parts import NOW
from lives import AUDIT_BYTES, BURSTS, TRAP, check, live, states
from records import SOURCE

from trapcam.outbox import open_outbox
from trapsim.powercut import recorder
from trapsim.powercut.disk import MODES, Disk
from trapsim.powercut.recorder import Op

DRIVER = Path(__file__).with_name("life_driver.py")


def record(folder: Path, life: int) -> list[Op]:
    """The operations of one life in `folder`, which is new."""
    folder.mkdir(parents=True)
    log = folder / "strace.log"
    done = recorder.run([sys.executable, str(DRIVER), str(folder / "data"), str(life)], log)
    assert done.returncode == 0, done.stderr
    made = recorder.operations(log, [folder])  # with the folder itself, whose sync makes the name `data` durable
    assert sum(op.kind == "sync" for op in made) > 10
    log.unlink()
    return made


def cut(ops: list[Op], folder: Path, life: int, count: int | None, *, seed: int = 0, first: int = 0) -> Iterator[str]:
    """Open `count` states of a recorded life (None: every operation in every mode); what is wrong with each, or "".

    first: no cut before so many operations; folder: as given to `record`; the states are written there, one at a time.
    """
    dice = random.Random(f"{life}/{seed}")
    places = [(at, mode) for at in range(first, len(ops) + 1) for mode in MODES]
    chosen = places if count is None else sorted(dice.sample(places, min(count, len(places))), key=places.index)
    final = end_of(folder / "data")
    disk, done, epoch, committed = Disk(folder / "data"), 0, None, -1
    for at, mode in chosen:
        for op in ops[done:at]:
            disk.apply(op)
            if op.kind == "said":
                word, number = op.data.decode().split()
                epoch = int(number) if word == "epoch" else epoch
                committed = max(committed, int(number)) if word == "committed" else committed
        done = at
        target = folder / "state"
        disk.write_out(target, dice, mode)
        try:
            wrong = examine(target, life, epoch, committed, final)
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}"
        yield wrong and f"life {life}, cut after operation {at} ({mode}): {wrong}"
        shutil.rmtree(target, ignore_errors=True)


def end_of(data: Path) -> list[object]:
    """What the whole life came to."""
    with closing(open_outbox(data, TRAP, NOW, audit_bytes=AUDIT_BYTES)) as box:
        return states(box)


def examine(target: Path, life: int, epoch: int | None, committed: int, final: list[object]) -> str:
    """Open one state and go on with the same bursts; what is wrong, or "".  Raises: what the code or a check does."""
    with closing(open_outbox(target, TRAP, NOW, audit_bytes=AUDIT_BYTES)) as box:
        if box.aside:
            return "it was taken for damaged"
        if box.missing:
            return f"{box.missing} full frames are missing"
        if epoch is not None and box.epoch != epoch:
            return "the epoch is another"
        if box.position(SOURCE) <= committed:
            return f"it stands at {box.position(SOURCE)}, and {committed + 1} commits had returned"
        if box.position(SOURCE):
            check(box, target, life)
        live(box, life)
        check(box, target, life)
        if box.position(SOURCE) != BURSTS or states(box) != final:
            return "it did not come to the same end"
    return ""
