"""The figures of `make bench`, each measured here and now; speeds as ratios to something bare in the same run."""

import hashlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from trapbase.ingest import SUBSCRIPTIONS, Ingest
from trapbase.store import Store
from trapcam.detect import Detector
from trapkit import topics
from trapsim.audit import BASE, OUTBOX
from trapsim.demo import Demo
from trapsim.memorybus import MemoryBroker
from trapsim.pictures import default_pictures
from trapsim.site import TRAPS, Plan, build_site, clear_folder
from trapwire.alert import Alert
from trapwire.objects import ALERT, CROP, Envelope, ObjectKey

ROUNDS = 5
EVENTS = 640  # a round: ten groups of 64 messages, alert and crop
CROP_BYTES = 1528
SIGHTINGS = 4  # a trap, for the latency
SPACING_S = 14.0  # wall seconds between its triggers: an alert and a crop at SF9 take about ten


def bench_detector(model: Path, pictures: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Frames a second through the detector on one thread, pictures decoded beforehand."""
    say("detector: frames per second on one thread…")
    images = [np.asarray(Image.open(p).convert("RGB")) for p in sorted(default_pictures(pictures).iterdir())]
    detector = Detector(model, threads=1)
    detector.detect(images[0])
    rates = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for image in images:
            detector.detect(image)
        rates.append(len(images) / (time.perf_counter() - started))
    return {
        "model": f"{detector.description.name} {detector.description.version}",
        "frames_per_s": round(median(rates), 1),
        "ms_per_frame": round(1000 / median(rates), 2),
        "pictures": len(images),
    }


def bench_ingest(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Durable sightings a second through ingest, and through bare SQLite with the same bytes and group size."""
    say("ingest: durable events per second, against bare SQLite…")
    ours, bare = [], []
    for number in range(ROUNDS):
        ours.append(_ingest_round(folder / f"ingest{number}"))
        bare.append(_bare_round(folder / f"bare{number}.sqlite3"))
    rate, bare_rate = median(ours), median(bare)
    return {
        "events_per_s": round(rate),
        "bare_sqlite_events_per_s": round(bare_rate),
        "ratio": round(median(a / b for a, b in zip(ours, bare, strict=True)), 3),
        "group": 64,
    }


def _bodies(number: int) -> tuple[bytes, bytes]:
    alert = Alert(1_763_686_800_000 + number, 200, 0, 200, 1, (10, 10, 90, 90), 80).encode()
    crop = hashlib.shake_128(number.to_bytes(4, "big")).digest(CROP_BYTES)
    return alert, crop


def _ingest_round(folder: Path) -> float:
    broker = MemoryBroker()
    store = Store(folder)
    ingest = Ingest(broker.connect("ingest", SUBSCRIPTIONS), store, group=64)
    for number in range(1, EVENTS + 1):
        for rung, name, body in zip((ALERT, CROP), ("alert", "crop"), _bodies(number), strict=True):
            broker.deliver(topics.up(1, name), Envelope(ObjectKey(1, 7, number, rung), body).encode(), {})
    started = time.perf_counter()
    while ingest.step(0, 1_763_686_800_000):
        pass
    seconds = time.perf_counter() - started
    store.close()
    return EVENTS / seconds


def _bare_round(path: Path) -> float:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE objects (number, rung, body, PRIMARY KEY (number, rung))")
    rows = [(n, rung, body) for n in range(EVENTS) for rung, body in enumerate(_bodies(n))]
    started = time.perf_counter()
    for start in range(0, len(rows), 64):
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO objects VALUES (?, ?, ?)", rows[start : start + 64])
        db.execute("COMMIT")
    seconds = time.perf_counter() - started
    db.close()
    return EVENTS / seconds


def bench_latency(folder: Path, port: int, say: Callable[[str], None]) -> dict[str, Any]:
    """PIR edge to alert in the base's database, in wall ms: real processes, SF9, no loss, the radio at its own pace."""
    say(f"latency: PIR edge to stored alert, SF9, about {SIGHTINGS * SPACING_S + 20:.0f} s…")
    clear_folder(folder)
    pictures = folder / "pictures"
    default_pictures(pictures)
    cat = (pictures / "chelsea.png").read_bytes()
    for path in pictures.iterdir():
        path.unlink()
    for number in range(SIGHTINGS):
        (pictures / f"cat{number}.png").write_bytes(cat)
    plan = Plan(
        folder=folder, pictures=dict.fromkeys(TRAPS, pictures), loss=0.0, speed=1.0, seed=1, sf=9,
        page_host="127.0.0.1", page_port=port,
        pir_every_s=SPACING_S,
    )  # fmt: skip
    site = build_site(plan)
    Demo(site, lambda text: None).run(once=True, kills=0, running=lambda: True)
    taken: dict[tuple[int, int], int] = {}
    for trap in TRAPS:
        for event, at in _rows(site.trap(trap) / OUTBOX, "SELECT number, taken_ms FROM events"):
            taken[(trap, event)] = at
    stored = _rows(site.folder / BASE, f"SELECT trap, number, stored_ms FROM objects WHERE rung = {ALERT}")  # noqa: S608
    waits = sorted(at - taken[(trap, number)] for trap, number, at in stored)
    return {"alerts": len(waits), "p50_ms": round(median(waits)), "worst_ms": waits[-1], "sf": 9, "traps": len(TRAPS)}


def _rows(path: Path, question: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        return db.execute(question).fetchall()
    finally:
        db.close()
