"""Every picture of a list through the trap's own detector and decision, one at a time or in bursts."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from trapcam.camera.still import ReadError, decode_picture, read_bytes
from trapcam.evaluate.by_group import Scored
from trapcam.evaluate.manifest import Labelled
from trapcam.judge import Judge, Seen
from trapcam.motion import moved
from trapcam.sighting import Event, Rejected, decide

MAX_PIXELS = 120e6  # 360 MB as RGB, as in `trapcam detect`


def bursts_of(pictures: Sequence[Labelled], frames: int) -> list[list[Labelled]]:
    """Pictures of one camera-trap sequence, `frames` at a time in the order of their names; any other by itself."""
    sequences: dict[str, list[Labelled]] = {}
    for picture in sorted(pictures, key=lambda p: p.file):
        alone = not (picture.in_sequence and picture.camera_trap)
        sequences.setdefault(picture.file if alone else picture.sequence, []).append(picture)
    return [whole[i : i + frames] for whole in sequences.values() for i in range(0, len(whole), frames)]


def score_all(
    judge: Judge, folder: Path, bursts: Sequence[Sequence[Labelled]], *, keep_threshold: float = 0.0,
    each: Callable[[int], None] = lambda pictures: None,
) -> tuple[list[Scored], list[tuple[str, str]]]:  # fmt: skip
    """Scores of the bursts, and the pictures that could not be read with the reason; one burst is held at a time.

    A burst stands under its first picture of a cat, or its first. keep_threshold: in place of the model's feline
    threshold, unless 0; each: called after every burst with the number of its pictures.
    """
    scored, unread = [], []
    for burst in bursts:
        images, readable = [], []
        for picture in burst:
            try:
                images.append(decode_picture(read_bytes(folder / picture.file), MAX_PIXELS)[0])
                readable.append(picture)
            except (ReadError, MemoryError) as error:
                unread.append((picture.file, str(error) or "not enough memory"))
        try:
            frames = [judge.detect(image, place) for image, place in zip(images, moved(images), strict=True)]
        except MemoryError:
            unread += [(picture.file, "not enough memory") for picture in readable]
        else:
            if frames:
                scored.append(_scored(readable, frames, judge.description.thresholds, keep_threshold))
        each(len(burst))
    return scored, unread


def _scored(
    burst: Sequence[Labelled], frames: Sequence[Sequence[Seen]], limits: Mapping[str, float], keep_threshold: float
) -> Scored:
    outcome = decide(frames, limits, keep_threshold=keep_threshold)
    best: dict[str, float] = {}
    for one in (seen for frame in frames for seen in frame):
        best[one.category] = max(best.get(one.category, 0.0), one.confidence)
    return Scored(
        picture=next((picture for picture in burst if picture.feline), burst[0]),
        scores=best,
        kept=isinstance(outcome, Event),
        withheld=isinstance(outcome, Rejected) and outcome.private,
    )
