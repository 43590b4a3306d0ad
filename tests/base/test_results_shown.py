"""Identifications from the reference back end all the way: kept, on the page, by the command, exported, on the bus."""

import csv
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.base.backend_server import Server, make_batch
from tests.base.forwarding import World
from tests.base.package_parts import check_profile, check_tables, needs_official
from tests.base.parts import BOX, EPOCH, NOW, TRAPS, deliver, sighting
from tests.base.result_parts import CATS, KEY, said
from trapbase.cli import main
from trapbase.config import PageSettings, Settings
from trapbase.outlet import OutletError
from trapbase.page_state import PageState
from trapbase.results.answer import MOST, read_page
from trapbase.results.kept import ResultStore
from trapbase.results.poller import Poller
from trapbase.results.telling import EVERY_MS, ROUND, Teller
from trapbase.results.words import exact_time, identified_words
from trapbase.tus import TusOutlet
from trapkit import topics
from trapsim.backend_direct import DirectOutlet

LATER = 30_000  # ms, when everything is signed for


class Fetched:
    """Three sightings at the reference back end, and what it says of them in the base's tables."""

    def __init__(self, world: World) -> None:
        self.world = world
        deliver(world.broker, *sighting(1, 1), *sighting(2, 1), *sighting(3, 1))
        world.base.run(0, LATER)
        self.kept = ResultStore(world.folder / "base")
        self.poller = Poller(self.kept, world.outlet, KEY, CATS, lambda: 1.0)
        self.bus = world.broker.connect("forward-results", (), may_publish=topics.every(topics.IDENTIFIED))
        self.teller = Teller(self.kept, self.bus)
        self.listener = world.broker.connect("listener", (topics.every(topics.IDENTIFIED),))
        self.now = LATER
        self.fetch()

    def fetch(self) -> None:
        self.now += 60_000
        while self.poller.step(self.now, NOW + self.now):
            pass

    def say(self, *results: dict[str, Any]) -> None:
        self.world.backend.results.say(results)
        self.fetch()

    def told(self) -> list[dict[str, Any]]:
        self.now += EVERY_MS
        while self.teller.step(self.now, NOW + self.now):
            self.now += EVERY_MS
        found = []
        while messages := self.listener.take(100):
            for message in messages:
                trap = int(message.topic.rsplit("/", 1)[1])
                found.append({"trap": trap} | json.loads(message.payload))
                message.acknowledge()
        return found


@pytest.fixture
def fetched(world: World) -> Iterator[Fetched]:
    fetched = Fetched(world)
    yield fetched
    fetched.kept.close()


@pytest.fixture
def config(fetched: Fetched) -> Path:
    folder = fetched.world.folder
    (folder / "box.key").write_text(bytes(BOX).hex())
    text = f'folder = "{folder}/base"\nbox_key = "{folder}/box.key"\n'
    for trap in TRAPS.values():
        text += f'[[trap]]\nnumber = {trap.number}\nstation = "{trap.station}"\nside = "{trap.side}"\n'
        text += f"latitude = {trap.latitude}\nlongitude = {trap.longitude}\n"
    (folder / "base.toml").write_text(text)
    return folder / "base.toml"


def run(config: Path, *command: str) -> int:
    return main([command[0], "--config", str(config), *command[1:]])


def test_the_reference_names_every_cat_corrects_the_first_and_says_that_it_is_invented(fetched: Fetched) -> None:
    rows = fetched.kept.untold(99)
    assert len({(r["trap"], r["number"]) for r in rows}) == 3
    assert [r["replaces"] for r in rows if r["replaces"]] == [rows[0]["result_id"]]
    assert rows[0]["individual"] is None
    assert {i.individual for i in fetched.kept.all_standing()} == {"Chelsea (simulated)"}
    assert all("simulated" in r["reviewer"] for r in rows)


def test_a_crop_that_comes_later_is_identified_then_and_once(world: World) -> None:
    alert, crop = sighting(1, 1)
    deliver(world.broker, alert)
    world.base.run(0, 80_000)
    assert world.backend.results.page("", MOST) is None, "nobody can tell a cat without its picture"
    deliver(world.broker, crop)
    world.base.run(80_000, 160_000)
    found = world.backend.results.page("", MOST)
    assert found is not None
    assert len(read_page(*found, "", KEY).results) == 1


