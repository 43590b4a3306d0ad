"""A camera that shows what was planted, with a camera's faults; and a detector that reads the marks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from trapcam.detections import Detection
from trapcam.frames import Burst, Frame, Image, Unreadable
from trapcam.trigger import Trigger
from trapsim.trapsoak.marks import ANIMAL, CAT, DOMESTIC, EMPTY, HUMAN, NEAR, VEHICLE, Box, Mark, draw, read
from trapsim.trapsoak.plan import Season

SIZE = (320, 240)
MIDDLE: Box = (0.3, 0.3, 0.4, 0.4)  # of a plain picture: the mark is the animal
CORNER: Box = (0.02, 0.7, 0.28, 0.28)  # of a photograph
PHOTOGRAPHS = {
    CAT: "chelsea.png", DOMESTIC: "chelsea.png", EMPTY: "brick.png", NEAR: "horse.png", ANIMAL: "horse.png",
    HUMAN: "astronaut.png", VEHICLE: "motorcycle_left.png",
}  # fmt: skip
HANG_MS = 10_000  # a hanging camera is given up after so long (its watchdog's affair, tests/cam)


class PlantedCamera:
    """The season's bursts, made when they are asked for. `photographs`: a folder of scikit-image's, or None for plain
    pictures; `wait`: lets time pass (ms)."""

    about = "planted"

    def __init__(
        self, season: Season, now_ms: Callable[[], int], wait: Callable[[int], None],
        photographs: Path | None = None,
    ) -> None:  # fmt: skip
        self._season = season
        self._now_ms = now_ms
        self._wait = wait
        self._photographs = photographs
        self.source = f"planted:{season.number}"
        self.total: int | None = len(season.bursts)
        self.place = CORNER if photographs else MIDDLE

    def start(self) -> None:
        """Nothing to begin."""

    def close(self) -> None:
        """Nothing to end."""

    def frames(self, trigger: Trigger, position: int) -> Burst | Unreadable | None:
        if position >= len(self._season.bursts):
            return None
        planned = self._season.bursts[position]
        count = planned.fault_at if planned.fault else len(planned.shown)
        if planned.fault == "hangs":
            self._wait(HANG_MS)
        if not count:
            return Unreadable(name=f"burst {position}", reason=f"the camera: {planned.fault}", trigger=trigger)
        frames = []
        for number in range(count):
            mark = Mark(burst=position, frame=number, shown=planned.shown[number], season=self._season.number & 0xFF)
            pixels = self._picture(mark)
            frames.append(
                Frame(
                    pixels=pixels.copy, taken_ms=self._now_ms(), uncertainty_ms=200,
                    name=f"burst {position}, frame {number}",
                )
            )  # fmt: skip
        note = f"the camera {planned.fault} after {count} frames" if planned.fault else ""
        return Burst(frames=tuple(frames), trigger=trigger, note=note)

    def _picture(self, mark: Mark) -> Image:
        if self._photographs is not None:
            with Pictures.open(self._photographs / PHOTOGRAPHS[mark.shown]) as picture:
                made = np.array(picture.convert("RGB"))
        else:
            # Leaves that differ from picture to picture, dim enough to leave the bytes to the mark.
            leaves = np.random.default_rng((mark.season, mark.burst, mark.frame)).integers(90, 130, (15, 20, 3))
            small = Pictures.fromarray(leaves.astype(np.uint8))
            made = np.array(small.resize(SIZE, Pictures.Resampling.BILINEAR))
        draw(made, mark, self.place)
        return made


@dataclass(frozen=True, kw_only=True)
class _Planted:
    name: str = "planted"
    version: str = "1"
    sha256: str = "00" * 32
    thresholds: Mapping[str, float] = field(
        default_factory=lambda: {"feline": 0.5, "other_animal": 0.5, "person": 0.5, "vehicle": 0.5}
    )


class MarkReader:
    """A detector that sees in a picture what its mark says."""

    description = _Planted()

    def detect(self, image: Image, moved: Box | None = None) -> Sequence[Detection]:
        mark = read(image, MIDDLE)
        if mark is None or mark.shown == EMPTY:
            return []
        category, confidence, likely = {
            CAT: ("feline", 0.9, (("tiger", 0.8), ("domestic cat", 0.2))),
            DOMESTIC: ("feline", 0.8, (("tiger", 0.1), ("domestic cat", 0.9))),
            NEAR: ("feline", 0.4, ()),
            ANIMAL: ("other_animal", 0.9, ()),
            HUMAN: ("person", 0.9, ()),
            VEHICLE: ("vehicle", 0.8, ()),
        }[mark.shown]
        # Later frames a little surer: the choice among them is not always the first.
        confidence += 0.01 * mark.frame
        return [Detection(category=category, confidence=confidence, bbox=MIDDLE, likely=likely)]
