"""`trapbase effort`: for each trap and day, how long it could see, why not, and what nobody knows."""

import argparse
import csv
import json
import sys
import time
from pathlib import Path
from typing import Any

from trapbase.config import Settings
from trapbase.effort import DayLine, alarms, day_lines, day_of
from trapbase.reader import Reader
from trapwire.notes import MARKS, REASONS, words

DAYS = 30
MAX_DAYS = 3_660
MAX_LINES = 400_000  # of one answer: a hundred traps for ten years
COLUMNS = (
    "trap", "station", "date", "seen_min", "blind_min", "off_min", "unknown_min", "reasons", "marks", "sightings",
    "verified",
)  # fmt: skip


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    effort = subparsers.add_parser("effort", help="how long each trap could see, day by day, as it signed it itself")
    effort.add_argument(
        "--days", type=_days, default=DAYS, metavar="N", help=f"so many days back (1-{MAX_DAYS}; {DAYS})"
    )
    form = effort.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="a row a trap and day, minutes")
    form.add_argument("--json", action="store_true", help="one JSON object a trap and day")
    effort.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")
    effort.set_defaults(run=_effort)


def _days(text: str) -> int:
    days = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= days <= MAX_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days; allowed are 1-{MAX_DAYS}")
    return days


def _effort(args: argparse.Namespace, settings: Settings) -> int:
    today = day_of(time.time_ns() // 1_000_000)
    reader = Reader(Path(settings.folder))
    try:
        lines = day_lines(reader.rows("day_notes", today - args.days, MAX_LINES))
        stand = [alarm for alarm in alarms(reader.rows("alarms", 1000)) if alarm.stands]
        forged = reader.rows("forged_notes", 1000)
    finally:
        reader.close()
    stations = {trap.number: trap.station for trap in settings.trap}
    rows = [_row(line, stations.get(line.trap, "")) for line in lines]
    if args.csv:
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    elif args.json:
        for row in rows:
            print(json.dumps(row, sort_keys=True))
    else:
        for alarm in stand:
            print(f"ALARM trap {alarm.trap}: {alarm.words}" + ("" if alarm.proved else " (not verified)"))
        for line in effort_words(lines, sorted(set(stations) | {line.trap for line in lines}), args.days, today):
            print(line)
        for row in forged:
            print(f"trap {row['trap']}: {row['count']} notes are not signed with its key; they do not count")
    return 0


def _row(line: DayLine, station: str) -> dict[str, Any]:
    return {
        "trap": line.trap,
        "station": station,
        "date": line.date,
        "seen_min": line.seen,
        "blind_min": line.blind,
        "off_min": line.off,
        "unknown_min": line.unknown,
        "reasons": words(line.reasons, REASONS),
        "marks": words(line.marks, MARKS),
        "sightings": line.sightings,
        "verified": line.proved,
    }


def effort_words(lines: list[DayLine], traps: list[int], days: int, today: int) -> list[str]:
    """A line a trap: its sums over so many days up to yesterday, in days."""
    said = []
    for trap in traps:
        own = [line for line in lines if line.trap == trap and today - days <= line.day < today]
        seen, off = sum(line.seen for line in own), sum(line.off for line in own)
        blind = sum(line.blind for line in own)
        reasons = 0
        for line in own:
            reasons |= line.reasons
        why = f" ({words(reasons, REASONS)})" if reasons else ""
        unknown = days * 1440 - seen - blind - off
        missing = days - len({line.day for line in own})
        said.append(
            f"trap {trap}, last {days} days: saw {seen / 1440:.1f}, blind {blind / 1440:.1f}, not on watch "
            f"{off / 1440:.1f}{why}, unknown {unknown / 1440:.1f} ({missing} days without a line)"
        )
    return said
