"""A look: how well the camera sees, in figures from one picture that shows no animal (numpy alone).

What is kept of a scene from day to day must not show it: the card is in the clear. So a look has a few sums, and four
*profiles*: how rough the picture is along each column, and along each row of its left, middle and right third. A shift
moves profiles, a turn moves the left ones against the right; but nobody makes a picture from one sum over each column
and three over each row: that leaves 416 numbers of 12,288 grey values, and says nothing of what is where along a line.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.float32]  # (HEIGHT, WIDTH), 0–255
Profile = npt.NDArray[np.float32]

WIDTH, HEIGHT = 128, 96
THIRDS = 3
SMOOTH = 15  # of a profile's mean that is taken off: what is left are its steps, not the light
KEPT_BYTES = WIDTH + THIRDS * HEIGHT
BLOCK = 16  # of 8 × 6 blocks, each looked at for something to see
FLAT_DETAIL = 1.5  # grey levels between neighbours below which a block shows nothing


@dataclass(frozen=True, kw_only=True)
class Look:
    """mean, spread: of the grey values; bright: the value that 1 % are above; detail: mean step between neighbours
    (all 0–255); bare: the share of blocks that show nothing (0–1); colour: mean difference of the channels (0–255);
    columns (WIDTH,) and rows (THIRDS, HEIGHT): profiles, mean 0, deviation 1."""

    mean: float
    bright: float
    spread: float
    detail: float
    bare: float
    colour: float
    columns: Profile
    rows: Profile


def look_at(image: npt.NDArray[np.uint8]) -> Look:
    """The look of an RGB picture (height, width, 3), at least 16 × 16."""
    small = _shrunk(image)
    colour = float((small.max(axis=2) - small.min(axis=2)).mean())
    grey = (small @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.float32)
    across = np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    down = np.abs(np.diff(grey, axis=0, append=grey[-1:]))
    detail = (across + down) / 2
    blocks = detail.reshape(HEIGHT // BLOCK, BLOCK, WIDTH // BLOCK, BLOCK).mean(axis=(1, 3))
    edges = np.array([0, WIDTH // 3, WIDTH - WIDTH // 3])
    # A square root, or one bright branch would be the whole profile.
    rows = np.add.reduceat(np.sqrt(down), edges, axis=1).T
    return Look(
        mean=float(grey.mean()),
        bright=float(np.percentile(grey, 99)),
        spread=float(grey.std()),
        detail=float(detail.mean()),
        bare=float((blocks < FLAT_DETAIL).mean()),
        colour=colour,
        columns=_standard(np.sqrt(across).sum(axis=0)),
        rows=np.stack([_standard(row) for row in rows]),
    )


def pack(look: Look) -> bytes:
    """What is kept of a look to compare later ones with: its detail in 1/100, and its profiles in 1/32."""
    detail = min(round(look.detail * 100), 0xFFFF).to_bytes(2, "big")
    profiles = np.concatenate([look.columns, look.rows.ravel()])
    return detail + np.clip(np.round(profiles * 32), -127, 127).astype(np.int8).tobytes()


def unpack(data: bytes) -> tuple[float, Profile, Profile] | None:
    """(detail, columns, rows) of a kept look; None for what is none."""
    if len(data) != 2 + KEPT_BYTES:
        return None
    profiles: Profile = np.frombuffer(data, np.int8, offset=2).astype(np.float32) / np.float32(32)
    return int.from_bytes(data[:2], "big") / 100, profiles[:WIDTH], profiles[WIDTH:].reshape(THIRDS, HEIGHT)


def _shrunk(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(HEIGHT, WIDTH, 3): means over the pixels of each cell."""
    height, width = image.shape[:2]
    if height < 2 * HEIGHT or width < 2 * WIDTH:  # a small picture: made larger first, by whole pixels
        times = max(-(-2 * HEIGHT // height), -(-2 * WIDTH // width))
        image = image.repeat(times, axis=0).repeat(times, axis=1)
        height, width = image.shape[:2]
    top = np.arange(HEIGHT) * height // HEIGHT
    left = np.arange(WIDTH) * width // WIDTH
    down = np.add.reduceat(image, top, axis=0, dtype=np.uint32)
    cells = np.add.reduceat(down, left, axis=1, dtype=np.uint32).astype(np.float32)
    high = np.diff(top, append=height).astype(np.float32)
    wide = np.diff(left, append=width).astype(np.float32)
    means: npt.NDArray[np.float32] = (cells / (high[:, None, None] * wide[None, :, None])).astype(np.float32)
    return means


def _standard(profile: npt.NDArray[np.floating]) -> Profile:
    """Without its slow part, mean 0 and deviation 1; all 0 where nothing is in it."""
    padded = np.pad(profile.astype(np.float32), SMOOTH // 2, mode="edge")
    rest = profile - np.convolve(padded, np.full(SMOOTH, 1 / SMOOTH, np.float32), "valid")
    deviation = float(rest.std())
    return (rest / deviation).astype(np.float32) if deviation > 1e-6 else np.zeros(len(profile), np.float32)
