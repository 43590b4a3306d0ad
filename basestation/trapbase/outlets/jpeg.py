"""Pictures as JPEG, for receivers that take no other: the one place of the base that decodes them (Pillow)."""

import io

from PIL import Image

from trapbase.outlets.facts import Picture

FORMATS = ("WEBP", "AVIF", "JPEG", "PNG")  # what traps make; nothing else is tried
MAX_PIXELS = 4_000_000  # a crop has 320 x 320, a frame less than that; beyond it somebody means harm
QUALITY = 88  # of small pictures: a few kB
BLANK_SIZE = (320, 240)
GREY = 200


def to_jpeg(data: bytes) -> bytes | None:
    """The same picture, with nothing of what else its file held; None where it cannot be read."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            return _encode(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    except Exception:  # a decoder of hostile bytes may raise anything
        return None


def blank() -> Picture:
    """An empty picture, for a sighting without one: EarthRanger takes no report without a file."""
    return Picture(kind="image/jpeg", end="jpg", data=_encode(Image.new("L", BLANK_SIZE, GREY)))


def _encode(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()
