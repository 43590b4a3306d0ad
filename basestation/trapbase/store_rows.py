"""Between values and the rows of the base's database: what the store writes and reads, without a database. Pure."""

import sqlite3
from dataclasses import dataclass, field
from typing import Any

from trapbase.model import Arrival, Event, StoredObject, Waiting
from trapkit.update.states import decode as decode_update
from trapwire.alert import decode_alert
from trapwire.errors import WireError
from trapwire.notes import MOVED, OPENED, UPDATE, Note
from trapwire.objects import ALERT, NOTE

ALARMS = (OPENED, MOVED)
IN_ROWS = (ALERT, NOTE)  # whatever their size, and for ever: only the others are counted as media, and may go for room
INLINE_BYTES = 16 * 1024  # up to this size a body lies in its row: a file of its own costs more syncs than bytes


@dataclass(kw_only=True, slots=True)
class Sorted:
    """A group by what becomes of it; `files`: those whose bytes belong into the media folder; `refused`: how many came
    with other bytes than the first time."""

    fresh: list[Arrival] = field(default_factory=list)
    repeats: list[Arrival] = field(default_factory=list)
    conflicts: list[Arrival] = field(default_factory=list)
    files: list[Arrival] = field(default_factory=list)
    refused: int = 0

    def take(self, among: list[Arrival], arrival: Arrival, in_file: bool) -> None:
        """Put one among `among`, one of these lists."""
        among.append(arrival)
        if in_file:
            self.files.append(arrival)


@dataclass(kw_only=True, slots=True)
class Rows:
    """What is new, as it is written. `objects`: rows without their ids; `events`: rows without the id of their alert's,
    and that one's place among `objects`; `seen`: how many sightings by trap and species, and the last one's place;
    `size`, `media`: bytes, of all and of what counts as media."""

    arrivals: list[Arrival]
    objects: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[tuple[Any, ...], int]] = field(default_factory=list)
    notes: list[Arrival] = field(default_factory=list)
    seen: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    size: int = 0
    media: int = 0
    all_inline: bool = True


def rows_of(arrivals: list[Arrival], now_ms: int) -> Rows:
    """`now_ms`: when they are stored, Unix ms."""
    rows = Rows(arrivals=arrivals)
    for place, a in enumerate(arrivals):
        key, rung, size = a.key.as_tuple(), a.key.rung, len(a.body)
        inline = size <= INLINE_BYTES or rung in IN_ROWS
        body = a.body if inline else None
        rows.all_inline &= inline
        rows.objects.append(
            (*key, a.sha256, size, body, a.base, a.rssi_dbm, a.snr_db, a.received_ms, now_ms),
        )
        rows.size += size
        if rung not in IN_ROWS:
            rows.media += size
        elif rung == NOTE:
            rows.notes.append(a)
        elif (event := _event_row(a)) is not None:
            rows.events.append((event, place))
            of = (key[0], event[5])
            count, _ = rows.seen.get(of, (0, 0))
            rows.seen[of] = (count + 1, place)
    return rows


def _event_row(a: Arrival) -> tuple[Any, ...] | None:
    """What an alert says, as a row of `events` without its `arrival`; None of a newer trap's: its bytes are in custody
    and travel on, only we cannot read them."""
    try:
        alert = decode_alert(a.body)
    except WireError:
        return None
    facts = (alert.time_ms, alert.uncertainty_ms, alert.species, alert.confidence, alert.count)
    return (a.key.trap, a.key.epoch, a.key.number, *facts, *alert.box, alert.battery)


def note_said(note: Note) -> dict[str, Any]:
    """What a note says, as its row keeps it; an update's state of a newer unit, that cannot be read, as bytes."""
    if note.kind != UPDATE:
        return dict(note.values)
    try:
        state = decode_update(note.said, note.time_ms)
    except ValueError:
        return {"bytes": note.said.hex()}
    return {"running": state.running, "tried": state.tried, "phase": state.phase, "code": state.code}


def is_inline(arrival: Arrival) -> bool:
    """Whether its bytes belong into its row."""
    return arrival.key.rung in IN_ROWS or len(arrival.body) <= INLINE_BYTES


def object_of(r: sqlite3.Row) -> StoredObject:
    """From a row of `objects`."""
    names = ("id", "trap", "epoch", "number", "rung", "sha256", "size", "body", "received_ms", "stored_ms")
    return StoredObject(gone=r["gone_ms"] is not None, **{name: r[name] for name in names})


def waiting_of(r: sqlite3.Row, urgent: set[int]) -> Waiting:
    """From a row of the query `waiting`; `urgent`: species."""
    is_alarm = r["kind"] in ALARMS
    return Waiting(
        object=object_of(r), alert_ms=r["alert_ms"], crop_ms=r["crop_ms"], urgent=is_alarm or r["species"] in urgent
    )


def event_of(r: sqlite3.Row) -> Event:
    """From a row of `events`."""
    same = (
        "trap",
        "epoch",
        "number",
        "time_ms",
        "uncertainty_ms",
        "species",
        "confidence",
        "count",
        "battery",
        "event_id",
    )
    box = (r["box_x"], r["box_y"], r["box_width"], r["box_height"])
    return Event(box=box, **{name: r[name] for name in same})
