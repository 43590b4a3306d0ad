"""Traps' notes at the base: kept, proved, shown, exported."""

import csv
import io
import json
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from tests.base.note_parts import DAY_MS, TODAY, UNIT, day, note, take, write_keys
from tests.base.package_parts import check_profile, check_tables, needs_official
from tests.base.parts import BOX, EPOCH, NOW, TRAPS, Base, deliver, envelope, picture, sighting
from trapbase import cmd_effort
from trapbase.cli import main
from trapbase.config import Settings
from trapbase.deployments import Deployment
from trapbase.effort import DayLine, after, alarms, date_of, day_lines
from trapbase.page_state import ALARMS, DAYS
from trapbase.places import Places
from trapbase.reader import Reader
from trapbase.verify import problems
from trapbase.view_effort import effort_rows, standing
from trapkit.sealing import seal_box
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import BackendStore
from trapsim.memorybus import MemoryBroker
from trapwire.notes import AFTER_OPENING, CLOCK_UNTRUSTED, MOVED, OBSCURED, OPENED, SNOWED_IN
from trapwire.objects import NOTE, SCENE, Envelope, ObjectKey
from trapwire.receipt import decode_receipt

STRANGER = SigningKey(bytes(32))


def proofs(folder: Path) -> list[str]:
    reader = Reader(folder)
    try:
        rows = reader.rows("day_notes", 0, 100) + reader.rows("alarms", 100)
    finally:
        reader.close()
    return [row["proof"] for row in rows]


def lines(folder: Path) -> list[DayLine]:
    reader = Reader(folder)
    try:
        return day_lines(reader.rows("day_notes", 0, 1000))
    finally:
        reader.close()


def test_a_note_is_kept_whole_and_proved_by_its_traps_key(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "units", 1)
    take(tmp_path / "base", keys, day(1, 1, 2), day(1, 2, 1, key=STRANGER), day(2, 1, 1))
    assert proofs(tmp_path / "base") == ["verified", "forged", "unknown"]
    assert list(problems(tmp_path / "base")) == []


def test_a_note_of_an_unknown_trap_is_proved_when_its_key_comes(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "units")
    take(tmp_path / "base", keys, day(1, 1, 2), day(2, 1, 1))
    assert proofs(tmp_path / "base") == ["unknown", "unknown"]
    take(tmp_path / "base", write_keys(keys, 1), day(1, 1, 2))
    assert proofs(tmp_path / "base") == ["verified", "unknown"]


def test_a_note_moved_to_another_number_does_not_prove(tmp_path: Path) -> None:
    body = day(1, 5, 2).body
    stolen = Envelope(ObjectKey(1, EPOCH, 6, NOTE), body)
    other_trap = Envelope(ObjectKey(2, EPOCH, 5, NOTE), body)
    take(tmp_path / "base", write_keys(tmp_path / "units", 1, 2), stolen, other_trap)
    assert proofs(tmp_path / "base") == ["forged", "forged"]


@pytest.mark.parametrize("body", [b"\x09" + bytes(80), bytes(72), b"\x01\x01" + bytes(70)])
def test_a_note_that_nobody_can_read_is_in_custody_all_the_same(tmp_path: Path, body: bytes) -> None:
    take(tmp_path / "base", None, envelope(1, 1, NOTE, body))
    reader = Reader(tmp_path / "base")
    assert reader.summary()["objects"] == {"stored": 1}
    reader.close()
    assert proofs(tmp_path / "base") == []


def test_a_forged_line_counts_for_nothing_and_an_untrusted_clock_for_no_minute(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "units", 1)
    take(
        tmp_path / "base",
        keys,
        day(1, 1, 3, key=STRANGER),
        day(1, 2, 2, marks=CLOCK_UNTRUSTED),
        day(1, 3, 1, seen=1000, reasons=OBSCURED),
    )
    found = lines(tmp_path / "base")
    assert [(line.day, line.watch, line.seen, line.counts) for line in found] == [
        (TODAY - 2, 0, 0, False),
        (TODAY - 1, 1440, 1000, True),
    ]
    assert (found[1].blind, found[1].unknown, found[1].why) == (440, 0, "lens obscured")


