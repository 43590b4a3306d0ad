"""What a trap keeps while it has no model: every burst, sealed and unjudged, as long as there is room for it.

Nobody has looked for people, so of such a burst there is nothing that a base could open or a radio could send: no
alert, crop or frame, only full frames, sealed to the back end and the reviewer (decision 014).
"""

from collections.abc import Callable

from trapcam import choice, motion, rungs
from trapcam.frames import Burst, Unreadable
from trapcam.record import KEPT, NO_MODEL, NO_MODEL_NO_ROOM, REJECTED, Outcome, Sighting, noted, unreadable
from trapcam.seal import Sealer
from trapcam.sighting import Event
from trapcam.states import UNJUDGED
from trapwire.alert import UNKNOWN
from trapwire.objects import FULLS


class Unjudged:
    """Stands in for `capture.Capture`. held_bytes: what unjudged bursts take on the card now; most_bytes: may take."""

    def __init__(
        self, sealer: Sealer, held_bytes: Callable[[], int], most_bytes: int, full_frames: int = len(FULLS)
    ) -> None:
        self._sealer = sealer
        self._held_bytes = held_bytes
        self._most_bytes = most_bytes
        self._full_frames = full_frames

    def outcome(self, taken: Burst | Unreadable, source: str, position: int) -> Outcome:
        """What is to be recorded of one trigger; without room a count and no picture.  Raises: StorageError."""
        if isinstance(taken, Unreadable):
            return unreadable(taken, source, position)
        sighting = self._sighting(taken)
        return Outcome(
            source=source,
            position=position,
            trigger=taken.trigger,
            name=taken.frames[0].name,
            frames=len(taken.frames),
            outcome=REJECTED if sighting is None else KEPT,
            reason=noted(NO_MODEL_NO_ROOM if sighting is None else NO_MODEL, taken.note),
            sighting=sighting,
        )

    def _sighting(self, burst: Burst) -> Sighting | None:
        room = self._most_bytes - self._held_bytes()
        if room <= 0:
            return None
        chosen = self._chosen(burst)
        objects = []
        for rung, number in zip(FULLS, chosen, strict=False):
            sealed = self._sealer.seal(rung, rungs.full(burst.frames[number]))
            room -= len(sealed.body)
            if room >= 0:
                objects.append(sealed)
        if not objects:
            return None
        first = burst.frames[chosen[0]]
        event = Event(
            frame=chosen[0], bbox=(0.0, 0.0, 1.0, 1.0), category=UNJUDGED, confidence=0.0, species=UNKNOWN, count=0
        )
        return Sighting(
            event=event,
            taken_ms=first.taken_ms,
            uncertainty_ms=first.uncertainty_ms,
            model="none",
            model_sha256="",
            objects=tuple(objects),
        )

    def _chosen(self, burst: Burst) -> list[int]:
        """Frames in which something moved, evenly over the burst; then others."""
        places = motion.places([motion.copy_of(frame) for frame in burst.frames])
        busy = [number for number, place in enumerate(places) if place is not None]
        still = [number for number, place in enumerate(places) if place is None]
        chosen = [busy[i] for i in choice.spread(len(busy), self._full_frames)] if busy else []
        left = self._full_frames - len(chosen)
        return chosen + ([still[i] for i in choice.spread(len(still), left)] if left and still else [])
