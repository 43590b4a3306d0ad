"""`trapbase identifications`: who the cats are, by the back end, for people and as tables."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from trapbase.camtrap_rows import time_text
from trapbase.config import Settings
from trapbase.eventid import sighting_id
from trapbase.reader import PAGE_ROWS, Reader
from trapbase.results.kept import ResultStore
from trapbase.results.words import identification, identified_words
from trapbase.run import say
from trapkit.errors import SetupError

MOST = 10_000  # rows of one JSON object; `next` says where to go on
COLUMNS = (
    "observationID", "eventStart", "individualID", "scientificName", "sex", "lifeStage", "classificationMethod",
    "classifiedBy", "classificationTimestamp", "classificationProbability", "result_id",
)  # fmt: skip
Row = dict[str, Any]


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("identifications", help="who the cats are, by the back end")
    parser.add_argument("--csv", action="store_true", help="a table of what stands, a row a sighting")
    parser.add_argument("--json", action="store_true", help=f"one JSON object: every result, {MOST} at most")
    parser.add_argument("--after", type=int, metavar="ID", default=0, help="with --json: only those after this id")
    parser.add_argument(
        "--again", action="store_true", help="ask the back end for all from the beginning; repeats change nothing"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")
    parser.set_defaults(run=_identifications)


def _identifications(args: argparse.Namespace, settings: Settings) -> int:
    if args.csv + args.json + args.again > 1:
        raise SetupError("--csv, --json, --again: only one of them at a time is possible")
    if not 0 <= args.after < 1 << 63 or (args.after and not args.json):
        raise SetupError(f"--after {args.after}: an id of `--json` is possible, 0 or above, and only with it")
    folder = Path(settings.folder)
    with closing(Reader(folder)) as reader:
        if args.again:
            _ask_again(folder)
        elif args.json:
            _print_json(reader, args.after)
        elif args.csv:
            writer = csv.DictWriter(sys.stdout, COLUMNS, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(_table_row(row) for row in _standing(reader))
        else:
            _print(reader)
    return 0


def _ask_again(folder: Path) -> None:
    with closing(ResultStore(folder)) as kept:
        kept.ask_again()
    say("the running base asks for all identifications again, from the beginning")


def _print_json(reader: Reader, after: int) -> None:
    rows = reader.rows("identifications_after", after, MOST)
    found = [identification(row) for row in rows]
    last = rows[-1]["id"] if rows else after
    print(json.dumps({"identifications": found, "next": last, "more": len(rows) == MOST}, sort_keys=True))


def _print(reader: Reader) -> None:
    count = 0
    for row in _standing(reader):
        count += 1
        seen = "sighting not here" if row["time_ms"] is None else time_text(row["time_ms"])
        print(f"{sighting_id(_sighting(row))} ({seen}): {identified_words(row)}")
    if not count:
        print("the back end has identified nobody yet")


def _table_row(row: Row) -> Row:
    seen = "" if row["time_ms"] is None else time_text(row["time_ms"])
    return identification(row) | {"eventStart": seen}


def _standing(reader: Reader) -> Iterator[Row]:
    after = (0, 0, 0)
    while rows := reader.rows("standing_after", *after, PAGE_ROWS):
        yield from rows
        after = _sighting(rows[-1])


def _sighting(row: Row) -> tuple[int, int, int]:
    return (row["trap"], row["epoch"], row["number"])
