"""The base's whole soak: jobs of every part, each drawn by its seed and number, in several processes."""

import json
import os
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError
from trapsim.basesoak import badbackend, cuts, fulldisk, hostile, kills, outages, realkills, restored, twins
from trapsim.powercut.recorder import strace
from trapsim.soakrun import each

MEMORY = Path("/dev/shm")  # noqa: S108 - lives that die in one process need no disk, and make it wait for every sync
PAGES = 20  # of a small disk's lives in one job
PAGES_MAX = 400
SICK_STEP = 8  # jobs that share the calls of the life whose disk refuses each in turn
Job = tuple[str, int, int, int]
"""Part, seed, number, and how much of it (deaths, states, messages…)."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """`jobs`: how many a whole soak has; `size`: of one; `run(seed, number, folder, size)`; `small`: of `--small`."""

    run: Callable[[int, int, Path, int], dict[str, Any]]
    jobs: int
    size: int
    small: int
    on_disk: bool = False
    needs: Callable[[], object] = lambda: True
    lacks: str = ""


def _sick(seed: int, number: int, folder: Path, every: int) -> dict[str, Any]:
    return fulldisk.sick_calls(seed, folder, number, every)


def _small_disk(seed: int, number: int, folder: Path, step: int) -> dict[str, Any]:
    first = number * PAGES
    return fulldisk.small_disk(seed, folder, first, step, min(first + PAGES - 1, PAGES_MAX))


PARTS = {
    "kills": Part(run=kills.run_life, jobs=50, size=kills.DEATHS, small=4),
    "real kills": Part(run=realkills.run_real, jobs=3, size=20, small=3, on_disk=True),
    "power cuts": Part(
        run=cuts.run_cuts, jobs=6, size=50, small=6, on_disk=True, needs=strace,
        lacks="no strace, or this machine forbids tracing",
    ),
    "refused calls": Part(run=_sick, jobs=SICK_STEP, size=SICK_STEP, small=30),
    "full disk": Part(
        run=_small_disk, jobs=PAGES_MAX // PAGES, size=1, small=10, needs=fulldisk.can_mount,
        lacks="no user namespace in which a small disk can be made",
    ),
    "outages": Part(run=outages.run_story, jobs=len(outages.STORIES), size=30, small=1),
    "restored": Part(run=restored.run_restored, jobs=60, size=168, small=8),
    "back end": Part(run=badbackend.run_backend, jobs=100, size=badbackend.ROUNDS, small=60),
    "hostile bus": Part(run=hostile.run_hostile, jobs=20, size=hostile.ROUND, small=300),
    "twins": Part(run=lambda seed, number, folder, size: twins.run_twins(seed, number, folder), jobs=100, size=1,
                  small=1),
}  # fmt: skip
SMALL_JOBS = {"twins": len(twins.STORIES), "restored": len(restored.STORIES)}  # one of each of their stories


def jobs(seed: int, only: str | None = None, number: int | None = None, *, small: bool = False) -> Iterator[Job]:
    """Those of a whole soak, or of one part, or one of them; small: one of each, and little of it."""
    for name, part in PARTS.items():
        if only in (None, name):
            count = min(part.jobs, SMALL_JOBS.get(name, 1)) if small else part.jobs
            for each_number in range(count) if number is None else (number,):
                yield name, seed, each_number, part.small if small else part.size


def run_job(job: Job) -> dict[str, Any]:
    """Its counts and violations; an exception is one."""
    name, seed, number, size = job
    part, began = PARTS[name], time.process_time()
    if not part.needs():
        return {"job": job, "name": name, "counts": {}, "violations": [], "skipped": part.lacks, "cpu_s": 0.0}
    place = None if part.on_disk or not os.access(MEMORY, os.W_OK) else MEMORY
    folder = Path(tempfile.mkdtemp(prefix="basesoak-", dir=place))
    try:
        done = part.run(seed, number, folder / "life", size)
    except Exception as error:  # which job it was is what matters
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}, line {last.lineno}"
        done = {"counts": {}, "violations": [f"wrong: {type(error).__name__}: {error} ({where})"]}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    counts = {text: count for text, count in done["counts"].items() if count}
    return {
        "job": job, "name": f"{name} {number}", "counts": counts, "violations": done["violations"],
        "cpu_s": time.process_time() - began,
    }  # fmt: skip


def read_kept(kept: Path | None) -> dict[Job, dict[str, Any]]:
    """The results in that file, by job; a last line that was cut is passed over.  Raises: SetupError, OSError."""
    if kept is None or not kept.exists():
        return {}
    text = kept.read_text()
    try:
        found = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return {(job[0], job[1], job[2], job[3]): done for done in found for job in [done["job"]]}
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise SetupError(f"{kept}: is no file of kept lives of a base: {error}") from error


def soak(
    asked: list[Job],
    workers: int,
    say: Callable[[str], None],
    running: Callable[[], bool],
    kept: Path | None = None,
    *,
    kept_only: bool = False,
) -> dict[str, Any]:
    """Sums by part, violations by job. kept: results of an earlier run, not played again; those of now are added there;
    kept_only: nothing is played.

    Raises: SetupError, OSError.
    """
    known = read_kept(kept)
    if kept_only:
        asked = [job for job in asked if job in known]
    parts: dict[str, Counter[str]] = {}
    violations: dict[str, list[str]] = {}
    skipped: dict[str, str] = {}
    before = [known[job] for job in asked if job in known]
    if before:
        say(f"{len(before)} lives from {kept}")
    results = iter(before)
    for source in (results, each(run_job, [job for job in asked if job not in known], workers, 1, running)):
        for done in source:
            name = done["job"][0]
            if source is not results and kept is not None:
                with kept.open("a") as file:
                    file.write(json.dumps(done) + "\n")
            if done.get("skipped"):
                skipped[name] = done["skipped"]
                continue
            parts.setdefault(name, Counter()).update(done["counts"])
            parts[name]["lives"] += 1
            if done["violations"]:
                violations[done["name"]] = done["violations"]
            for text in done["violations"]:
                say(f"{done['name']}: {text}")
            say(f"{done['name']}: {done['counts'].get('objects', 0)} objects, {done['cpu_s']:.0f} s of CPU")
    return {
        "played": len(asked),
        "parts": {name: dict(sorted(counts.items())) for name, counts in parts.items()},
        "violations": violations,
        "skipped": skipped,
    }
