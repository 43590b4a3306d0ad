"""What a detector says about one picture (pure)."""

from dataclasses import dataclass

CATEGORIES = ("feline", "other_animal", "person", "vehicle")

PEOPLE = ("person", "vehicle")  # every model has these classes; a picture that shows one is never kept

# Detections below this are not reported at all: MegaDetector's convention, kept so that files are comparable.
MIN_CONFIDENCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Detection:
    """One thing in one picture: a category of CATEGORIES, its confidence 0–1, and its box.

    bbox: x, y, width, height, each 0–1 of the picture, from the top left; always inside the picture. likely: species
    and their shares of 1 (`trapcam.species`); () where the model does not tell.
    """

    category: str
    confidence: float
    bbox: tuple[float, float, float, float]
    likely: tuple[tuple[str, float], ...] = ()


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection over union of two boxes x, y, width, height: 0 apart, 1 the same."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)
