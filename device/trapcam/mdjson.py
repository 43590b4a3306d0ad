"""MegaDetector's results file, format 1.6: written and read (pure, but for the file itself).

https://github.com/agentmorris/MegaDetector/blob/main/megadetector/api/batch_processing/README.md, "Batch processing API
output format". A file that could not be read has `failure` and `detections` null; conf has four decimals, as boxes.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trapcam.detections import CATEGORIES, Detection
from trapkit.errors import SetupError
from trapkit.files import write_atomically

FORMAT_VERSION = "1.6"
KEYS = {str(number): category for number, category in enumerate(CATEGORIES, start=1)}
NUMBERS = {category: key for key, category in KEYS.items()}
MAX_FILE_BYTES = 512 * 1024 * 1024  # about two million pictures; more belongs into several files


@dataclass(frozen=True, kw_only=True)
class PictureResult:
    """One picture's outcome: detections best first, or the reason why there are none (`failure`)."""

    file: str
    detections: tuple[Detection, ...] = ()
    failure: str | None = None


@dataclass(frozen=True, kw_only=True)
class Results:
    """A results file: which detector, its thresholds per category, when it was done, and every picture's outcome."""

    detector: str
    thresholds: Mapping[str, float]
    completed: datetime
    pictures: tuple[PictureResult, ...]


def to_json(results: Results) -> dict[str, Any]:
    """The file's content. `typical_detection_threshold` is the feline one: this detector exists for it."""
    typical = results.thresholds["feline"]
    return {
        "info": {
            "format_version": FORMAT_VERSION,
            "detector": results.detector,
            "detection_completion_time": results.completed.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "detector_metadata": {
                "typical_detection_threshold": typical,
                # Half of it, as MegaDetector's own releases do: for those who would rather look twice.
                "conservative_detection_threshold": round(typical / 2, 4),
                "thresholds": dict(results.thresholds),
            },
        },
        "detection_categories": dict(KEYS),
        "images": [_picture(picture) for picture in results.pictures],
    }


def _picture(picture: PictureResult) -> dict[str, Any]:
    if picture.failure is not None:
        return {"file": picture.file, "failure": picture.failure, "detections": None}
    return {
        "file": picture.file,
        "detections": [
            {
                "category": NUMBERS[found.category],
                "conf": round(found.confidence, 4),
                "bbox": [round(value, 4) for value in found.bbox],
            }
            for found in picture.detections
        ],
    }


def write(path: Path, results: Results) -> None:
    """Write the file whole or not at all.  Raises: OSError."""
    write_atomically(path, (json.dumps(to_json(results), indent=1, ensure_ascii=False) + "\n").encode())


def read(path: Path) -> Results:
    """Read a results file of this detector or one with the same categories.

    Raises: SetupError naming the file and what is wrong with it.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SetupError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB")
        content = json.loads(path.read_bytes())
        names = content["detection_categories"]
        for name in names.values():
            if name not in CATEGORIES:
                raise SetupError(f"{path}: category {name!r} is not one of {', '.join(CATEGORIES)}")
        info = content["info"]
        metadata = info["detector_metadata"]
        typical = float(metadata["typical_detection_threshold"])
        return Results(
            detector=str(info["detector"]),
            thresholds={k: float(v) for k, v in metadata.get("thresholds", {"feline": typical}).items()},
            completed=datetime.strptime(info["detection_completion_time"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC),
            pictures=tuple(_read_picture(entry, names) for entry in content["images"]),
        )
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SetupError(f"{path}: not a MegaDetector results file: {type(error).__name__} {error}") from error


def _read_picture(entry: Mapping[str, Any], names: Mapping[str, str]) -> PictureResult:
    found: Sequence[Mapping[str, Any]] = entry.get("detections") or ()
    return PictureResult(
        file=str(entry["file"]),
        failure=None if entry.get("failure") is None else str(entry["failure"]),
        detections=tuple(
            Detection(category=names[d["category"]], confidence=_share(d["conf"]), bbox=_box(d["bbox"])) for d in found
        ),
    )


def _box(values: Sequence[Any]) -> tuple[float, float, float, float]:
    x, y, width, height = (_share(value) for value in values)
    return x, y, width, height


def _share(value: Any) -> float:
    share = float(value)
    if not (math.isfinite(share) and 0 <= share <= 1):
        raise ValueError(f"{value!r} is not from 0 to 1")
    return share
