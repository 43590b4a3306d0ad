"""The whole path in one process and virtual time, dying at every durable call in turn, and then at many at once.

A point is an fsync, a rename, a removed file or a COMMIT of any process, before it happens or after. Whoever makes the
call dies, and is built again from its folder; the rest goes on. At the end the auditor compares all databases.
"""

import itertools
import multiprocessing
import random
import shutil
import site
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.support import many

from trapsim.audit import Audit, look
from trapsim.crash import Fuse, fused
from trapsim.station import Station
from trapsim.world import World

ROOT = Path(__file__).resolve().parents[2]
LIMIT_MS = 900_000  # virtual; a run without deaths takes about twelve seconds of it
PIR_MS = [*range(1200, 6000, 400), *range(6000, LIMIT_MS, 5000)]  # a wake may be lost with the Pi: there are more
MANY = many(40, 250)  # runs with several deaths each
STEP = many(4, 1)  # every fourth call is the last one of a run, all of them in `make soak`
PROCESSES = 2


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A feline, a person, nothing, a feline."""
    return write_pictures(tmp_path / "pictures", (255, 0, 0), (0, 0, 255), (90, 90, 90), (255, 0, 0))


def write_pictures(folder: Path, *corners: tuple[int, int, int]) -> Path:
    folder.mkdir()
    for number, corner in enumerate(corners):
        pixels = np.full((24, 32, 3), 100 + number, dtype=np.uint8)
        pixels[0, 0] = corner
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def fuse() -> Iterator[Fuse]:
    with fused() as made:
        yield made


def night(
    folder: Path,
    pictures: Path,
    fuse: Fuse,
    burn_at: frozenset[int],
    *,
    loss: float,
    seed: int,
    networked: frozenset[int] = frozenset(),
    broker_down: tuple[int, int] | None = None,
) -> Audit:
    """One run to its end; the auditor's last word. broker_down: from when and for how long (ms)."""
    fuse.calls, fuse.deaths, fuse.burn_at = 0, 0, burn_at
    world = World(seed=seed, loss=loss, sf=7, fuse=fuse)
    Station(world, folder, pictures, traps=1, pir_ms=PIR_MS, networked=networked)
    if broker_down:
        world.run(lambda: False, broker_down[0])
        world.broker.stop()
        world.run(lambda: False, broker_down[1])
        world.broker.start()
    rounds, count = itertools.count(), len(list(pictures.iterdir()))
    done = world.run(
        lambda: next(rounds) % 10 == 9 and look(folder, count, traps=(1,), networked=networked).finished, LIMIT_MS
    )
    audit = look(folder, count, traps=(1,), networked=networked)
    for process in world.processes:
        world.kill(process)
    shutil.rmtree(folder)
    assert done, f"deaths at {sorted(burn_at)}: not finished, {audit.missing}"
    return audit


def check(audit: Audit, burn_at: frozenset[int]) -> None:
    assert (audit.lost, audit.duplicated) == (0, 0), f"deaths at {sorted(burn_at)}"
    assert audit.frames_in == 4
    assert audit.sightings == audit.alerts_stored == audit.media_stored == audit.full_frames_held == 2
    assert audit.deleted_on_trap == 4


def lives(
    folder: Path, pictures: Path, deaths_at: list[frozenset[int]], loss: float, networked: frozenset[int]
) -> list[tuple[Audit, int]]:
    """One night after the other, in a process of their own: the auditor's word and the deaths of each."""
    out = []
    with fused() as fuse:
        for seed, burn_at in enumerate(deaths_at):
            seed = seed if loss else 1
            audit = night(folder / "night", pictures, fuse, burn_at, loss=loss, seed=seed, networked=networked)
            out.append((audit, fuse.deaths))
    return out


def side_by_side(
    tmp_path: Path,
    pictures: Path,
    deaths_at: list[frozenset[int]],
    *,
    loss: float = 0.0,
    networked: frozenset[int] = frozenset(),
) -> Iterator[tuple[Audit, frozenset[int], int]]:
    """A night for each of `deaths_at`, on all cores: its audit, where it died, and how often."""
    folders = [tmp_path / f"process{i}" for i in range(PROCESSES)]
    for folder in folders:
        folder.mkdir()
    spawn = multiprocessing.get_context("spawn")
    # A new process finds this file only if it is told where the tests are.
    with ProcessPoolExecutor(PROCESSES, spawn, initializer=site.addsitedir, initargs=(str(ROOT),)) as pool:
        jobs = [
            pool.submit(lives, folder, pictures, deaths_at[i::PROCESSES], loss, networked)
            for i, folder in enumerate(folders)
        ]
        for i, job in enumerate(jobs):
            for burn_at, (audit, deaths) in zip(deaths_at[i::PROCESSES], job.result(), strict=True):
                yield audit, burn_at, deaths


NETWORKED = frozenset((1,))


def check_network(audit: Audit, burn_at: frozenset[int], cats: int) -> None:
    """All four rungs of every cat are received, and deleted on the trap."""
    assert (audit.lost, audit.duplicated) == (0, 0), f"deaths at {sorted(burn_at)}"
    assert audit.sightings == audit.alerts_stored == audit.full_frames_received == cats
    assert (audit.media_stored, audit.deleted_on_trap, audit.full_frames_held) == (3 * cats, 4 * cats, 0)


def test_with_a_network_any_durable_call_may_be_the_last(tmp_path: Path, fuse: Fuse) -> None:
    cat = write_pictures(tmp_path / "cat", (255, 0, 0))
    nothing: frozenset[int] = frozenset()
    check_network(night(tmp_path / "whole", cat, fuse, nothing, loss=0.0, seed=1, networked=NETWORKED), nothing, 1)
    points = [frozenset((point,)) for point in range(0, fuse.calls, STEP)]
    assert fuse.calls > 100
    for audit, burn_at, deaths in side_by_side(tmp_path, cat, points, networked=NETWORKED):
        check_network(audit, burn_at, 1)
        assert deaths == 1


@pytest.mark.parametrize("since_ms", [0, 400, 800, 1600, 2400, 4000])
def test_a_broker_that_is_down_for_a_minute_costs_a_networked_trap_nothing(
    tmp_path: Path, pictures: Path, fuse: Fuse, since_ms: int
) -> None:
    """It forgets every queue; and something dies on the way as well."""
    for burn_at in (frozenset(), frozenset((60 + since_ms // 40, 150))):
        audit = night(
            tmp_path / "night", pictures, fuse, burn_at, loss=0.1, seed=since_ms, networked=NETWORKED,
            broker_down=(since_ms, 60_000),
        )  # fmt: skip
        check_network(audit, burn_at, 2)


def test_any_durable_call_of_the_whole_path_may_be_the_last(tmp_path: Path, pictures: Path, fuse: Fuse) -> None:
    nothing: frozenset[int] = frozenset()
    check(night(tmp_path / "whole", pictures, fuse, nothing, loss=0.0, seed=1), nothing)
    points = [frozenset((point,)) for point in range(0, fuse.calls, STEP)]
    assert fuse.calls > 120
    for audit, burn_at, deaths in side_by_side(tmp_path, pictures, points):
        check(audit, burn_at)
        assert deaths == 1


def test_many_deaths_under_loss(tmp_path: Path, pictures: Path) -> None:
    dice = random.Random(5)
    nights = [frozenset(dice.sample(range(320), 8)) for _ in range(MANY)]
    died = 0
    for audit, burn_at, deaths in side_by_side(tmp_path, pictures, nights, loss=0.2):
        check(audit, burn_at)
        died += deaths
    assert died > 3.6 * MANY, died
