"""`trapcam detect`: look at pictures and write what is in them, as MegaDetector writes it."""

import argparse
import glob
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from trapcam import mdjson
from trapcam.camera.still import ReadError, decode_picture, read_bytes
from trapcam.config import TrapSettings, model_path
from trapcam.detect import Detector

SUFFIXES = (".jpg", ".jpeg", ".png")
MAX_PIXELS = 120e6  # 360 MB as RGB; the largest camera-trap pictures have 48 million
PROGRESS_S = 1.0


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "detect",
        help="find cats, other animals, people and vehicles in pictures",
        description="Looks at JPEG and PNG pictures and writes MegaDetector JSON 1.6: every detection of "
        "at least 0.01. A picture that cannot be read is listed with its `failure`.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a picture, a folder (searched in full) or a pattern")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the results (replaced when complete)")
    parser.add_argument("--model", type=Path, metavar="FILE", help="a .tflite file, its .toml beside it")
    parser.add_argument("--threads", type=int, default=1, metavar="N", choices=range(1, 17), help="1–16 (default 1)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout instead of a line of text")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look at all pictures.

    Returns 0, 1 when a picture could not be read or the results not be written, 2 on wrong use.
    """
    try:
        files = list(dict.fromkeys(file for given in args.paths for file in _find(given)))
    except FileNotFoundError as error:
        print(f"trapcam detect: {error}", file=sys.stderr)
        return 2
    if args.out.is_dir() or not args.out.parent.is_dir():
        print(f"trapcam detect: --out {args.out}: must be a file in a folder that exists", file=sys.stderr)
        return 2
    if not files:
        print(f"trapcam detect: no picture ({', '.join(SUFFIXES)}) in {', '.join(args.paths)}", file=sys.stderr)
        return 1
    detector = Detector(args.model or model_path(TrapSettings()), threads=args.threads)
    began = time.monotonic()
    pictures = _look(detector, files)
    seconds = time.monotonic() - began
    about = detector.description
    results = mdjson.Results(
        detector=f"{about.name} {about.version}",
        thresholds=about.thresholds,
        completed=datetime.now(UTC),
        pictures=tuple(pictures),
    )
    try:
        mdjson.write(args.out, results)
    except OSError as error:
        print(f"trapcam detect: {args.out}: cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return _report(args, results, seconds)


def _look(detector: Detector, files: list[Path]) -> list[mdjson.PictureResult]:
    pictures: list[mdjson.PictureResult] = []
    shown = time.monotonic()
    for number, file in enumerate(files, start=1):
        name = str(file).encode("utf-8", "backslashreplace").decode()  # a name may be any bytes, JSON is text
        try:
            image, _ = decode_picture(read_bytes(file), MAX_PIXELS)
            pictures.append(mdjson.PictureResult(file=name, detections=tuple(detector.detect(image))))
        except (ReadError, MemoryError) as error:
            reason = str(error) or "not enough memory"
            pictures.append(mdjson.PictureResult(file=name, failure=f"image access: {reason}"))
            print(f"{name}: {reason}", file=sys.stderr)
        if number == len(files) or time.monotonic() - shown >= PROGRESS_S:
            shown = time.monotonic()
            print(f"{number} of {len(files)} pictures", file=sys.stderr)
    return pictures


def _report(args: argparse.Namespace, results: mdjson.Results, seconds: float) -> int:
    failed = sum(picture.failure is not None for picture in results.pictures)
    counts = dict.fromkeys(results.thresholds, 0)
    for picture in results.pictures:
        for category, threshold in results.thresholds.items():
            counts[category] += any(d.category == category and d.confidence >= threshold for d in picture.detections)
    if args.json:
        summary = {"pictures": len(results.pictures), "failed": failed, "out": str(args.out), "showing": counts}
        print(json.dumps({**summary, "seconds": round(seconds, 3)}))
    else:
        showing = ", ".join(f"{count} {category}" for category, count in counts.items())
        print(f"{len(results.pictures)} pictures in {seconds:.1f} s: {showing}; {failed} unreadable; {args.out}")
    return 1 if failed else 0


def _find(given: str) -> Iterator[Path]:
    """The pictures that a PATH stands for; a file named outright is taken whatever its name ends in."""
    path = Path(given)
    if path.is_dir():
        yield from sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    elif path.exists():
        yield path
    else:
        matches = sorted(glob.glob(given, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not matches:
            raise FileNotFoundError(f"{given}: no such file, folder or match")
        for match in matches:
            if match != given:
                yield from _find(match)
