"""Line charts as PNG, drawn with Pillow, to be read on a phone.

A module of our own and no library: Pillow is on every trap and base, and matplotlib would bring nine packages for
two charts. Everything is drawn at twice its size and scaled down, which smooths lines and letters.
"""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

SIDE_PX = 1080  # three times the width of a small phone: letters of TEXT_PX are a tenth of an inch there
TEXT_PX = 34
FINE = 2  # drawn so many times larger
LEFT, RIGHT, TOP, BOTTOM = 150, 40, 110, 150  # margins around the chart (px)
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#a0508c")  # Okabe and Ito's, told apart by colour-blind eyes
GRID, INK, PAPER = "#d9d9d9", "#202020", "#ffffff"
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What stands along one side: its name with the unit, its ends, the ticks with their words; `log`: by decades."""

    name: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    def place(self, value: float) -> float:
        """0–1 along the axis; beyond its ends the end."""
        turn: Callable[[float], float] = math.log10 if self.log else float
        inside = min(max(value, self.low), self.high)
        return (turn(inside) - turn(self.low)) / (turn(self.high) - turn(self.low))


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve: its name in the legend, its points from left to right, marked points with intervals (x, y, low, high)
    and the point at the threshold, if that is known."""

    name: str
    points: Sequence[Point]
    bars: Sequence[tuple[float, float, float, float]] = ()
    threshold: Point | None = None


def percent(*values: float) -> list[tuple[float, str]]:
    """Ticks at shares, in per cent."""
    return [(value, f"{value * 100:g}") for value in values]


def chart(
    title: str, x: Axis, y: Axis, lines: Sequence[Line], *, legend_top: bool = False, legend_left: bool = False
) -> bytes:
    """A square PNG; at most as many lines as there are COLOURS. The legend stands below at the right, or as said."""
    sheet = _Sheet(title, x, y)
    for line, colour in zip(lines, COLOURS, strict=False):
        sheet.curve(line, colour)
    for line, colour in zip(lines, COLOURS, strict=False):
        sheet.marks(line, colour)
    sheet.legend(lines[: len(COLOURS)], top=legend_top, left=legend_left)
    return sheet.png()


class _Sheet:
    def __init__(self, title: str, x: Axis, y: Axis) -> None:
        self._x, self._y = x, y
        self._picture = Pictures.new("RGB", (SIDE_PX * FINE, SIDE_PX * FINE), PAPER)
        self._pen = ImageDraw.Draw(self._picture)
        self._font = ImageFont.load_default(size=TEXT_PX * FINE)
        large = ImageFont.load_default(size=(TEXT_PX + 6) * FINE)
        self._pen.text((LEFT * FINE, 36 * FINE), title, font=large, fill=INK)
        self._grid()

    def at(self, point: Point) -> Point:
        wide, high = SIDE_PX - LEFT - RIGHT, SIDE_PX - TOP - BOTTOM
        return (
            (LEFT + self._x.place(point[0]) * wide) * FINE,
            (SIDE_PX - BOTTOM - self._y.place(point[1]) * high) * FINE,
        )

    def _grid(self) -> None:
        x, y = self._x, self._y
        for value, words in x.ticks:
            self._pen.line([self.at((value, y.low)), self.at((value, y.high))], GRID, 2 * FINE)
            across, down = self.at((value, y.low))
            self._pen.text((across, down + 18 * FINE), words, font=self._font, fill=INK, anchor="mt")
        for value, words in y.ticks:
            self._pen.line([self.at((x.low, value)), self.at((x.high, value))], GRID, 2 * FINE)
            across, down = self.at((x.low, value))
            self._pen.text((across - 12 * FINE, down), words, font=self._font, fill=INK, anchor="rm")
        self._pen.rectangle([*self.at((x.low, y.high)), *self.at((x.high, y.low))], outline=INK, width=3 * FINE)
        middle, low = (LEFT + SIDE_PX - RIGHT) / 2 * FINE, (SIDE_PX - 48) * FINE
        self._pen.text((middle, low), x.name, font=self._font, fill=INK, anchor="mm")
        # Text is drawn level, then turned: Pillow writes no other way.
        box = self._font.getbbox(y.name)
        level = Pictures.new("RGB", (int(box[2]) + 8, int(box[3]) + 8), PAPER)
        ImageDraw.Draw(level).text((4, 4), y.name, font=self._font, fill=INK)
        turned = level.transpose(Pictures.Transpose.ROTATE_90)
        height = (SIDE_PX - BOTTOM + TOP) // 2 * FINE
        self._picture.paste(turned, (10 * FINE, height - turned.height // 2))

    def curve(self, line: Line, colour: str) -> None:
        self._pen.line([self.at(point) for point in line.points], colour, 5 * FINE, joint="curve")

    def marks(self, line: Line, colour: str) -> None:
        wing = 9 * FINE
        for x, y, low, high in line.bars:
            top, foot = self.at((x, high)), self.at((x, low))
            self._pen.line([top, foot], colour, 3 * FINE)
            for across, down in (top, foot):
                self._pen.line([(across - wing, down), (across + wing, down)], colour, 3 * FINE)
            self._dot((x, y), 7, colour, colour)
        if line.threshold is not None:
            self._dot(line.threshold, 13, colour, PAPER)

    def _dot(self, point: Point, radius: int, colour: str, inside: str) -> None:
        across, down = self.at(point)
        size = radius * FINE
        box = (across - size, down - size, across + size, down + size)
        self._pen.ellipse(box, fill=inside, outline=colour, width=4 * FINE)

    def legend(self, lines: Sequence[Line], *, top: bool, left: bool) -> None:
        """In the corner that the curves leave free: ROC the lower right, precision over recall the lower left."""
        names = [line.name for line in lines]
        ring = any(line.threshold is not None for line in lines)
        rows, step = len(names) + ring, (TEXT_PX + 14) * FINE
        wide = max(self._pen.textlength(name, font=self._font) for name in [*names, "at the threshold"]) + 90 * FINE
        bottom = (SIDE_PX - BOTTOM - 18) * FINE
        from_x = (LEFT + 18) * FINE if left else (SIDE_PX - RIGHT - 18) * FINE - wide
        right, upper = from_x + wide, (TOP + 18) * FINE if top else bottom - rows * step - 16 * FINE
        self._pen.rectangle(
            (from_x, upper, right, upper + rows * step + 16 * FINE), fill=PAPER, outline=GRID, width=FINE
        )
        for row in range(rows):
            middle = upper + row * step + step / 2 + 8 * FINE
            if row < len(names):
                ends = [(from_x + 16 * FINE, middle), (from_x + 62 * FINE, middle)]
                self._pen.line(ends, COLOURS[row], 7 * FINE)
            else:
                size = 13 * FINE
                centre = from_x + 39 * FINE
                box = (centre - size, middle - size, centre + size, middle + size)
                self._pen.ellipse(box, fill=PAPER, outline=INK, width=4 * FINE)
            words = names[row] if row < len(names) else "at the threshold"
            self._pen.text((from_x + 76 * FINE, middle), words, font=self._font, fill=INK, anchor="lm")

    def png(self) -> bytes:
        small = self._picture.resize((SIDE_PX, SIDE_PX), Pictures.Resampling.BOX).quantize(128)
        out = io.BytesIO()
        small.save(out, "PNG", optimize=True)
        return out.getvalue()
