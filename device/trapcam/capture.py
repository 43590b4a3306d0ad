"""From a burst to its outcome: detect, decide, choose the frames, make the rungs, seal (no storage here).

Frames are unpacked one after the other, and again for what is made of them: a trap has no room for a burst of pictures.

Nothing of a burst with people leaves this module: only that there was one, and only its hour where that is asked for.
Of other bursts that are not kept, some are sealed as audit samples.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from trapcam import choice, motion, rungs
from trapcam.audit import Audited, Sample, Sampler
from trapcam.audit_pack import pack
from trapcam.frames import Burst, Frame, Unreadable
from trapcam.health.look import Look, look_at
from trapcam.judge import Judge, Seen
from trapcam.record import KEPT, REJECTED, Outcome, Sighting, Withheld, noted, unreadable
from trapcam.seal import SealedObject, Sealer
from trapcam.sighting import DEFAULT_THRESHOLD, Event, Rejected, decide, limits_of
from trapcam.trigger import CAUSE_DAY
from trapwire.objects import ALERT, CROP, FRAME, FULLS, SCENE

HOUR_MS = 3_600_000
ALMOST = 0.5  # of the threshold: where a cat was seen in another frame, so much is likely she


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is kept, how large its rungs may be (bytes before sealing, pixels), and how many full frames (1–3)."""

    keep: tuple[str, ...] = ("feline",)
    keep_threshold: float = 0.0
    hourly_count: bool = False
    crop_bytes: int = 1_480
    frame_bytes: int = 8_000
    frame_pixels: int = 960
    full_frames: int = len(FULLS)
    scene_bytes: int = 3_000
    scene_pixels: int = 320
    scene_people: float = 0.5  # of a person's or vehicle's threshold: from there on it is no empty scene


class Capture:
    """Turns bursts into outcomes with a detector and a sealer.

    sampler: chooses audit samples (None: no samples); stage: around the work of a stage, for whoever takes its time.
    scene_due: the next burst in which nothing is gives a scene; set where a day's picture is asked for.
    """

    def __init__(
        self,
        judge: Judge,
        sealer: Sealer,
        policy: Policy,
        sampler: Sampler | None = None,
        stage: Callable[[str], AbstractContextManager[object]] = lambda name: nullcontext(),
    ) -> None:
        self._judge = judge
        self._sealer = sealer
        self._policy = policy
        self._sampler = sampler
        self.scene_due = False
        self._stage = stage

    def outcome(self, taken: Burst | Unreadable, source: str, position: int) -> Outcome | Withheld:
        """What is to be recorded of one trigger."""
        if isinstance(taken, Unreadable):
            return unreadable(taken, source, position)
        if taken.trigger.cause == CAUSE_DAY:
            self.scene_due = True
        thresholds, policy = self._judge.description.thresholds, self._policy
        limits = limits_of(thresholds, policy.keep, policy.keep_threshold)
        found, views, first_look = self._look(taken, limits)
        decision = decide(found, thresholds, policy.keep, policy.keep_threshold)
        if isinstance(decision, Event):
            shown = [view for view in views if view.category == decision.category]
            threshold = limits.get(decision.category, DEFAULT_THRESHOLD)
            with self._stage("choose"):
                chosen = choice.choose(shown, threshold, policy.full_frames)
            return self._kept(taken, decision, chosen, source, position)
        if decision.private:
            hour_ms = taken.trigger.at_ms // HOUR_MS * HOUR_MS if self._policy.hourly_count else None
            return Withheld(
                source=source,
                position=position,
                frames=len(taken.frames),
                category=decision.reason,
                hour_ms=hour_ms,
            )
        # Nothing moved before the day's picture: it would only make what the detector misses look rarer.
        of_the_day = taken.trigger.cause == CAUSE_DAY
        audited = None if of_the_day else self._audited(taken, decision, source, position)
        return Outcome(
            source=source,
            position=position,
            trigger=taken.trigger,
            name=taken.frames[0].name,
            frames=len(taken.frames),
            outcome=REJECTED,
            reason=noted(decision.reason, taken.note),
            score=decision.score,
            audited=audited,
            scene=self._scene(taken.frames[0], decision),
            look=first_look,
            lit=taken.lit,
        )

    def _look(
        self, burst: Burst, limits: Mapping[str, float]
    ) -> tuple[list[Sequence[Seen]], list[choice.View], Look | None]:
        """What the detector sees in each frame, the measures of the animals that may be what is kept, and how well the
        first frame shows the scene."""
        with self._stage("choose"):
            moved = motion.places([motion.copy_of(frame) for frame in burst.frames])
        found: list[Sequence[Seen]] = []
        views: list[choice.View] = []
        first_look: Look | None = None
        for number, (frame, place) in enumerate(zip(burst.frames, moved, strict=True)):
            image = frame.image
            seen = self._judge.detect(image, place)
            first_look = look_at(image) if number == 0 else first_look
            found.append(seen)
            near = [
                each
                for each in seen
                if each.category in self._policy.keep
                and each.confidence >= ALMOST * limits.get(each.category, DEFAULT_THRESHOLD)
            ]
            with self._stage("choose"):
                views += choice.views(number, frame.taken_ms, image, near)
            del image  # before the next one is unpacked
        return found, views, first_look

    def _scene(self, frame: Frame, decision: Rejected) -> SealedObject | None:
        """The day's picture, where one is due and neither an animal nor anybody may be in it; else a later burst's."""
        if not self.scene_due or max(decision.people, decision.nearness) >= self._policy.scene_people:
            return None
        self.scene_due = False
        return self._sealer.seal(SCENE, rungs.frame(frame.image, self._policy.scene_bytes, self._policy.scene_pixels))

    def _audited(self, burst: Burst, rejected: Rejected, source: str, position: int) -> Audited | None:
        if self._sampler is None:
            return None
        taken_ms, model = burst.frames[rejected.frame].taken_ms, self._judge.description
        cell, draw = self._sampler.cell(rejected, taken_ms), self._sampler.draw(source, position)
        if draw >= cell.share:
            return Audited(cell=cell)
        facts = {"source": source, "position": position, "model": f"{model.name} {model.version}",
                 "model_sha256": model.sha256}  # fmt: skip
        with self._stage("rungs"):
            data = pack(burst, rejected, cell, facts)
        body = self._sealer.seal_file(data)
        return Audited(cell=cell, sample=Sample(draw=draw, body=body, sha256=hashlib.sha256(body).digest()))

    def _kept(self, burst: Burst, event: Event, chosen: Sequence[choice.View], source: str, position: int) -> Outcome:
        event = replace(event, frame=chosen[0].frame, bbox=chosen[0].bbox)
        best = burst.frames[event.frame]
        policy, model = self._policy, self._judge.description
        with self._stage("rungs"):
            image = best.image
            made = [
                (ALERT, rungs.alert(event, best)),
                (CROP, rungs.crop(image, event.bbox, policy.crop_bytes)),
                (FRAME, rungs.frame(image, policy.frame_bytes, policy.frame_pixels)),
                (FULLS[0], rungs.full(best, image)),
            ]
            del image
            made += [
                (rung, rungs.full(burst.frames[view.frame])) for rung, view in zip(FULLS[1:], chosen[1:], strict=False)
            ]
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
