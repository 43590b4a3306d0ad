"""A look: how well the camera sees, in figures from one picture that shows no animal (numpy alone).

What is kept of a scene from day to day must not show it: the card is in the clear. So a look has a few sums, and six
*profiles*: how rough the picture is along each column of its upper, middle and lower third, and along each row of its
left, middle and right one. A shift moves them all, a turn moves the outer ones against each other; but nobody makes a
picture from three sums over each column and each row: they leave 672 numbers of 12,288 grey values, with the light and
the slow changes taken off, and say nothing of what is where along a line.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.float32]  # (HEIGHT, WIDTH), 0–255
Profile = npt.NDArray[np.float32]

WIDTH, HEIGHT = 128, 96
THIRDS = 3
SMOOTH = 15  # of a profile's mean that is taken off: what is left are its steps, not the light
KEPT_BYTES = THIRDS * (WIDTH + HEIGHT)
PACKED_BYTES = 2 + KEPT_BYTES
BLOCK = 16  # of 8 × 6 blocks, each looked at for something to see
FLAT_DETAIL = 1.5  # grey levels between neighbours below which a block shows nothing


@dataclass(frozen=True, kw_only=True)
class Look:
    """mean, spread: of the grey values; bright: the value that 1 % are above; detail: mean step between neighbours
    (all 0–255); bare: the share of blocks that show nothing (0–1); colour: mean difference of the channels (0–255);
    columns (THIRDS, WIDTH) and rows (THIRDS, HEIGHT): profiles, mean 0, deviation 1."""

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
    # The last step is said twice: a step of nothing there would be a mark that never moves.
    across = np.pad(np.abs(np.diff(grey, axis=1)), ((0, 0), (0, 1)), mode="edge")
    down = np.pad(np.abs(np.diff(grey, axis=0)), ((0, 1), (0, 0)), mode="edge")
    detail = (across + down) / 2
    blocks = detail.reshape(HEIGHT // BLOCK, BLOCK, WIDTH // BLOCK, BLOCK).mean(axis=(1, 3))
    # A square root, or one bright branch would be the whole profile.
    columns = np.add.reduceat(np.sqrt(across), _thirds(HEIGHT), axis=0)
    rows = np.add.reduceat(np.sqrt(down), _thirds(WIDTH), axis=1).T
    return Look(
        mean=float(grey.mean()),
        bright=float(np.percentile(grey, 99)),
        spread=float(grey.std()),
        detail=float(detail.mean()),
        bare=float((blocks < FLAT_DETAIL).mean()),
        colour=colour,
        columns=np.stack([_standard(column) for column in columns]),
        rows=np.stack([_standard(row) for row in rows]),
    )


def pack(look: Look) -> bytes:
    """What is kept of a look to compare later ones with: its detail in 1/100, and its profiles in 1/32."""
    detail = min(round(look.detail * 100), 0xFFFF).to_bytes(2, "big")
    profiles = np.concatenate([look.columns.ravel(), look.rows.ravel()])
    return detail + np.clip(np.round(profiles * 32), -127, 127).astype(np.int8).tobytes()


def unpack(data: bytes) -> tuple[float, Profile, Profile] | None:
    """(detail, columns, rows) of a kept look; None for what is none."""
    if len(data) != PACKED_BYTES:
        return None
    profiles: Profile = np.frombuffer(data, np.int8, offset=2).astype(np.float32) / np.float32(32)
    columns, rows = profiles[: THIRDS * WIDTH], profiles[THIRDS * WIDTH :]
    return int.from_bytes(data[:2], "big") / 100, columns.reshape(THIRDS, WIDTH), rows.reshape(THIRDS, HEIGHT)


def _thirds(size: int) -> npt.NDArray[np.intp]:
    return np.array([0, size // 3, size - size // 3])


def _shrunk(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(HEIGHT, WIDTH, 3): means over the pixels of each cell."""
    height, width = image.shape[:2]
    if height < 2 * HEIGHT or width < 2 * WIDTH:  # a small picture: made larger first, by whole pixels
        times = max(-(-2 * HEIGHT // height), -(-2 * WIDTH // width))
        image = image.repeat(times, axis=0).repeat(times, axis=1)
        height, width = image.shape[:2]
    top = np.arange(HEIGHT) * height // HEIGHT
    left = np.arange(WIDTH) * width // WIDTH
    # Band by band: `reduceat` would first make four bytes of every one, 36 MB of a trap's picture.
    ends = (*top[1:], height)
    down = np.stack([image[a:b].sum(axis=0, dtype=np.uint32) for a, b in zip(top, ends, strict=True)])
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
