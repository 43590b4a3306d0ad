"""What traps handed over, what they were told, what they let go: and whether the base and the back end bear it out.

It trusts no program's own counters: rows are compared with rows, and files with digests.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from trapbase.media import read_from
from trapbase.verify import problems
from trapkit.errors import SetupError, StorageError
from trapwire.errors import WireError
from trapwire.frame import PIECE, peek_frame
from trapwire.objects import ALERT, NOTE, Envelope, ObjectKey

MAX_VIOLATIONS = 10  # of a life: the first says most
BASE, BACKEND = "base/base.sqlite3", "backend/backend.sqlite3"
Row = tuple[int, int, int, int]


class Books:
    """Of one world in `folder` (`base/` and `backend/` in it). `counts`: what was seen; `violations`: what may not be.

    `counters`: the highest frame counter that went out to each trap; `contested`: keys under which somebody else's
    bytes came to the base too, perhaps first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self.made: dict[Row, bytes] = {}
        self.told: set[Row] = set()
        self.let_go: set[Row] = set()
        self.contested: set[Row] = set()
        self.backend_forgets = False  # it may lose what it signed for: that is not the base's loss
        self.shared_backend = False  # another base sends it the same objects in other batches: it keeps each once
        self.counters: dict[int, int] = {}
        self.came_back = False  # from a backup: some of what it sent lies at the back end alone, and is noted so
        self._receipts: dict[tuple[int, int], bytes] = {}

    def violation(self, text: str) -> None:
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(text)

    def make(self, envelope: Envelope) -> None:
        """A trap has this from now on."""
        self.made[envelope.key.as_tuple()] = hashlib.sha256(envelope.body).digest()

    def tell(self, key: ObjectKey) -> None:
        """A trap was told that the base has this object: it must be there, now, in a row and with its bytes."""
        row = key.as_tuple()
        self.counts["objects told to be safe"] += row not in self.told
        self.told.add(row)
        if row not in self.made:
            self.violation(f"wrong: {key!r} was told to be safe, and no trap made it")
        elif row not in self.contested and not self._is_safe(row):
            self.violation(f"lost: {key!r} was told to be safe at the base and is not there")

    def _is_safe(self, row: Row) -> bool:
        with closing(reading(self.folder / BASE)) as db:
            found = db.execute(
                "SELECT sha256, body FROM objects WHERE (trap, epoch, number, rung) = (?, ?, ?, ?)"
                " UNION ALL SELECT sha256, body FROM conflicts WHERE (trap, epoch, number, rung) = (?, ?, ?, ?)",
                row + row,
            ).fetchall()
        return any(
            digest == self.made[row] and (body is not None or read_from(self.folder / "base/media", digest) is not None)
            for digest, body in found
        )

    def delete(self, key: ObjectKey) -> None:
        """A trap lets go of an object by a receipt: the back end must have those very bytes."""
        row = key.as_tuple()
        self.let_go.add(row)
        self.counts["objects let go by receipts"] += 1
        if self.backend_forgets:
            return
        with closing(reading(self.folder / BACKEND)) as db:
            (found,) = db.execute(
                "SELECT count(*) FROM objects WHERE (trap, epoch, number, rung, sha256) = (?, ?, ?, ?, ?)",
                (*row, self.made[row]),
            ).fetchone()
        if not found:
            self.violation(f"lost: {key!r} was let go, and the back end has not got it")

    def sent(self, frame: bytes) -> None:
        """The base's modem was given this frame: no counter goes out twice under one key."""
        try:
            head = peek_frame(frame)
        except WireError as error:
            self.violation(f"wrong: the base sent what is no frame: {error}")
            return
        self.counts["frames sent by the base"] += 1
        if head.kind == PIECE:
            return  # of its counter only half is to be seen; it lies between those of the others
        if head.counter <= self.counters.get(head.address, -1):
            self.violation(f"wrong: frame counter {head.counter} to trap {head.address} is not new")
        self.counters[head.address] = max(head.counter, self.counters.get(head.address, -1))

    def hear_receipt(self, key: ObjectKey, body: bytes) -> None:
        """A trap hears a receipt: under its number it never heard another."""
        said = self._receipts.setdefault((key.trap, key.number), body)
        if said != body:
            self.violation(f"wrong: receipt {key.number} to trap {key.trap} was another one before")

    def is_held(self, key: ObjectKey) -> bool:
        """Whether the base has it, or knows that the back end has."""
        with closing(reading(self.folder / BASE)) as db:
            return key.as_tuple() in _elsewhere(db) or self._is_safe(key.as_tuple())

    def is_all_there(self) -> bool:
        """Whether the back end has all that was made and nobody else's bytes stand for."""
        backend, _ = _objects(self.folder / BACKEND)
        return all(backend.get(row) == digest for row, digest in self.made.items() if row not in self.contested)

    def close(self) -> None:
        """The end: all that was made is at the base and at the back end, once and with its bytes; all is clean."""
        here, doubled = _objects(self.folder / BASE)
        base = here
        if self.came_back:
            with closing(reading(self.folder / BASE)) as db:
                away = _elsewhere(db)
            self.counts["objects that lie at the back end alone"] += len(away.keys() - here.keys())
            base = away | here
        backend, more = _objects(self.folder / BACKEND)
        doubled += more
        for row, digest in self.made.items():
            if row in self.contested:
                continue
            if base.get(row) != digest:
                self.violation(f"lost: {ObjectKey(*row)!r} is not at the base")
            elif backend.get(row) != digest and not (self.backend_forgets and row in self.let_go):
                self.violation(f"lost: {ObjectKey(*row)!r} is not at the back end")
        doubled += len([row for row in backend if row not in base])
        if not self.shared_backend:
            sent_twice = "SELECT coalesce(sum(value), 0) FROM counters WHERE name = 'duplicated'"
            doubled += _one(self.folder / BACKEND, sent_twice)
        doubled += _one(
            self.folder / BASE, "SELECT count(*) FROM (SELECT 1 FROM receipts GROUP BY id HAVING count(*) > 1)"
        )
        events = _one(self.folder / BASE, "SELECT count(*) FROM events")
        doubled += max(0, events - sum(row[3] == ALERT for row in here))
        if doubled:
            self.violation(f"doubled: {doubled} rows too many")
        for text in self.unclean():
            self.violation(f"unclean: {text}")
        self.counts["objects"] += len(self.made)
        self.counts["receipts"] += _one(self.folder / BASE, "SELECT count(*) FROM receipts")
        self.counts["batches"] += _one(self.folder / BASE, "SELECT count(*) FROM batches")
        self.counts["objects that came again"] += _one(
            self.folder / BASE, "SELECT coalesce(sum(value), 0) FROM counters WHERE name = 'repeats'"
        )

    def unclean(self) -> Iterator[str]:
        """What `trapbase verify` says, and what was left half done."""
        self.counts["times that verify was run"] += 1
        try:
            yield from problems(self.folder / "base")
        except (SetupError, StorageError) as error:
            yield str(error)
        for left in (self.folder / "base" / "media" / "incoming").iterdir():
            yield f"{left} was left there"


def reading(path: Path) -> sqlite3.Connection:
    """A connection that only reads."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10)


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection | None]:
    if not path.exists():
        yield None
        return
    with closing(reading(path)) as db:
        yield db if db.execute("PRAGMA user_version").fetchone()[0] else None


def _objects(path: Path) -> tuple[dict[Row, bytes], int]:
    """Objects by key with their digests, and how many rows stand beyond one a key."""
    with _open(path) as db:
        rows = [] if db is None else db.execute("SELECT trap, epoch, number, rung, sha256 FROM objects").fetchall()
    found = {(row[0], row[1], row[2], row[3]): row[4] for row in rows if row[3] != NOTE or row[4]}
    return found, len(rows) - len(found)


def _elsewhere(db: sqlite3.Connection) -> dict[Row, bytes]:
    """What a base that came back knows to lie at the back end alone, or did when it asked."""
    rows = db.execute("SELECT trap, epoch, number, rung, sha256 FROM elsewhere").fetchall()
    return {(row[0], row[1], row[2], row[3]): row[4] for row in rows}


def _one(path: Path, question: str) -> int:
    with _open(path) as db:
        return 0 if db is None else int(db.execute(question).fetchone()[0])
