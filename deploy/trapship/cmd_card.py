"""`trapship open-card`: everything from a trap's card, for whoever holds the keys."""

import argparse
import json
import time
from pathlib import Path

from trapkit.progress import say


def add_card_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "open-card",
        help="everything that lies on a trap's card, also of a dead or smashed one, for whoever holds the keys",
        description="Reads a mounted card's folder, a device or an image of one; writes nothing there. A card whose "
        "file system or database is damaged is searched whole. Exit code 1 where something is damaged, gone, or "
        "not sealed to these keys.",
    )
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a folder, a device (/dev/sdb), or its image")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for what is found; new or empty")
    parser.add_argument("--keys", type=Path, metavar="DIR", help="what `trapship keys` made: base.key, review.key")
    parser.add_argument(
        "--base-key",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="another base's secret; again for more",
    )
    parser.add_argument(
        "--identity", type=Path, action="append", default=[], metavar="FILE", help="another age key; again for more"
    )
    parser.add_argument("--json", action="store_true", help="the summary as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from trapship.opencard.recover import open_card
    from trapship.opencard.secrets import load

    keys = load(args.keys, args.base_key, args.identity)
    if not keys.boxes and not keys.ages:
        say("no key was named: what is sealed is only counted, and kept for a base to import")
    summary = open_card(args.source, args.out, keys, say, now_ms=time.time_ns() // 1_000_000)
    counts = summary["objects"]
    assert isinstance(counts, dict)
    if args.json:
        print(json.dumps(summary, ensure_ascii=False))
    else:
        for unit in summary["units"]:  # type: ignore[attr-defined]
            print(f"trap {unit['trap']}, epoch {unit['epoch']}, since {unit['since'] or 'an unknown time'}")
        print(f"{summary['sightings']} sightings; objects: " + (_words(counts) or "none"))
        for note in summary["notes"]:  # type: ignore[attr-defined]
            print(note)
        print(f"in {args.out}: sightings.csv, notes.csv, pictures/, samples/; `trapbase import {args.out}/parcels`")
    bad = sum(counts.get(name, 0) for name in ("missing", "damaged", "still sealed"))
    return 1 if bad or not counts else 0


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {what}" for what, number in counts.items())
