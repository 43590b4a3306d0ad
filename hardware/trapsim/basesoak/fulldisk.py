"""A disk that refuses: each durable call of a life in turn, once or for a while; and a real small disk that is full.

The first is counted as `trapsim.crash` counts (fsync, rename, unlink, commit); the second refuses the writes
themselves, with as many pages left as it is told, in `smalldisk.py`.
"""

import errno
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from trapsim.basesoak.life import Life
from trapsim.crash import DURABLE, Fuse, fused
from trapsim.soakplan import draws_of

SICK_MS = 12_000  # how long the disk goes on refusing: over two of the pauses after which it is tried again
ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT)
LIMIT_MS = 300_000


class SickFuse(Fuse):
    """Refuses the call of number `at`, and for `for_ms` all after it. `refused`: how many."""

    def __init__(self, at: int, for_ms: int, number: int) -> None:
        super().__init__()
        self.refused = 0
        self.durable = 0  # calls so far, each once
        self.now = 0
        self._at = at
        self._for_ms = for_ms
        self._until = -1
        self._number = number
        self.fault = self._refuse

    def _refuse(self, name: str) -> None:
        if name not in (*DURABLE, "COMMIT"):
            return
        self.durable += 1
        if self.durable - 1 == self._at:
            self._until = self.now + self._for_ms
        elif self.now >= self._until:
            return
        self.refused += 1
        if name != "COMMIT":
            raise OSError(self._number, os.strerror(self._number))
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        error.sqlite_errorname = "SQLITE_FULL"
        raise error


def make(folder: Path, fuse: Fuse, seed: int) -> tuple[Life, random.Random]:
    """The life that is played again and again: the same for a seed."""
    draws = draws_of(seed, 0, "full disk")
    life = Life(folder, draws, fuse, radio=1, network=1)
    return life, draws


def live(life: Life, draws: random.Random, fuse: SickFuse | None = None) -> None:
    """Two sightings of each trap, now and later, with whatever the disk does."""

    def watch() -> bool:
        if fuse is not None:
            fuse.now = life.clock.now
        return False

    for wave in range(2):
        for trap in life.traps:
            life.see(trap, (1 + wave,), draws)
        life.run(lambda: watch() or life.is_done(), SICK_MS // 2)
    life.run(lambda: watch() or life.is_done(), SICK_MS)


def run_sick(seed: int, at: int, for_ms: int, folder: Path) -> dict[str, Any]:
    """One life whose disk refuses the call of number `at`."""
    sick = SickFuse(at, for_ms, ERRORS[at % len(ERRORS)])
    with fused(sick) as fuse:
        life, draws = make(folder, fuse, seed)
        with life.seams.in_place():
            live(life, draws, sick)
            sick.fault = None
            life.finish(LIMIT_MS)
    counts = dict(life.books.counts) | {
        "lives with a disk that refuses": 1, "calls that a disk refused": sick.refused,
        "ended by itself": sum(life.base.ended.values()), "durable calls": sick.durable,
    }  # fmt: skip
    return {"counts": counts, "violations": life.books.violations, "ended": dict(life.base.ended)}


def sick_calls(seed: int, folder: Path, first: int = 0, every: int = 1) -> dict[str, Any]:
    """Every `every`-th durable call of the life from the first on, once and for a while, until there is none left."""
    counts: Counter[str] = Counter()
    violations: list[str] = []
    at = first
    while True:
        refused = 0
        for for_ms in (0, SICK_MS):
            done = run_sick(seed, at, for_ms, folder / "life")
            shutil.rmtree(folder / "life")
            refused += done["counts"]["calls that a disk refused"]
            del done["counts"]["durable calls"]
            counts += Counter(done["counts"])
            violations += [f"{text} (call {at} refused for {for_ms} ms)" for text in done["violations"]]
        if not refused:
            break
        at += every
    return {"counts": dict(counts), "violations": violations}


def can_mount() -> bool:
    """Whether a user may make a small disk in a namespace of his own here."""
    tried = subprocess.run(
        ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, check=False
    ) if shutil.which("unshare") else None  # fmt: skip
    return tried is not None and tried.returncode == 0


def small_disk(seed: int, folder: Path, first: int, step: int, last: int) -> dict[str, Any]:
    """Lives on a disk with first, first + step… pages left; see `smalldisk.py`."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [str(number) for number in (seed, first, step, last)]
    command = ["unshare", "-rm", sys.executable, "-m", "trapsim.basesoak.smalldisk", str(folder), *numbers]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr[-1000:])
    found: dict[str, Any] = json.loads(done.stdout)
    return found
