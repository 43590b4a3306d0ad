"""Is it a sighting?  Detections over one burst in, an `Event` or a `Rejected` out (pure).

People come first: one frame in which a person or vehicle reaches its threshold withholds the whole burst, whatever
else is in it: people are not recorded. Then a burst is kept when a category of the keep-list reaches its threshold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trapcam import species
from trapcam.detections import PEOPLE
from trapcam.judge import Seen

# For a category the model's description gives no threshold for: neither everything nor nothing.
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True, kw_only=True)
class Event:
    """A sighting: the frame (its place in the burst) and box of its animal, the burst's best confidence 0–1, a species
    code of `trapwire.alert.SPECIES`, and how many animals were seen at once.

    `decide` names the surest frame; where the pictures are at hand `trapcam.choice` then takes the one to look at.
    """

    frame: int
    bbox: tuple[float, float, float, float]
    category: str
    confidence: float
    species: int
    count: int


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """Not a sighting, and why; `score` is the best confidence of a category of the keep-list.

    `private`: a person or vehicle: nothing of the burst may be stored, its time and name included. `nearness` and
    `people`: the best of the keep-list, and of persons and vehicles, as a share of its threshold. `frame` and `bbox`:
    where the first of these was, if it was anywhere.
    """

    reason: str
    score: float
    private: bool = False
    nearness: float = 0.0
    people: float = 0.0
    frame: int = 0
    bbox: tuple[float, float, float, float] | None = None


def limits_of(thresholds: Mapping[str, float], keep: Sequence[str], keep_threshold: float) -> dict[str, float]:
    """The threshold of each category, those of the keep-list replaced by `keep_threshold` unless that is 0; categories
    that are not named have DEFAULT_THRESHOLD."""
    limits = dict(thresholds)
    if keep_threshold > 0:
        limits.update(dict.fromkeys(keep, keep_threshold))
    return limits


def decide(
    frames: Sequence[Sequence[Seen]],
    thresholds: Mapping[str, float],
    keep: Sequence[str] = ("feline",),
    keep_threshold: float = 0.0,
) -> Event | Rejected:
    """The decision over a burst: `frames` holds the detections of each frame.

    thresholds: per category 0–1; keep: categories that make a sighting; keep_threshold: used for these in place of
    the model's own, unless 0.
    """
    limits = limits_of(thresholds, keep, keep_threshold)

    def passes(seen: Seen) -> bool:
        return seen.confidence >= limits.get(seen.category, DEFAULT_THRESHOLD)

    def reached(seen: Seen) -> float:
        """The share of its threshold."""
        return seen.confidence / max(limits.get(seen.category, DEFAULT_THRESHOLD), 1e-9)

    passing = [[seen for seen in frame if passes(seen)] for frame in frames]
    wanted = [seen for frame in frames for seen in frame if seen.category in keep]
    score = max((seen.confidence for seen in wanted), default=0.0)
    for category in PEOPLE:
        if any(seen.category == category for frame in passing for seen in frame):
            return Rejected(reason=category, score=score, private=True)

    kept = [[seen for seen in frame if seen.category in keep] for frame in passing]
    if not any(kept):
        others = {seen.category for frame in passing for seen in frame}
        reason = min(others) if others else "below threshold" if wanted else "nothing seen"
        almost = [(reached(seen), i, seen) for i, frame in enumerate(frames) for seen in frame if seen.category in keep]
        nearness, number, nearest = max(almost, key=lambda a: (a[0], -a[1]), default=(0.0, 0, None))
        return Rejected(
            reason=reason,
            score=score,
            nearness=nearness,
            people=max((reached(seen) for frame in frames for seen in frame if seen.category in PEOPLE), default=0.0),
            frame=number,
            bbox=None if nearest is None else nearest.bbox,
        )
    # The most confident animal; of equals the earliest frame, so that a rerun decides the same.
    number, best = max(
        ((i, seen) for i, frame in enumerate(kept) for seen in frame), key=lambda pair: (pair[1].confidence, -pair[0])
    )
    return Event(
        frame=number,
        bbox=best.bbox,
        category=best.category,
        confidence=best.confidence,
        species=species.code(best.category, _each_frame_s_best(kept, best.category)),
        count=max(len(frame) for frame in kept),
    )


def _each_frame_s_best(kept: Sequence[Sequence[Seen]], category: str) -> list[species.Likely]:
    """What each frame says of the species of its surest animal of that category."""
    of_category = [[seen for seen in frame if seen.category == category] for frame in kept]
    return [max(frame, key=lambda seen: seen.confidence).likely for frame in of_category if frame]
