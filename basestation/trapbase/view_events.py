"""Sightings for the page: both cameras' views of one cat side by side, each with its box and how far it has come.

Pure: rows of `reader.sql` in, plain values for the template out.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from trapbase.camtrap_rows import frame_box
from trapbase.config import TrapSettings
from trapbase.effort import Alarm, after
from trapbase.eventid import event_ids, sighting_id
from trapbase.model import Event
from trapbase.moments import moment, span, step
from trapbase.pictures import picture_name
from trapbase.places import Places
from trapbase.results.words import identified_parts
from trapwire.alert import CROP_MARGIN_PERCENT, SPECIES

Row = dict[str, Any]
SIDES = {"left": 0, "single": 1, "right": 2}
UNKNOWN = "unknown"
MOST_OTHERS = 8  # small pictures beside the large one
Box = tuple[float, float, float, float]


def slug(species: str) -> str:
    """A species' name as it stands in the page's address."""
    return species.replace(" ", "-")


def species_counts(rows: list[Row]) -> list[Row]:
    """Every species that was seen, with its sightings, the rarest code last."""
    return [
        {"name": name, "slug": slug(name), "count": r["count"]} for r in rows if (name := SPECIES.get(r["species"]))
    ]


def events(
    sightings: list[Row],
    places: Places,
    zones: Mapping[int, ZoneInfo],
    species: str | None,
    found: Sequence[Alarm] = (),
    identified: Sequence[Row] = (),
) -> list[Row]:
    """Sightings grouped into events, newest first, the left camera's on the left.

    `places`: where the traps stood then; `zones`: of each known trap; others' times are shown in UTC.
    `species`: only events in which a view is one; `identified`: what the back end says of these sightings.
    """
    cats = {(row["trap"], row["epoch"], row["number"]): identified_parts(row) for row in identified}
    known = places.known()
    ids = event_ids([_event(row) for row in sightings], places.station)
    grouped: dict[str, Row] = {}
    for row in sightings:
        key = (row["trap"], row["epoch"], row["number"])
        name = ids[key]
        zone = zones.get(row["trap"], ZoneInfo("UTC"))
        station = places.station(row["trap"], row["time_ms"]) or f"trap {row['trap']}"
        trap = places.site(row["trap"], row["time_ms"]).trap if row["trap"] in known else None
        event = grouped.setdefault(
            name, {"id": name, "station": station, "time": moment(row["time_ms"], zone), "views": []}
        )
        mark = after(row["trap"], row["epoch"], row["number"], found)
        event["views"].append(_view(row, trap, zone) | {"mark": mark, "cat": cats.get(key)})
    for event in grouped.values():
        views = event["views"]
        times = [v["time"]["ms"] for v in views if v["time"]]
        event["lasted"] = span(min(times), max(times)) if times and max(times) - min(times) >= 1000 else ""
        event["species"] = " / ".join(dict.fromkeys(v["species"] for v in views))
        event["sides"] = _sides(views)
    return [e for e in grouped.values() if species is None or any(v["species"] == species for v in e["views"])]


def _sides(views: list[Row]) -> list[Row]:
    """The views by trap, the left camera first: the best one of each large, the others small, oldest first."""
    by_trap: dict[int, list[Row]] = {}
    for view in sorted(views, key=lambda v: (SIDES.get(v["side"], 1), v["trap"], v["time"]["ms"] if v["time"] else 0)):
        by_trap.setdefault(view["trap"], []).append(view)
    sides = []
    for own in by_trap.values():
        lead = max(own, key=lambda v: (v["crop"] is not None, v["percent"]))
        others = [v for v in own if v is not lead]
        sides.append({"lead": lead, "others": others[-MOST_OTHERS:], "more": max(0, len(others) - MOST_OTHERS)})
    return sides


def _event(row: Row) -> Event:
    names = ("trap", "epoch", "number", "time_ms", "uncertainty_ms", "species", "confidence", "count", "battery")
    box = (row["box_x"], row["box_y"], row["box_width"], row["box_height"])
    return Event(box=box, event_id=row["event_id"], **{name: row[name] for name in names})


def _view(row: Row, trap: TrapSettings | None, zone: ZoneInfo) -> Row:
    box = frame_box((row["box_x"], row["box_y"], row["box_width"], row["box_height"]))
    return {
        "name": sighting_id((row["trap"], row["epoch"], row["number"])),
        "trap": row["trap"],
        "side": trap.side if trap else "",
        "time": moment(row["time_ms"], zone),
        "uncertainty_s": None if row["uncertainty_ms"] is None else row["uncertainty_ms"] / 1000,
        "species": SPECIES.get(row["species"], UNKNOWN),
        "percent": round(row["confidence"] / 255 * 100),
        "count": row["count"],
        "crop": picture_name(row["crop_id"], row["crop"]) if row["crop"] else None,
        "frame": picture_name(row["frame_id"], row["frame"]) if row["frame"] else None,
        "no_crop": "picture given up for room" if row["gone_ms"] else "picture still on its way",
        "box": None if box is None else _percent(box_in_crop(box)),
        "place": None if box is None else _percent(box),
        "steps": [
            step("alert", row["alert_ms"], row["time_ms"]),
            step("crop", row["crop_ms"], row["time_ms"]),
            *([step(_full_frames(row["fulls"]), row["full_ms"], row["time_ms"])] if row["fulls"] else []),
            step("signed for", row["signed_ms"], row["time_ms"]),
        ],
    }


def _full_frames(count: int) -> str:
    return "full frame" if count == 1 else f"{count} full frames"


def box_in_crop(box: Box) -> Box:
    """Where the animal's box lies in its crop, as fractions: the trap cuts a margin around it, as far as there is
    picture (PROTOCOL.md section 2)."""
    x, y, width, height = box
    margin = CROP_MARGIN_PERCENT / 100
    left, top = max(0.0, x - width * margin), max(0.0, y - height * margin)
    right, bottom = min(1.0, x + width * (1 + margin)), min(1.0, y + height * (1 + margin))
    wide, high = right - left, bottom - top
    return ((x - left) / wide, (y - top) / high, width / wide, height / high)


def _percent(box: Box) -> list[float]:
    return [round(v * 100, 1) for v in box]
