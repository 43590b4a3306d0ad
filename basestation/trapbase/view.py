"""What the page shows, computed from rows: plain values for the templates. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from trapbase.config import TrapSettings
from trapbase.eventid import event_ids, sighting_id
from trapbase.model import Event
from trapwire.alert import SPECIES, UNKNOWN

Row = dict[str, Any]
SIDES = {"left": 0, "single": 1, "right": 2}
STEPS = {"stored": "at the base", "batched": "on its way", "receipted": "delivered"}


@dataclass(frozen=True, kw_only=True)
class View:
    """Everything for one rendering; times are {"ms", "text"}."""

    base: str
    summary: Row
    stations: list[Row]
    events: list[Row]
    batches: list[Row]
    conflicts: list[Row]
    counters: Row
    strangers: list[int] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.events and not any(t["heard"] for s in self.stations for t in s["traps"])


def moment(unix_ms: int | None) -> Row | None:
    """A time for people and for the script that shows it in their own zone."""
    if unix_ms is None or not 0 <= unix_ms < 1 << 42:
        return None
    return {"ms": unix_ms, "text": datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")}


def build_view(
    base: str, traps: tuple[TrapSettings, ...], rows: dict[str, list[Row]], summary: Row, most_events: int
) -> View:
    """The page of `base`; `rows`: answers of the reader by query name; the newest `most_events` events."""
    known = {trap.number: trap for trap in traps}
    heard = {row["trap"]: row for row in rows["traps"]}
    return View(
        base=base,
        summary=summary,
        stations=_stations(known, heard),
        events=_events(rows["sightings"], known)[:most_events],
        batches=[_batch(row) for row in rows["batches"]],
        conflicts=rows["conflicts"],
        counters=summary.get("counters", {}),
        strangers=sorted({row["trap"] for row in rows["waiting_by_trap"]} - set(known)),
    )


def _stations(known: dict[int, TrapSettings], heard: dict[int, Row]) -> list[Row]:
    stations: dict[str, list[Row]] = {}
    for trap in sorted(known.values(), key=lambda t: (t.station, SIDES[t.side], t.number)):
        stations.setdefault(trap.station, []).append(_trap(trap.number, trap.side, heard.get(trap.number)))
    others = [_trap(number, "", row) for number, row in sorted(heard.items()) if number not in known]
    listed = [{"name": name, "traps": own} for name, own in stations.items()]
    return listed + ([{"name": "not in the settings", "traps": others}] if others else [])


def _trap(number: int, side: str, row: Row | None) -> Row:
    if row is None:
        return {"number": number, "side": side, "heard": None, "sightings": 0}
    health = row["health"]
    battery = health.get("battery")
    return {
        "number": number,
        "side": side,
        "heard": moment(row["heard_ms"]),
        "sightings": row["sightings"],
        "signal": _signal(row["rssi_dbm"], row["snr_db"]),
        "battery": None if battery is None or battery == UNKNOWN else battery,
        "queued": health.get("queued"),
        "held": health.get("full_held"),
    }


def _signal(rssi_dbm: int | None, snr_db: float | None) -> str:
    parts = [f"{rssi_dbm} dBm"] if rssi_dbm is not None else []
    return ", ".join(parts + ([f"SNR {snr_db:g} dB"] if snr_db is not None else []))


def _events(sightings: list[Row], known: dict[int, TrapSettings]) -> list[Row]:
    """Sightings grouped into events, newest first, the left camera's on the left."""
    stations = {number: trap.station for number, trap in known.items()}
    ids = event_ids([_event(row) for row in sightings], stations)
    events: dict[str, Row] = {}
    for row in sightings:
        name = ids[(row["trap"], row["epoch"], row["number"])]
        station = stations.get(row["trap"], f"trap {row['trap']}")
        event = events.setdefault(name, {"station": station, "time": moment(row["time_ms"]), "views": []})
        event["views"].append(_view(row, known.get(row["trap"])))
    for event in events.values():
        event["views"].sort(key=lambda v: (SIDES.get(v["side"], 1), v["time"]["ms"] if v["time"] else 0))
    return list(events.values())


def _event(row: Row) -> Event:
    names = ("trap", "epoch", "number", "time_ms", "uncertainty_ms", "species", "confidence", "count", "battery")
    box = (row["box_x"], row["box_y"], row["box_width"], row["box_height"])
    return Event(box=box, event_id=row["event_id"], **{name: row[name] for name in names})


def _view(row: Row, trap: TrapSettings | None) -> Row:
    states = [row["alert_state"]] + ([row["crop_state"]] if row["crop_state"] else [])
    # As far as the slower of the two has come.
    slowest = min(states, key=list(STEPS).index)
    return {
        "name": sighting_id((row["trap"], row["epoch"], row["number"])),
        "trap": row["trap"],
        "side": trap.side if trap else "",
        "time": moment(row["time_ms"]),
        "uncertainty_s": None if row["uncertainty_ms"] is None else row["uncertainty_ms"] / 1000,
        "species": SPECIES.get(row["species"], "unknown"),
        "percent": round(row["confidence"] / 255 * 100),
        "count": row["count"],
        "crop": row["crop"].hex() if row["crop"] else None,
        "state": STEPS[slowest],
    }


def _batch(row: Row) -> Row:
    return row | {"name": row["batch_id"][:12], "cut": moment(row["cut_ms"]), "kib": f"{row['size'] / 1024:.1f}"}
