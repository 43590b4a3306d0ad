"""Rangers' cards and samples at the base: proved, opened, used, shown, exported; what is wrong with one is said."""

import csv
import io
import json
import threading
from pathlib import Path

import pytest
from nacl.public import PrivateKey
from nacl.signing import SigningKey

from tests.base.card_parts import DAY_MS, HOUR_MS, card, note_of, sample, visit
from tests.base.note_parts import day, take, write_keys
from tests.base.package_parts import check_profile, check_tables, needs_official
from tests.base.parts import BATCH, BOX, EPOCH, NOW, TRAPS, sighting
from trapbase.cli import main
from trapbase.config import Settings
from trapbase.cutter import Cutter
from trapbase.package import build_files
from trapbase.page_state import PageState
from trapbase.reader import Reader
from trapbase.store import Store
from trapbase.store_settings import CardsSettings
from trapbase.verify import problems
from trapbase.view import View
from trapwire.notes import MAX_CARD_BYTES
from trapwire.objects import Envelope

STRANGER = SigningKey(bytes(32))
Tables = dict[str, list[dict[str, str]]]


class Post:
    """A base whose settings list traps 1 to 3, and have the keys of 1 to 9."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = write_keys(folder / "units", *range(1, 10))
        (folder / "box.key").write_text(bytes(BOX).hex())
        self.config = folder / "base.toml"
        self.write()

    def write(self, more: str = "", box: bool = True) -> None:
        text = f'folder = "{self.folder}/base"\nunit_keys = "{self.folder}/units"\n'
        text += f'box_key = "{self.folder}/box.key"\n' if box else ""
        text += more
        for trap in TRAPS.values():
            text += f'[[trap]]\nnumber = {trap.number}\nstation = "{trap.station}"\nside = "{trap.side}"\n'
            text += f"latitude = {trap.latitude}\nlongitude = {trap.longitude}\n"
        self.config.write_text(text)

    def take(self, *envelopes: Envelope, now_ms: int = NOW) -> None:
        take(self.folder / "base", self.keys, *envelopes, now_ms=now_ms)

    def says(self, capsys: pytest.CaptureFixture[str], *command: str) -> str:
        assert main([*command, "--config", str(self.config)]) == 0
        return capsys.readouterr().out

    def export(self) -> Tables:
        out = self.folder / "out"
        assert main(["export", "--camtrap-dp", str(out), "--config", str(self.config)]) == 0
        return {p.stem: list(csv.DictReader(io.StringIO(p.read_text()))) for p in out.glob("*.csv")}

    def view(self) -> View:
        settings = Settings(folder=str(self.folder / "base"), trap=tuple(TRAPS.values()))
        state = PageState(settings, bytes(BOX), threading.Event())
        return state.view()


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return Post(tmp_path)


def test_a_card_makes_a_trap_known_and_its_pictures_a_deployment(post: Post) -> None:
    placed = card(note="under the spruce", bait="scent", trail_m=2.5)
    post.take(*sighting(7, 2, NOW + HOUR_MS), note_of(7, 1, placed), now_ms=NOW + DAY_MS)
    tables = post.export()
    (row,) = tables["deployments"]
    assert {k: v for k, v in row.items() if v} == {
        "deploymentID": "S9-left-7-20251121T0100",
        "locationID": "S9",
        "locationName": "S9",
        "latitude": "43.2",
        "longitude": "131.5",
        "coordinateUncertainty": "10",
        "deploymentStart": "2025-11-21T01:00:00Z",
        "deploymentEnd": "2025-11-21T02:00:00Z",
        "setupBy": "A. Ivanova",
        "cameraID": "trap-7",
        "cameraHeight": "0.45",
        "cameraHeading": "310",
        "timestampIssues": "false",
        "baitUse": "true",
        "deploymentTags": "side:left | bait:scent | trailDistanceM:2.5",
        "deploymentComments": row["deploymentComments"],
    }
    assert row["deploymentComments"].startswith("under the spruce")
    assert {r["deploymentID"] for r in tables["observations"]} == {row["deploymentID"]}
    assert {r["deploymentID"] for r in tables["media"]} == {row["deploymentID"]}
    assert list(problems(post.folder / "base")) == []


def test_a_card_overrides_the_settings_from_its_time_on(post: Post) -> None:
    early, late = sighting(1, 1, NOW - 9 * DAY_MS), sighting(1, 3, NOW + HOUR_MS)
    post.take(*early, note_of(1, 2, card()), *late)
    tables = post.export()
    assert [r["deploymentID"] for r in tables["deployments"]] == ["S001-left-1", "S9-left-1-20251121T0100"]
    by_id = {r["observationID"]: r["deploymentID"] for r in tables["observations"]}
    assert by_id == {"1-c0ffee01-1": "S001-left-1", "1-c0ffee01-3": "S9-left-1-20251121T0100"}


def test_two_cameras_of_a_station_by_card_share_an_event(post: Post) -> None:
    post.take(
        note_of(7, 1, card()),
        note_of(1, 1, card(side="right")),  # S001 by the settings
        *sighting(7, 2, NOW + HOUR_MS),
        *sighting(1, 2, NOW + HOUR_MS + 20_000),
        *sighting(2, 2, NOW + HOUR_MS + 20_000),  # S001 still
    )
    events = {r["observationID"]: r["eventID"] for r in post.export()["observations"]}
    assert events["7-c0ffee01-2"] == events["1-c0ffee01-2"]
    assert events["2-c0ffee01-2"] != events["7-c0ffee01-2"]


def test_an_ended_deployment_ends_and_one_without_pictures_is_exported_too(post: Post) -> None:
    post.take(
        note_of(7, 1, card()),
        *sighting(7, 2, NOW + HOUR_MS),
        note_of(7, 3, card("end", NOW + 10 * DAY_MS)),
        note_of(8, 1, card(station="S8", uncertainty_ms=None)),
    )
    first, second = post.export()["deployments"]
    assert (first["deploymentEnd"], first["timestampIssues"]) == ("2025-12-01T01:00:00Z", "false")
    assert "Still in the field" not in first["deploymentComments"]
    assert (second["locationID"], second["timestampIssues"]) == ("S8", "true")
    assert "no line" in first["deploymentComments"].lower()


def test_the_ledger_splits_a_cards_deployment_and_its_days_outside_do_not(post: Post) -> None:
    lines = [day(7, 20 + ago, ago, **({"seen": 0} if ago in (4, 5, 12) else {"sightings": 0})) for ago in range(1, 14)]
    began = NOW - 10 * DAY_MS
    post.take(note_of(7, 1, card(at_ms=began)), *lines, note_of(7, 90, card("end", NOW - DAY_MS)))
    rows = post.export()["deployments"]
    assert [(r["deploymentStart"], r["deploymentEnd"]) for r in rows] == [
        ("2025-11-11T01:00:00Z", "2025-11-15T23:59:59Z"),
        ("2025-11-18T00:00:00Z", "2025-11-20T01:00:00Z"),
    ]
    assert "blind from 2025-11-16 to 2025-11-17" in rows[0]["deploymentComments"]


def test_samples_lie_beside_the_tables_with_their_deployment_sighting_and_event(post: Post) -> None:
    post.take(
        note_of(7, 1, card()),
        *sighting(7, 2, NOW + HOUR_MS),
        note_of(7, 3, sample(NOW + 2 * HOUR_MS, sighting=2, latitude=43.21, longitude=131.51, note="on a stone")),
        note_of(1, 1, sample(NOW + HOUR_MS, barcode="PM-8", kind="hair", kept="dry", uncertainty_ms=None)),
    )
    tables = post.export()
    two, one = sorted(tables["samples"], key=lambda r: r["barcode"])
    (event,) = {r["eventID"] for r in tables["observations"]}
    assert two == {
        "sampleID": "7-c0ffee01-3",
        "barcode": "PM-7",
        "kind": "scat",
        "preserved": "ethanol",
        "deploymentID": "S9-left-7-20251121T0100",
        "observationID": "7-c0ffee01-2",
        "eventID": event,
        "timestamp": "2025-11-21T03:00:00Z",
        "timestampIssues": "false",
        "latitude": "43.21",
        "longitude": "131.51",
        "coordinateUncertainty": "30",
        "collectedBy": "A. Ivanova",
        "comments": "on a stone",
    }
    assert (one["deploymentID"], one["latitude"], one["timestampIssues"]) == ("S001-left-1", "43.1", "true")
    assert one["comments"] == "Written down for station S9."


@needs_official
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_package_with_cards_and_samples_is_a_camtrap_dp(post: Post) -> None:
    post.take(
        note_of(7, 1, card(bait="food", note='"=cmd", said\nhe')),
        *sighting(7, 2, NOW + HOUR_MS),
        note_of(7, 3, sample(NOW + 2 * HOUR_MS, sighting=2)),
        note_of(7, 4, sample(NOW + 2 * HOUR_MS, barcode="PM-9", sighting=999)),
        note_of(7, 5, card("end", NOW + 5 * DAY_MS)),
        note_of(7, 6, visit(NOW + 3 * DAY_MS)),
        note_of(8, 1, card("take over", NOW + 5 * DAY_MS)),
        note_of(2, 1, sample(NOW, barcode="PM-10")),
    )
    post.export()
    report = check_tables(post.folder / "out")
    assert report.valid, report.flatten(["type", "rowNumber", "fieldName", "note"])
    assert {"samples", "visits"} <= {t.name for t in report.tasks}
    check_profile(json.loads((post.folder / "out" / "datapackage.json").read_text()))
    path = post.folder / "out" / "samples.csv"
    for old, new in ((",scat,", ",stone,"), ("S9-left-7-20251121T0100", "nowhere"), ("PM-7", "")):
        text = path.read_text()
        path.write_text(text.replace(old, new, 1))
        assert not check_tables(post.folder / "out").valid
        path.write_text(text)


def test_a_visit_lies_beside_the_tables_and_is_said_and_shown(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    post.take(
        note_of(7, 1, card()),
        note_of(7, 2, visit(NOW + DAY_MS, note="ice on\nthe lens", done=("battery", "moss taken off"))),
        note_of(7, 3, visit(NOW + 2 * DAY_MS, done=(), uncertainty_ms=None)),
    )
    first, second = post.export()["visits"]
    assert first == {
        "visitID": "7-c0ffee01-2",
        "deploymentID": "S9-left-7-20251121T0100",
        "timestamp": "2025-11-22T01:00:00Z",
        "timestampIssues": "false",
        "done": "battery|moss taken off",
        "visitedBy": "A. Ivanova",
        "comments": "ice on the lens",
    }
    assert (second["done"], second["timestampIssues"]) == ("", "true")
    assert post.says(capsys, "visits") == (
        "2025-11-23T01:00:00Z, S9-left-7-20251121T0100: only looked at, by A. Ivanova\n"
        "2025-11-22T01:00:00Z, S9-left-7-20251121T0100: battery changed, moss taken off, by A. Ivanova "
        "(ice on the lens)\n"
    )
    (row,) = csv.DictReader(io.StringIO("".join(post.says(capsys, "visits", "--csv").splitlines(keepends=True)[:2])))
    assert row["visitID"] == "7-c0ffee01-3"
    assert "stands there, by A. Ivanova, visited 2025-11-23T01:00:00Z" in post.says(capsys, "deployments")
    view = post.view()
    assert [(v["station"], v["what"], v["doubt"]) for v in view.visits] == [
        ("S9", "only looked at", True),
        ("S9", "battery changed, moss taken off", False),
    ]
    assert view.cards == [], "a visit is no fault of a card"


def test_a_visit_under_a_samples_kind_counts_for_nothing(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    post.take(note_of(7, 1, visit(), kind=5))
    assert "under a sample's kind" in post.says(capsys, "deployments")
    assert post.says(capsys, "visits") == "no service visit is here\n"


def bad_cards() -> dict[str, tuple[Envelope, str]]:
    other = PrivateKey(bytes(range(1, 33)))
    return {
        "forged": (note_of(7, 1, card(), key=STRANGER), "is not signed with that trap's key"),
        "no key here": (note_of(90, 1, card()), "this base has no key of that trap"),
        "another base's": (note_of(7, 1, card(), base=bytes(other.public_key)), "does not open with this base's key"),
        "no JSON": (note_of(7, 1, b"nothing of the kind"), "cannot be read"),
        "no position": (note_of(7, 1, b'{"type":"card","action":"place","station":"S9","side":"left","who":"A",'
                                      b'"at_ms":1763686800000}'), "has no position"),
        "a date in 1970": (note_of(7, 1, b'{"type":"card","action":"end","station":"S9","side":"left","who":"A",'
                                         b'"at_ms":1000}'), "cannot be read"),
        "a sample's kind": (note_of(7, 1, card(), kind=5), "under a sample's kind"),
        "at sea": (note_of(7, 1, card(latitude=0.0, longitude=0.0)), "outside the bounds"),
    }  # fmt: skip


@pytest.mark.parametrize("what", sorted(bad_cards()))
def test_a_card_that_cannot_count_is_kept_said_and_not_used(
    post: Post, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    envelope, words = bad_cards()[what]
    post.take(envelope)
    said = post.says(capsys, "deployments")
    assert words in said
    assert "kept and not used" in said
    assert "no deployment card is here" in said
    assert words in post.says(capsys, "status")
    assert list(problems(post.folder / "base")) == []
    reader = Reader(post.folder / "base")
    assert reader.summary()["objects"] == {"stored": 1}
    assert reader.rows("alarms", 10) == []
    reader.close()


def test_a_card_is_proved_when_its_traps_key_comes(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    post.take(note_of(12, 1, card()))
    assert "no key of that trap" in post.says(capsys, "deployments")
    write_keys(post.keys, 12)
    post.take(*sighting(1, 1))  # ingest's next start looks again
    assert "S9 left: trap 12 from 2025-11-21T01:00:00Z, stands there, by A. Ivanova" in post.says(capsys, "deployments")


def test_bounds_of_the_settings_hold(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    post.take(note_of(7, 1, card()))
    post.write("[cards]\nnorth = 43.1\n")
    assert "outside the bounds" in post.says(capsys, "deployments")
    post.write("[cards]\nnorth = 43.3\n")
    assert "outside the bounds" not in post.says(capsys, "deployments")
    post.write("[cards]\nnorth = 43.3\nsouth = 50.0\n")
    assert main(["config", "check", "--config", str(post.config)]) == 2
    assert "'cards.south', 'cards.north' are 50.0, 43.3" in capsys.readouterr().err


def test_without_the_box_key_cards_stay_sealed_and_that_is_said(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    post.take(note_of(7, 1, card()), note_of(7, 2, sample()))
    post.write(box=False)
    assert "2 cards and samples are sealed: without the setting box_key" in post.says(capsys, "deployments")


def test_a_card_longer_than_any_is_garbage_and_a_day_as_long_as_a_card_too(post: Post) -> None:
    whole = note_of(7, 1, b"x" * (MAX_CARD_BYTES - 72 - 48))
    longer = Envelope(whole.key, whole.body + b"x")
    line = day(7, 2, 1)
    post.take(longer, Envelope(line.key, line.body[:-64] + bytes(100) + line.body[-64:]))
    reader = Reader(post.folder / "base")
    assert reader.summary()["counters"]["garbage"] == 2
    reader.close()
    post.take(whole)
    assert [len(o.body) for o in (whole,)] == [MAX_CARD_BYTES]


def test_samples_and_deployments_as_tables_and_words(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    post.take(note_of(7, 1, card()), note_of(7, 2, sample(NOW + HOUR_MS)), note_of(7, 3, card("end", NOW + DAY_MS)))
    (row,) = csv.DictReader(io.StringIO(post.says(capsys, "deployments", "--csv")))
    assert (row["latitude"], row["end"], row["height_cm"]) == ("43.2", "2025-11-22T01:00:00Z", "45")
    (row,) = csv.DictReader(io.StringIO(post.says(capsys, "samples", "--csv")))
    assert (row["barcode"], row["deploymentID"]) == ("PM-7", "S9-left-7-20251121T0100")
    assert post.says(capsys, "samples") == (
        "PM-7: scat in ethanol, 2025-11-21T02:00:00Z, S9-left-7-20251121T0100, by A. Ivanova\n"
    )
    assert "1 field samples" in post.says(capsys, "status")


def test_an_empty_base_has_no_cards(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    post.take(*sighting(1, 1))
    assert "no deployment card is here" in post.says(capsys, "deployments")
    assert post.says(capsys, "samples") == "no sample is here\n"


def test_the_page_shows_who_stands_where_and_no_position(post: Post) -> None:
    post.take(
        note_of(7, 1, card(note="43.2, 131.5 by the pass")),
        note_of(8, 1, card(at_ms=NOW + DAY_MS)),
        note_of(7, 2, sample(NOW + HOUR_MS, sighting=4)),
        *sighting(7, 4, NOW + HOUR_MS),
    )
    view = post.view()
    assert "S9, left: traps 7 and 8" in view.cards[0]
    assert [(d["station"], d["trap"], d["who"]) for d in view.deployments] == [
        ("S9", 7, "A. Ivanova"),
        ("S9", 8, "A. Ivanova"),
    ]
    assert [(s["barcode"], s["sighting"]) for s in view.samples] == [("PM-7", 4)]
    assert "S9" in [s["name"] for s in view.stations]
    assert {e["station"] for e in view.events} == {"S9"}
    assert not any("not in this base's settings" in n for n in view.notes)
    shown = json.dumps([view.deployments, view.samples, view.stations], default=str)
    assert "latitude" not in shown
    assert view.alarms == []


def test_a_trap_that_was_taken_down_is_not_looked_for(post: Post) -> None:
    post.take(note_of(7, 1, card()), note_of(7, 2, card("end", NOW + DAY_MS)), *sighting(7, 3))
    view = post.view()
    assert "S9" not in [s["name"] for s in view.stations]
    assert [(d["trap"], d["until"] is not None) for d in view.deployments] == [(7, True)]
    assert not any("trap 7" in note for note in view.notes)


def test_a_batch_of_a_card_alone_is_a_package(post: Post) -> None:
    post.take(note_of(7, 1, card()))
    store = Store(post.folder / "base")
    cutter = Cutter(store, TRAPS, BATCH, bytes(BOX))
    cutter.recover()
    name = cutter.step(NOW + DAY_MS)
    assert name is not None
    _, contents = cutter.contents(store.objects_of(name))
    files = build_files(name, contents, BATCH)
    assert b"S9-left-7-20251121T0100" in files["deployments.csv"]
    assert "samples.csv" not in files
    store.close()


def test_objects_of_a_trap_wait_until_a_card_tells_where_it_stands(post: Post) -> None:
    post.take(*sighting(7, 2, NOW + HOUR_MS))
    store = Store(post.folder / "base")
    cutter = Cutter(store, TRAPS, BATCH, bytes(BOX), CardsSettings())
    cutter.recover()
    assert cutter.step(NOW + 2 * DAY_MS) is None
    post.take(note_of(7, 1, card()), now_ms=NOW + DAY_MS)
    assert cutter.step(NOW + 2 * DAY_MS) is not None
    store.close()


def test_the_same_number_of_another_epoch_is_another_card(post: Post) -> None:
    post.take(note_of(7, 1, card()), note_of(7, 1, card("end", NOW + DAY_MS), epoch=EPOCH + 1))
    (row,) = post.export()["deployments"]
    assert row["deploymentEnd"] == "2025-11-22T01:00:00Z"
