"""The power goes at any write of a life; the unit starts again from what the card may hold then.

The card loses what was not synced, tears and reorders writes (`powercut.disk`). The supervisor's flash keeps the order
of its operations, as littlefs does; the last one may be half done.
"""

import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trapsim.powercut import recorder
from trapsim.powercut.disk import MODES, Disk
from trapsim.powercut.recorder import Op
from trapsim.updatesoak.life import OFFERS, UNIT, Life, check, drawn, unit
from trapsim.updatesoak.unit import FLASH, PI, Said

STATE = "state"


class Killed(BaseException):
    """The process is gone, in the middle of something."""


def record(folder: Path, seed: int) -> list[Op]:
    """The operations of a life in `folder`, which is new.  Raises: AssertionError when it did not end well."""
    folder.mkdir(parents=True)
    log = folder / "strace.log"
    done = recorder.run([sys.executable, "-m", "trapsim.updatesoak.life", str(folder), str(seed)], log)
    assert done.returncode == 0, done.stderr
    made = recorder.operations(log, [folder / UNIT])
    log.unlink()
    return made


def cut(
    ops: list[Op], folder: Path, seed: int, count: int, counts: "Counter[str]", *, twice: bool = True, first: int = 0
) -> Iterator[str]:
    """`count` cuts of a recorded life, each lived to its end; what is wrong with each, or "".

    twice: every second unit is killed once more on its way; first: no cut before so many operations.
    """
    life, dice = drawn(seed), random.Random(f"cuts {seed}")  # noqa: S311  (drawn again)
    first = max(first, next(at for at, op in enumerate(ops) if op.kind == "said"))
    places = sorted(dice.choices(range(first, len(ops) + 1), k=count))
    root = folder / UNIT
    card, flash, done = Disk(root / PI), Disk(root / FLASH), 0
    for at in places:
        for op in ops[done:at]:
            for disk, name in ((card, PI), (flash, FLASH)):
                if op.path == str(root) or f"{op.path}/".startswith(f"{root / name}/"):
                    disk.apply(op)
        done = at
        mode, state = dice.choice(MODES), folder / STATE
        shutil.rmtree(state, ignore_errors=True)
        card.write_out(state / PI, dice, mode)
        flash.write_out(state / FLASH, dice, "all")
        again = dice.randrange(1, 60) if twice and dice.random() < 0.5 else None
        counts["interruptions"] += 1 + (again is not None)
        wrong = _live(state, life, folder / OFFERS, again, counts)
        yield wrong and f"seed {seed} ({life.kind}; {', '.join(life.parts)}), cut after {at} ({mode}): {wrong}"


def _live(state: Path, life: Life, offers: Path, again: int | None, counts: "Counter[str]") -> str:
    try:
        if again is not None:
            try:
                with killed_after(again):
                    unit(state, life, offers, Said()).live()
            except Killed:
                counts["killed once more"] += 1
        with killed_after(None):
            lived = unit(state, life, offers, Said())
            counts["starts"] += lived.live()
            check(lived, life)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    record = lived.slots.read()
    counts[f"ended: {record.said.phase}" + (f", {record.said.code}" if record.said.code else "")] += 1
    return ""


@contextmanager
def killed_after(count: int | None) -> Iterator[None]:
    """Around a life: at the `count`th sync the process is gone (None: never). Nothing is really synced meanwhile: what
    a power cut would take was decided before."""
    sync, left = os.fsync, [count]

    def fsync(fd: Any) -> None:
        if left[0] is not None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

    os.fsync = fsync
    try:
        yield
    finally:
        os.fsync = sync
