"""From a burst to its outcome: detect, decide, make the rungs, seal (no storage here).

Nothing of a burst with people leaves this module: only that there was one, and only its hour where that is asked for.
Of other bursts that are not kept, some are sealed as audit samples.
"""

import hashlib
from dataclasses import dataclass

from trapcam import rungs
from trapcam.audit import Audited, Sample, Sampler
from trapcam.audit_pack import pack
from trapcam.frames import Burst, Image, Unreadable
from trapcam.health.look import look_at
from trapcam.judge import Judge
from trapcam.motion import moved
from trapcam.record import KEPT, REJECTED, UNREADABLE, Outcome, Sighting, Withheld, noted
from trapcam.seal import SealedObject, Sealer
from trapcam.sighting import Event, Rejected, decide
from trapcam.trigger import CAUSE_DAY
from trapwire.objects import ALERT, CROP, FRAME, FULL, SCENE

HOUR_MS = 3_600_000


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is kept, and how large its rungs may be (bytes before sealing, pixels)."""

    keep: tuple[str, ...] = ("feline",)
    keep_threshold: float = 0.0
    hourly_count: bool = False
    crop_bytes: int = 1_480
    frame_bytes: int = 8_000
    frame_pixels: int = 960
    scene_bytes: int = 3_000
    scene_pixels: int = 320
    scene_people: float = 0.5  # of a person's or vehicle's threshold: from there on it is no empty scene


class Capture:
    """Turns bursts into outcomes with a detector and a sealer; `sampler` chooses audit samples (None: no samples).

    scene_due: the next burst in which nothing is gives a scene; set where a day's picture is asked for.
    """

    def __init__(self, judge: Judge, sealer: Sealer, policy: Policy, sampler: Sampler | None = None) -> None:
        self._judge = judge
        self._sealer = sealer
        self._policy = policy
        self._sampler = sampler
        self.scene_due = False

    def outcome(self, taken: Burst | Unreadable, source: str, position: int) -> Outcome | Withheld:
        """What is to be recorded of one trigger."""
        if isinstance(taken, Unreadable):
            return Outcome(
                source=source,
                position=position,
                trigger=taken.trigger,
                name=taken.name,
                frames=1,
                outcome=UNREADABLE,
                reason=taken.reason,
            )
        if taken.trigger.cause == CAUSE_DAY:
            self.scene_due = True
        images = [frame.image for frame in taken.frames]
        decision = decide(
            [self._judge.detect(image, place) for image, place in zip(images, moved(images), strict=True)],
            self._judge.description.thresholds,
            self._policy.keep,
            self._policy.keep_threshold,
        )
        if isinstance(decision, Event):
            return self._kept(taken, decision, source, position)
        if decision.private:
            hour_ms = taken.trigger.at_ms // HOUR_MS * HOUR_MS if self._policy.hourly_count else None
            return Withheld(
                source=source,
                position=position,
                frames=len(taken.frames),
                category=decision.reason,
                hour_ms=hour_ms,
            )
        return Outcome(
            source=source,
            position=position,
            trigger=taken.trigger,
            name=taken.frames[0].name,
            frames=len(taken.frames),
            outcome=REJECTED,
            reason=noted(decision.reason, taken.note),
            score=decision.score,
            # Nothing moved before the day's picture: it would only make what the detector misses look rarer.
            audited=None if taken.trigger.cause == CAUSE_DAY else self._audited(taken, decision, source, position),
            scene=self._scene(images[0], decision),
            look=look_at(images[0]),
        )

    def _scene(self, image: Image, decision: Rejected) -> SealedObject | None:
        """The day's picture, where one is due and neither an animal nor anybody may be in it; else a later burst's."""
        if not self.scene_due or max(decision.people, decision.nearness) >= self._policy.scene_people:
            return None
        self.scene_due = False
        return self._sealer.seal(SCENE, rungs.frame(image, self._policy.scene_bytes, self._policy.scene_pixels))

    def _audited(self, burst: Burst, rejected: Rejected, source: str, position: int) -> Audited | None:
        if self._sampler is None:
            return None
        taken_ms, model = burst.frames[rejected.frame].taken_ms, self._judge.description
        cell, draw = self._sampler.cell(rejected, taken_ms), self._sampler.draw(source, position)
        if draw >= cell.share:
            return Audited(cell=cell)
        facts = {"source": source, "position": position, "model": f"{model.name} {model.version}",
                 "model_sha256": model.sha256}  # fmt: skip
        body = self._sealer.seal_file(pack(burst, rejected, cell, facts))
        return Audited(cell=cell, sample=Sample(draw=draw, body=body, sha256=hashlib.sha256(body).digest()))

    def _kept(self, burst: Burst, event: Event, source: str, position: int) -> Outcome:
        best = burst.frames[event.frame]
        policy, model = self._policy, self._judge.description
        made = (
            (ALERT, rungs.alert(event, best)),
            (CROP, rungs.crop(best.image, event.bbox, policy.crop_bytes)),
            (FRAME, rungs.frame(best.image, policy.frame_bytes, policy.frame_pixels)),
            (FULL, rungs.full(best)),
        )
        sighting = Sighting(
            event=event,
            taken_ms=best.taken_ms,
            uncertainty_ms=best.uncertainty_ms,
            model=f"{model.name} {model.version}",
            model_sha256=model.sha256,
            objects=tuple(self._sealer.seal(rung, data) for rung, data in made),
        )
        return Outcome(
            source=source,
            position=position,
            trigger=burst.trigger,
            name=best.name,
            frames=len(burst.frames),
            outcome=KEPT,
            reason=burst.note,
            score=event.confidence,
            sighting=sighting,
        )