def test_the_page_shows_who_it_was(fetched: Fetched) -> None:
    settings = Settings(folder=str(fetched.world.folder / "base"), trap=tuple(TRAPS.values()), page=PageSettings())
    page = PageState(settings, bytes(BOX), threading.Event())
    assert (
        '<b>Chelsea (simulated)</b> <span class="quiet">female, adult, by reviewer (simulated)</span>'
        in page.render("live.html")
    )
    fetched.say(said("x1", individualID="<b>T-12</b> Elduga", classificationTimestamp="2026-01-01T00:00:00Z"))
    shown = page.render("live.html")
    assert "<b>&lt;b&gt;T-12&lt;/b&gt; Elduga</b>" in shown
    fetched.say(said("x2", replaces="x1", withdrawn=True, classificationTimestamp="2026-01-02T00:00:00Z"))
    assert "Elduga" not in page.render("live.html")


def test_what_is_not_known_is_left_out_of_the_words() -> None:
    row = {"individual": None, "sex": None, "life_stage": "adult", "confidence": None, "reviewer": "A. Petrova"}
    assert identified_words(row) == "unknown individual, adult, by A. Petrova"
    assert (exact_time(NOW), exact_time(NOW + 7)) == ("2025-11-21T01:00:00Z", "2025-11-21T01:00:00.007Z")


