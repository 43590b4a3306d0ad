"""Pictures as a spoilt lens shows them, to measure the checks with: snow, fog, ice, dirt, no lamp (numpy alone)."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]  # (height, width, 3), RGB


def fog(image: Image, seed: int) -> Image:
    """Thick fog, or a lens covered with dew: a twelfth of the contrast is left, before light grey."""
    return _uint8(_blurred(image, 2) * 0.08 + 150 + _noise(image, seed, 1.5))


def snow(image: Image, seed: int) -> Image:
    """Snow on the front: white over all but some holes, through which the scene shows blurred."""
    cover = _blotches(image, seed, 0.93)
    white = 205 + 25 * _blotches(image, seed + 1, 0.5) + _noise(image, seed, 1.5)
    return _uint8(cover * white + (1 - cover) * _blurred(image, 4))


def ice(image: Image, seed: int) -> Image:
    """Ice on the front: the scene as a blur with bright edges of crystals."""
    return _uint8(_blurred(image, 14) * 0.6 + 70 + 12 * _blotches(image, seed, 0.5) + _noise(image, seed, 1.0))


def dirt(image: Image, seed: int) -> Image:
    """Mud over most of the view."""
    cover = _blotches(image, seed, 0.95)
    brown = np.array([42, 34, 26], np.float32) + _noise(image, seed, 1.0)
    return _uint8(cover * brown + (1 - cover) * _blurred(image, 3))


def dark(image: Image, seed: int) -> Image:
    """Night without the lamp: next to nothing but the sensor's noise."""
    return _uint8(image * 0.02 + np.abs(_noise(image, seed, 2.0)))


SPOILT: dict[str, Callable[[Image, int], Image]] = {"fog": fog, "snow": snow, "ice": ice, "dirt": dirt, "dark": dark}


def _noise(image: Image, seed: int, deviation: float) -> npt.NDArray[np.float32]:
    shape = (*image.shape[:2], 1)
    return np.random.default_rng(seed).normal(0, deviation, shape).astype(np.float32)


def _blotches(image: Image, seed: int, share: float) -> npt.NDArray[np.float32]:
    """(height, width, 1), 0–1: `share` of the picture covered, with soft rims."""
    height, width = image.shape[:2]
    field = np.random.default_rng(seed).random((height, width, 1), np.float32)
    soft = _box(field, max(2, width // 12))
    limit = np.quantile(soft, 1 - share)
    covered: npt.NDArray[np.float32] = np.clip((soft - limit) * 60 + 0.5, 0, 1).astype(np.float32)
    return covered


def _blurred(image: Image, radius: int) -> npt.NDArray[np.float32]:
    return _box(image.astype(np.float32), max(1, radius * image.shape[1] // 256))


def _box(values: npt.NDArray[np.float32], radius: int) -> npt.NDArray[np.float32]:
    """Three means over 2 · radius + 1: near a Gaussian."""
    size = 2 * radius + 1
    for _ in range(3):
        for axis in (0, 1):
            pad = [(0, 0)] * 3
            pad[axis] = (radius + 1, radius)
            sums = np.cumsum(np.pad(values, pad, mode="edge"), axis=axis, dtype=np.float64)
            high = np.take(sums, range(size, sums.shape[axis]), axis)
            low = np.take(sums, range(sums.shape[axis] - size), axis)
            means: npt.NDArray[np.float32] = ((high - low) / size).astype(np.float32)
            values = means
    return values


def _uint8(values: npt.NDArray[np.float32]) -> Image:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
