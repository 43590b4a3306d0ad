"""`trapcam detect`: look at pictures and videos and write what is in them, as MegaDetector writes it."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trapcam.camera.folder import SUFFIXES, is_video
from trapcam.camera.library import require_av
from trapcam.camera.still import storable
from trapcam.config import TrapSettings, model_path
from trapcam.detect import Detector
from trapcam.detections import MIN_CONFIDENCE
from trapcam.examine import mdjson
from trapcam.examine.copies import Copies
from trapcam.examine.find import check_apart, check_no_input, find_files
from trapcam.examine.journal import Journal, Stamp, open_journal
from trapcam.examine.one_file import examine
from trapcam.examine.options import number
from trapcam.examine.remaining import Remaining
from trapcam.examine.spreadsheet import write_csv
from trapcam.examine.stopping import terminable
from trapkit.progress import say

UNKNOWN: Stamp = (-1, 0)  # of a file that cannot even be asked: looked at again in every run


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "detect",
        help="find cats, other animals, people and vehicles in pictures and videos",
        description=f"Looks at pictures and videos ({', '.join(SUFFIXES)}) and writes MegaDetector JSON 1.6. A file "
        "that cannot be read is listed with its `failure`. Exit code 0, 1 when some could not be read, 2 on wrong use.",
    )
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="a file, a folder (searched in full) or a pattern ('**/*.jpg')"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the results (replaced when complete)")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was interrupted")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also as a table for spreadsheets")
    parser.add_argument("--show", type=Path, metavar="DIR", help="copies with boxes and labels drawn")
    parser.add_argument("--model", type=Path, metavar="FILE", help="a .tflite file, its .toml beside it")
    parser.add_argument(
        "--threshold", type=number(MIN_CONFIDENCE, 1), default=MIN_CONFIDENCE, metavar="P",
        help=f"leave weaker detections out ({MIN_CONFIDENCE}–1, default {MIN_CONFIDENCE})",
    )  # fmt: skip
    parser.add_argument(
        "--every",
        type=number(0.1, 60),
        default=1.0,
        metavar="S",
        help="of a video, a frame every S seconds (default 1)",
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", choices=range(1, 17), help="1–16 (default 1)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout instead of a line of text")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look at all files.  Returns 0, 1 when one could not be read or the run was interrupted.

    Raises: SetupError on wrong use, OSError when the results cannot be written.
    """
    files = find_files(args.paths)
    check_no_input("--out", args.out, files)
    if args.csv is not None:
        check_no_input("--csv", args.csv, files)
    if args.show is not None:
        check_apart("--show", args.show, args.paths, files)
    if not files:
        say(f"trapcam detect: no picture or video ({', '.join(SUFFIXES)}) in {', '.join(args.paths)}")
        return 1
    if any(is_video(file.name) for file in files):
        require_av(f"{next(file for file in files if is_video(file.name))}: is a video")
    detector = Detector(args.model or model_path(TrapSettings()), threads=args.threads)
    copies = None if args.show is None else Copies(args.show, files, detector.description.thresholds)
    about = detector.description
    depends = {
        "model": f"{about.name} {about.version} {about.sha256}", "its thresholds": dict(about.thresholds),
        "--threshold": args.threshold, "--every": args.every,
    }  # fmt: skip
    head = mdjson.Head(
        detector=f"{about.name} {about.version}", thresholds=about.thresholds, completed=datetime.now(UTC),
        species=about.species.names if about.species else (),
    )  # fmt: skip
    began = time.monotonic()
    with closing(open_journal(args.out, depends, resume=args.resume)) as journal:
        try:
            with terminable():
                _look(args, detector, head, files, journal, copies)
        except KeyboardInterrupt:
            journal.sync()
            say(f"trapcam detect: interrupted; what is done lies in {journal.path}: go on with --resume")
            return 1
        head = replace(head, completed=datetime.now(UTC))
        mdjson.write_entries(args.out, head, _entries(journal, files))
        if args.csv is not None:
            write_csv(args.csv, _entries(journal, files), _names(head), head.species)
        code = _report(args, head, _entries(journal, files), time.monotonic() - began)
        journal.remove()
    return code


def _look(
    args: argparse.Namespace, detector: Detector, head: mdjson.Head, files: list[Path], journal: Journal,
    copies: Copies | None,
) -> None:  # fmt: skip
    progress = Remaining(len(files), "files", time.monotonic())
    for file in files:
        name, stamp = storable(str(file)), _stamp(file)
        if (name, stamp) in journal and (copies is None or copies.has(file) or journal.entry(name).get("failure")):
            progress.skip()
            continue
        examined = examine(detector, file, at_least=args.threshold, every_s=args.every)
        if copies is not None:
            copies.write(file, examined)
        journal.add(mdjson.entry(examined.result, head), stamp)
        if examined.result.failure or examined.note:
            say(f"{name}: {examined.result.failure or examined.note}")
        line = progress.step(time.monotonic())
        if line:
            say(line)
    say(progress.line(time.monotonic()))


def _stamp(file: Path) -> Stamp:
    try:
        found = file.stat()
    except OSError:
        return UNKNOWN
    return found.st_size, found.st_mtime_ns


def _entries(journal: Journal, files: list[Path]) -> Iterator[dict[str, Any]]:
    return (journal.entry(storable(str(file))) for file in files)


def _names(head: mdjson.Head) -> dict[str, str]:
    return {key: category for category, key in head.keys.items()}


def _report(args: argparse.Namespace, head: mdjson.Head, entries: Iterator[dict[str, Any]], seconds: float) -> int:
    total = failed = 0
    counts, names = dict.fromkeys(head.thresholds, 0), _names(head)
    for one in entries:
        total += 1
        failed += bool(one.get("failure"))
        found = [(names[seen["category"]], seen["conf"]) for seen in one["detections"] or ()]
        for category in {category for category, confidence in found if confidence >= head.thresholds[category]}:
            counts[category] += 1
    if args.json:
        summary = {"files": total, "failed": failed, "out": str(args.out), "showing": counts}
        print(json.dumps({**summary, "seconds": round(seconds, 3)}))
    else:
        showing = ", ".join(f"{count} {category}" for category, count in counts.items())
        print(f"{total} files in {seconds:.1f} s: {showing}; {failed} unreadable; {args.out}", file=sys.stdout)
    return 1 if failed else 0
