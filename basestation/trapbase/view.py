"""What the page shows, computed from rows: plain values for the templates. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from trapbase.config import Settings, TrapSettings
from trapbase.modem import State, count_words
from trapbase.moments import moment, span, step
from trapbase.ops.partfile import PartState
from trapbase.places import Places
from trapbase.unit_words import DAYS_UNKNOWN, DEGREES_UNKNOWN, TROUBLES, degrees_words, fault_words, state_words
from trapbase.updates.look import Look
from trapbase.updates.words import headline, release_rows, unit_rows
from trapbase.updates.words import notes as update_notes
from trapbase.view_cards import deployment_rows, sample_rows, visit_rows
from trapbase.view_effort import effort_rows, marked, standing
from trapbase.view_events import SIDES, events, species_counts
from trapbase.view_needs import FEW_DAYS, needs, shortened, word_ms
from trapbase.view_outlets import notes as outlet_notes
from trapbase.view_outlets import outlet_rows
from trapwire.airtime import snr_floor_quarter_db
from trapwire.alert import UNKNOWN

Row = dict[str, Any]
LOW_BATTERY_PERCENT = 20
THIN_MARGIN_DB = 3  # below it a wet branch is enough to lose the link
OTHER_WAY_MS = 600_000
SHORT_WAIT_MS = 60_000
WAITS = {"batch": "its batch", "upload": "its upload", "signature": "the signature"}
MOST_SIGNAL_DB = 25  # of margin: a full bar


@dataclass(frozen=True, kw_only=True)
class View:
    """Everything for one rendering. `notes`: what a person should look after; `species`: the one chosen, or None;
    `alarms`: units that somebody opened or moved; `effort`: what each trap could see in the last 30 days;
    `cards`: what is wrong with rangers' cards; `upload`: parcels are taken here; `outlets`: the ways out; `waits`: for
    how long the oldest waits, and for what; `updates`: who runs which release, None where nobody has said so."""

    base: str
    summary: Row
    notes: list[str]
    kinds: list[Row]
    species: str | None
    stations: list[Row]
    events: list[Row]
    batches: list[Row]
    counters: Row
    most: int
    modem: Row | None
    alarms: list[Row]
    effort: list[Row]
    cards: list[str]
    deployments: list[Row]
    visits: list[Row]
    samples: list[Row]
    upload: bool
    outlets: list[Row]
    waits: str
    updates: Row | None

    @property
    def is_empty(self) -> bool:
        return not self.kinds and not any(t["heard"] for s in self.stations for t in s["traps"])


def build_view(
    settings: Settings,
    rows: dict[str, list[Row]],
    summary: Row,
    now_ms: int,
    *,
    most: int,
    species: str | None = None,
    free_bytes: int | None = None,
    modem: State | None = None,
    places: Places | None = None,
    parts: Mapping[str, PartState] | None = None,
    updates: Look | None = None,
) -> View:
    """The page of a base at `now_ms` (Unix ms); `rows`: answers of the reader by query name; `most` events are shown,
    of `species` where one was chosen; `free_bytes`: what is left on the disk, `modem`: its state, where
    those are known; `places`: where the traps stand by rangers' cards too; `parts`: what each part said last;
    `updates`: of the units."""
    places = places or Places(listed={trap.number: trap for trap in settings.trap})
    known = places.known()
    zones = zones_of(settings, known)
    here = ZoneInfo(settings.zone)
    stations = stations_of(settings, known, rows["traps"], zones, places.taken_down(), places.shut_out)
    receipts: dict[str, list[Row]] = {}
    for row in rows["receipts_of"]:
        receipts.setdefault(row["batch_id"], []).append(row)
    aside, days = rows.get("outlet_aside", []), rows.get("outlet_days", [])
    outlets = outlet_rows(settings, rows.get("outlets", []), aside, days, now_ms)
    return View(
        base=settings.name,
        summary=summary,
        notes=shortened(
            [
                *needs(settings, rows, stations, known, now_ms, free_bytes=free_bytes, modem=modem, parts=parts or {}),
                *outlet_notes(outlets),
                *(update_notes(updates) if updates else []),
            ]
        ),
        kinds=species_counts(rows["species"]),
        species=species,
        stations=stations,
        events=events(
            rows["sightings"], places, zones, species, marked(rows.get("alarms", [])), rows.get("identified", [])
        )[:most],
        batches=[_batch(row, receipts.get(row["batch_id"], []), here) for row in rows["batches"]],
        counters=summary.get("counters", {}),
        most=most,
        alarms=standing(rows.get("alarms", []), known, zones),
        effort=effort_rows(rows.get("day_notes", []), known, rows.get("scenes", []), now_ms, zones),
        cards=shortened(places.problems),
        deployments=deployment_rows(places, zones),
        visits=visit_rows(places, zones),
        samples=sample_rows(places, zones),
        upload=settings.page.upload,
        outlets=outlets,
        waits=_waits(rows.get("oldest", []), now_ms),
        updates=_updates(updates, known) if updates and not updates.empty else None,
        modem=modem and {"said": moment(modem["said_ms"], here), "counts": count_words(modem)},
    )


def _updates(look: Look, known: Mapping[int, TrapSettings]) -> Row:
    sides = {number: trap.side for number, trap in known.items()}
    stopped = look.rollout is not None and look.rollout["state"] == "stopped"
    file = f"pugmark-update-{look.rollout['release']}.tar" if look.rollout and look.releases and not stopped else ""
    now = next((row for row in release_rows(look) if row["now"]), None)
    return {
        "headline": headline(look),
        "brings": now["parts"] if now else "",
        "mib": f"{now['kib'] / 1024:.1f}" if now else "",
        "stopped": stopped,
        "units": unit_rows(look, sides),
        "file": file,
    }


def _waits(oldest: list[Row], now_ms: int) -> str:
    """Of what is not signed for yet; nothing for what has just come."""
    rows = [row for row in oldest if row["waits_for"] in WAITS and now_ms - row["since_ms"] >= SHORT_WAIT_MS]
    if not rows:
        return ""
    first = min(rows, key=lambda row: row["since_ms"])
    return f"oldest: {span(first['since_ms'], now_ms)}, waits for {WAITS[first['waits_for']]}"


def zones_of(settings: Settings, known: Mapping[int, TrapSettings]) -> dict[int, ZoneInfo]:
    """The time zone of each known trap."""
    return {number: ZoneInfo(trap.zone or settings.zone) for number, trap in known.items()}


def stations_of(
    settings: Settings,
    known: Mapping[int, TrapSettings],
    heard: list[Row],
    zones: Mapping[int, ZoneInfo],
    taken_down: Collection[int],
    shut_out: Collection[int] = frozenset(),
) -> list[Row]:
    """By station, its traps from the left; those that a card has taken down are among the deployments alone, those that
    are shut out say so."""
    rows = {row["trap"]: row for row in heard}
    stations: dict[str, list[Row]] = {}
    standing = [trap for trap in known.values() if trap.number not in taken_down]
    for trap in sorted(standing, key=lambda t: (t.station, SIDES[t.side], t.number)):
        row = rows.get(trap.number)
        stations.setdefault(trap.station, []).append(
            _trap(trap.number, trap.side, row, zones[trap.number], settings.gateway.sf)
            | {"shut_out": trap.number in shut_out}
        )
    utc = ZoneInfo("UTC")
    others = [
        _trap(number, "", row, utc, settings.gateway.sf) | {"shut_out": number in shut_out}
        for number, row in sorted(rows.items())
        if number not in known
    ]
    listed = [{"name": name, "traps": own} for name, own in stations.items()]
    return listed + ([{"name": "not in the settings", "traps": others}] if others else [])


def _trap(number: int, side: str, row: Row | None, zone: ZoneInfo, sf: int) -> Row:
    if row is None:
        return {"number": number, "side": side, "heard": None, "sightings": 0}
    health, heard_ms, came_ms = row["health"], row["heard_ms"], row["came_ms"]
    battery = health.get("battery")
    days, degrees = health.get("days_left", DAYS_UNKNOWN), health.get("temperature_c", DEGREES_UNKNOWN)
    margin_db = None if row["snr_db"] is None else row["snr_db"] - snr_floor_quarter_db(sf) / 4
    return {
        "number": number,
        "side": side,
        "heard": moment(word_ms(row), zone),
        "by_radio": heard_ms is not None,
        # A base says once in ten seconds that it hears a trap; what came long after that came another way.
        "came": heard_ms is None or (came_ms or 0) - heard_ms > OTHER_WAY_MS,
        "sightings": row["sightings"],
        "margin_db": None if margin_db is None else round(margin_db),
        "margin_percent": None if margin_db is None else round(min(max(margin_db / MOST_SIGNAL_DB, 0), 1) * 100),
        "rssi_dbm": row["rssi_dbm"],
        "margin_low": margin_db is not None and margin_db < THIN_MARGIN_DB,
        "battery": None if battery is None or battery == UNKNOWN else battery,
        "battery_low": battery is not None and battery < LOW_BATTERY_PERCENT,
        "queued": health.get("queued"),
        "unsigned": health.get("unreceipted"),
        "held": health.get("full_held"),
        "state": state_words(health.get("state")),
        "trouble": TROUBLES.get(health.get("state", -1), ""),
        "fault": fault_words(health.get("fault")),
        "days_left": None if days == DAYS_UNKNOWN else days,
        "days_few": days < FEW_DAYS,
        "degrees": "" if degrees == DEGREES_UNKNOWN else degrees_words(degrees),
    }


def _batch(row: Row, receipts: list[Row], zone: ZoneInfo) -> Row:
    """One batch as a timeline: cut, uploaded, signed for, its receipts at their traps."""
    cut_ms, uploaded_ms, signed_ms = row["cut_ms"], row["uploaded_ms"], row["receipted_ms"]
    delivered = [r["delivered_ms"] for r in receipts]
    all_ms = max(delivered) if delivered and None not in delivered else None
    return {
        "name": row["batch_id"][:12],
        "state": row["state"],
        "objects": row["objects"],
        "kib": f"{row['size'] / 1024:.1f}",
        "cut": moment(cut_ms, zone),
        "error": row["last_error"],
        "steps": [
            step("cut", cut_ms, None),
            step("uploaded", uploaded_ms, cut_ms),
            step("signed for", signed_ms, uploaded_ms),
            step("at the traps", all_ms, signed_ms),
        ],
        "receipts": [
            {"trap": r["trap"], "done": r["delivered_ms"] is not None, "after": span(r["stored_ms"], r["delivered_ms"])}
            for r in receipts
        ],
    }
