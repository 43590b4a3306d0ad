"""Durable ingest beside bare SQLite: the same bytes, the same pragmas, the same groups, in turn, some groups each.

In turn, so that whatever else the machine does meets both. Ours is done with a turn when its last group is
acknowledged: it reads a group while the disk takes the one before, as `trapbase run` does. `bare` is one table with
the key and the bytes and nothing else; `rows` is bare SQLite with the columns and keys that custody needs, written
without looking at anything.
"""

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

from trapbase.ingest import SUBSCRIPTIONS, Ingest
from trapbase.intake.beside import Beside
from trapbase.store import CACHE_KB, CHECKPOINT_PAGES, Store
from trapkit import topics
from trapsim.basebench.feed import BEGIN_MS, EPOCH, alert
from trapsim.memorybus import MemoryBroker
from trapwire.objects import ALERT, CROP, Envelope, ObjectKey

GROUP = 64  # messages: 32 sightings, alert and crop
TURN = 10  # groups
CROP_SEALED = 1528
TRAPS = 40
BARE = "CREATE TABLE objects (trap, epoch, number, rung, body, PRIMARY KEY (trap, epoch, number, rung))"
ROWS = """
CREATE TABLE objects (id INTEGER PRIMARY KEY, trap, epoch, number, rung, sha256, size, body, state, base, rssi_dbm,
  snr_db, received_ms, stored_ms, UNIQUE (trap, epoch, number, rung));
CREATE TABLE events (trap, epoch, number, time_ms, uncertainty_ms, species, confidence, count, box_x, box_y, box_width,
  box_height, battery, arrival, PRIMARY KEY (trap, epoch, number)) WITHOUT ROWID;
"""
Message = tuple[int, int, bytes]  # trap, number, body of an alert, or of a crop where it is that long


def bench_durable(folder: Path, groups: int) -> dict[str, Any]:
    """Rates and ratios over `groups` groups; `sync_ms`: what one fsync of this disk takes meanwhile."""
    folder.mkdir(parents=True)
    broker = MemoryBroker()
    store = Store(folder / "base")
    ingest = Ingest(broker.connect("ingest", SUBSCRIPTIONS), store, group=GROUP, beside=Beside("ahead"))
    bare, rows = _open(folder / "bare.sqlite3", BARE), _open(folder / "rows.sqlite3", ROWS)
    times: dict[str, list[float]] = {"ours": [], "bare": [], "rows": []}
    cpu: dict[str, list[float]] = {"ours": [], "bare": [], "rows": []}
    each_turn = min(TURN, groups)
    for turn in range(groups // each_turn):
        play = [_messages(number) for number in range(turn * each_turn, (turn + 1) * each_turn)]
        _deliver(broker, play)
        work: dict[str, Callable[[], object]] = {
            "ours": partial(_ingest, ingest),
            "bare": partial(_each, _write_bare, bare, play),
            "rows": partial(_each, _write_rows, rows, play),
        }
        order = list(work)
        for name in order[turn % 3 :] + order[: turn % 3]:
            started, spent = time.perf_counter(), time.process_time()
            work[name]()
            times[name].append(time.perf_counter() - started)
            cpu[name].append(time.process_time() - spent)
    ingest.close()
    for each in (bare, rows):
        each.close()
    store.close()
    events = GROUP // 2 * each_turn
    played = groups // each_turn * each_turn
    found: dict[str, Any] = {"group": GROUP, "groups": played, "sync_ms": round(_sync_ms(folder), 2)}
    for name, own in times.items():
        found[f"{name}_events_per_s"] = round(events * len(own) / sum(own))
        found[f"{name}_cpu_us"] = round(sum(cpu[name]) / len(own) / events * 1e6)
    for name in ("bare", "rows"):
        found[f"ratio_{name}"] = round(sum(times[name]) / sum(times["ours"]), 3)
        found[f"ratio_{name}_median"] = round(median(times[name]) / median(times["ours"]), 3)
    return found


def _deliver(broker: MemoryBroker, groups: list[list[Message]]) -> None:
    said = {"base": "north", "rssi_dbm": "-97", "snr_db": "6.25", "received_ms": str(BEGIN_MS)}
    for trap, event, body in chain.from_iterable(groups):
        rung = ALERT if len(body) < CROP_SEALED else CROP
        name = "alert" if rung == ALERT else "crop"
        broker.deliver(topics.up(trap, name), Envelope(ObjectKey(trap, EPOCH, event, rung), body).encode(), said)


def _ingest(ingest: Ingest) -> None:
    while ingest.step(0, BEGIN_MS):
        pass


def _each(
    write: Callable[[sqlite3.Connection, list[Message]], None], db: sqlite3.Connection, groups: list[list[Message]]
) -> None:
    for group in groups:
        write(db, group)


def _messages(group: int) -> list[Message]:
    found: list[Message] = []
    for i in range(GROUP // 2):
        number = group * (GROUP // 2) + i
        trap, event = number % TRAPS + 1, number // TRAPS + 1
        found.append((trap, event, alert(BEGIN_MS + number * 1000, number)))
        found.append((trap, event, hashlib.shake_128(number.to_bytes(4, "big")).digest(CROP_SEALED)))
    return found


def _open(path: Path, schema: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
    db.executescript(schema)
    return db


def _write_bare(db: sqlite3.Connection, group: list[Message]) -> None:
    db.execute("BEGIN IMMEDIATE")
    rows = [(trap, EPOCH, number, int(len(body) >= CROP_SEALED), body) for trap, number, body in group]
    db.executemany("INSERT INTO objects VALUES (?, ?, ?, ?, ?)", rows)
    db.execute("COMMIT")


def _write_rows(db: sqlite3.Connection, group: list[Message]) -> None:
    db.execute("BEGIN IMMEDIATE")
    heard = ("stored", "north", -97, 6.25, BEGIN_MS, BEGIN_MS)
    rows = [
        (trap, EPOCH, number, int(len(body) >= CROP_SEALED), body[:32].ljust(32), len(body), body, *heard)
        for trap, number, body in group
    ]
    db.executemany("INSERT INTO objects VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    alerts = [(t, EPOCH, n, BEGIN_MS, 200, 1, 200, 1, 10, 10, 90, 90, 80, n) for t, n, body in group if len(body) < 100]
    db.executemany(f"INSERT INTO events VALUES ({', '.join('?' * 14)})", alerts)  # noqa: S608
    db.execute("COMMIT")


def _sync_ms(folder: Path, tries: int = 40) -> float:
    """The median of a WAL-sized write and its fsync, ms."""
    path, waits = folder / "sync", []
    with path.open("wb") as file:
        for _ in range(tries):
            file.write(bytes(64 * 1024))
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            waits.append(time.perf_counter() - started)
    path.unlink()
    return median(waits) * 1000
