"""`trapbase log`: what happened to a trap's unit, as far as it was asked for by radio; and ask for more."""

import argparse
import json
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from trapbase.asking import MAX_ENTRIES
from trapbase.config import Settings
from trapbase.moments import moment
from trapbase.reader import Reader
from trapbase.request_store import RequestStore
from trapbase.run import say
from trapbase.unit_words import EVENTS, clock_words, entry_time, entry_words
from trapkit.errors import SetupError

SHOWN = 1000
FAR = 10_000  # further apart are two logs: the unit had a new flash


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    log = subparsers.add_parser("log", help="what happened to a trap's unit; asks it by radio")
    log.add_argument("trap", type=int, metavar="TRAP", help="the trap's number")
    log.add_argument("--ask", type=int, metavar="N", help=f"ask for the newest N entries, 1-{MAX_ENTRIES}")
    log.add_argument("--from", type=int, default=0, dest="first", metavar="ENTRY", help="with --ask: from this one on")
    log.add_argument("--json", action="store_true", help="one JSON object an entry")
    log.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")
    log.set_defaults(run=_log)


def _log(args: argparse.Namespace, settings: Settings) -> int:
    folder = Path(settings.folder)
    if args.ask is not None:
        _require_known(settings, args.trap)
        if not 1 <= args.ask <= MAX_ENTRIES:
            raise SetupError(f"--ask {args.ask}: allowed is a whole number within 1–{MAX_ENTRIES}")
        if not 0 <= args.first < 1 << 32:
            raise SetupError(f"--from {args.first}: allowed is within 0–{(1 << 32) - 1}; 0: the newest")
    elif args.first:
        raise SetupError(f"--from {args.first}: goes only with --ask")
    reader = Reader(folder)
    try:
        rows = in_order(reader.rows("log_entries", args.trap, SHOWN))
    finally:
        reader.close()
    if not rows and args.ask is None:
        _require_known(settings, args.trap)  # of one that was known once what came is shown
    zone = ZoneInfo(next((trap.zone for trap in settings.trap if trap.number == args.trap), "") or settings.zone)
    for row in rows:
        print(json.dumps(_as_json(row), sort_keys=True) if args.json else _as_words(row, zone))
    if args.ask is None:
        if not rows:
            say(f"nothing of trap {args.trap}'s log is here; `trapbase log {args.trap} --ask 20` asks for it")
        return 0
    store = RequestStore(folder)
    try:
        store.ask_log(args.trap, args.first, args.ask, time.time_ns() // 1_000_000)
    finally:
        store.close()
    say(f"trap {args.trap} is asked for {args.ask} entries of its log when it is next heard; see `trapbase status`")
    return 0


def _require_known(settings: Settings, trap: int) -> None:
    known = sorted(each.number for each in settings.trap)
    if trap not in known:
        names = ", ".join(map(str, known)) or "none"
        raise SetupError(f"TRAP {trap}: is not in the settings; allowed are {names}")


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By sequence; where a unit had a new flash, and so two logs, the one heard of last comes last."""
    logs: list[list[dict[str, Any]]] = []
    for row in sorted(rows, key=lambda r: (r["sequence"], r["id"])):
        if not logs or row["sequence"] - logs[-1][-1]["sequence"] > FAR:
            logs.append([])
        logs[-1].append(row)
    logs.sort(key=lambda log: max(row["id"] for row in log))
    return [row for log in logs for row in log]


def _as_words(row: dict[str, Any], zone: ZoneInfo) -> str:
    at = moment(entry_time(row["time_s"], bool(row["is_true"])), zone)
    when = f"{at['there']} {at['zone']}" if at else clock_words(row["time_s"])
    return f"{row['sequence']}  {when}  {entry_words(row['code'], row['value'])}"


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    name = EVENTS[row["code"]][0] if row["code"] in EVENTS else None
    said = {key: row[key] for key in ("sequence", "code", "value")}
    unix_ms = entry_time(row["time_s"], bool(row["is_true"]))
    return said | {"name": name, "unix_ms": unix_ms, "unit_s": None if row["is_true"] else row["time_s"]}
