"""JPEG's markers: what Motion JPEG leaves out, how large a picture is before it is decoded, and where it ends.

Most cameras leave the Huffman tables out of Motion JPEG, as every decoder of video has them. ITU-T T.81, annex B
(markers) and K.3 (the tables).
"""

import io
import re
from functools import cache

from PIL import Image as Pictures

_SOI, _DHT, _SOS, _EOI = 0xD8, 0xC4, 0xDA, 0xD9
_SIZES = frozenset(range(0xC0, 0xD0)) - {_DHT, 0xC8, 0xCC}  # SOF: height and width
_BARE = frozenset((0x01, *range(0xD0, 0xD8)))  # without a length
# Within a scan 0xFF is data when 0x00 follows, a restart, or a filling byte; anything else ends the scan.
_SCAN_END = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_FILL = re.compile(rb"\xff+")  # a marker may have any number of these before it
_PADDING = b"\x00\xff"  # cameras fill up to the card's blocks
MAX_SEGMENTS = 10_000  # a picture has 10–300; garbage may hold one every four bytes


def whole_jpeg(data: bytes) -> bytes:
    """The picture with the standard tables where it has none of its own; anything but a JPEG comes back as it is."""
    found = {marker for marker, _, _ in _segments(data)}
    if not found or _DHT in found:
        return data
    return data[:2] + _standard_tables() + data[2:]


def jpeg_pixels(data: bytes) -> int:
    """The most pixels that a head of the picture claims, before anything is decoded; 0 where none does."""
    sizes = [data[begin + 5 : begin + 9] for marker, begin, end in _segments(data) if marker in _SIZES]
    return max((int.from_bytes(size[:2], "big") * int.from_bytes(size[2:], "big") for size in sizes), default=0)


def own_jpeg(data: bytes) -> bytes | None:
    """The picture's own bytes, without a camera's padding; None where something else follows its end, or it has none.

    What follows was not looked at: a phone's motion photo holds a video there, other cameras a second picture.
    """
    end = _end(data)
    return data[:end] if end is not None and not data[end:].strip(_PADDING) else None


def _end(data: bytes) -> int | None:
    """The place after the end marker: segments are passed over by their lengths, so a preview within EXIF is none."""
    if data[:2] != bytes((0xFF, _SOI)):
        return None
    place = 2
    for _ in range(MAX_SEGMENTS):
        filled = _FILL.match(data, place)
        if filled is None or filled.end() >= len(data):
            return None
        place = filled.end() - 1
        marker = data[place + 1]
        if marker == _EOI:
            return place + 2
        if marker in _BARE:
            place += 2
            continue
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        if length < 2 or marker == _SOI:
            return None
        place += 2 + length
        if marker == _SOS:
            found = _SCAN_END.search(data, place)
            if found is None:
                return None
            place = found.start()
    return None


def _segments(data: bytes) -> list[tuple[int, int, int]]:
    """(marker, begin, end) of each segment up to the pixels."""
    found: list[tuple[int, int, int]] = []
    if data[:2] != bytes((0xFF, _SOI)):
        return found
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF and len(found) < MAX_SEGMENTS:
        marker = data[place + 1]
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        found.append((marker, place, end))
        if marker in (_SOS, _EOI):
            break
        place = end
    return found


@cache
def _standard_tables() -> bytes:
    """Annex K.3's four tables as segments: libjpeg writes them into every file that it does not optimise."""
    out = io.BytesIO()
    Pictures.new("RGB", (8, 8)).save(out, "JPEG")
    data = out.getvalue()
    return b"".join(data[begin:end] for marker, begin, end in _segments(data) if marker == _DHT)
