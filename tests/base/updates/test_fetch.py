"""A base's copy of what is published: proved, served on as it is, and the beginning of a rollout."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.base.parts import TRAPS
from tests.base.updates.parts import KEY, SEED
from tests.ship.release_bench import Altered, Bench, Trap
from trapbase.config import GatewaySettings, Settings
from trapbase.store import Store
from trapbase.update_settings import UpdateSettings
from trapbase.updates.build import Built, build
from trapbase.updates.fetch import Fetch
from trapbase.updates.kept import MIRROR, UpdateStore
from trapkit.errors import SetupError
from trapkit.update.permits import read
from trapkit.update.sources import FolderSource

FIRST, SECOND = "2026.12.1", "2026.12.2"
HOUR_MS = 3_600_000


def at_once(work: Callable[[], None]) -> None:
    work()


class Rig:
    """A publisher, and a base that fetches from its folder in the publisher's time."""

    def __init__(self, tmp: Path) -> None:
        self.bench = Bench(tmp / "operator")
        self.base = tmp / "base"
        Store(self.base).close()
        self.settings = UpdateSettings(source=str(self.bench.repository.folder), every_s=60)
        self.kept = UpdateStore(self.base)
        self.clock = Trap(self.bench, tmp / "unused", "")
        self.source: FolderSource | Altered = self.bench.source
        self.now_ms = 1
        self.fetch = self.built()

    def built(self) -> Fetch:
        return Fetch(self.base, self.settings, self.kept, self.clock, self.bench.root, self.source, at_once)

    def look(self, hours: float = 1) -> bool:
        """A look, and what it brought; whether a release is new."""
        self.bench.later(hours=hours)
        self.now_ms += round(hours * HOUR_MS)
        utc_ms = int(self.bench.now.timestamp() * 1000)
        self.fetch.step(self.now_ms, utc_ms)
        return self.fetch.step(self.now_ms, utc_ms)

    def unit(self, name: str = "unit") -> Trap:
        return self.bench.unit(name)

    @property
    def mirror(self) -> Path:
        return self.base / MIRROR


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.kept.close()


def test_a_release_is_mirrored_and_begins_a_rollout_once(rig: Rig) -> None:
    rig.bench.release(FIRST)
    assert rig.look()
    row = rig.kept.current()
    assert row is not None
    assert (row["release"], row["state"]) == (FIRST, "going")
    (held,) = rig.kept.rows("releases", 9)
    assert (held["release"], held["serial"]) == (FIRST, 1)
    assert json.loads(held["parts"])["application"].startswith("0.1.0")
    assert held["size"] > 500
    assert not rig.look(), "the same again is nothing new"
    rig.bench.publish()
    assert not rig.look(), "and so is a fresh timestamp"
    assert rig.fetch.trouble == ""


def test_a_unit_takes_it_from_the_mirror_alone(rig: Rig) -> None:
    rig.bench.release(FIRST)
    rig.look()
    unit = rig.unit()
    assert unit.update(rig.mirror) == FIRST
    rig.bench.release(SECOND)
    assert rig.look()
    assert unit.update(rig.mirror) == SECOND
    rig.bench.rollback(FIRST)
    assert rig.look()
    assert unit.update(rig.mirror) == FIRST, "back, because its operator says so"
    assert [row["release"] for row in rig.kept.rows("rollouts", 9)] == [FIRST, SECOND, FIRST]


def test_what_is_not_the_operators_is_named_and_nothing_of_it_is_served(rig: Rig, tmp_path: Path) -> None:
    stranger = Bench(tmp_path / "stranger", "theirs")
    stranger.release(FIRST)
    rig.source = stranger.source
    rig.fetch = rig.built()
    assert not rig.look()
    assert "it is not signed by the keys that this fleet trusts" in rig.fetch.trouble
    assert rig.kept.current() is None
    assert not list(rig.mirror.glob("metadata/*"))


