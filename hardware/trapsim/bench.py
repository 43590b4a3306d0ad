"""The figures of `make bench`, each measured here and now; speeds as ratios to something bare in the same run."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from trapcam.detect import Detector
from trapsim.audit import BASE, OUTBOX
from trapsim.demo import Demo
from trapsim.pictures import default_pictures
from trapsim.site import TRAPS, Plan, build_site, clear_folder
from trapwire.objects import ALERT

ROUNDS = 5
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
