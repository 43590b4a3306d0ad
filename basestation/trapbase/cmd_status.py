"""`trapbase status`: one screen of what is late, why, what to do; `--json` for programs, `--check` for monitors."""

import argparse
import json
import os
import shutil
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from trapbase.camtrap_rows import time_text
from trapbase.cmd_cards import read_places
from trapbase.cmd_outlets import read_outlets
from trapbase.cmd_updates import read_look
from trapbase.config import Settings
from trapbase.custody.schedule import newest_backup
from trapbase.effort import Alarm, alarms
from trapbase.look.facts import free_bytes, needs_rows, part_names
from trapbase.look.screen import Screen, render
from trapbase.look.words import (
    alarm_words,
    asked_words,
    backup_words,
    cats_words,
    custody_words,
    disk_words,
    more_words,
    parts_words,
    restored_words,
    uplink_words,
)
from trapbase.modem import modem_words, read_modem
from trapbase.moments import moment
from trapbase.ops.partfile import read_states
from trapbase.radio.clock import clock_words, read_clock
from trapbase.reader import Reader
from trapbase.stays import Stay
from trapbase.updates.words import notes as update_notes
from trapbase.updates.words import rollout_json, status_words, unit_rows
from trapbase.view import stations_of, zones_of
from trapbase.view_needs import needs
from trapbase.view_outlets import borders_words
from trapbase.view_outlets import line as way_line
from trapbase.view_outlets import notes as way_notes

REQUESTS = 20  # shown, the newest
Row = dict[str, Any]


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("status", help="what is late, why, and what to do; also beside a running base")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--check", action="store_true", help="exit code 1 when something needs a person")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")
    parser.set_defaults(run=_status)


def _status(args: argparse.Namespace, settings: Settings) -> int:
    now_ms = time.time_ns() // 1_000_000
    with closing(Reader(Path(settings.folder))) as reader:
        status, screen = _read(settings, reader, now_ms)
    if args.json:
        print(json.dumps(status, sort_keys=True))
    else:
        on_terminal = sys.stdout.isatty()
        size = shutil.get_terminal_size() if on_terminal else None
        colours = on_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
        # The last line of a terminal is the shell's.
        lines = render(screen, size and (size.columns, size.lines - 1), colours=colours)
        print("\n".join(lines))
    return 1 if args.check and not status["well"] else 0


def _read(settings: Settings, reader: Reader, now_ms: int) -> tuple[Row, Screen]:
    """The status as a program reads it, and as a person does."""
    folder, zone = Path(settings.folder), ZoneInfo(settings.zone)
    places = read_places(settings, reader)
    known, traps, parts = places.known(), reader.traps(), read_states(folder, part_names(settings))
    modem, free = read_modem(folder), free_bytes(folder)
    rows = needs_rows(reader, known, traps)
    stations = stations_of(settings, known, traps, zones_of(settings, known), places.taken_down(), places.shut_out)
    found = needs(settings, rows, stations, known, now_ms, free_bytes=free, modem=modem, parts=parts)
    ways, left_over = read_outlets(settings, reader)
    updates = read_look(settings, reader, traps)
    found += [*way_notes(ways), *left_over, *update_notes(updates)]
    standing = [alarm for alarm in alarms(reader.rows("alarms", 1000)) if alarm.stands]
    waiting = {row["trap"]: row["count"] for row in rows["waiting_by_trap"]}
    stays = [stay for own in places.stays.by_trap.values() for stay in own if not stay.end_ms]
    oldest = {row["waits_for"]: row["since_ms"] for row in rows["oldest"]}
    signed_ms = reader.rows("signed")[0]["signed_ms"]
    requests = reader.rows("requests", REQUESTS)
    summary = reader.summary()
    status = summary | {
        "well": not (found or standing or places.problems),
        "needs": found,
        "parts": {
            name: {"state": state.at(now_ms), "trouble": state.trouble, "figures": state.figures}
            for name, state in parts.items()
        },
        "oldest_ms": oldest,
        "signed_ms": signed_ms,
        "disk_free_bytes": free,
        "modem": modem,
        "clock": read_clock(folder),
        "traps": traps,
        "shut_out": sorted(places.shut_out),
        "not_in_settings": sorted(set(waiting) - set(known)),
        "conflicts_kept": len(rows["conflicts"]),
        "requests": requests,
        "alarms": [_alarm(alarm) for alarm in standing],
        "notes_forged": {row["trap"]: row["count"] for row in rows["forged_notes"]},
        "cards": list(places.problems),
        "deployments": [_standing(stay) for stay in stays],
        "samples": len(places.samples()),
        "identifications": reader.rows("identifications_summary")[0],
        "outlets": ways,
        "updates": {"rollout": rollout_json(updates.rollout), "units": unit_rows(updates, {})},
        "restored": next(iter(reader.rows("restored")), None),
        "backup": _backup(settings),
        "late": rows["late"],
    }
    screen = Screen(
        name=settings.name,
        now=moment(now_ms, zone),
        alarms=[alarm_words(alarm) for alarm in status["alarms"]],
        needs=[*found, *places.problems],
        traps=[trap | {"station": station["name"]} for station in stations for trap in station["traps"]],
        waiting=waiting,
        now_ms=now_ms,
        base=[
            ("custody", custody_words(summary, oldest, now_ms)),
            ("uplink", uplink_words(settings, signed_ms, now_ms)),
            *([("borders", words)] if (words := borders_words(settings)) else []),
            ("modem", modem_words(modem, zone)),
            ("parts", parts_words(parts, now_ms)),
            ("disk", disk_words(free)),
            ("clock", clock_words(status["clock"])),
            *([("updates", status_words(updates))] if not updates.empty else []),
            *([("backup", backup_words(status["backup"], settings, zone))] if settings.backup.folder else []),
            *([("restored", restored_words(status["restored"], zone))] if status["restored"] else []),
        ],
        more=[
            *(way_line(way, now_ms) for way in ways),
            *cats_words(status["identifications"]),
            *asked_words(requests),
            *more_words(status["deployments"], status["samples"], summary.get("counters", {})),
        ],
    )
    return status, screen


def _backup(settings: Settings) -> Row | None:
    """The newest backup of those that the base makes by itself."""
    newest = newest_backup(Path(settings.backup.folder)) if settings.backup.folder else None
    return None if newest is None else {"made_ms": newest.made_ms, "media": newest.media, "missing": newest.missing}


def _standing(stay: Stay) -> Row:
    return {
        "trap": stay.trap,
        "station": stay.station,
        "side": stay.side,
        "since": time_text(stay.start_ms),
        "by": stay.who,
    }


def _alarm(alarm: Alarm) -> Row:
    return {
        "trap": alarm.trap,
        "kind": alarm.name,
        "time_ms": alarm.time_ms if alarm.clock_known else None,
        "words": alarm.words,
        "verified": alarm.proved,
    }
