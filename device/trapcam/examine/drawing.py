"""Boxes and labels on a copy of a picture, for people to look at (Pillow)."""

from collections.abc import Mapping, Sequence

from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from trapcam.frames import Image
from trapcam.judge import Seen

LONGEST_PX = 1280  # of a copy: sharp on a phone, 100–300 kB as JPEG
SMALLEST_PX = 480  # a smaller picture is enlarged to this, so that its labels can be read
COLOURS = {"feline": "#ffa400", "other_animal": "#3ddc84", "person": "#ff4f6d", "vehicle": "#4cb8ff"}
INK = "#101010"
MAYBE = 0.5  # what reaches this share of its threshold is drawn too, thin, where nothing of its category reaches it
MAX_MAYBE = 3


def draw(image: Image, seen: Sequence[Seen], thresholds: Mapping[str, float], caption: str = "") -> Pictures.Image:
    """A copy, at most LONGEST_PX a side, with a box for each detection that reaches its category's threshold, thin
    ones for the surest of those that are near it. `caption` stands at the lower edge."""
    picture = _sized(Pictures.fromarray(image))
    pen = ImageDraw.Draw(picture)
    height = max(15, round(max(picture.size) / 44))
    font = ImageFont.load_default(size=height)
    # The weakest first, so that the surest lie on top.
    by_confidence = sorted(seen, key=lambda found: found.confidence)
    counted = [one for one in by_confidence if one.confidence >= thresholds.get(one.category, 1.0)]
    shown = {one.category for one in counted}
    near = [
        one
        for one in by_confidence
        if one.category not in shown and one.confidence >= MAYBE * thresholds.get(one.category, 1.0)
    ]
    for one in near[-MAX_MAYBE:]:
        _box(pen, picture.size, one, font, thick=False)
    for one in counted:
        _box(pen, picture.size, one, font, thick=True)
    if caption:
        _label(pen, picture.size, caption, (0, picture.height), font, "#f4f4f4")
    return picture


def _sized(picture: Pictures.Image) -> Pictures.Image:
    longest = max(picture.size)
    scale = min(1.0, LONGEST_PX / longest) if longest >= SMALLEST_PX else SMALLEST_PX / longest
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Pictures.Resampling.LANCZOS, reducing_gap=3.0)


def _box(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], one: Seen, font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    *, thick: bool,
) -> None:  # fmt: skip
    x, y, width, height = one.bbox
    left, top = x * size[0], y * size[1]
    right, bottom = min(left + width * size[0], size[0] - 1), min(top + height * size[1], size[1] - 1)
    left, top = min(left, right), min(top, bottom)
    line = max(3, round(max(size) / 300)) if thick else 1
    colour = COLOURS.get(one.category, "#ffffff")
    # A dark line around it: seen on snow as well as on night pictures.
    pen.rectangle((left, top, right, bottom), outline=INK, width=line + 2)
    pen.rectangle((left + 1, top + 1, max(left + 1, right - 1), max(top + 1, bottom - 1)), outline=colour, width=line)
    text = f"{one.category.replace('_', ' ')} {one.confidence:.2f}"
    _label(pen, size, text, (left, top), font, colour if thick else "#d0d0d0")


def _label(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], text: str, at: tuple[float, float],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont, colour: str,
) -> None:  # fmt: skip
    """On a plate of `colour` above `at`, moved so that it lies within the picture."""
    x0, y0, x1, y1 = pen.textbbox((0, 0), text, font=font)
    wide, high = x1 - x0 + 10, y1 - y0 + 8
    left = max(0, min(at[0], size[0] - wide))
    top = at[1] - high
    top = min(at[1], size[1] - high) if top < 0 else top
    pen.rectangle((left, top, left + wide - 1, top + high - 1), fill=colour)
    pen.text((left + 5 - x0, top + 4 - y0), text, font=font, fill=INK)
