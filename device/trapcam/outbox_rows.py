"""The rows of one outcome, and every statement of the outbox by its name."""

import sqlite3
from collections.abc import Sequence

from trapcam.record import Outcome, Sighting, Withheld
from trapcam.seal import SealedObject
from trapcam.states import FIRST_STATE, priority
from trapkit.database import load_queries
from trapwire.objects import FULLS

SQL = load_queries("trapcam")
ROOM_BYTES = 4096  # what the rows of one outcome may take besides their bodies


def full_name(sealed: SealedObject) -> str:
    """Under which name a full frame lies in the folder of full frames."""
    return f"{sealed.sha256.hex()}.age"


def fulls_of(outcome: Outcome | Withheld) -> list[SealedObject]:
    """The full frames of a sighting, the best first."""
    sighting = outcome.sighting if isinstance(outcome, Outcome) else None
    return sorted((s for s in sighting.objects if s.rung in FULLS), key=lambda s: s.rung) if sighting else []


def size_of(outcome: Outcome | Withheld) -> int:
    """About what an outcome takes on the card."""
    sighting = outcome.sighting if isinstance(outcome, Outcome) else None
    return ROOM_BYTES + sum(len(sealed.body) for sealed in (sighting.objects if sighting else ()))


def add_burst(db: sqlite3.Connection, outcome: Outcome) -> int | None:
    """The row of one burst, within the caller's transaction; its number."""
    return db.execute(
        SQL["add_burst"],
        {
            "source": outcome.source,
            "position": outcome.position,
            "name": outcome.name,
            "trigger_no": outcome.trigger.number,
            "cause": outcome.trigger.cause,
            "taken_ms": outcome.trigger.at_ms,
            "frames": outcome.frames,
            "outcome": outcome.outcome,
            "reason": outcome.reason,
            "score": outcome.score,
        },
    ).lastrowid


def add_event(
    db: sqlite3.Connection, burst_no: int | None, sighting: Sighting, left_out: Sequence[SealedObject]
) -> int:
    """An event with its objects but for those left out, within the caller's transaction; its number."""
    number = int(db.execute(SQL["next_number"]).fetchone()[0])
    event = sighting.event
    x, y, w, h = event.bbox
    db.execute(
        SQL["add_event"],
        {
            "number": number,
            "burst_no": burst_no,
            "taken_ms": sighting.taken_ms,
            "uncertainty_ms": sighting.uncertainty_ms,
            "category": event.category,
            "species": event.species,
            "confidence": event.confidence,
            "count": event.count,
            "x": x,
            "y": y,
            "w": w,
            "h": h,
            "model": sighting.model,
            "model_sha256": sighting.model_sha256,
            "left_out": len(left_out),
        },
    )
    for sealed in sighting.objects:
        if sealed in left_out:
            continue
        on_disk = sealed.rung in FULLS
        db.execute(
            SQL["add_object"],
            {
                "number": number,
                "rung": sealed.rung,
                "priority": priority(sealed.rung, event.species, event.category),
                "state": FIRST_STATE[sealed.rung],
                "bytes": len(sealed.body),
                "sha256": sealed.sha256,
                "body": None if on_disk else sealed.body,
                "file": full_name(sealed) if on_disk else None,
            },
        )
    return number
