"""The power goes at any write of a life; the unit starts again from what the card may hold then.

The card loses what was not synced, tears and reorders writes (`powercut.disk`). The supervisor's flash keeps the order
of its operations, as littlefs does; the last one may be half done.
"""

import errno
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
KILL, FULL = "killed", "card full"
WAYS = ("", "", KILL, KILL, FULL)  # how a unit is interrupted once more
FULL_SYNCS = 5


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

    twice: many are interrupted once more on their way, as in WAYS; first: no cut before so many operations.
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
        again = dice.choice(WAYS) if twice else ""
        at_sync = dice.randrange(1, 60)
        counts["interruptions"] += 1 + bool(again)
        counts[f"power cuts, {mode}"] += 1
        wrong = _live(state, life, folder / OFFERS, again, at_sync, counts)
        yield wrong and f"seed {seed} ({life.kind}; {', '.join(life.parts)}), cut after {at} ({mode}): {wrong}"


def _live(state: Path, life: Life, offers: Path, again: str, at_sync: int, counts: "Counter[str]") -> str:
    try:
        if again:
            lived = unit(state, life, offers, Said())
            lived.may_refuse = again == FULL
            try:
                with interrupted(again, at_sync):
                    lived.live()
                counts["over before the second interruption"] += 1
            except Killed:
                counts["of them killed in a later start"] += 1
            counts["refused writes"] += lived.refusals
        with interrupted("", 0):
            lived = unit(state, life, offers, Said())
            counts["starts"] += lived.live()
            check(lived, life)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    record = lived.slots.read()
    counts[f"ended: {record.said.phase}" + (f", {record.said.code}" if record.said.code else "")] += 1
    return ""


@contextmanager
def interrupted(how: str, at_sync: int) -> Iterator[None]:
    """Around a life: at that sync the process is gone (KILL), or the card is full for a while (FULL). Nothing is really
    synced meanwhile: what a power cut would take was decided before."""
    sync, count = os.fsync, [0]

    def fsync(fd: Any) -> None:
        count[0] += 1
        if how == KILL and count[0] >= at_sync:
            raise Killed
        if how == FULL and 0 <= count[0] - at_sync < FULL_SYNCS:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    os.fsync = fsync
    try:
        yield
    finally:
        os.fsync = sync