def test_two_outboxes_of_one_day_are_added(tmp_path: Path) -> None:
    half = {"watch": 700, "seen": 600}
    take(tmp_path / "base", None, day(1, 1, 1, **half), day(1, 1, 1, epoch=5, **half))
    (line,) = lines(tmp_path / "base")
    assert (line.watch, line.seen, line.proved) == (1400, 1200, False)


def opened(number: int, *, epoch: int = EPOCH) -> Envelope:
    return note(1, number, OPENED, {"trigger": 3}, epoch=epoch)


def found_alarms(folder: Path) -> list[dict[str, object]]:
    reader = Reader(folder)
    try:
        return reader.rows("alarms", ALARMS)
    finally:
        reader.close()


def test_an_alarm_stands_until_a_line_without_its_mark_or_a_new_outbox(tmp_path: Path) -> None:
    base = tmp_path / "base"
    take(base, None, opened(4), day(1, 9, 2, marks=AFTER_OPENING))
    (alarm,) = alarms(found_alarms(base))
    assert alarm.stands
    assert [after(1, EPOCH, n, [alarm]) for n in (3, 5, 99)] == ["", "after opening", "after opening"]
    assert after(1, 5, 5, [alarm]) == after(2, EPOCH, 5, [alarm]) == ""
    take(base, None, day(1, 12, 1))
    (alarm,) = alarms(found_alarms(base))
    assert not alarm.stands
    assert [after(1, EPOCH, n, [alarm]) for n in (5, 11, 13)] == ["after opening", "after opening", ""]


def test_a_new_outbox_takes_the_alarm_off_the_page(tmp_path: Path) -> None:
    base = tmp_path / "base"
    take(base, None, opened(4))
    take(base, None, day(1, 1, 0, epoch=77), now_ms=NOW + DAY_MS)
    assert not alarms(found_alarms(base))[0].stands


def test_the_newest_alarm_stands_first(tmp_path: Path) -> None:
    moved = {"right": 110, "down": -50, "turned": -40}
    earlier, later = note(2, 4, MOVED, moved, at_ms=NOW - DAY_MS), opened(9)
    take(tmp_path / "base", None, later, earlier)
    assert [row["id"][:2] for row in standing(found_alarms(tmp_path / "base"), TRAPS, {})] == ["1-", "2-"]
    take(tmp_path / "other", None, note(1, 4, MOVED, moved, at_ms=NOW - DAY_MS), note(2, 9, OPENED, {"trigger": 1}))
    assert [row["id"][:2] for row in standing(found_alarms(tmp_path / "other"), TRAPS, {})] == ["2-", "1-"]


def test_notes_and_scenes_go_to_the_back_end_and_their_receipt_down(tmp_path: Path) -> None:
    broker, backend = MemoryBroker(), BackendStore(tmp_path / "backend", bytes(range(32, 64)))
    base = Base(tmp_path / "base", broker, DirectOutlet(backend))
    scene = envelope(1, 8, SCENE, seal_box(bytes(BOX.public_key), picture(5)))
    deliver(broker, day(1, 7, 1), scene)
    base.run(0, 13_000)
    assert base.store.objects_of(base.store.batches_in(["receipted"], 9)[0].batch_id)[0].rung == NOTE
    receipts = base.store.open_receipts(9)
    base.close()
    backend.close()
    (receipt,) = [decode_receipt(r.body) for r in receipts]
    assert receipt.objects == [(7, NOTE), (8, SCENE)]


def test_the_words_of_an_alarm_say_where_the_camera_looks(tmp_path: Path) -> None:
    take(tmp_path / "base", None, note(1, 4, MOVED, {"right": 110, "down": -50, "turned": -40}))
    (row,) = standing(found_alarms(tmp_path / "base"), TRAPS, {})
    assert row["words"] == "the camera was moved: it looks 11 % of the picture to the left, 5 % down, turned by 4°"
    assert row["where"] == "S001, left camera, trap 1"
    assert not row["proved"]


