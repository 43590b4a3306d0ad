"""Outcomes: what one burst leaves in the outbox, all of it or nothing (pure)."""

from dataclasses import dataclass

from trapcam.audit import Audited
from trapcam.health.look import Look
from trapcam.seal import SealedObject
from trapcam.sighting import Event
from trapcam.trigger import Trigger

KEPT = "kept"
REJECTED = "rejected"
UNREADABLE = "unreadable"

# Reasons while there is no model: of a burst that is kept unjudged, and of one for which there was no room.
NO_MODEL = "no model: not judged"
NO_MODEL_NO_ROOM = "no model, and no room for more unjudged bursts"


def noted(reason: str, note: str) -> str:
    """The reason of an outcome with what is to be said of its burst besides; `plain_reason` takes it apart again."""
    return f"{reason}; {note}" if note else reason


def plain_reason(reason: str) -> str:
    """The reason by which bursts are counted together."""
    return reason.partition("; ")[0]


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """An event with its time, the model that judged it, and its sealed rungs."""

    event: Event
    taken_ms: int
    uncertainty_ms: int | None
    model: str
    model_sha256: str
    objects: tuple[SealedObject, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One burst's outcome: `position` of its source, the picture's name, how many frames, and what became of it.

    `audited`: of a rejected one, where it counts, and the sample that is kept of it if it is one. `scene`: the small
    picture of the empty scene, where one was due; `look`: how well the camera saw then.
    """

    source: str
    position: int
    trigger: Trigger
    name: str
    frames: int
    outcome: str
    reason: str = ""
    score: float = 0.0
    sighting: Sighting | None = None
    audited: Audited | None = None
    scene: SealedObject | None = None
    look: Look | None = None


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """The outcome of a burst with people: it moves the position on and counts, nothing else."""

    source: str
    position: int
    frames: int
    category: str
    hour_ms: int | None  # set only where the hourly count is switched on
