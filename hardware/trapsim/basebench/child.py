"""A base's process on a folder that is full already: how soon it acknowledges, and what an event costs it then.

`python -m trapsim.basebench.child FOLDER TRAPS EVENTS`: `acknowledged` as soon as the first is, then JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

from trapbase.reader import Reader
from trapbase.store import Store
from trapsim.basebench.feed import BEGIN_MS, CROP_BYTES, Bodies, alert
from trapsim.basebench.rig import Rig
from trapwire.objects import ALERT, CROP, Envelope, ObjectKey

ROUNDS = 5
LOOKS = 5
APART_MS = 5000  # for each object that is there: a start adds 2,000 objects, and an hour


def main(folder: Path, traps: int, events: int) -> None:
    rig = Rig(folder, traps)
    bodies = Bodies()
    epoch = int(time.time()) & 0xFFFFFFFF  # another outbox than at the last start
    rig.deliver(Envelope(ObjectKey(1, epoch, 1, ALERT), alert(BEGIN_MS, 1)))
    assert rig.ingest.step(0, BEGIN_MS)
    assert rig.acknowledged() == 1
    print("acknowledged", flush=True)
    first_cpu_s = time.process_time()
    rig.send_on()
    # Not at the times of an earlier start's sightings too: they would be neighbours of these, more with every start.
    begin_ms = BEGIN_MS + _newest(folder / "base") * APART_MS
    ingest: list[float] = []
    forward: list[float] = []
    wall: list[float] = []
    memory = [_resident_kb()]
    for number in range(ROUNDS):
        start = 2 + number * events
        for i in range(events):
            key = ObjectKey(i % traps + 1, epoch, start + i, ALERT)
            rig.deliver(Envelope(key, alert(begin_ms + rig.now_ms + i * 1000, key.number)))
            rig.deliver(Envelope(ObjectKey(key.trap, epoch, key.number, CROP), bodies.sealed(CROP_BYTES)))
        began = time.perf_counter()
        ingest.append(_spent(rig.take_in) / events)
        rig.acknowledged()
        forward.append(_spent(rig.send_on) / events)
        wall.append((time.perf_counter() - began) / events)
        memory.append(_resident_kb())
    reader = Reader(folder / "base")
    looks = [_spent(lambda: _look(reader)) for _ in range(LOOKS)]
    reader.close()
    rig.close()
    found = {
        "first_ack_cpu_s": round(first_cpu_s, 2),
        "ingest_us": round(median(ingest) * 1e6),
        "forward_us": round(median(forward) * 1e6),
        "wall_us": round(median(wall) * 1e6),
        "look_ms": round(median(looks) * 1000, 1),
        "resident_mb": round(memory[-1] / 1024, 1),
        "grown_mb": round((memory[-1] - memory[1]) / 1024, 1),
    }
    print(json.dumps(found), flush=True)


def _newest(folder: Path) -> int:
    with closing(Store(folder)) as store:
        return store.newest_object()


def _spent(work: Callable[[], object]) -> float:
    """CPU time of `work`, s: others on the machine do not count."""
    started = time.process_time()
    work()
    return time.process_time() - started


def _look(reader: Reader) -> None:
    """What page and `trapbase status` ask the database for at every change."""
    reader.summary()
    reader.traps()
    newest = reader.rows("newest", 12, 600)
    reader.rows("sightings", json.dumps([[r["trap"], r["epoch"], r["number"]] for r in newest]))
    reader.rows("species")
    reader.rows("batches", 20)
    reader.rows("waiting_by_trap", 1000)
    reader.rows("scenes", 1000)


def _resident_kb() -> int:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
