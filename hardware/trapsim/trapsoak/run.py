"""The whole soak: seasons until the bursts are so many, in several processes."""

import json
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from trapcam.config import TrapSettings, model_path
from trapcam.detect import Detector
from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapsim.crash import fused
from trapsim.pictures import default_pictures
from trapsim.soakrun import each
from trapsim.trapsoak.books import Books
from trapsim.trapsoak.killed import KilledRun
from trapsim.trapsoak.plan import BURSTS, Season, draw
from trapsim.trapsoak.season import Run

KILLED_EVERY = 10  # one season in so many is played in real time and killed for real
Job = tuple[int, int, int]  # seed, number and bursts of a season
KINDS = ("lost", "doubled", "human on the card", "in the clear", "wrong")


def is_killed(number: int) -> bool:
    """Whether a season is one of real kills."""
    return number % KILLED_EVERY == 5


def seasons(seed: int, bursts: int) -> Iterator[Job]:
    """The first seasons that have so many bursts together."""
    number, left = 0, bursts
    while left > 0:
        number += 1
        plan = planned((seed, number, min(left, BURSTS)))
        yield seed, number, len(plan.bursts)
        left -= len(plan.bursts)


def planned(job: Job) -> Season:
    """The plan of a season."""
    seed, number, bursts = job
    return draw(seed, number, min(bursts, 40) if is_killed(number) else bursts)


def run_season(job: Job) -> dict[str, Any]:
    """Its counts and violations; an exception is one."""
    season = planned(job)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="trapsoak-") as folder:
        try:
            books, counts = _play(season, Path(folder))
        except Exception as error:  # which season it was is what matters
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}, line {last.lineno}"
            books, counts = Books(violations=[f"{type(error).__name__}: {error} ({where})"]), {}
    found = dict(books.counts) | {name: books.counts[name] + count for name, count in counts.items()}
    found |= {"seasons": 1, "seconds": time.monotonic() - began}
    return {"job": job, "name": f"season {season.number}", "violations": books.violations, "counts": found}


def _play(season: Season, folder: Path) -> tuple[Books, dict[str, Any]]:
    if is_killed(season.number):
        killed = KilledRun(season, folder / "season")
        return killed.run(), dict(killed.counts)
    with fused() as fuse:
        judge = photographs = None
        if season.real:
            judge = Detector(model_path(TrapSettings()))
            photographs = default_pictures(folder / "photographs")
        run = Run(season, folder / "season", fuse, judge, photographs)
        books = run.run()
        run.counts["bursts judged by the real detector"] += len(season.bursts) if season.real else 0
        run.counts["seconds of virtual time"] += run.now // 1000
        return books, dict(run.counts)


def read_kept(kept: Path | None) -> dict[Job, dict[str, Any]]:
    """The results in that file, by job; a last line that was cut is taken out.  Raises: SetupError, OSError."""
    if kept is None or not kept.exists():
        return {}
    text = kept.read_text()
    lines = text[: text.rfind("\n") + 1]
    try:
        found = [json.loads(line) for line in lines.splitlines()]
        results = {
            tuple(done["job"]): {name: done[name] for name in ("name", "violations", "counts")} for done in found
        }
    except (ValueError, KeyError, TypeError) as error:
        raise SetupError(f"{kept}: is no file of kept seasons: {error}") from error
    if lines != text:
        write_atomically(kept, lines.encode())
    return results


def soak(jobs: Iterator[Job], workers: int, say: Callable[[str], None],
         running: Callable[[], bool], kept: Path | None = None) -> dict[str, Any]:  # fmt: skip
    """The sums of all seasons and the violations by season. kept: seasons of an earlier run of the same
    commit, which are not played again; those played now are added there.  Raises: SetupError, OSError."""
    counts: dict[str, float] = dict.fromkeys(KINDS, 0)
    violations: dict[str, list[str]] = {}
    asked, known = list(jobs), read_kept(kept)
    before = [known[job] for job in asked if job in known]
    if before:
        say(f"{len(before)} seasons from {kept}")
    left = [job for job in asked if job not in known]
    for done in chain(before, each(run_season, left, workers, 1, running)):
        if kept is not None and "job" in done:
            with kept.open("a") as file:
                file.write(json.dumps(done) + "\n")
        for name, count in done["counts"].items():
            counts[name] = counts.get(name, 0) + count
        if done["violations"]:
            violations[done["name"]] = done["violations"]
        for text in done["violations"]:
            say(f"{done['name']}: {text}")
        if counts.get("seasons", 0) % 10 == 0:
            say(f"{counts.get('bursts', 0):,.0f} bursts, {len(violations)} seasons with violations…")
    return {"counts": dict(sorted(counts.items())), "violations": violations}