def test_the_page_has_a_row_a_trap_with_seen_blind_and_unknown(tmp_path: Path) -> None:
    take(
        tmp_path / "base",
        write_keys(tmp_path / "units", 1),
        day(1, 1, 3),
        day(1, 2, 2, seen=0, reasons=SNOWED_IN),
        day(1, 3, 1, watch=720, seen=720, off=360),
    )
    reader = Reader(tmp_path / "base")
    (row,) = effort_rows(reader.rows("day_notes", 0, 100), TRAPS, [], NOW, {})
    reader.close()
    assert (row["name"], row["seen"], row["blind"], row["unknown"]) == ("S001 left", "1.5", "1.2", "27.2")
    assert row["why"] == "snowed in"
    assert len(row["days"]) == DAYS
    last = row["days"][-1]
    assert (last["seen"], last["blind"], last["off"]) == (50, 0, 25)
    assert "12 h seen, 6 h not on watch" in last["words"]
    assert "no line" in row["days"][0]["words"]


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A base whose trap 1 was snowed in for two days, and silent for one; trap 2 never said anything."""
    scene = seal_box(bytes(BOX.public_key), picture(5))
    take(
        tmp_path / "base",
        write_keys(tmp_path / "units", 1),
        *sighting(1, 1, NOW - 9 * DAY_MS),
        *sighting(1, 2, NOW - DAY_MS),
        *sighting(2, 1),
        *[day(1, 20 - ago, ago, **snow(ago)) for ago in range(10, 0, -1) if ago != 3],
        envelope(1, 30, SCENE, scene),
        opened(31),
    )
    (tmp_path / "box.key").write_text(bytes(BOX).hex())
    text = f'folder = "{tmp_path}/base"\nbox_key = "{tmp_path}/box.key"\nunit_keys = "{tmp_path}/units"\n'
    for trap in TRAPS.values():
        text += f'[[trap]]\nnumber = {trap.number}\nstation = "{trap.station}"\nside = "{trap.side}"\n'
        text += f"latitude = {trap.latitude}\nlongitude = {trap.longitude}\n"
    path = tmp_path / "base.toml"
    path.write_text(text)
    monkeypatch.setattr(cmd_effort.time, "time_ns", lambda: NOW * 1_000_000)
    return path


def snow(ago: int) -> dict[str, int]:
    return {"seen": 0, "reasons": SNOWED_IN | OBSCURED} if ago in (6, 5) else {"sightings": int(ago in (9, 1))}


def test_effort_in_words_and_as_a_table(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["effort", "--config", str(config)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "ALARM trap 1: the lid was opened and nobody had said that they were visiting (not verified)" or (
        said[0] == "ALARM trap 1: the lid was opened and nobody had said that they were visiting"
    )
    assert "saw 7.0, blind 2.0, not on watch 0.0 (lens obscured, snowed in), unknown 21.0 (21 days" in said[1]
    assert "trap 2, last 30 days: saw 0.0" in said[2]
    assert main(["effort", "--csv", "--days", "8", "--config", str(config)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 7
    assert (rows[2]["date"], rows[2]["seen_min"], rows[2]["blind_min"]) == (date_of(TODAY - 6), "0", "1440")
    assert (rows[2]["station"], rows[2]["reasons"]) == ("S001", "lens obscured, snowed in")
    assert (rows[2]["unknown_min"], rows[2]["verified"]) == ("0", "True")
    assert main(["effort", "--json", "--config", str(config)]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["trap"] == 1


@pytest.mark.parametrize("days", ["0", "-1", "x", "99999"])
def test_effort_refuses_days_that_cannot_be(config: Path, days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["effort", "--days", days, "--config", str(config)])
    assert stopped.value.code == 2
    assert "allowed are 1-3660" in capsys.readouterr().err


def test_status_says_the_alarm_first(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--config", str(config)]) == 0
    assert capsys.readouterr().out.startswith("ALARM trap 1: the lid was opened")
    assert main(["status", "--json", "--config", str(config)]) == 0
    assert json.loads(capsys.readouterr().out)["alarms"][0]["kind"] == "opened"


def exported(config: Path, folder: Path) -> dict[str, list[dict[str, str]]]:
    assert main(["export", "--camtrap-dp", str(folder), "--config", str(config)]) == 0
    return {
        name: list(csv.DictReader(io.StringIO((folder / f"{name}.csv").read_text())))
        for name in ("deployments", "media", "observations", "objects")
    }


def test_an_export_has_no_deployment_over_days_that_saw_nothing(config: Path, tmp_path: Path) -> None:
    tables = exported(config, tmp_path / "out")
    own = [row for row in tables["deployments"] if row["cameraID"] == "trap-1"]
    first, last = (date_of(TODAY - ago) for ago in (10, 6))
    assert [row["deploymentID"] for row in own] == [
        f"S001-left-1-{first.replace('-', '')}",
        f"S001-left-1-{date_of(TODAY - 4).replace('-', '')}",
    ]
    assert own[0]["deploymentStart"] == f"{first}T00:00:00Z"
    assert own[0]["deploymentEnd"] == f"{date_of(TODAY - 7)}T23:59:59Z"
    assert own[1]["deploymentStart"] == f"{date_of(TODAY - 4)}T00:00:00Z"
    snowed = f"blind from {last} to {date_of(TODAY - 5)} (lens obscured, snowed in)"
    assert f"Then {snowed}." in own[0]["deploymentComments"]
    assert f"Before: {snowed}." in own[1]["deploymentComments"]
    assert f"Days without a line: {date_of(TODAY - 3)}" in own[1]["deploymentComments"]
    assert "No line" in tables["deployments"][-1]["deploymentComments"]
    where = {row["observationID"]: row["deploymentID"] for row in tables["observations"]}
    assert where["1-c0ffee01-1"] == own[0]["deploymentID"]
    assert where["1-c0ffee01-2"] == own[1]["deploymentID"]
    scenes = [row for row in tables["observations"] if row["observationType"] == "blank"]
    assert [row["mediaID"] for row in scenes] == ["1-c0ffee01-30-scene"]
    assert {row["rung"] for row in tables["objects"]} == {"alert", "crop", "note", "scene"}


@needs_official
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_split_export_is_still_a_camtrap_dp(config: Path, tmp_path: Path) -> None:
    exported(config, tmp_path / "out")
    report = check_tables(tmp_path / "out")
    assert report.valid, report.flatten(["type", "rowNumber", "fieldName", "note"])
    check_profile(json.loads((tmp_path / "out" / "datapackage.json").read_text()))


def line(ago: int, **more: int) -> DayLine:
    values = {"watch": 1440, "seen": 1440, "off": 0, "reasons": 0, "marks": 0, "sightings": 0} | more
    return DayLine(trap=1, day=TODAY - ago, proved=True, **values)


@pytest.mark.parametrize(
    ("told", "periods"),
    [
        pytest.param([], 1, id="no ledger"),
        pytest.param([line(3), line(2), line(1)], 1, id="all seen"),
        pytest.param([line(3), line(2, seen=0), line(1)], 2, id="a day in the middle"),
        pytest.param([line(3, seen=0), line(2), line(1)], 1, id="the first day"),
        pytest.param([line(3), line(2), line(1, seen=0)], 2, id="the last one before a sighting"),
        pytest.param([line(3), line(2, seen=0, watch=600), line(1)], 1, id="most of a day is unknown"),
        pytest.param([line(3), line(2, seen=0, sightings=1), line(1)], 1, id="it says blind and saw a cat"),
        pytest.param([line(3, seen=0), line(2, seen=0), line(1, seen=0)], 1, id="never anything until a sighting"),
    ],
)
def test_where_a_deployment_is_split(told: list[DayLine], periods: int) -> None:
    made = Deployment(Places(listed=TRAPS).site(1, NOW), [NOW], told)
    assert len(made.periods) == periods
    assert all(p.start_ms <= p.end_ms for p in made.periods)
    assert all(a.end_ms < b.start_ms for a, b in zip(made.periods, made.periods[1:], strict=False))
    assert made.at(NOW) == made.periods[-1].id
    assert len({p.id for p in made.periods}) == periods


def test_settings_name_the_folder_of_keys() -> None:
    assert Settings().unit_keys == "/etc/pugmark/keys/units"
    assert bytes(UNIT.verify_key) != bytes(STRANGER.verify_key)