def test_the_command_lists_what_stands(fetched: Fetched, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetched.say(said("x1", 7, individualID="T-12 Elduga"))
    assert run(config, "identifications") == 0
    lines = capsys.readouterr().out.splitlines()
    first = f"1-{EPOCH:08x}-1 (2025-11-21T01:00:00Z): Chelsea (simulated), female, adult, "
    assert lines[0].startswith(first)
    assert lines[1] == f"1-{EPOCH:08x}-7 (sighting not here): T-12 Elduga, female, adult, 0.97, by HotSpotter 2.1"
    assert len(lines) == 4
    assert run(config, "identifications", "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert (rows[1]["individualID"], rows[1]["eventStart"], rows[1]["result_id"]) == ("T-12 Elduga", "", "x1")
    assert run(config, "status") == 0
    assert "identified: 4 sightings, 2 individuals: trapbase identifications" in capsys.readouterr().out


def test_the_command_gives_programs_every_result_and_goes_on(
    fetched: Fetched, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "identifications", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["stands"] for one in found["identifications"]].count(False) == 1
    assert found["more"] is False
    fetched.say(said("x1", 7))
    assert run(config, "identifications", "--json", "--after", str(found["next"])) == 0
    (one,) = json.loads(capsys.readouterr().out)["identifications"]
    assert {name: one[name] for name in said("x1", 7)} == said("x1", 7)


@pytest.mark.parametrize("wrong", [["--csv", "--json"], ["--after", "3"], ["--json", "--after", "-1"]])
def test_a_wrong_use_is_said(config: Path, capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    assert run(config, "identifications", *wrong) == 2
    assert "possible" in capsys.readouterr().err


def test_again_asks_for_all_from_the_beginning(fetched: Fetched, config: Path) -> None:
    before = len(fetched.kept.untold(99))
    assert run(config, "identifications", "--again") == 0
    assert fetched.kept.cursor(KEY.hex()) == ""
    fetched.fetch()
    assert fetched.kept.cursor(KEY.hex()) != ""
    assert len(fetched.kept.untold(99)) == before


@needs_official
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_export_has_it_in_the_sightings_row_by_the_official_profile(fetched: Fetched, config: Path) -> None:
    fetched.say(
        said("x1", scientificName="Panthera pardus orientalis", classificationTimestamp="2026-01-01T00:00:00.5Z"),
        said("x2", 99),
    )
    out = config.parent / "out"
    assert run(config, "export", "--camtrap-dp", str(out)) == 0
    report = check_tables(out)
    assert report.valid, report.flatten(["type", "rowNumber", "fieldName", "note"])
    descriptor = json.loads((out / "datapackage.json").read_text())
    check_profile(descriptor)
    assert {"scientificName": "Panthera pardus orientalis"} in descriptor["taxonomic"]
    rows = {r["observationID"]: r for r in csv.DictReader(io.StringIO((out / "observations.csv").read_text()))}
    assert len(rows) == 3
    row = rows[f"1-{EPOCH:08x}-1"]
    want = {
        "individualID": "T-12 Elduga", "sex": "female", "lifeStage": "adult", "classificationMethod": "machine",
        "classifiedBy": "HotSpotter 2.1", "classificationTimestamp": "2026-01-01T00:00:00Z",
        "classificationProbability": "0.9700", "scientificName": "Panthera pardus orientalis",
    }  # fmt: skip
    assert row | want == row
    detected = ("detectedName:Panthera tigris", "detectedBy:Pugmark feline detector", "detectedProbability:0.9020")
    assert all(tag in row["observationTags"].split(" | ") for tag in detected)
    assert "classifiedBy" not in row["observationTags"]


def test_every_result_is_told_on_the_bus_once_and_in_order(fetched: Fetched) -> None:
    first = fetched.told()
    assert [one["id"] for one in first] == [1, 2, 3, 4]
    assert {one["trap"] for one in first} == {1, 2, 3}
    assert all(one["observationID"].startswith(f"{one['trap']}-") for one in first)
    fetched.teller = Teller(fetched.kept, fetched.bus)  # after a restart
    assert fetched.told() == []
    fetched.say(*(said(f"x{n}", n) for n in range(2, 2 + ROUND + 1)))
    assert [one["result_id"] for one in fetched.told()] == [f"x{n}" for n in range(2, 2 + ROUND + 1)]


def test_what_the_bus_does_not_take_is_told_later(fetched: Fetched) -> None:
    fetched.bus.connected = False
    assert fetched.told() == []
    fetched.bus.connected = True
    assert len(fetched.told()) == 4


def test_over_http_page_by_page(server: Server, tmp_path: Path) -> None:
    outlet = TusOutlet(server.url, 5)
    kept = ResultStore(tmp_path)
    try:
        assert outlet.identifications("", MOST) is None
        batch_id, data, _ = make_batch(tmp_path / "base")
        server.tus("PATCH", server.create(batch_id, len(data)), data, Upload_Offset="0")
        body, signature = outlet.identifications("", 1)  # type: ignore[misc]
        page = read_page(body, signature, "", KEY)
        assert (len(page.results), page.more) == (1, True)
        poller = Poller(kept, outlet, KEY, CATS, lambda: 1.0)
        while poller.step(0, NOW):
            pass
        assert (len(kept.untold(9)), poller.last_error) == (3, "")
        for after, status in (("after-99", 410), ("b-1", 410)):
            with pytest.raises(OutletError, match=f"asking for identifications was answered with {status}") as found:
                outlet.identifications(after, MOST)
            assert found.value.status == status
    finally:
        kept.close()
        outlet.close()
    for wrong in ("limit=0", "limit=201", "limit=x", "after=", "after=a%20b", f"after={'c' * 257}"):
        assert server.ask("GET", f"/v1/identifications?{wrong}").status == 400
    refused = server.ask("TRACE", "/v1/identifications")
    assert (refused.status, set(refused.headers["Allow"].split(", "))) == (405, {"HEAD", "GET"})


def test_a_back_end_that_is_down_is_told_and_tried_again(world: World, tmp_path: Path) -> None:
    kept = ResultStore(tmp_path / "base")
    outlet = DirectOutlet(None)
    poller = Poller(kept, outlet, KEY, CATS, lambda: 1.0)
    assert not poller.step(0, NOW)
    assert poller.last_error == "back end: it is down"
    outlet.store = world.outlet.store
    assert not poller.step(60_000, NOW)
    assert poller.last_error == ""
    kept.close()


def test_a_base_fetches_by_itself_beside_its_uploads(world: World) -> None:
    """As `parts` builds it: poller and teller in the forwarding part's loop."""
    kept = ResultStore(world.folder / "base")
    bus = world.broker.connect("forward-results", ())
    world.base.forward._results = [Poller(kept, world.outlet, KEY, CATS, lambda: 1.0), Teller(kept, bus)]
    deliver(world.broker, *sighting(1, 1), *sighting(2, 1))
    world.base.run(0, 130_000, 1000)
    assert world.states() == ["receipted"]
    assert len(list(kept.all_standing())) == 2
    assert kept.untold(9) == []
    kept.close()


def test_verify_finds_a_result_that_should_not_stand(
    fetched: Fetched, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "verify") == 0
    fetched.kept._db.execute("UPDATE identifications SET stands = 0 WHERE trap = 1")
    assert run(config, "verify") == 1
    assert "sighting 1-c0ffee01-1: no identification stands, and sim-000003 should" in capsys.readouterr().out
    assert run(config, "identifications", "--again") == 0
    fetched.fetch()
    assert run(config, "verify") == 0
