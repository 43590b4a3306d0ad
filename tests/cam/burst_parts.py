"""Bursts for tests: Chelsea, the cat of scikit-image, walks over its gravel, and a judge is told where she is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from cam_parts import NOW, FakeDescription, FakeDetection
from detect_parts import PHOTOGRAPHS
from PIL import Image as Pillow
from PIL import ImageFilter, ImageOps

from trapcam.frames import Burst, Frame, Image
from trapcam.trigger import Trigger

SIZE = (960, 540)
CAT = (300, 200)  # pixels that she has where nothing else is said

Box = tuple[float, float, float, float]


def chelsea() -> Pillow.Image:
    with Pillow.open(PHOTOGRAPHS / "chelsea.png") as picture:
        return picture.convert("RGB")


def scene(
    left: int, top: int, size: tuple[int, int] = CAT, look: Callable[[Pillow.Image], Pillow.Image] = lambda cat: cat
) -> tuple[Image, Box]:
    """The picture with the cat there, as `look` makes her, and her box as far as it is in the picture."""
    with Pillow.open(PHOTOGRAPHS / "gravel.png") as gravel:
        ground = ImageOps.fit(gravel.convert("RGB"), SIZE)
    ground.paste(look(chelsea().resize(size)), (left, top))
    x, y = max(left, 0), max(top, 0)
    right, bottom = min(left + size[0], SIZE[0]), min(top + size[1], SIZE[1])
    box = (x / SIZE[0], y / SIZE[1], (right - x) / SIZE[0], (bottom - y) / SIZE[1])
    return np.asarray(ground), box


def walking(pixels: int) -> Callable[[Pillow.Image], Pillow.Image]:
    """Blurred along the way that she goes while the shutter is open; what stands still behind her is sharp."""

    def look(cat: Pillow.Image) -> Pillow.Image:
        shifted = [np.roll(np.asarray(cat, np.float32), shift, axis=1) for shift in range(pixels)]
        return Pillow.fromarray(np.mean(shifted, axis=0).astype(np.uint8))

    return look


def blurred(radius: float) -> Callable[[Pillow.Image], Pillow.Image]:
    return lambda cat: cat.filter(ImageFilter.GaussianBlur(radius))


def noisy(image: Image, sigma: float, seed: int = 1) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.asarray(np.clip(image + noise, 0, 255), np.uint8)


@dataclass
class ToldJudge:
    """Sees in the frame that comes next what it was told to see there."""

    sees: Sequence[Sequence[FakeDetection]]
    description: FakeDescription = field(default_factory=FakeDescription)
    looked: int = 0

    def detect(self, image: Image, moved: object = None) -> Sequence[FakeDetection]:
        self.looked += 1
        return self.sees[(self.looked - 1) % len(self.sees)]


def burst(pictures: Sequence[Image | Callable[[], Image]], every_ms: int = 1_000) -> Burst:
    frames = [
        Frame(pixels=picture, taken_ms=NOW + every_ms * number, uncertainty_ms=20, name=f"{number}.png")
        for number, picture in enumerate(pictures)
    ]
    return Burst(frames=tuple(frames), trigger=Trigger(number=1, cause=0, at_ms=NOW))
