"""Motion JPEG's pictures as JPEG files: most cameras leave out the Huffman tables, as every decoder of video has them.

ITU-T T.81, annex B (markers) and K.3 (the tables).
"""

import io
from functools import cache

from PIL import Image as Pictures

_SOI, _DHT, _SOS, _EOI = 0xD8, 0xC4, 0xDA, 0xD9


def whole_jpeg(data: bytes) -> bytes:
    """The picture with the standard tables where it has none of its own; anything but a JPEG comes back as it is."""
    found = {marker for marker, _, _ in _segments(data)}
    if not found or _DHT in found:
        return data
    return data[:2] + _standard_tables() + data[2:]


def _segments(data: bytes) -> list[tuple[int, int, int]]:
    """(marker, begin, end) of each segment up to the pixels."""
    found: list[tuple[int, int, int]] = []
    if data[:2] != bytes((0xFF, _SOI)):
        return found
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
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
