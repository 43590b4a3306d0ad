"""What a trap of the demo has before its lens in a service visit: a drawn wood in winter, and whoever walks through.

Nobody's photograph. The figure is as large as somebody at 5 m (`service.view_deg`: 66° across are 6.5 m there), and
smeared as far as a walker gets while the shutter is open. What the detector says of it, it says by itself.
"""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image as Pictures
from PIL import ImageChops, ImageDraw, ImageFilter, ImageOps

from trapsim.staging import SIZE, by_flash
from trapsim.walker.walk import ACROSS_M, PACE_M_S, Walking

Point = tuple[float, float]
Pixels = npt.NDArray[np.uint8]  # (height, width, 3), RGB
TALL_M = 1.75
STRIDE_M = 1.4  # two steps
EXPOSURE_S = 0.004  # `camera.pi.night_ms`
GROUND = 0.86  # where the walker's feet are, of the picture's height
FINE = 2  # drawn so many times as large: an edge of a pixel's breadth would be no edge that a lens draws
COAT, TROUSERS, SKIN, CAP, BOOT = "#7a3b2e", "#2c333f", "#d9a98a", "#3c4a63", "#241d19"
SLEEVE = ("#63301f", "#8c4636")  # the far arm's, the near one's


class Wood:
    """The wood before one trap; night: under its lamp; mirrored: as from the trail's other side; size: (width, height)
    of its pictures in pixels."""

    def __init__(self, *, night: bool, mirrored: bool, size: tuple[int, int] = SIZE) -> None:
        self._night = night
        self._size = size
        self._ground = ImageOps.mirror(_wood(size)) if mirrored else _wood(size)
        self._empty = self._taken(self._ground)

    def picture(self, walking: Walking | None) -> Pixels:
        """As the camera sees it now; not to be written into."""
        if walking is None:
            return self._empty
        shown = self._ground.copy()
        self._walk(shown, walking)
        return self._taken(shown)

    def _taken(self, shown: Pictures.Image) -> Pixels:
        return np.asarray(by_flash(shown) if self._night else shown)

    def _walk(self, shown: Pictures.Image, walking: Walking) -> None:
        width, height = self._size
        px_m = width / ACROSS_M
        figure = _figure(px_m, walking.across * ACROSS_M / STRIDE_M)
        if not walking.to_right:
            figure = figure.transpose(Pictures.Transpose.FLIP_LEFT_RIGHT)
        figure = _smeared(figure, round(PACE_M_S * EXPOSURE_S * px_m))
        left = round(walking.across * width - figure.width / 2)
        shown.paste(figure, (left, round(GROUND * height - figure.height)), figure)


def _smeared(figure: Pictures.Image, way_px: int) -> Pictures.Image:
    """The mean of the figure at each pixel of its way."""
    figure = figure.convert("RGBa")  # each colour as much as it covers, or the clear ground would darken the edges
    mean = figure
    for px in range(1, way_px + 1):
        mean = Pictures.blend(mean, ImageChops.offset(figure, px, 0), 1 / (px + 1))
    return mean.convert("RGBA")


def _figure(px_m: float, phase: float) -> Pictures.Image:
    """Somebody who walks to the right, with a clear ground; phase: strides so far."""
    one = px_m * FINE  # of a metre
    wide, tall = round(1.3 * one), round(TALL_M * one)
    made = Pictures.new("RGBA", (wide, tall), (0, 0, 0, 0))
    pen = ImageDraw.Draw(made)
    swing = math.sin(2 * math.pi * phase)
    x = wide / 2

    def limb(joint: Point, parts: list[tuple[float, float]], broad_m: float, colour: str) -> Point:
        """Parts one below the other, (length in m, degrees from straight down, to the right); where it ends."""
        at = joint
        for length_m, degrees in parts:
            turn = math.radians(degrees)
            to = (at[0] + math.sin(turn) * length_m * one, at[1] + math.cos(turn) * length_m * one)
            pen.line((*at, *to), fill=colour, width=round(broad_m * one))
            for end in (at, to):
                half = broad_m * one / 2
                pen.ellipse((end[0] - half, end[1] - half, end[0] + half, end[1] + half), fill=colour)
            at = to
        return at

    hip, shoulder = (x, 0.88 * one), (x + 0.03 * one, 0.42 * one)
    for side in (-1, 1):  # the far side first
        ahead = 26 * swing * side
        foot = limb(hip, [(0.42, ahead), (0.38, ahead - 14 - 10 * abs(swing))], 0.15, TROUSERS)
        limb(foot, [(0.12, 84)], 0.09, BOOT)
        if side == -1:
            limb(shoulder, [(0.3, 24 * swing), (0.26, 24 * swing + 18)], 0.1, SLEEVE[0])
    pen.rounded_rectangle((x - 0.19 * one, 0.32 * one, x + 0.2 * one, 0.96 * one), 0.1 * one, fill=COAT)
    limb(shoulder, [(0.3, -24 * swing), (0.26, -24 * swing + 18)], 0.11, SLEEVE[1])
    pen.ellipse((x - 0.08 * one, 0.04 * one, x + 0.16 * one, 0.32 * one), fill=SKIN)
    pen.pieslice((x - 0.11 * one, 0, x + 0.17 * one, 0.28 * one), 170, 370, fill=CAP)
    return made.resize((round(wide / FINE), round(tall / FINE)), Pictures.Resampling.BOX)


def _wood(size: tuple[int, int]) -> Pictures.Image:
    width, height = size
    picture = Pictures.new("RGB", size, "#c9d3da")
    pen = ImageDraw.Draw(picture)
    for y in range(height // 2):
        shade = 186 + 90 * y // height
        pen.line((0, y, width, y), fill=(shade - 14, shade - 4, min(shade + 4, 255)))
    hills = [(0, 0.49), (0.23, 0.33), (0.45, 0.46), (0.67, 0.29), (1, 0.47), (1, 0.64), (0, 0.64)]
    pen.polygon([(x * width, y * height) for x, y in hills], fill="#8d9a98")
    pen.rectangle((0, height // 2, width, height), fill="#e6e9ea")
    random = np.random.default_rng(3)
    for place in range(8):
        _tree(pen, float(random.random()) * width, (0.506 + 0.028 * place) * height, (2 + place / 3) / 640 * width)
    picture = picture.filter(ImageFilter.GaussianBlur(width / 530))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0.8 * height, width, 0.92 * height), fill="#cfccc4")  # the trail, across
    for x, base, wide in ((0.11, 0.76, 15), (0.87, 0.72, 11), (0.32, 0.7, 7), (0.96, 0.77, 19)):
        _tree(pen, x * width, base * height, wide / 640 * width)
    grain = random.normal(0, 3.0, (height, width, 1))
    return Pictures.fromarray(np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8))


def _tree(pen: ImageDraw.ImageDraw, x: float, base: float, wide: float) -> None:
    pen.rectangle((x - wide / 2, 0, x + wide / 2, base), fill="#5b5047")
    for step in range(1, 5):
        y = base * step / 6
        for way in (-1, 1):
            pen.line((x, y + wide, x + way * wide * 3, y - wide), fill="#5b5047", width=max(1, round(wide / 4)))
