"""A base's life as a process of its own, to be recorded: `python -m trapsim.basesoak.cutlife FOLDER SEED NUMBER`.

What a power cut must not take back is said on stderr, where the recorder sees it between the writes. The base is killed
and started again on the way, and its database writes its log back far more often than usual, so that this is met too.
"""

import random
import sqlite3
import sys
from pathlib import Path
from typing import Any

from trapsim.basesoak.books import Books
from trapsim.basesoak.life import Life
from trapsim.crash import Fuse
from trapsim.soakplan import draws_of
from trapwire.objects import ObjectKey

WAVES = 3
WAVE_MS = 4_000
CHECKPOINTS = (3, 20, 1000)  # pages in the log


class SayingBooks(Books):
    """Says what traps are told, what they let go, and how far the frame counter is."""

    def tell(self, key: ObjectKey) -> None:
        say("told", *key.as_tuple())
        super().tell(key)

    def delete(self, key: ObjectKey) -> None:
        say("letgo", *key.as_tuple())
        super().delete(key)

    def sent(self, frame: bytes) -> None:
        super().sent(frame)
        for trap, counter in self.counters.items():
            say("counter", trap, counter)


def say(*words: object) -> None:
    sys.stderr.write(" ".join(map(str, words)) + "\n")
    sys.stderr.flush()


def make(folder: Path, seed: int, number: int, books: Books, again: str = "") -> tuple[Life, random.Random]:
    """The life of that number, with nothing seen yet."""
    draws = draws_of(seed, number, "cuts")
    life = Life(folder, draws, Fuse(), radio=number % 2, network=1 + (number % 3 == 0), books=books, again=again)
    return life, draws


def wave(life: Life, draws: random.Random, count: int) -> None:
    """What traps see in one of the waves, counted from 0."""
    for trap in life.traps:
        life.see(trap, range(1 + 2 * count, 3 + 2 * count), draws)


def main(folder: Path, seed: int, number: int) -> int:
    """Live it; 1 where it is wrong by itself."""
    life, draws = make(folder, seed, number, SayingBooks(folder))
    deaths = draws_of(seed, number, "restarts")
    pages = CHECKPOINTS[number % len(CHECKPOINTS)]
    connect = sqlite3.connect

    def connect_checked(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        made: sqlite3.Connection = connect(*args, **kwargs)
        made.execute(f"PRAGMA wal_autocheckpoint = {pages}")
        return made

    sqlite3.connect = connect_checked  # type: ignore[assignment]
    with life.seams.in_place():
        for count in range(WAVES):
            wave(life, draws, count)
            life.run(life.is_done, deaths.randint(500, WAVE_MS))
            if deaths.random() < 0.5:
                life.base.stop()
            else:
                life.base.kill()
        life.finish()
    for text in life.books.violations:
        say("violation", text)
    return 1 if life.books.violations else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
