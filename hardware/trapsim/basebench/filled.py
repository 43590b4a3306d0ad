"""A base with many sightings in custody, all signed for long ago: written straight into its tables, in large groups.

The rows are those that ingest, cutter and receipts leave behind; only their way there is short.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from trapbase.store import DATABASE, Store
from trapsim.basebench.feed import BEGIN_MS, alert
from trapwire.alert import decode_alert
from trapwire.objects import ALERT, CROP

OLD_EPOCH = 0x01D0BA5E
BATCH = 50  # sightings
GROUP = 200  # batches a transaction
CROP_SEALED = 1528
OBJECT = """INSERT INTO objects (id, trap, epoch, number, rung, sha256, size, body, state, batch_id, base, rssi_dbm,
  snr_db, received_ms, stored_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'receipted', ?, 'north', -97, 6.25, ?, ?)"""
EVENT = """INSERT INTO events (trap, epoch, number, time_ms, uncertainty_ms, species, confidence, count, box_x, box_y,
  box_width, box_height, battery, event_id, arrival) VALUES (?, ?, ?, ?, 208, ?, ?, 1, 10, 10, 90, 90, 80, ?, ?)"""
BATCHES = """INSERT INTO batches (batch_id, state, size, objects, url, cut_ms, uploaded_ms, receipted_ms)
  VALUES (?, 'receipted', ?, ?, 'http://x/files/1', ?, ?, ?)"""
RECEIPT = """INSERT INTO receipts (batch_id, trap, epoch, body, state, stored_ms, delivered_ms)
  VALUES (?, ?, ?, ?, 'delivered', ?, ?)"""
TALLIES = """
UPDATE tallies SET (count, bytes) = (SELECT count(*), sum(size) FROM objects WHERE state = 'receipted')
  WHERE kind = 'objects' AND state = 'receipted';
DELETE FROM seen;
INSERT INTO seen SELECT trap, species, count(*), max(arrival) FROM events GROUP BY trap, species;
"""


def fill(folder: Path, traps: int, want: int, say: Callable[[str], None]) -> None:
    """Make a base in `folder` that holds `want` sightings."""
    Store(folder).close()
    batches = range(want // BATCH)
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")  # nobody's custody: a power cut here costs a benchmark
        db.execute("PRAGMA cache_size = -400000")
        for first in range(0, len(batches), GROUP):
            db.execute("BEGIN IMMEDIATE")
            for number in batches[first : first + GROUP]:
                _add_batch(db, traps, number)
            db.execute("COMMIT")
            if first % (GROUP * 10) == 0:
                say(f"{(batches[first] + 1) * BATCH} of {want} sightings are there…")
        db.executescript(TALLIES)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _add_batch(db: sqlite3.Connection, traps: int, batch: int) -> None:
    name = hashlib.sha256(b"batch %d" % batch).hexdigest()
    at_ms = BEGIN_MS - 90_000_000_000 + batch * 1_000_000
    db.execute(BATCHES, (name, 90_000, 2 * BATCH, at_ms, at_ms, at_ms))
    objects: list[tuple[Any, ...]] = []
    events: list[tuple[Any, ...]] = []
    outboxes: set[int] = set()
    newest = db.execute("SELECT coalesce(max(id), 0) FROM objects").fetchone()[0]
    for trap, number, event_at_ms in _sightings(traps, batch):
        row = newest + 2 * len(events) + 1
        body = alert(event_at_ms, number)
        crop = hashlib.shake_128(b"%d %d" % (trap, number)).digest(CROP_SEALED)
        for rung, data, place in ((ALERT, body, row), (CROP, crop, row + 1)):
            digest = hashlib.sha256(data).digest()
            objects.append((place, trap, OLD_EPOCH, number, rung, digest, len(data), data, name, at_ms, at_ms))
        said = decode_alert(body)
        events.append((trap, OLD_EPOCH, number, event_at_ms, said.species, said.confidence, f"S{trap}-{number}", row))
        outboxes.add(trap)
    db.executemany(OBJECT, objects)
    db.executemany(EVENT, events)
    rows: list[tuple[Any, ...]] = [(name, trap, OLD_EPOCH, bytes(100), at_ms, at_ms) for trap in sorted(outboxes)]
    db.executemany(RECEIPT, rows)


def _sightings(traps: int, batch: int) -> Iterator[tuple[int, int, int]]:
    """Trap, number and time of a batch's sightings."""
    for i in range(batch * BATCH, (batch + 1) * BATCH):
        yield i % traps + 1, i // traps + 1, BEGIN_MS - 90_000_000_000 + i * 20_000
