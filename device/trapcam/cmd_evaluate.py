"""`trapcam evaluate`: how good is the detector on labelled pictures, and how sure is that?"""

import argparse
import time
from pathlib import Path

from trapcam.config import TrapSettings, model_path
from trapcam.detect import Detector
from trapcam.evaluate.boxes import with_proposals
from trapcam.evaluate.by_group import Row, feline_rows, people_rows, sequence_rows
from trapcam.evaluate.manifest import choose, load_manifest
from trapcam.evaluate.pages import cell, write_pages
from trapcam.evaluate.run import bursts_of, score_all
from trapcam.evaluate.statistics import Draws
from trapcam.examine.options import number
from trapcam.examine.remaining import Remaining
from trapcam.examine.stopping import terminable
from trapkit.errors import SetupError
from trapkit.progress import say

SEED = 1
SUMMARY = ("all", "place", "light", "cats", "sequences")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure the detector on labelled pictures",
        description="Shows labelled pictures to the trap's own detector and decision, and writes figures.json, "
        "tables.md, scores.csv, roc.png and precision_recall.png. Every figure has a 95 %% interval, by drawing whole "
        "sequences again. Exit code 0, 1 when some pictures could not be read, 2 on wrong use.",
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="the folder that `file` counts from")
    parser.add_argument(
        "--manifest", type=Path, required=True, metavar="CSV", help="the labels (models/train/README.md: columns)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the figures go; made if need be")
    parser.add_argument("--model", type=Path, metavar="FILE", help="a .tflite file, its .toml beside it")
    parser.add_argument("--only", type=Path, metavar="FILE", help="only the files that this list names, one a line")
    parser.add_argument("--split", metavar="NAME", help="only this split: of the column `split`, or of --rules")
    parser.add_argument("--rules", type=Path, metavar="TOML", help="which picture is in which split (models/train)")
    parser.add_argument(
        "--boxes", type=Path, metavar="CSV", help="proposed boxes (auto_boxes.csv) for pictures that have none"
    )
    parser.add_argument(
        "--burst", type=int, default=1, choices=range(1, 11), metavar="N",
        help="judge N pictures of a camera-trap sequence at a time, as a trap judges a burst (1–10, default 1)",
    )  # fmt: skip
    parser.add_argument(
        "--threshold", type=number(0.01, 1), metavar="P", help="in place of the model's own for felines (0.01–1)"
    )
    parser.add_argument(
        "--draws", type=int, default=1000, choices=range(100, 10_001), metavar="N", help="100–10000 (default 1000)"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", choices=range(1, 17), help="1–16 (default 1)")
    parser.add_argument("--json", action="store_true", help="figures.json on stdout instead of a few lines of text")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure.  Returns 0, 1 when a picture could not be read or the run was interrupted.

    Raises: SetupError on wrong use, OSError when the figures cannot be written.
    """
    if args.rules is not None and args.split is None:
        raise SetupError("--rules says what is in which split: name one with --split")
    pictures = choose(load_manifest(args.manifest, args.rules), args.only, args.split)
    if args.boxes is not None:
        pictures = with_proposals(pictures, args.boxes)
    if not args.images.is_dir():
        raise SetupError(f"--images {args.images}: is no folder")
    detector = Detector(args.model or model_path(TrapSettings()), threads=args.threads)
    about = detector.description
    if "feline" not in about.thresholds:
        raise SetupError(f"{about.name} has no class feline, which is what this measures")
    threshold = args.threshold or about.thresholds["feline"]
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"--out {args.out}: cannot be made: {error.strerror}") from error
    progress = Remaining(len(pictures), "pictures", time.monotonic())

    def each(count: int) -> None:
        for line in [progress.step(time.monotonic()) for _ in range(count)]:
            if line:
                say(line)

    try:
        with terminable():
            scored, unread = score_all(
                detector, args.images, bursts_of(pictures, args.burst), keep_threshold=args.threshold or 0.0, each=each
            )
            say(f"{progress.line(time.monotonic())}; {args.draws} draws")
            for file, reason in unread:
                say(f"{file}: {reason}")
            if not scored:
                say("trapcam evaluate: no picture could be read")
                return 1
            draws = Draws([one.picture.sequence for one in scored], count=args.draws, seed=SEED)
            rows = [*feline_rows(scored, threshold, draws), *sequence_rows(scored, threshold, draws)]
            people = people_rows(scored, about.thresholds, draws)
    except KeyboardInterrupt:
        say("trapcam evaluate: interrupted; nothing was written")
        return 1
    head = {
        "model": f"{about.name} {about.version}", "sha256": about.sha256, "threshold": threshold,
        "thresholds": dict(about.thresholds), "split": args.split, "pictures": len(pictures) - len(unread),
        "bursts_of": args.burst, "bursts": len(scored), "sequences": draws.total,
        "draws": draws.count, "seed": SEED, "unreadable": dict(unread),
    }  # fmt: skip
    pages = write_pages(args.out, head, scored, rows, people, threshold)
    if args.json:
        print((args.out / "figures.json").read_text("utf-8"), end="")
    else:
        print("\n".join([*_summary(rows, people), *(f"wrote {page}" for page in pages)]))
    return 1 if unread else 0


def _summary(rows: list[Row], people: list[Row]) -> list[str]:
    lines = []
    for row in rows:
        if row.kind in SUMMARY and row.felines:
            lines.append(
                f"{row.name}: {row.felines} felines, {row.others} others; found {cell(row, 'recall_at_threshold')} % "
                f"at the threshold, {cell(row, 'recall_at_2pct_false_keeps')} % at 2 % false keeps; others over it "
                f"{cell(row, 'false_keeps_at_threshold')} %; ROC area {cell(row, 'roc_area')}"
            )
    lines += [f"{row.name}: {row.others} pictures; found {cell(row, 'recall_at_threshold')} %" for row in people]
    return lines
