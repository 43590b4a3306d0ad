"""A cutter on a real store: what is urgent goes at once, and deployments end where a trap was blind."""

import csv
import io
import zipfile
from pathlib import Path

import msgspec
import pytest

from tests.base.note_parts import TODAY, day, note
from tests.base.parts import BATCH, BOX, NOW, TRAPS, deliver, sighting
from trapbase import ingest
from trapbase import store as store_module
from trapbase.config import BatchSettings, Settings, check_traps
from trapbase.cutter import Cutter
from trapbase.effort import DAY_MS, date_of
from trapbase.ingest import Ingest
from trapbase.store import Store
from trapkit.errors import SetupError
from trapsim.memorybus import MemoryBroker
from trapwire.notes import OPENED
from trapwire.objects import Envelope

DOMESTIC_CAT, SNOW_LEOPARD = 6, 3


class Bench:
    def __init__(self, folder: Path, **more: object) -> None:
        self.broker = MemoryBroker()
        self.store = Store(folder)
        self.ingest = Ingest(self.broker.connect("ingest", ingest.SUBSCRIPTIONS), self.store)
        self.cutter = Cutter(self.store, TRAPS, replace_settings(**more), bytes(BOX))
        self.cutter.recover()

    def bring(self, *envelopes: Envelope, at_ms: int = NOW) -> None:
        deliver(self.broker, *envelopes)
        while self.ingest.step(at_ms - NOW, at_ms):
            pass

    def rows(self, name: str, table: str) -> list[dict[str, str]]:
        with zipfile.ZipFile(self.cutter.path(name)) as archive:
            return list(csv.DictReader(io.StringIO(archive.read(f"{table}.csv").decode())))


def replace_settings(**more: object) -> BatchSettings:
    return msgspec.structs.replace(BATCH, max_events=50, max_age_s=300, max_wait_s=3600, **more)


def test_a_big_cat_goes_at_once_and_a_house_cat_waits(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.bring(*sighting(1, 1, species=DOMESTIC_CAT))
    assert bench.cutter.step(NOW + 1000) is None
    bench.bring(*sighting(2, 1, NOW + 90_000, species=SNOW_LEOPARD))
    name = bench.cutter.step(NOW + 2000)
    assert name is not None
    assert [r["trap"] for r in bench.rows(name, "objects")] == ["1", "1", "2", "2"], "who is ready goes along"
    bench.bring(note(1, 7, OPENED, {"trigger": 3}))
    assert bench.cutter.step(NOW + 3000) is not None, "an alarm waits no more than a tiger"


def test_which_species_are_urgent_is_a_setting(tmp_path: Path) -> None:
    bench = Bench(tmp_path, urgent_species="domestic cat")
    bench.bring(*sighting(2, 1, species=SNOW_LEOPARD))
    assert bench.cutter.step(NOW + 1000) is None
    bench.bring(*sighting(1, 1, species=DOMESTIC_CAT))
    assert bench.cutter.step(NOW + 1000) is not None
    for text, good in (("", True), ("tiger", True), (" tiger , lynx ", True), ("lion", False), ("tiger;lynx", False)):
        settings = Settings(batch=replace_settings(urgent_species=text))
        if good:
            check_traps(settings)
        else:
            with pytest.raises(
                SetupError, match=r"key 'batch.urgent_species' is .* is no species of the traps; allowed"
            ):
                check_traps(settings)


def test_an_urgent_one_is_found_behind_a_long_backlog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_WAITING", 4)
    bench = Bench(tmp_path)
    bench.bring(*(e for n in range(1, 6) for e in sighting(1, n, species=DOMESTIC_CAT)))
    bench.bring(*sighting(2, 9, species=SNOW_LEOPARD))
    assert len(bench.store.waiting(TRAPS)) == 4
    name = bench.cutter.step(NOW + 1000)
    assert name is not None
    assert {r["trap"] for r in bench.rows(name, "objects")} == {"1", "2"}


def ledger() -> list[Envelope]:
    """Ten days of trap 1, of which it saw nothing on two."""
    blind = {"seen": 0, "reasons": 1}
    return [day(1, 100 + ago, ago, **(blind if ago in (5, 6) else {})) for ago in range(10, 0, -1)]


def test_a_batchs_deployments_end_where_the_trap_was_blind(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.bring(*ledger())
    bench.bring(*sighting(1, 1, NOW - 8 * DAY_MS), *sighting(1, 2, NOW - 2 * DAY_MS), *sighting(2, 1, NOW))
    name = bench.cutter.step(NOW + 1000)
    assert name is not None
    own = [r for r in bench.rows(name, "deployments") if r["cameraID"] == "trap-1"]
    after = date_of(TODAY - 4)
    assert [r["deploymentID"] for r in own] == ["S001-left-1", f"S001-left-1-{after.replace('-', '')}"]
    assert own[0]["deploymentEnd"] == f"{date_of(TODAY - 7)}T23:59:59Z"
    assert own[1]["deploymentStart"] == f"{after}T00:00:00Z"
    assert "Still in the field" in own[1]["deploymentComments"]
    where = {r["observationID"]: r["deploymentID"] for r in bench.rows(name, "observations")}
    assert (where["1-c0ffee01-1"], where["1-c0ffee01-2"]) == (own[0]["deploymentID"], own[1]["deploymentID"])
    (other,) = [r for r in bench.rows(name, "deployments") if r["cameraID"] == "trap-2"]
    assert "Still in the field" in other["deploymentComments"], "without a ledger it is as it was"


def test_a_batch_has_only_the_periods_that_it_is_about(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.bring(*ledger())
    assert bench.cutter.step(NOW + 400_000) is not None
    bench.bring(*sighting(1, 1, NOW - 8 * DAY_MS), at_ms=NOW + 500_000)
    name = bench.cutter.step(NOW + 501_000)
    assert name is not None
    assert [r["deploymentID"] for r in bench.rows(name, "deployments")] == ["S001-left-1"]


def test_what_is_told_later_does_not_change_a_batch_that_is_made_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.bring(day(1, 50, 9))
    bench.bring(*sighting(1, 1, NOW - 3 * DAY_MS))
    name = bench.cutter.step(NOW + 1000)
    assert name is not None
    before = bench.cutter.path(name).read_bytes()
    bench.bring(*ledger(), at_ms=NOW + 60_000)
    bench.cutter.rebuild(name)
    assert bench.cutter.path(name).read_bytes() == before
