"""Outcomes: what one burst leaves in the outbox, all of it or nothing (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trapcam.audit import Audited
from trapcam.frames import Unreadable
from trapcam.health.look import Look
from trapcam.seal import SealedObject
from trapcam.sighting import Event
from trapcam.states import UNJUDGED
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
    picture of the empty scene, where one was due; `look`: how well the camera saw then; `lit`: whether a lamp was to
    shine (None: nobody knows).
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
    lit: bool | None = None


def without(outcome: Outcome, left_out: Sequence[SealedObject]) -> Outcome:
    """What an outcome is once `left_out` is not kept: an unjudged burst of which nothing is left is no event, for
    nothing of it could ever be opened or let go by a receipt."""
    sighting = outcome.sighting
    if sighting is None or sighting.event.category != UNJUDGED or any(o not in left_out for o in sighting.objects):
        return outcome
    note = outcome.reason.partition("; ")[2]
    return replace(outcome, outcome=REJECTED, reason=noted(NO_MODEL_NO_ROOM, note), sighting=None)


def unreadable(taken: Unreadable, source: str, position: int) -> Outcome:
    """The outcome of what the camera could not give."""
    return Outcome(
        source=source,
        position=position,
        trigger=taken.trigger,
        name=taken.name,
        frames=1,
        outcome=UNREADABLE,
        reason=taken.reason,
    )


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """The outcome of a burst with people: it moves the position on and counts, nothing else."""

    source: str
    position: int
    frames: int
    category: str
    hour_ms: int | None  # set only where the hourly count is switched on
