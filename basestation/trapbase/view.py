"""What the page shows, computed from rows: plain values for the templates. Pure."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from trapbase.config import Settings, TrapSettings
from trapbase.modem import State, count_words
from trapbase.moments import moment, span, step
from trapbase.places import Places
from trapbase.unit_words import DAYS_UNKNOWN, DEGREES_UNKNOWN, TROUBLES, degrees_words, fault_words, state_words
from trapbase.view_cards import deployment_rows, sample_rows
from trapbase.view_effort import effort_rows, marked, standing
from trapbase.view_events import SIDES, events, species_counts
from trapbase.view_outlets import notes as outlet_notes
from trapbase.view_outlets import outlet_rows
from trapwire.airtime import snr_floor_quarter_db
from trapwire.alert import UNKNOWN
from trapwire.events import BATTERY_CRITICAL, BATTERY_LOW

Row = dict[str, Any]
LOW_BATTERY_PERCENT = 20
FEW_DAYS = 14  # of battery: about the time between two visits
BATTERY_FAULTS = (fault_words(BATTERY_LOW), fault_words(BATTERY_CRITICAL))  # why a unit saves: one note says it
THIN_MARGIN_DB = 3  # below it a wet branch is enough to lose the link
SILENT_MS = 24 * 3_600_000
DEAF_MS = 2 * 3_600_000  # without a word from anybody: heartbeats come every hour
CLOCK_MS = 24 * 3_600_000  # beside its own uncertainty: a trap that sends a day late has been without radio
MOST_NOTES = 12
LITTLE_DISK_BYTES = 1 << 30
MOST_SIGNAL_DB = 25  # of margin: a full bar


@dataclass(frozen=True, kw_only=True)
class View:
    """Everything for one rendering. `notes`: what a person should look after; `species`: the one chosen, or None;
    `alarms`: units that somebody opened or moved; `effort`: what each trap could see in the last 30 days;
    `cards`: what is wrong with rangers' cards; `upload`: parcels are taken here; `outlets`: the ways out."""

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
    samples: list[Row]
    upload: bool
    outlets: list[Row]

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
) -> View:
    """The page of a base at `now_ms` (Unix ms); `rows`: answers of the reader by query name; `most` events are shown,
    of `species` where one was chosen; `free_bytes`: what is left on the disk, `modem`: its state, where
    those are known; `places`: where the traps stand by rangers' cards too."""
    places = places or Places(listed={trap.number: trap for trap in settings.trap})
    known = places.known()
    zones = {number: ZoneInfo(trap.zone or settings.zone) for number, trap in known.items()}
    here = ZoneInfo(settings.zone)
    stations = _stations(settings, known, rows["traps"], zones, places.taken_down())
    receipts: dict[str, list[Row]] = {}
    for row in rows["receipts_of"]:
        receipts.setdefault(row["batch_id"], []).append(row)
    aside, days = rows.get("outlet_aside", []), rows.get("outlet_days", [])
    outlets = outlet_rows(settings, rows.get("outlets", []), aside, days, now_ms)
    return View(
        base=settings.name,
        summary=summary,
        notes=_shortened(
            _base_notes(rows, now_ms, free_bytes, modem)
            + _strangers(rows, known)
            + _clock_notes(rows["sightings"])
            + _trap_notes(stations, now_ms)
            + _conflict_notes(rows["conflicts"])
            + _forged_notes(rows.get("forged_notes", []))
            + outlet_notes(outlets)
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
        cards=_shortened(list(places.problems)),
        deployments=deployment_rows(places, zones),
        samples=sample_rows(places, zones),
        upload=settings.page.upload,
        outlets=outlets,
        modem=modem and {"said": moment(modem["said_ms"], here), "counts": count_words(modem)},
    )


def _stations(
    settings: Settings,
    known: dict[int, TrapSettings],
    heard: list[Row],
    zones: dict[int, ZoneInfo],
    taken_down: set[int],
) -> list[Row]:
    """By station, its traps from the left; those that a card has taken down are among the deployments alone."""
    rows = {row["trap"]: row for row in heard}
    stations: dict[str, list[Row]] = {}
    standing = [trap for trap in known.values() if trap.number not in taken_down]
    for trap in sorted(standing, key=lambda t: (t.station, SIDES[t.side], t.number)):
        row = rows.get(trap.number)
        stations.setdefault(trap.station, []).append(
            _trap(trap.number, trap.side, row, zones[trap.number], settings.gateway.sf)
        )
    utc = ZoneInfo("UTC")
    others = [
        _trap(number, "", row, utc, settings.gateway.sf) for number, row in sorted(rows.items()) if number not in known
    ]
    listed = [{"name": name, "traps": own} for name, own in stations.items()]
    return listed + ([{"name": "not in the settings", "traps": others}] if others else [])


def _trap(number: int, side: str, row: Row | None, zone: ZoneInfo, sf: int) -> Row:
    if row is None:
        return {"number": number, "side": side, "heard": None, "sightings": 0}
    health = row["health"]
    battery = health.get("battery")
    days, degrees = health.get("days_left", DAYS_UNKNOWN), health.get("temperature_c", DEGREES_UNKNOWN)
    margin_db = None if row["snr_db"] is None else row["snr_db"] - snr_floor_quarter_db(sf) / 4
    return {
        "number": number,
        "side": side,
        "heard": moment(row["heard_ms"], zone),
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


def _strangers(rows: dict[str, list[Row]], known: dict[int, TrapSettings]) -> list[str]:
    strangers = sorted({row["trap"] for row in rows["waiting_by_trap"]} - set(known))
    if not strangers:
        return []
    return [
        f"Trap {', '.join(map(str, strangers))}: not in this base's settings, and no ranger's card tells where it "
        "stands. What it sends is kept here and not forwarded until one does, or a [[trap]] table."
    ]


def _shortened(notes: list[str]) -> list[str]:
    """A bad day of a large fleet must not push the cats off the page."""
    if len(notes) <= MOST_NOTES:
        return notes
    return [*notes[:MOST_NOTES], f"… and {len(notes) - MOST_NOTES} more of the kind; see the stations below."]


def _base_notes(rows: dict[str, list[Row]], now_ms: int, free_bytes: int | None, modem: State | None) -> list[str]:
    """What is wrong with the base itself, as far as its database and disk tell."""
    notes = [f"Modem: {modem['trouble']}"] if modem and modem["trouble"] else []
    words = [row["heard_ms"] for row in rows["traps"]]
    if words and now_ms - max(words) > DEAF_MS:
        notes.append(
            f"No trap has been heard for {span(max(words), now_ms)}. Is the gateway running, the modem plugged in, its "
            "antenna on, the broker up? `trapbase run` says which."
        )
    late = [row["last_error"] for row in rows["batches"] if row["last_error"] and row["state"] != "receipted"]
    if late:
        notes.append(f"{len(late)} batches are not through to the back end. {late[0]}")
    if free_bytes is not None and free_bytes < LITTLE_DISK_BYTES:
        notes.append(f"The base's disk has {free_bytes // 2**20} MiB left. When it is full, traps keep what they have.")
    return notes


def _clock_notes(sightings: list[Row]) -> list[str]:
    """Traps whose newest sighting has a time that cannot be: it came before it was taken, or long after."""
    notes, told = [], set()
    for row in sightings:
        if row["trap"] in told:
            continue
        told.add(row["trap"])
        ahead_ms = row["time_ms"] - row["alert_ms"]
        if row["uncertainty_ms"] is not None and abs(ahead_ms) > CLOCK_MS + row["uncertainty_ms"]:
            by = span(0, abs(ahead_ms))
            how = f"is {by} ahead" if ahead_ms > 0 else f"is {by} behind, or its alerts came that late"
            notes.append(f"Trap {row['trap']}: its clock {how}. Set it on the next visit; the pictures are safe.")
    return notes


def _trap_notes(stations: list[Row], now_ms: int) -> list[str]:
    notes = []
    for station in stations:
        for trap in station["traps"]:
            name = f"{station['name']}, trap {trap['number']}"
            if not trap["heard"]:
                if any(t["heard"] for s in stations for t in s["traps"]):
                    notes.append(f"{name} has never been heard: is it switched on, on the same plan, within reach?")
                continue
            if now_ms - trap["heard"]["ms"] > SILENT_MS:
                silent = span(trap["heard"]["ms"], now_ms)
                notes.append(f"{name} has been silent for {silent}: battery, snow on the antenna, or taken away?")
                continue
            if trap["trouble"]:
                notes.append(f"{name} {trap['trouble']}")
            elif trap["battery_low"] or trap["days_few"]:
                notes.append(f"{name}: battery {_battery_words(trap)}. Take fresh cells on the next visit.")
            if trap["fault"] and not (trap["trouble"] and trap["fault"] in BATTERY_FAULTS):
                notes.append(
                    f"{name}, fault in the last day: {trap['fault']}. More: `trapbase log {trap['number']} --ask 20`."
                )
            if trap["margin_low"]:
                notes.append(f"{name}: radio margin {trap['margin_db']} dB. Raise the antenna or add a repeater.")
    return notes


def _battery_words(trap: Row) -> str:
    """Its percent and days, as far as the unit says them."""
    days = trap["days_left"]
    percent = "" if trap["battery"] is None else f"at {trap['battery']} %"
    return ", ".join(filter(None, (percent, "" if days is None else f"for about {days} days")))


def _conflict_notes(conflicts: list[Row]) -> list[str]:
    by_trap: dict[int, int] = {}
    for row in conflicts:
        by_trap[row["trap"]] = by_trap.get(row["trap"], 0) + 1
    return [
        f"Trap {trap} sent {count} objects under numbers that it had used before, with other bytes. The first ones are "
        "kept and forwarded, these lie aside. A copied card does this, or somebody who plays that trap."
        for trap, count in sorted(by_trap.items())
    ]


def _forged_notes(rows: list[Row]) -> list[str]:
    return [
        f"Trap {row['trap']}: {row['count']} lines of its ledger are not signed with its key, and do not count. Was "
        "the unit changed and its new key not brought here, or does somebody speak in its name?"
        for row in rows
    ]


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
