"""Outcomes made without a camera, a detector or a picture, for tests of the outbox."""

import hashlib
from dataclasses import replace

from cam_parts import NOW

from trapcam.audit import Audited, Cell, Sample
from trapcam.record import KEPT, REJECTED, Outcome, Sighting, Withheld
from trapcam.seal import SealedObject
from trapcam.sighting import Event
from trapcam.trigger import Trigger
from trapwire.alert import ALERT_BYTES
from trapwire.objects import ALERT, CROP, FRAME, FULL, FULLS

SOURCE = "test"


def sealed(rung: int, body: bytes) -> SealedObject:
    return SealedObject(rung=rung, body=body, sha256=hashlib.sha256(body).digest())


def kept(position: int, species: int = 0, full: bytes | None = None, fulls: int = 1) -> Outcome:
    # As many bytes as an alert has, which is all that a supervisor looks at.
    bodies = {
        ALERT: b"alert %d".ljust(ALERT_BYTES + 1),
        CROP: b"crop %d" * 100,
        FRAME: b"frame %d" * 500,
        FULL: b"full %d" * 2000,
    }
    objects = [sealed(rung, body.replace(b"%d", b"%d" % position)) for rung, body in bodies.items()]
    if full is not None:
        objects[-1] = sealed(FULL, full)
    objects += [sealed(rung, b"full %d of burst %d" % (rung, position) * 1000) for rung in FULLS[1:fulls]]
    event = Event(frame=0, bbox=(0.1, 0.2, 0.3, 0.4), category="feline", confidence=0.9, species=species, count=1)
    sighting = Sighting(
        event=event,
        taken_ms=NOW + position,
        uncertainty_ms=None,
        model="scripted 1",
        model_sha256="00",
        objects=tuple(objects),
    )
    return Outcome(
        source=SOURCE,
        position=position,
        trigger=Trigger(number=position, cause=0, at_ms=NOW + position),
        name=f"{position}.jpg",
        frames=1,
        outcome=KEPT,
        score=0.9,
        sighting=sighting,
    )


def rejected(position: int, reason: str = "nothing seen") -> Outcome:
    return Outcome(
        source=SOURCE,
        position=position,
        trigger=Trigger(number=position, cause=0, at_ms=NOW),
        name=f"{position}.jpg",
        frames=1,
        outcome=REJECTED,
        reason=reason,
    )


def withheld(position: int, hour_ms: int | None = None) -> Withheld:
    return Withheld(source=SOURCE, position=position, frames=1, category="person", hour_ms=hour_ms)


def audited(position: int, stratum: str = "near", draw: float = 0.0, share: float = 1.0, size: int = 900) -> Outcome:
    """A rejected burst that is counted, and kept as a sample where its draw is below the share."""
    cell = Cell(season="2027 winter", stratum=stratum, share=share)
    body = (b"sample %d" % position).ljust(size)
    sample = Sample(draw=draw, body=body, sha256=hashlib.sha256(body).digest()) if draw < share else None
    return replace(rejected(position), audited=Audited(cell=cell, sample=sample))
