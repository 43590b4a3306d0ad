"""A station takes a good release and a bad one, in virtual time: the base's mirror and steward, units with real slots.

The operator, the base's fetching and deciding, permissions, the units' client, slots and launcher are the real ones;
the link between unit and base, the camera and the detector are the test's.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.base.note_parts import UNIT, take, write_keys
from tests.base.parts import EPOCH, TRAPS
from tests.base.updates.parts import KEY, SEED
from tests.ship.release_bench import Bench

from trapbase.config import GatewaySettings, Settings
from trapbase.reader import Reader
from trapbase.store import DATABASE, Store
from trapbase.update_settings import UpdateSettings
from trapbase.updates.build import Built, build
from trapbase.updates.kept import DONE, GOING, MIRROR, STOPPED, UpdateStore
from trapbase.updates.units import by_trap
from trapkit.update import launch
from trapkit.update.client import Unit
from trapkit.update.client import take as take_release
from trapkit.update.install import alive, begin, confirm, may_take
from trapkit.update.offer import Offered
from trapkit.update.permits import MAX_BYTES, refusal
from trapkit.update.slots import Slots
from trapkit.update.sources import FolderSource
from trapkit.update.states import UpdateState
from trapkit.update.timefloor import Moment
from trapwire.notes import UPDATE, Note, statement
from trapwire.objects import NOTE, Envelope, ObjectKey

GOOD, BAD = "2026.12.1", "2026.12.2"
HOUR_MS = 3_600_000
RULES = {"first": "S002", "healthy_h": 4.0, "pair_h": 2.0, "silent_h": 3.0, "every_s": 3600.0}


@dataclass
class Camera:
    """A unit at a station: once an hour it sees whether its source has news, and says what it has to say."""

    trap: int
    root: Path
    station: "Station"
    last_permit: int = 0
    told: UpdateState | None = None
    offered: Offered | None = None
    log: list[str] = field(default_factory=list)
    looked: tuple[bytes, bytes] = (b"", b"")

    @property
    def slots(self) -> Slots:
        return Slots(self.root)

    def read(self) -> Moment:
        return Moment(self.station.now_ms, True)

    def monotonic_ms(self) -> int:
        return self.station.now_ms

    def live(self) -> None:
        """A start of the launcher, and what the application that it starts does."""
        now_ms, slots = self.station.now_ms, self.slots
        for _ in range(8):  # starts in a row, as a service that is started again
            slot = launch.chosen(slots, now_ms)
            starts = not slot or "broken" not in (slots.root / slot / "application/trapcam/__init__.py").read_text()
            if starts:
                break
        record = slots.read()
        if record.trial is not None:
            record = confirm(alive(record, ""), now_ms)
            slots.write(record)
        elif self._looks(record.release):
            assert self.offered is not None
            release = self.offered.release
            for _ in slots.stage(self.offered, record):
                pass
            slots.write(begin(slots.read(), release.release, release.serial, "", "", now_ms))
        self._say(slots.read().said)

    def _looks(self, running: str) -> bool:
        """Whether there is a release that may be taken now; looked at where something is new."""
        files = [self.station.mirror / name for name in ("metadata/timestamp.json", f"permits/{self.trap}.permit")]
        there = tuple(path.read_bytes() if path.exists() else b"" for path in files)
        if there == self.looked:
            return False
        self.looked = there[0], there[1]
        source = FolderSource(self.station.mirror)
        unit = Unit(root=self.station.bench.root, running=running)
        self.offered = take_release(source, self.root / "tuf", self, unit=unit)
        if self.offered is None or may_take(self.slots.read(), self.offered.release.release, self.station.now_ms):
            return False
        try:
            data: bytes | None = b"".join(source.fetch(f"permits/{self.trap}.permit", MAX_BYTES))
        except FileNotFoundError:
            data = None
        name = self.offered.release.release
        code, permit = refusal(data, KEY, self.trap, name, self.last_permit, self.station.now_ms)
        self.last_permit = permit.number if permit else self.last_permit
        return not code

    def _say(self, state: UpdateState) -> None:
        if state != self.told:
            self.told = state
            self.log.append(f"{state.phase} {state.tried or state.running}")
            self.station.note(self.trap, state)


class Station:
    """Traps 1 and 2 at S001, 3 at S002; a base; an operator."""

    def __init__(self, tmp: Path) -> None:
        self.tmp = tmp
        self.bench = Bench(tmp / "operator")
        self.base, self.mirror = tmp / "base", tmp / "base" / MIRROR
        self.keys = write_keys(tmp / "keys", *TRAPS)
        Store(self.base).close()
        self.now_ms = int(self.bench.now.timestamp() * 1000)
        self._began_ms = self.now_ms
        self._number = 0
        self.units = {trap: Camera(trap, tmp / f"unit{trap}", self) for trap in TRAPS}
        (tmp / "permit.key").write_text(SEED.hex())
        (tmp / "root.json").write_bytes(self.bench.root)
        updates = UpdateSettings(
            source=str(self.bench.repository.folder), root=str(tmp / "root.json"), permit_key=str(tmp / "permit.key"),
            **RULES,
        )  # fmt: skip
        gateway = GatewaySettings(clock_uncertainty_ms=1000)
        self.settings = Settings(folder=str(self.base), trap=tuple(TRAPS.values()), updates=updates, gateway=gateway)
        self.part: Built = build(self.settings, lambda work: work())
        self.part.fetch._clock = self.units[1]  # the station's time, and nobody else's

    def publish(self, release: str, text: str) -> None:
        self.bench.later(seconds=1)
        self.bench.release(release, text)

    def note(self, trap: int, state: UpdateState) -> None:
        """By radio, in the end."""
        self._number += 1
        made = Note(UPDATE, self.now_ms, 100, {}, said=state.encode())
        made.signature = UNIT.sign(statement(trap, EPOCH, self._number, made.fields())).signature
        key = ObjectKey(trap, EPOCH, self._number, NOTE)
        take(self.base, self.keys, Envelope(key, made.encode()), now_ms=self.now_ms)

    def until(self, release: str, *traps: int, hours: int = 24) -> int:
        """Run until all of these traps, and no other, run it; how many hours it took."""
        for hour in range(hours):
            if {trap for trap, running in self.running().items() if running == release} == set(traps):
                return hour
            self.run(1)
        raise AssertionError(f"{self.running()} after {hours} h")

    def run(self, hours: int) -> None:
        for _ in range(hours):
            self.now_ms += HOUR_MS
            self.bench.later(hours=1)
            with sqlite3.connect(self.base / DATABASE) as db:
                for trap in self.units:
                    word = (trap, self.now_ms, "north", -90, 6.0, "{}")
                    db.execute("INSERT OR REPLACE INTO traps VALUES (?, ?, ?, ?, ?, ?)", word)
            for _ in range(2):
                self.part.step(self.now_ms - self._began_ms, self.now_ms)
                assert self.part.trouble() == ""
            for unit in self.units.values():
                if (self.mirror / "metadata/timestamp.json").exists():
                    unit.live()

    def running(self) -> dict[int, str]:
        return {trap: unit.slots.read().release for trap, unit in self.units.items()}

    def state(self) -> str:
        kept = UpdateStore(self.base)
        try:
            row = kept.current()
            return "" if row is None else str(row["state"])
        finally:
            kept.close()


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    station = Station(tmp_path)
    yield station
    station.part.close()


def test_a_good_release_goes_from_camera_to_camera_and_a_bad_one_stops_at_the_first(station: Station) -> None:
    station.publish(GOOD, "good")
    assert station.until(GOOD, 3) <= 3, "the canary alone"
    assert station.until(GOOD, 1, 3) >= 4, "then one camera of the next station, when the canary is proved"
    assert station.until(GOOD, 1, 2, 3) >= 2, "and never both at once"
    station.run(6)
    assert station.state() == DONE
    station.publish(BAD, "broken")
    station.run(3)
    assert station.state() == STOPPED
    station.run(3)
    assert station.running() == dict.fromkeys(TRAPS, GOOD), "the one that tried it went back by itself"
    assert [unit.log[-1] for unit in station.units.values()] == [
        f"confirmed {GOOD}", f"confirmed {GOOD}", f"reverted {BAD}",
    ]  # fmt: skip
    reader = Reader(station.base)
    said = by_trap(reader.rows("update_notes", "[1, 2, 3]", 9, 99))
    reader.close()
    assert said[3][-1][0].words() == f"went back to {GOOD} from {BAD}: the new application did not come up"


def test_the_operator_goes_back_to_the_release_before_and_the_canary_goes_first(station: Station) -> None:
    station.publish(GOOD, "good")
    station.until(GOOD, 3)
    station.publish("2026.12.3", "better")
    station.until("2026.12.3", 3)
    station.bench.later(seconds=1)
    station.bench.rollback(GOOD)
    station.until(GOOD, 3)
    station.until(GOOD, 1, 3)


def test_a_base_that_is_started_again_goes_on_where_it_was(station: Station) -> None:
    station.publish(GOOD, "good")
    station.until(GOOD, 3)
    station.part.close()
    station.part = build(station.settings, lambda work: work())
    station.part.fetch._clock = station.units[1]
    station.run(1)
    assert (station.state(), station.running()) == (GOING, {1: "", 2: "", 3: GOOD})
    station.until(GOOD, 1, 3)
