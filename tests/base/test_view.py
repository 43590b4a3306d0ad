"""What the page shows, from rows: times in two zones, boxes, both flanks, timelines, what needs a person."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.base.parts import NOW
from trapbase.config import GatewaySettings, Settings, TrapSettings
from trapbase.look.screen import Screen, render
from trapbase.moments import moment, span
from trapbase.places import Places
from trapbase.view import View, build_view
from trapbase.view_events import box_in_crop

Row = dict[str, Any]
NAMES = ("traps", "sightings", "species", "batches", "receipts_of", "conflicts", "waiting_by_trap", "late")
UTC = ZoneInfo("UTC")


def trap(number: int, station: str, side: str = "single", zone: str = "") -> TrapSettings:
    return TrapSettings(number=number, station=station, side=side, latitude=1, longitude=1, zone=zone)


def view(
    *traps: TrapSettings, species: str | None = None, sf: int = 9, modem: Row | None = None, **rows: list[Row]
) -> View:
    given = {name: rows.get(name, []) for name in NAMES}
    given["late"] = [row for row in given["batches"] if row["last_error"] and row["state"] != "receipted"]
    settings = Settings(trap=traps, zone="Asia/Vladivostok", gateway=GatewaySettings(plan="cn470", sf=sf))
    return build_view(settings, given, {}, NOW, most=24, species=species, modem=modem)


def heard(number: int, *, ago_ms: int = 0, snr_db: float | None = 6.0, **health: int) -> Row:
    return {
        "trap": number, "heard_ms": NOW - ago_ms, "came_ms": 0, "sightings": 0, "rssi_dbm": -97, "snr_db": snr_db,
        "health": health,
    }  # fmt: skip


def seen(number: int, at_ms: int = NOW, *, trap: int = 1, crop: bool = True, **more: Any) -> Row:
    row: Row = {
        "trap": trap, "epoch": 1, "number": number, "time_ms": at_ms, "uncertainty_ms": 200, "species": 1,
        "confidence": 204, "count": 1, "battery": None, "event_id": None, "box_x": 51, "box_y": 51, "box_width": 102,
        "box_height": 102, "alert_ms": at_ms + 1300, "crop": b"c" * 32 if crop else None, "crop_id": 4,
        "crop_ms": at_ms + 4000 if crop else None, "gone_ms": None, "frame": None, "frame_id": None, "full_ms": None,
        "fulls": 0,
        "signed_ms": None,
    }  # fmt: skip
    return row | more


def batch(**more: Any) -> Row:
    row: Row = {
        "batch_id": "ab" * 32, "state": "receipted", "objects": 3, "size": 2048, "cut_ms": NOW,
        "uploaded_ms": NOW + 1500, "receipted_ms": NOW + 2000, "last_error": "",
    }  # fmt: skip
    return row | more


def test_an_empty_base() -> None:
    assert view().is_empty
    assert view(trap(1, "S1")).is_empty
    assert not view(trap(1, "S1"), traps=[heard(1)]).is_empty


@pytest.mark.parametrize("ms", [None, -1, 1 << 60])
def test_times_that_cannot_be_are_none(ms: int | None) -> None:
    assert moment(ms, UTC) is None


@pytest.mark.parametrize(
    ("zone", "there", "offset", "name"),
    [
        ("UTC", "21 Nov 2025, 01:00:00", 0, "UTC"),
        ("Asia/Vladivostok", "21 Nov 2025, 11:00:00", 600, "UTC+10"),
        ("Asia/Kathmandu", "21 Nov 2025, 06:45:00", 345, "UTC+5:45"),
        ("America/St_Johns", "20 Nov 2025, 21:30:00", -210, "UTC-3:30"),
    ],
)
def test_a_time_is_told_in_the_zone_of_its_station(zone: str, there: str, offset: int, name: str) -> None:
    told = moment(NOW, ZoneInfo(zone))
    assert told is not None
    assert (told["there"], told["offset_min"], told["zone"]) == (there, offset, name)
    assert told["iso"] == "2025-11-21T01:00:00.000+00:00"


def test_each_station_has_its_own_zone_and_the_base_the_rest() -> None:
    shown = view(
        trap(1, "A"), trap(2, "B", zone="Asia/Ulaanbaatar"), traps=[heard(1), heard(2), heard(9)]
    ).stations  # fmt: skip
    assert [t["heard"]["zone"] for s in shown for t in s["traps"]] == ["UTC+10", "UTC+8", "UTC"]


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (0, 0, "0.0 s"), (0, 1340, "1.3 s"), (0, 9949, "9.9 s"), (0, 9951, "10 s"), (0, 99_400, "99 s"),
        (0, 180_000, "3 min"), (0, 7_200_000, "2 h"), (0, 4 * 86_400_000, "4 days"), (5, 4, ""), (None, 4, ""),
        (4, None, ""),
    ],
)  # fmt: skip
def test_durations(start: int | None, end: int | None, text: str) -> None:
    assert span(start, end) == text


def test_both_flanks_side_by_side_left_on_the_left() -> None:
    both = (trap(1, "B", "right"), trap(2, "B", "left"), trap(3, "A"))
    shown = view(*both, sightings=[seen(1, trap=1), seen(1, trap=2)])
    assert [(s["name"], [t["number"] for t in s["traps"]]) for s in shown.stations] == [("A", [3]), ("B", [2, 1])]
    assert [[s["lead"]["trap"] for s in e["sides"]] for e in shown.events] == [[2, 1]]


def test_a_cat_that_lingers_is_one_event_with_its_best_picture_large() -> None:
    rows = [seen(3, NOW + 40_000, confidence=100), seen(2, NOW + 20_000, crop=False, confidence=250), seen(1)]
    (event,) = view(trap(1, "A"), sightings=rows).events
    (side,) = event["sides"]
    assert side["lead"]["name"].endswith("-1"), "the surest of those whose picture is here"
    assert [v["name"][-1] for v in side["others"]] == ["2", "3"]
    assert event["lasted"] == "40 s"


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ((0.2, 0.2, 0.4, 0.4), (0.15 / 1.3, 0.15 / 1.3, 1 / 1.3, 1 / 1.3)),  # with its margin on every side
        ((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 1.0, 1.0)),  # the whole picture
        ((0.0, 0.2, 0.4, 0.4), (0.0, 0.15 / 1.3, 1 / 1.15, 1 / 1.3)),  # at the left edge
        ((0.6, 0.6, 0.4, 0.4), (0.15 / 1.15, 0.15 / 1.15, 1 / 1.15, 1 / 1.15)),  # in the lower right corner
    ],
)
def test_the_box_in_the_crop(box: tuple[float, ...], inside: tuple[float, ...]) -> None:
    assert box_in_crop(box) == pytest.approx(inside)  # type: ignore[arg-type]


def test_a_sighting_tells_how_far_it_has_come() -> None:
    (event,) = view(trap(1, "A"), sightings=[seen(1, full_ms=NOW + 9000, fulls=1, signed_ms=None)]).events
    steps = event["sides"][0]["lead"]["steps"]
    assert [(s["name"], s["done"], s["after"]) for s in steps] == [
        ("alert", True, "1.3 s"), ("crop", True, "4.0 s"), ("full frame", True, "9.0 s"), ("signed for", False, ""),
    ]  # fmt: skip
    (event,) = view(trap(1, "A"), sightings=[seen(1, full_ms=NOW + 9000, fulls=3)]).events
    assert event["sides"][0]["lead"]["steps"][2]["name"] == "3 full frames"


def test_a_batch_is_a_timeline_to_its_receipts() -> None:
    receipts = [
        {"batch_id": "ab" * 32, "trap": 1, "stored_ms": NOW + 2000, "delivered_ms": NOW + 6000},
        {"batch_id": "ab" * 32, "trap": 2, "stored_ms": NOW + 2000, "delivered_ms": None},
    ]
    (shown,) = view(batches=[batch()], receipts_of=receipts).batches
    assert [(s["done"], s["after"]) for s in shown["steps"]] == [
        (True, ""),
        (True, "1.5 s"),
        (True, "0.5 s"),
        (False, ""),
    ]
    assert [(r["trap"], r["done"], r["after"]) for r in shown["receipts"]] == [(1, True, "4.0 s"), (2, False, "")]
    receipts[1]["delivered_ms"] = NOW + 9000
    (shown,) = view(batches=[batch()], receipts_of=receipts).batches
    assert shown["steps"][-1] == {"name": "at the traps", "done": True, "after": "7.0 s"}


@pytest.mark.parametrize(("sf", "margin_db", "percent"), [(7, 14, 54), (9, 18, 74), (12, 26, 100)])
def test_the_radio_margin_is_what_is_left_above_the_spreading_factors_floor(
    sf: int, margin_db: int, percent: int
) -> None:
    ((shown,),) = [s["traps"] for s in view(trap(1, "A"), sf=sf, traps=[heard(1)]).stations]
    assert (shown["margin_db"], shown["margin_percent"]) == (margin_db, percent)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (heard(1, battery=12), "battery at 12 %"),
        (heard(1, snr_db=-11.0), "radio margin 2 dB"),
        (heard(1, battery=255), None),
        (heard(1), None),
        (heard(1, snr_db=None), None),
        (heard(1, battery=90), None),
    ],
)
def test_what_a_person_should_look_after_is_said_at_the_top(row: Row, words: str | None) -> None:
    notes = view(trap(1, "A"), traps=[row]).notes
    assert len(notes) == (words is not None)
    assert words is None or words in notes[0]


def test_a_trap_may_need_two_things_and_a_silent_one_only_a_visit() -> None:
    weak = {"snr_db": -11.0, "battery": 5}
    assert len(view(trap(1, "A"), traps=[heard(1, **weak)]).notes) == 2  # type: ignore[arg-type]
    silent = view(trap(1, "A"), trap(2, "A"), traps=[heard(1, ago_ms=90_000_000, **weak), heard(2)])  # type: ignore[arg-type]
    assert [note[:40] for note in silent.notes] == ["A, trap 1 has been silent for 25 h: batt"]


def test_a_base_that_hears_nobody_says_so_first() -> None:
    notes = view(trap(1, "A"), traps=[heard(1, ago_ms=90_000_000)]).notes
    assert notes[0].startswith("No trap has been heard for 25 h. Is the gateway running")
    assert len(notes) == 2
    assert view(trap(1, "A")).notes == [], "an empty base explains itself elsewhere"


def test_a_trap_that_never_spoke_is_pointed_out_once_another_did() -> None:
    (note,) = view(trap(1, "A"), trap(2, "A"), traps=[heard(1)]).notes
    assert note.startswith("A, trap 2 has never been heard")


def test_a_trap_that_is_shut_out_needs_nothing_and_says_so() -> None:
    settings = Settings(trap=(trap(1, "A", "left"), trap(2, "A", "right")), zone="Asia/Vladivostok")
    places = Places(listed={t.number: t for t in settings.trap}, shut_out=frozenset({2, 9}))
    rows: dict[str, list[Row]] = {name: [] for name in NAMES}
    rows["traps"] = [heard(1), heard(9, ago_ms=90_000_000)]
    rows["receipts_waiting"] = [{"trap": 9, "count": 3, "since_ms": NOW - 100 * 3_600_000}]
    shown = build_view(settings, rows, {}, NOW, most=24, places=places)
    assert shown.notes == []
    assert {t["number"]: t["shut_out"] for s in shown.stations for t in s["traps"]} == {1: False, 2: True, 9: True}
    traps = [t | {"station": s["name"]} for s in shown.stations for t in s["traps"]]
    lines = render(Screen(name="north", now=None, now_ms=NOW, traps=traps), None)
    assert [line for line in lines if "trap 2" in line and "shut out" in line]
    assert not [line for line in lines if line.startswith("!")]


@pytest.mark.parametrize(
    ("off_ms", "uncertainty_ms", "words"),
    [
        (10 * 365 * 86_400_000, 200, "its clock is 10 years ahead"),
        (-90_000_000, 200, "its clock is 25 h behind, or its alerts came that late"),
        (-90_000_000, 10_000_000, None),
        (80_000_000, 200, None),
        (-90_000_000, None, None),  # its clock was not set: said at the picture
    ],
)
def test_a_clock_that_cannot_be_right_is_told(off_ms: int, uncertainty_ms: int | None, words: str | None) -> None:
    row = seen(1, NOW + off_ms, alert_ms=NOW, uncertainty_ms=uncertainty_ms)
    notes = view(trap(1, "A"), sightings=[row, row | {"number": 2}]).notes
    assert len(notes) == (words is not None)
    assert words is None or words in notes[0]


def test_a_batch_that_does_not_get_through_and_a_full_disk_are_told() -> None:
    notes = view(batches=[batch(state="uploading", last_error="back end: it is down"), batch()]).notes
    assert notes == ["1 batches are not through to the back end. back end: it is down"]
    given = {name: [] for name in NAMES}
    settings = Settings()
    (note,) = build_view(settings, given, {}, NOW, most=24, free_bytes=120 * 2**20).notes
    assert note.startswith("The base's disk has 120 MiB left")
    assert build_view(settings, given, {}, NOW, most=24, free_bytes=1 << 40).notes == []


def test_a_bad_day_of_a_large_fleet_leaves_room_for_the_cats() -> None:
    fleet = [trap(n, f"S{n}") for n in range(1, 101)]
    notes = view(*fleet, traps=[heard(1), *(heard(n, battery=3) for n in range(2, 101))]).notes
    assert len(notes) == 13
    assert notes[-1].startswith("… and 87 more")


def test_an_event_of_hundreds_shows_some_and_says_how_many_more() -> None:
    rows = [seen(n, NOW + n * 1000) for n in range(200, 0, -1)]
    (event,) = view(trap(1, "A"), sightings=rows).events
    (side,) = event["sides"]
    assert (len(side["others"]), side["more"]) == (8, 191)


def test_conflicts_are_told_by_trap() -> None:
    (note,) = view(conflicts=[{"trap": 4}, {"trap": 4}]).notes
    assert note.startswith("Trap 4 sent 2 objects under numbers that it had used before")
