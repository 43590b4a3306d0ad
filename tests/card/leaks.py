"""What must not be found on a card: in every byte ever written to it, and in the image of one."""

import base64
import struct
from collections.abc import Iterable, Iterator

import numpy as np

WINDOW = 8  # bytes that two things must share: by chance once in 10^13 for a card's image and a picture
DISTINCT = 5  # of these so many different ones: runs of zeros say nothing

SIGNATURES = {  # at least five bytes each: shorter ones are in any ten megabytes of sealed bytes
    "JPEG": (b"JFIF\x00", b"Exif\x00\x00", b"\xff\xd8\xff\xdb\x00\x43", b"\xff\xd8\xff\xe0\x00\x10",
             b"\xff\xc0\x00\x11\x08"),
    "WebP": (b"WEBPVP8",),
    "PNG": (b"\x89PNG\r\n\x1a\n", b"IDAT\x78", b"IHDR\x00"),
    "AVIF": (b"ftypavif", b"ftypmif1"),
    "ZIP of a sample": (b"facts.json",),
}  # fmt: skip


def signatures(hay: bytes) -> list[str]:
    """The kinds of picture whose marks are in `hay`."""
    return [kind for kind, marks in SIGNATURES.items() if any(mark in hay for mark in marks)]


class Windows:
    """All runs of `WINDOW` bytes of some hay, to ask which of a picture's are among them."""

    def __init__(self, hay: bytes) -> None:
        self._there = np.unique(_windows(hay))

    def shared(self, needle: bytes) -> int | None:
        """Where in `needle` a run begins that is in the hay too; None: nowhere."""
        runs = _windows(needle)
        told = np.lib.stride_tricks.sliding_window_view(np.frombuffer(needle, np.uint8), WINDOW)
        many = np.array([len(set(run)) >= DISTINCT for run in told.tolist()])
        at = np.searchsorted(self._there, runs)
        hit = many & (at < len(self._there)) & (self._there[np.minimum(at, len(self._there) - 1)] == runs)
        found = np.flatnonzero(hit)
        return int(found[0]) if len(found) else None


def _windows(data: bytes) -> np.ndarray:
    view = np.lib.stride_tricks.sliding_window_view(np.frombuffer(data, np.uint8), WINDOW)
    return np.ascontiguousarray(view).view("<u8").reshape(-1)


def texts(words: Iterable[str]) -> Iterator[bytes]:
    """Names as they may be written: as they are, in small letters, in two bytes a letter, in base64."""
    for word in words:
        for text in {word, word.lower(), word.upper()}:
            yield text.encode()
            yield text.encode("utf-16-le")
            yield text.encode("utf-16-be")
        yield from _base64(word.encode())


def coordinates(latitude: float, longitude: float) -> Iterator[bytes]:
    """A place as it may be written: decimal, degrees and minutes, EXIF's fractions, doubles, pairs of smaller numbers.

    Four bytes alone are in any sealed data by chance, so those only as a pair.
    """
    for value in (latitude, longitude):
        degrees, minutes = int(value), (value - int(value)) * 60
        yield f"{value:.3f}".encode()
        yield f"{degrees} {minutes:06.3f}".encode()
        yield f"{degrees:02}{minutes:07.4f}".encode()  # NMEA
        yield f"{degrees}°{int(minutes):02}".encode()
        for order in "<>":
            yield struct.pack(f"{order}d", value)
            seconds = (minutes - int(minutes)) * 60
            yield struct.pack(f"{order}4I", degrees, 1, int(minutes), 1)
            yield struct.pack(f"{order}d", seconds)
    for order in "<>":
        for pair in ((latitude, longitude), (longitude, latitude)):
            yield struct.pack(f"{order}2f", *pair)
            for scale in (1e5, 1e6, 1e7):
                yield struct.pack(f"{order}2i", *(round(value * scale) for value in pair))


def keys(secrets: Iterable[bytes]) -> Iterator[bytes]:
    """Secrets as they may be written: bytes, hexadecimal, base64."""
    for secret in secrets:
        yield secret
        yield secret.hex().encode()
        yield secret.hex().upper().encode()
        yield from _base64(secret)


def _base64(data: bytes) -> Iterator[bytes]:
    """What is the same of its base64 wherever it begins in a longer text."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + data).rstrip(b"=")
        yield coded[(before * 8 + 5) // 6 : -1]


def found(hay: bytes, needles: Iterable[bytes]) -> list[bytes]:
    """Which of `needles` are in `hay`."""
    return [needle for needle in needles if len(needle) >= 5 and needle in hay]
