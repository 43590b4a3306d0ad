"""A drawn wood in winter with a ranger in it, for the page's pictures: nobody's photograph, the same each time."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFilter

from trapcam.examine.drawing import draw

WIDTH, HEIGHT = 640, 360
PERSON = (0.575, 0.30, 0.115, 0.55)  # x, y, width, height of the picture


class Found:
    """A detection for `draw`."""

    category = "person"
    confidence = 0.87
    bbox = PERSON
    likely: Sequence[tuple[str, float]] = ()


def wood() -> bytes:
    """The picture as a JPEG, with the detector's box around the ranger."""
    picture = Pictures.new("RGB", (WIDTH, HEIGHT), "#c9d3da")
    pen = ImageDraw.Draw(picture)
    for y in range(HEIGHT // 2):
        shade = 186 + y // 4
        pen.line((0, y, WIDTH, y), fill=(shade - 14, shade - 4, shade + 4))
    random = np.random.default_rng(3)
    pen.polygon([(0, 175), (150, 120), (290, 165), (430, 105), (640, 170), (640, 230), (0, 230)], fill="#8d9a98")
    pen.rectangle((0, 180, WIDTH, HEIGHT), fill="#e6e9ea")
    for x, base, wide in [(int(random.integers(0, WIDTH)), 182 + i * 5, 2 + i // 3) for i in range(16)]:
        _tree(pen, x, base, wide)
    picture = picture.filter(ImageFilter.GaussianBlur(1.2))
    pen = ImageDraw.Draw(picture)
    pen.polygon([(250, 360), (420, 360), (400, 250), (360, 188), (345, 188), (352, 250)], fill="#c6c2b8")
    for x, base, wide in ((70, 330, 15), (560, 300, 11), (205, 262, 7), (612, 352, 19)):
        _tree(pen, x, base, wide)
    _person(pen)
    out = io.BytesIO()
    draw(np.asarray(picture), [Found()], {"person": 0.5}).save(out, "JPEG", quality=70)
    return out.getvalue()


def _tree(pen: ImageDraw.ImageDraw, x: int, base: int, wide: int) -> None:
    pen.rectangle((x - wide // 2, 0, x + wide // 2, base), fill="#5b5047")
    for step in range(1, 5):
        y = base * step // 6
        for way in (-1, 1):
            pen.line((x, y + wide, x + way * wide * 3, y - wide), fill="#5b5047", width=max(1, wide // 4))


def _person(pen: ImageDraw.ImageDraw) -> None:
    x, top = int((PERSON[0] + PERSON[2] / 2) * WIDTH), int(PERSON[1] * HEIGHT)
    pen.ellipse((x - 11, top + 6, x + 11, top + 30), fill="#d9a98a")
    pen.pieslice((x - 13, top + 2, x + 13, top + 28), 180, 360, fill="#3c4a63")
    pen.rounded_rectangle((x - 22, top + 30, x + 20, top + 106), 9, fill="#7a3b2e")
    pen.line((x - 18, top + 40, x - 30, top + 92), fill="#7a3b2e", width=11)
    pen.line((x + 16, top + 40, x + 28, top + 90), fill="#7a3b2e", width=11)
    pen.line((x - 9, top + 104, x - 20, top + 190), fill="#2c333f", width=15)
    pen.line((x + 9, top + 104, x + 22, top + 186), fill="#2c333f", width=15)
