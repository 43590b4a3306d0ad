"""The whole path in one process and virtual time, dying at every durable call in turn, and then at many at once.

A point is an fsync, a rename, a removed file or a COMMIT of any process, before it happens or after. Whoever makes the
call dies, and is built again from its folder; the rest goes on. At the end the auditor compares all databases.
"""

import itertools
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trapsim.audit import Audit, look
from trapsim.crash import Fuse, fused
from trapsim.station import Station
from trapsim.world import World

LIMIT_MS = 900_000  # virtual; a run without deaths takes about twelve seconds of it
PIR_MS = [*range(1200, 6000, 400), *range(6000, LIMIT_MS, 5000)]  # a wake may be lost with the Pi: there are more
MANY = 250  # runs with several deaths each


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


NETWORKED = frozenset((1,))


def check_network(audit: Audit, burn_at: frozenset[int], cats: int) -> None:
    """All four rungs of every cat are received, and deleted on the trap."""
    assert (audit.lost, audit.duplicated) == (0, 0), f"deaths at {sorted(burn_at)}"
    assert audit.sightings == audit.alerts_stored == audit.full_frames_received == cats
    assert (audit.media_stored, audit.deleted_on_trap, audit.full_frames_held) == (3 * cats, 4 * cats, 0)


def test_with_a_network_every_durable_call_may_be_the_last(tmp_path: Path, fuse: Fuse) -> None:
    cat = write_pictures(tmp_path / "cat", (255, 0, 0))
    nothing: frozenset[int] = frozenset()
    check_network(night(tmp_path / "whole", cat, fuse, nothing, loss=0.0, seed=1, networked=NETWORKED), nothing, 1)
    points = fuse.calls
    assert points > 100
    for point in range(points):
        burn_at = frozenset((point,))
        check_network(night(tmp_path / "night", cat, fuse, burn_at, loss=0.0, seed=1, networked=NETWORKED), burn_at, 1)
        assert fuse.deaths == 1


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


def test_every_durable_call_of_the_whole_path_may_be_the_last(tmp_path: Path, pictures: Path, fuse: Fuse) -> None:
    nothing: frozenset[int] = frozenset()
    check(night(tmp_path / "whole", pictures, fuse, nothing, loss=0.0, seed=1), nothing)
    points = fuse.calls
    assert points > 120
    for point in range(points):
        burn_at = frozenset((point,))
        check(night(tmp_path / "night", pictures, fuse, burn_at, loss=0.0, seed=1), burn_at)
        assert fuse.deaths == 1


def test_many_deaths_under_loss(tmp_path: Path, pictures: Path, fuse: Fuse) -> None:
    dice = random.Random(5)
    deaths = 0
    for seed in range(MANY):
        burn_at = frozenset(dice.sample(range(320), 8))
        check(night(tmp_path / "night", pictures, fuse, burn_at, loss=0.2, seed=seed), burn_at)
        deaths += fuse.deaths
    assert deaths > 900, deaths
