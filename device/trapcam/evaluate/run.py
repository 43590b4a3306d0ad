"""Every picture of a list through the trap's own detector and decision, one at a time."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from trapcam.camera.still import ReadError, decode_picture, read_bytes
from trapcam.detections import Detection
from trapcam.evaluate.by_group import Scored
from trapcam.evaluate.manifest import Labelled
from trapcam.frames import Image
from trapcam.sighting import Event, Rejected, decide

MAX_PIXELS = 120e6  # 360 MB as RGB, as in `trapcam detect`


def score_all(
    detect: Callable[[Image], Sequence[Detection]], thresholds: Mapping[str, float], folder: Path,
    pictures: Sequence[Labelled], *, keep_threshold: float = 0.0, each: Callable[[], None] = lambda: None,
) -> tuple[list[Scored], list[tuple[str, str]]]:  # fmt: skip
    """Scores of the pictures, and those that could not be read with the reason; one picture is held at a time.

    keep_threshold: in place of the model's feline threshold, unless 0; each: called after every picture.
    """
    scored, unread = [], []
    for picture in pictures:
        try:
            image, _ = decode_picture(read_bytes(folder / picture.file), MAX_PIXELS)
            seen = detect(image)
        except (ReadError, MemoryError) as error:
            unread.append((picture.file, str(error) or "not enough memory"))
        else:
            outcome = decide([seen], thresholds, keep_threshold=keep_threshold)
            best: dict[str, float] = {}
            for one in seen:
                best[one.category] = max(best.get(one.category, 0.0), one.confidence)
            scored.append(
                Scored(
                    picture=picture,
                    scores=best,
                    kept=isinstance(outcome, Event),
                    withheld=isinstance(outcome, Rejected) and outcome.private,
                )
            )
        each()
    return scored, unread
