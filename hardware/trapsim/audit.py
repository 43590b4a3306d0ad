"""The demo's auditor: reads the traps', the base's and the back end's databases and compares what each says it has.

It trusts no program's own counters for custody: `lost` and `duplicated` come from comparing rows with rows.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trapsim.channel import read_stats
from trapsim.site import TRAPS
from trapwire.objects import ALERT, CROP, FRAME, FULL, FULLS

SENT_RUNGS = frozenset({ALERT, CROP})  # what goes over the radio; frames and full frames stay on the trap
NETWORK_RUNGS = SENT_RUNGS | {FRAME, *FULLS}  # what a trap with a network delivers
EVERY_RUNG = SENT_RUNGS | {FRAME, FULL}  # what each sighting has; further full frames only where they show more

# Where each database lies: the outbox under its trap, the others under the demo's folder.
OUTBOX = "data/outbox.sqlite"
BASE = "base/base.sqlite3"
BACKEND = "backend/backend.sqlite3"
STATS = "run/channel.json"


@dataclass(frozen=True, kw_only=True)
class Audit:
    """One look at the whole path; the fields are those of `trapsim demo --json`."""

    frames_in: int = 0
    frames_kept: int = 0
    sightings: int = 0
    lora_frames: int = 0
    airtime_ms: int = 0
    alerts_stored: int = 0
    sightings_stored: int = 0
    media_stored: int = 0
    batches_uploaded: int = 0
    receipts: int = 0
    deleted_on_trap: int = 0
    full_frames_held: int = 0
    full_frames_received: int = 0
    lost: int = 0
    duplicated: int = 0
    judged: int = 0  # of `pictures`; a video counts as often as it gives a burst
    pictures: int = 0
    missing: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Every picture judged, and all that its trap can send delivered, receipted and deleted."""
        return self.pictures > 0 and not self.lost and not self.missing and self.sightings_stored == self.sightings

    def figures(self) -> dict[str, Any]:
        figures = asdict(self)
        del figures["missing"], figures["pictures"], figures["judged"]
        return figures


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A read-only connection, or None where the process has not made its database yet."""
    if not path.exists():
        yield None
        return
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10)
    try:
        connection.execute("BEGIN")  # one moment for all questions
        # A database is made before its tables are.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        yield connection if version else None
    finally:
        connection.close()


Key = tuple[int, int, int, int]  # trap, epoch, number, rung


@dataclass(kw_only=True)
class _Trap:
    """One outbox: what it says of itself, and `wrong`, how often it contradicts itself."""

    position: int = 0
    frames: int = 0
    kept: int = 0
    events: int = 0
    doubled: int = 0
    deleted: int = 0
    full_held: int = 0
    wrong: int = 0
    sent: frozenset[int] = SENT_RUNGS  # the rungs that it has a carrier for
    objects: dict[Key, tuple[bytes, str]] = field(default_factory=dict)  # key -> digest, state


def _read_trap(folder: Path, number: int, sent: frozenset[int]) -> _Trap:
    trap = _Trap(sent=sent)
    with _reading(folder / OUTBOX) as db:
        identity = db.execute("SELECT epoch FROM outbox").fetchone() if db is not None else None
        if db is None or identity is None:
            return trap

        def count(question: str) -> int:
            return int(db.execute(question).fetchone()[0])

        trap.position = count("SELECT coalesce(sum(position), 0) FROM progress")
        trap.kept = count("SELECT coalesce(sum(frames), 0) FROM bursts WHERE outcome = 'kept'")
        trap.events = count("SELECT count(*) FROM events")
        # The same picture kept twice would be one animal counted twice.
        distinct = count("SELECT count(*) FROM (SELECT DISTINCT source, name FROM bursts WHERE outcome = 'kept')")
        trap.doubled = max(0, trap.events - distinct)
        # A picture passed over without an outcome, or kept without an event, is a sighting that may be gone.
        withheld = count("SELECT coalesce(sum(value), 0) FROM counters WHERE name = 'frames_withheld'")
        trap.frames = count("SELECT coalesce(sum(value), 0) FROM counters WHERE name = 'frames_in'")
        trap.wrong = abs(trap.frames - count("SELECT coalesce(sum(frames), 0) FROM bursts") - withheld)
        # Bursts of people leave no row: there are as many as positions without one, each of at least one frame.
        private = trap.position - count("SELECT count(*) FROM bursts")
        trap.wrong += max(0, -private, private - withheld, int(withheld > 0 and private == 0))
        trap.wrong += max(0, distinct - trap.events)
        for event, rung, state, digest in db.execute("SELECT number, rung, state, sha256 FROM objects"):
            trap.objects[(number, identity[0], event, rung)] = (digest, state)
            trap.deleted += state == "deleted"
            trap.full_held += rung in FULLS and rung not in sent and state != "deleted"
        for (event,) in db.execute("SELECT number FROM events"):
            there = {key[3] for key in trap.objects if key[2] == event}
            trap.wrong += len(((sent & EVERY_RUNG) | {FULL}) - there)
            trap.wrong += FULLS[2] in there and FULLS[1] not in there
    return trap


def _read_objects(path: Path) -> tuple[dict[Key, bytes], int]:
    """Objects by key with their digests, and how many rows stand beyond one a key."""
    with _reading(path) as db:
        if db is None:
            return {}, 0
        rows = db.execute("SELECT trap, epoch, number, rung, sha256 FROM objects").fetchall()
    found: dict[Key, bytes] = {}
    for *key, digest in rows:
        found[(key[0], key[1], key[2], key[3])] = bytes.fromhex(digest) if isinstance(digest, str) else digest
    return found, len(rows) - len(found)


def _one(path: Path, question: str) -> int:
    with _reading(path) as db:
        return 0 if db is None else int(db.execute(question).fetchone()[0])


def look(
    folder: Path, pictures: int, traps: Iterable[int] = TRAPS, *, networked: Collection[int] = frozenset()
) -> Audit:
    """Compare all databases under `folder`.

    pictures: how many each trap was given; networked: traps whose full frames must be received, not held.

    An object is *lost* when it has left its trap and the back end does not hold those very bytes, and *missing*
    while it is still under way. Duplicates are counted at the trap, the base and the back end.
    """
    found = [_read_trap(folder / f"trap{n}", n, NETWORK_RUNGS if n in networked else SENT_RUNGS) for n in traps]
    base_db, backend_db = folder / BASE, folder / BACKEND
    stored, doubled_at_base = _read_objects(base_db)
    received, doubled_at_backend = _read_objects(backend_db)
    doubled_at_backend += _one(backend_db, "SELECT coalesce(sum(value), 0) FROM counters WHERE name = 'duplicated'")
    lost, full_received, missing = sum(t.wrong for t in found), 0, []
    for trap in found:
        if trap.position < pictures:
            missing.append(f"{pictures - trap.position} pictures not judged yet")
        for key, (digest, state) in trap.objects.items():
            # Other bytes under the same key at the base or the back end are not this object.
            full_received += key[3] in FULLS and stored.get(key) == digest
            if key[3] not in trap.sent:
                continue
            there = stored.get(key) == digest and received.get(key) == digest
            if state == "deleted" and not there:
                lost += 1
            if state != "deleted" or not there:
                missing.append(f"trap {key[0]} event {key[2]} rung {key[3]}: {state}, {_where(key, stored, received)}")
    unheard = _one(base_db, "SELECT count(*) FROM receipts WHERE state = 'signed'")
    missing += [f"{unheard} receipts on their way to their traps"] * (unheard > 0)
    known = {key for trap in found for key in trap.objects}
    # What no trap ever made, the base and the back end cannot have.
    invented = len(set(stored) - known) + len(set(received) - known)
    air = read_stats(folder / STATS)
    return Audit(
        frames_in=sum(t.frames for t in found),
        judged=sum(t.position for t in found),
        frames_kept=sum(t.kept for t in found),
        sightings=sum(t.events for t in found),
        lora_frames=air.frames,
        airtime_ms=air.airtime_ms,
        alerts_stored=sum(key[3] == ALERT for key in stored),
        sightings_stored=_one(base_db, "SELECT count(*) FROM events"),
        media_stored=sum(key[3] != ALERT for key in stored),
        batches_uploaded=_one(base_db, "SELECT count(*) FROM batches WHERE state = 'receipted'"),
        receipts=_one(base_db, "SELECT count(*) FROM receipts WHERE state = 'delivered'"),
        deleted_on_trap=sum(t.deleted for t in found),
        full_frames_held=sum(t.full_held for t in found),
        full_frames_received=full_received,
        lost=lost,
        duplicated=sum(t.doubled for t in found) + doubled_at_base + doubled_at_backend + invented,
        pictures=pictures * len(found),
        missing=tuple(missing),
    )


def _where(key: Key, stored: dict[Key, bytes], received: dict[Key, bytes]) -> str:
    return "at the back end" if key in received else "at the base" if key in stored else "not at the base"
