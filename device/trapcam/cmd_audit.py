"""`trapcam audit`: what did the detector miss?  Samples out of the trap, opened for review, and counted."""

import argparse
import json
from pathlib import Path

from trapcam.audit_export import export
from trapcam.audit_open import REVIEW, open_samples
from trapcam.audit_report import figures, words
from trapcam.audit_review import PLACE, ReviewedCell, pooled, read_places, read_reviews
from trapcam.audit_tables import read_table
from trapcam.config import TrapSettings, require_trap
from trapcam.examine.options import number
from trapcam.recall import LEVEL, Recall, measure
from trapcam.seal import open_reader
from trapkit.errors import SetupError
from trapkit.progress import say
from trapkit.settings import load_settings

Place = tuple[str, str, str]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    audit = subparsers.add_parser("audit", help="what the detector misses: samples out, opened, counted")
    parts = audit.add_subparsers(dest="part", required=True, metavar="PART")
    out = parts.add_parser(
        "export", help="copy the sealed samples, for a stick at a service visit; beside a running trap"
    )
    out.add_argument("--config", type=Path, metavar="FILE", help="the trap's settings (TOML); defaults without it")
    out.add_argument("--to", type=Path, required=True, metavar="DIR", help="a folder on the stick, for all traps")
    out.add_argument("--delete", action="store_true", help="delete here what was read back from there unchanged")
    out.set_defaults(run=_export)
    see = parts.add_parser("open", help="on the operator's machine: open them for review")
    see.add_argument("folder", type=Path, metavar="DIR", help="what `export` wrote, of one trap or many")
    see.add_argument("--key", type=Path, required=True, metavar="FILE", help="the review key, as age-keygen wrote it")
    see.set_defaults(run=_open)
    count = parts.add_parser("recall", help="feline recall with a bound, from reviewed samples")
    count.add_argument("reviews", type=Path, nargs="+", metavar="REVIEW.csv", help="with the column `label` filled in")
    kept = count.add_mutually_exclusive_group(required=True)
    kept.add_argument("--kept", type=_count, metavar="N", help="bursts that were kept and show a feline")
    kept.add_argument(
        "--kept-csv", type=Path, metavar="FILE", help="those by place: columns station, region, season, felines"
    )
    count.add_argument(
        "--places", type=Path, metavar="FILE", help="which trap stands where: columns trap, station, region"
    )
    count.add_argument(
        "--level", type=number(0.5, 0.9999), default=LEVEL, metavar="P", help=f"of the bound (0.5–0.9999, {LEVEL})"
    )
    count.set_defaults(run=_recall)
    for each in (out, see, count):
        each.add_argument("--json", action="store_true", help="one JSON object")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no count; allowed is 0 or more")
    return int(text)


def _export(args: argparse.Namespace) -> int:
    settings = load_settings(TrapSettings, args.config)
    done = export(Path(settings.data), require_trap(settings), args.to, delete=args.delete)
    for name in done.damaged:
        say(f"trapcam audit: {name} is gone or damaged, and stays behind; it will count as not looked at")
    if args.json:
        print(json.dumps({"folder": str(done.folder), "copied": done.copied, "deleted": done.deleted,
                          "damaged": list(done.damaged)}))  # fmt: skip
    else:
        print(f"{done.copied} samples copied to {done.folder}, {done.deleted} of them deleted here")
    return 1 if done.damaged else 0


def _open(args: argparse.Namespace) -> int:
    if not args.folder.is_dir():
        raise SetupError(f"{args.folder}: there is no such folder")
    done = open_samples(args.folder, open_reader(args.key))
    for failure in done.failures:
        say(f"trapcam audit: {failure}")
    review = args.folder / REVIEW
    if args.json:
        print(json.dumps({"review": str(review), "samples": done.samples, "unlabelled": done.unlabelled,
                          "failures": list(done.failures)}))  # fmt: skip
    else:
        print(f"{done.samples} samples opened, {done.unlabelled} to be labelled in {review}: feline, none or unclear")
    return 1 if done.failures else 0


def _recall(args: argparse.Namespace) -> int:
    cells = read_reviews(args.reviews, read_places(args.places) if args.places else None)
    kept = _kept(args.kept_csv) if args.kept_csv else None
    total = args.kept if kept is None else sum(kept.values())
    found = {"": {"all": measure(pooled(cells), total, args.level)}}
    for i, column in enumerate(PLACE):
        found[column] = _by(cells, kept, i, args.level)
    if args.json:
        (all_of_it,) = found.pop("").values()
        print(json.dumps({"all": figures(all_of_it)} | {
            column: {name: figures(one) for name, one in lines.items()} for column, lines in found.items()
        }, sort_keys=True))  # fmt: skip
        return 0
    for column, lines in found.items():
        if column:
            print(f"\nby {column}; each bound holds by itself, not all of them at once:")
        for name, one in lines.items():
            print(words(name or "(no name)", one))
    return 0


def _by(cells: list[ReviewedCell], kept: dict[Place, int] | None, column: int, level: float) -> dict[str, Recall]:
    names = {cell.place[column] for cell in cells} | {place[column] for place in kept or ()}
    lines = {}
    for name in sorted(names):
        here = None if kept is None else sum(n for place, n in kept.items() if place[column] == name)
        lines[name] = measure(pooled(cell for cell in cells if cell.place[column] == name), here, level)
    return lines


def _kept(path: Path) -> dict[Place, int]:
    kept: dict[Place, int] = {}
    for line, row in enumerate(read_table(path, (*PLACE, "felines")), start=2):
        if not row["felines"].strip().isdecimal():
            raise SetupError(f"{path}: line {line}: felines = {row['felines']!r}; allowed is a count, 0 or more")
        place = (row["station"], row["region"], row["season"])
        kept[place] = kept.get(place, 0) + int(row["felines"])
    return kept
