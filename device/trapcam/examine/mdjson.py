"""MegaDetector's results file, format 1.6: written and read (pure, but for the file itself).

https://lila.science/megadetector-output-format, and its validator, validate_batch_results.py. A file that could not be
read has `failure`, and `detections` null; conf and boxes have four decimals. A video has `frame_rate` and
`frames_processed` also when it failed (then -1 and none, which the validator asks for), its detections `frame_number`.
A detection whose species the model guesses has `classifications`, the likeliest first.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trapcam.detections import Detection
from trapcam.examine.atomic import writing
from trapkit.errors import SetupError

FORMAT_VERSION = "1.6"
MAX_FILE_BYTES = 512 * 1024 * 1024  # about two million pictures; more belongs into several files
NO_RATE = -1.0  # of a video that could not be read


@dataclass(frozen=True, kw_only=True)
class Video:
    """What a video's entry has beside a picture's: its frames per second, which of them were looked at, and the frame
    of each detection, in the detections' order. Frames count from 0."""

    frame_rate: float
    frames_processed: tuple[int, ...] = ()
    frame_numbers: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PictureResult:
    """One file's outcome: detections best first (of a video frame by frame), or why there are none (`failure`)."""

    file: str
    detections: tuple[Detection, ...] = ()
    failure: str | None = None
    video: Video | None = None


@dataclass(frozen=True, kw_only=True)
class Head:
    """What stands above the pictures: which detector, its categories with their thresholds, the species that it tells
    apart, and when it was done."""

    detector: str
    thresholds: Mapping[str, float]
    completed: datetime
    species: tuple[str, ...] = ()

    @property
    def keys(self) -> dict[str, str]:
        """Each category's key in the file; "0" is left to "empty" by those who use the format."""
        return {category: str(number) for number, category in enumerate(self.thresholds, start=1)}


@dataclass(frozen=True, kw_only=True)
class Results(Head):
    """A whole results file."""

    pictures: tuple[PictureResult, ...]


def to_json(results: Results) -> dict[str, Any]:
    """The file's content."""
    return {**_head(results), "images": [entry(picture, results) for picture in results.pictures]}


def _head(head: Head) -> dict[str, Any]:
    """`typical_detection_threshold` is the feline one: this detector exists for it."""
    typical = head.thresholds.get("feline", max(head.thresholds.values()))
    return {
        "info": {
            "format_version": FORMAT_VERSION,
            "detector": head.detector,
            "detection_completion_time": head.completed.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "detector_metadata": {
                "typical_detection_threshold": typical,
                # Half of it, as MegaDetector's own releases do: for those who would rather look twice.
                "conservative_detection_threshold": round(typical / 2, 4),
                "thresholds": dict(head.thresholds),
            },
        },
        "detection_categories": {key: category for category, key in head.keys.items()},
        **({"classification_categories": dict(_numbered(head.species))} if head.species else {}),
    }


def _numbered(species: Sequence[str]) -> list[tuple[str, str]]:
    return [(str(number), name) for number, name in enumerate(species)]


def entry(picture: PictureResult, head: Head) -> dict[str, Any]:
    """One element of `images`."""
    keys, species = head.keys, {name: key for key, name in _numbered(head.species)}
    video = picture.video
    content: dict[str, Any] = {"file": picture.file}
    if video is not None:
        content |= {"frame_rate": video.frame_rate, "frames_processed": list(video.frames_processed)}
    if picture.failure is not None:
        return {**content, "failure": picture.failure, "detections": None}
    found: list[dict[str, Any]] = [
        {
            "category": keys[one.category],
            "conf": round(one.confidence, 4),
            "bbox": [round(value, 4) for value in one.bbox],
        }
        for one in picture.detections
    ]
    for one, detection in zip(found, picture.detections, strict=True):
        guessed = [[species[name], round(share, 4)] for name, share in detection.likely if round(share, 4) > 0]
        if guessed:
            one["classifications"] = sorted(guessed, key=lambda guess: -guess[1])
    if video is not None:
        for one, number in zip(found, video.frame_numbers, strict=True):
            one["frame_number"] = number
    return {**content, "detections": found}


def write(path: Path, results: Results) -> None:
    """Write the file whole or not at all.  Raises: OSError."""
    write_entries(path, results, (entry(picture, results) for picture in results.pictures))


def write_entries(path: Path, head: Head, entries: Iterable[Mapping[str, Any]]) -> None:
    """The same from entries as they come, a line each, so that no more than one is held.  Raises: OSError."""
    with writing(path) as file:
        file.write(json.dumps(_head(head), indent=1, ensure_ascii=False).removesuffix("\n}") + ',\n "images": [')
        for number, one in enumerate(entries):
            file.write(("," if number else "") + "\n  " + json.dumps(one, ensure_ascii=False))
        file.write("\n ]\n}\n")


def read(path: Path) -> Results:
    """Read a results file of this detector or of another.

    Raises: SetupError naming the file and what is wrong with it.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SetupError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB")
        content = json.loads(path.read_bytes())
        names = content["detection_categories"]
        for name in names.values():
            if not isinstance(name, str) or not name:
                raise SetupError(f"{path}: category {name!r} is no name")
        species = content.get("classification_categories", {})
        for key, name in species.items():
            if not isinstance(name, str) or not name:
                raise SetupError(f"{path}: class {key!r} has {name!r} for a name")
        info = content["info"]
        metadata = info["detector_metadata"]
        typical = float(metadata["typical_detection_threshold"])
        return Results(
            detector=str(info["detector"]),
            thresholds={name: float(metadata.get("thresholds", {}).get(name, typical)) for name in names.values()},
            completed=datetime.strptime(info["detection_completion_time"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC),
            species=tuple(species.values()),
            pictures=tuple(read_entry(one, names, species) for one in content["images"]),
        )
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SetupError(f"{path}: not a MegaDetector results file: {type(error).__name__} {error}") from error


def read_entry(
    content: Mapping[str, Any], names: Mapping[str, str], species: Mapping[str, str] | None = None
) -> PictureResult:
    """One element of `images`; `names`, `species`: the file's categories and classes by their keys.

    Raises: ValueError, KeyError, TypeError, AttributeError for what is none.
    """
    found: Sequence[Mapping[str, Any]] = content.get("detections") or ()
    video = None
    if "frame_rate" in content:
        video = Video(
            frame_rate=float(content["frame_rate"]),
            frames_processed=tuple(_frames(content["frames_processed"])),
            frame_numbers=tuple(_frames(one["frame_number"] for one in found)),
        )
    return PictureResult(
        file=str(content["file"]),
        failure=None if content.get("failure") is None else str(content["failure"]),
        detections=tuple(
            Detection(
                category=names[d["category"]],
                confidence=_share(d["conf"]),
                bbox=_box(d["bbox"]),
                likely=tuple(((species or {})[key], _share(share)) for key, share in d.get("classifications") or ()),
            )
            for d in found
        ),
        video=video,
    )


def _frames(values: Iterable[Any]) -> Iterator[int]:
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{value!r} is no frame's number")
        yield value


def _box(values: Sequence[Any]) -> tuple[float, float, float, float]:
    x, y, width, height = (_share(value) for value in values)
    return x, y, width, height


def _share(value: Any) -> float:
    share = float(value)
    if not (math.isfinite(share) and 0 <= share <= 1):
        raise ValueError(f"{value!r} is not from 0 to 1")
    return share
