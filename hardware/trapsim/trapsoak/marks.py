"""A mark in a picture that outlives JPEG, WebP and a crop: which burst it is of, which frame, what was to be seen.

Eight by six cells, black or white, in a place of the picture that is known: 32 bits and a check of 16.
"""

import binascii
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trapcam.frames import Image

COLUMNS, ROWS = 8, 6
CELL_LEAST_PX = 3  # below it the grid is not looked for

CAT, DOMESTIC, EMPTY, NEAR, ANIMAL, HUMAN, VEHICLE = range(7)
WORDS = {
    CAT: "wild cat", DOMESTIC: "domestic cat", EMPTY: "nothing", NEAR: "nearly a cat", ANIMAL: "another animal",
    HUMAN: "person", VEHICLE: "vehicle",
}  # fmt: skip
PRIVATE = (HUMAN, VEHICLE)
Box = tuple[float, float, float, float]  # x, y, width, height, 0–1 of the picture


@dataclass(frozen=True)
class Mark:
    """`burst`: its place in its source (0–65535); `frame`: its place in the burst (0–15); `shown`: one of WORDS;
    `season`: the low 8 bits of the season's number."""

    burst: int
    frame: int
    shown: int
    season: int


def draw(image: Image, mark: Mark, place: Box) -> None:
    """Put the mark into `image` (height, width, 3) at `place`."""
    data = (mark.burst << 16 | (mark.frame & 15) << 12 | (mark.shown & 15) << 8 | mark.season & 0xFF).to_bytes(4)
    word = int.from_bytes(data + binascii.crc_hqx(data, 0xFFFF).to_bytes(2))
    for cell, (rows, columns) in enumerate(_cells(image.shape[0], image.shape[1], place, 0.0)):
        image[rows, columns] = 255 if word >> cell & 1 else 0


def read(image: npt.NDArray[np.uint8], place: Box) -> Mark | None:
    """The mark at `place` of a grey or colour picture, or None where there is none."""
    if place[2] * image.shape[1] < COLUMNS * CELL_LEAST_PX or place[3] * image.shape[0] < ROWS * CELL_LEAST_PX:
        return None
    word = 0
    for cell, (rows, columns) in enumerate(_cells(image.shape[0], image.shape[1], place, 0.25)):
        word |= int(float(image[rows, columns, ...].mean()) > 127) << cell
    data, check = word.to_bytes(6)[:4], word.to_bytes(6)[4:]
    if binascii.crc_hqx(data, 0xFFFF).to_bytes(2) != check:
        return None
    value = int.from_bytes(data)
    return Mark(burst=value >> 16, frame=value >> 12 & 15, shown=value >> 8 & 15, season=value & 0xFF)


def in_crop(place: Box, margin: float) -> Box:
    """Where the mark at `place` lies in a crop of it with `margin` on each side (a share of width and height)."""
    whole = 1 + 2 * margin
    return margin / whole, margin / whole, 1 / whole, 1 / whole


def _cells(height: int, width: int, place: Box, shrink: float) -> list[tuple[slice, slice]]:
    """Each cell's rows and columns, smaller by `shrink` on each side: edges blur."""
    x, y, w, h = place
    wide, high = w * width / COLUMNS, h * height / ROWS
    out = []
    for cell in range(ROWS * COLUMNS):
        top, left = y * height + high * (cell // COLUMNS), x * width + wide * (cell % COLUMNS)
        rows = slice(round(top + high * shrink), max(round(top + high * shrink) + 1, round(top + high * (1 - shrink))))
        columns = slice(
            round(left + wide * shrink), max(round(left + wide * shrink) + 1, round(left + wide * (1 - shrink)))
        )
        out.append((rows, columns))
    return out
