"""Power cuts at any write of a recorded life of a base: the states, started again, and what must hold of each.

The back end is another machine: at each cut it has all that it had written. Traps know what they were told.
"""

import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trapbase.radio_counter import COUNTER
from trapsim.basesoak.books import Books
from trapsim.basesoak.cutlife import WAVES, make, wave
from trapsim.powercut import recorder
from trapsim.powercut.disk import MODES, Disk
from trapsim.powercut.recorder import Op
from trapsim.soakplan import draws_of
from trapwire.objects import ObjectKey

LIVES_OF_STATES = 40  # states of one life
LIMIT_MS = 120_000
RECORD_S = 3_600.0  # by the clock of a busy machine


def record(folder: Path, seed: int, number: int) -> list[Op]:
    """The operations of one life in `folder`, which is new."""
    folder.mkdir(parents=True)
    log = folder.with_name(f"{folder.name}.log")
    command = [sys.executable, "-m", "trapsim.basesoak.cutlife", str(folder), str(seed), str(number)]
    done = recorder.run(command, log, timeout_s=RECORD_S)
    if done.returncode:
        raise AssertionError(f"the life itself is wrong: {done.stderr[-500:]}")
    made = recorder.operations(log, [folder])
    log.unlink()
    return made


class Replay:
    """Plays the operations onto two disks and keeps what was said."""

    def __init__(self, folder: Path) -> None:
        self.base = Disk(folder / "base")
        self.backend = Disk(folder / "backend")
        self._folder = folder
        self.told: set[ObjectKey] = set()
        self.let_go: set[ObjectKey] = set()
        self.counters: dict[int, int] = {}

    def apply(self, op: Op) -> None:
        if op.kind == "said":
            for line in op.data.decode().splitlines():
                word, *numbers = line.split()
                if word == "counter":
                    self.counters[int(numbers[0])] = int(numbers[1])
                elif word in ("told", "letgo"):
                    (self.told if word == "told" else self.let_go).add(ObjectKey(*map(int, numbers)))
            return
        for name, disk in (("base", self.base), ("backend", self.backend)):
            own = str(self._folder / name)
            if op.path in (own, str(self._folder)) or op.path.startswith(own + "/"):
                disk.apply(op)


def cut(
    ops: list[Op], folder: Path, seed: int, number: int, count: int | None, *, first: int = 0
) -> Iterator[tuple[str, list[str]]]:
    """Start the base on `count` states of a recorded life (None: all, in every mode): which, and what is wrong.

    first: no cut before so many operations; folder: as given to `record`.
    """
    dice = draws_of(seed, number, "tearing")
    places = [(at, mode) for at in range(first, len(ops) + 1) for mode in MODES]
    chosen = places if count is None else sorted(dice.sample(places, min(count, len(places))), key=places.index)
    replay, done = Replay(folder), 0
    target = folder.with_name(f"{folder.name}-state")
    for at, mode in chosen:
        for op in ops[done:at]:
            replay.apply(op)
        done = at
        shutil.rmtree(target, ignore_errors=True)
        replay.base.write_out(target / "base", dice, mode)
        replay.backend.write_out(target / "backend", random.Random(0), "all")  # noqa: S311 - nothing is drawn
        try:
            wrong = examine(target, seed, number, replay, f"{at} {mode}")
        except Exception as error:  # which state it was is what matters
            wrong = [f"wrong: {type(error).__name__}: {error}"]
        yield f"life {number}, cut after operation {at} ({mode})", wrong
    shutil.rmtree(target, ignore_errors=True)


def examine(target: Path, seed: int, number: int, replay: Replay, place: str) -> list[str]:
    """Start the base on one state, and let its world go on to the end; what is wrong."""
    books = Books(target)
    (target / "base").mkdir(parents=True, exist_ok=True)
    life, draws = make(target, seed, number, books, place)
    for each in range(WAVES):
        wave(life, draws, each)
    for trap in life.traps:
        for key in [key for key in trap.waiting if key in replay.told | replay.let_go]:
            del trap.waiting[key]
        trap.card -= replay.let_go
    books.counters = dict(replay.counters)
    books.let_go = {key.as_tuple() for key in replay.let_go}
    with life.seams.in_place():
        life.base.step()
        for key in sorted(replay.told | replay.let_go, key=ObjectKey.as_tuple):
            books.tell(key)
        counter = target / "base" / COUNTER
        end = int(counter.read_text()) if counter.exists() else 0
        used = max(replay.counters.values(), default=-1)
        if used >= end:
            books.violation(f"wrong: frame counter {used} went out, and {end} is what is reserved")
        life.finish(LIMIT_MS)
    if life.base.ended:
        books.violation(f"wrong: the base ended by itself: {dict(life.base.ended)}")
    return books.violations


def run_cuts(seed: int, number: int, folder: Path, count: int | None = LIVES_OF_STATES) -> dict[str, Any]:
    """One life and its states."""
    ops = record(folder / "life", seed, number)
    counts: Counter[str] = Counter({"operations recorded": len(ops), "lives recorded": 1})
    violations = []
    for place, wrong in cut(ops, folder / "life", seed, number, count):
        counts["states after a power cut"] += 1
        counts[f"states, {place.rsplit('(', 1)[1].rstrip(')')}"] += 1
        violations += [f"{text} ({place})" for text in wrong]
    return {"counts": dict(counts), "violations": violations}