def test_what_broke_off_goes_on_and_is_said_until_then(rig: Rig) -> None:
    rig.bench.release(FIRST)
    rig.source = Altered(rig.bench.source, {"pugmark-": None})
    rig.fetch = rig.built()
    assert not rig.look()
    assert "a part of the release is not there yet" in rig.fetch.trouble
    rig.source._change.clear()
    assert rig.look()
    assert rig.fetch.trouble == ""


def test_a_stick_that_is_not_in_is_no_trouble_and_a_network_that_is_away_for_long_is(rig: Rig, tmp_path: Path) -> None:
    rig.source = FolderSource(tmp_path / "nowhere")
    rig.fetch = rig.built()
    rig.look(50)
    assert rig.fetch.trouble == ""
    rig.settings = UpdateSettings(source="https://releases.example/fleet", every_s=60)
    rig.fetch = rig.built()
    rig.now_ms = 1
    rig.look(1)
    assert rig.fetch.trouble == ""
    rig.look(30)
    assert rig.fetch.trouble.startswith("releases from https://releases.example/fleet: nothing answers there")


def test_lists_that_are_soon_over_are_said(rig: Rig) -> None:
    rig.bench.release(FIRST)
    rig.look()
    rig.look(24 * 70)
    assert rig.fetch.trouble == ""
    rig.look(24 * 10)
    assert rig.fetch.trouble.startswith("no unit takes the releases here after 2027-03-01: publish again")
    rig.bench.publish()
    rig.look()
    assert rig.fetch.trouble == ""


def test_without_a_clock_that_somebody_keeps_right_nothing_is_taken(rig: Rig) -> None:
    rig.bench.release(FIRST)
    rig.clock.authenticated = False
    assert not rig.look()
    assert "updates wait for that" in rig.fetch.trouble
    rig.clock.authenticated = True
    assert rig.look()


# From settings


def settings_of(tmp: Path, bench: Bench) -> Settings:
    (tmp / "permit.key").write_text(SEED.hex())
    (tmp / "root.json").write_bytes(bench.root)
    updates = UpdateSettings(
        source=str(bench.repository.folder), root=str(tmp / "root.json"), permit_key=str(tmp / "permit.key")
    )
    gateway = GatewaySettings(clock_uncertainty_ms=1000)
    folder = tmp / "base"
    return Settings(folder=str(folder), trap=tuple(TRAPS.values()), updates=updates, gateway=gateway)


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Built]:
    bench = Bench(tmp_path / "operator")
    bench.release(FIRST)
    settings = settings_of(tmp_path, bench)
    Store(Path(settings.folder)).close()
    with closing(build(settings, at_once)) as built:
        yield built


def test_a_base_built_from_settings_fetches_and_permits(built: Built, tmp_path: Path) -> None:
    now_ms = int(Bench(tmp_path / "other").now.timestamp() * 1000)
    with sqlite3.connect(tmp_path / "base" / "base.sqlite3") as db:
        db.executemany("INSERT INTO traps VALUES (?, ?, 'north', -90, 6.0, '{}')", [(trap, now_ms) for trap in TRAPS])
    for step in range(1, 4):
        built.step(step, now_ms)
    assert built.trouble() == ""
    assert read((tmp_path / "base" / MIRROR / "permits" / "1.permit").read_bytes(), KEY).release == FIRST


@pytest.mark.parametrize(
    ("missing", "words"),
    [("root.json", r"key 'updates\.root' is .*: cannot be read"), ("permit.key", r"permit\.key: the key that signs")],
)
def test_a_key_that_is_missing_is_named(tmp_path: Path, missing: str, words: str) -> None:
    settings = settings_of(tmp_path, Bench(tmp_path / "operator"))
    Store(Path(settings.folder)).close()
    (tmp_path / missing).unlink()
    with pytest.raises(SetupError, match=words):
        build(settings)
