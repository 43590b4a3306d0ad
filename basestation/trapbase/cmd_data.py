"""`trapbase status`, `export`, `verify` and `again`: what a base holds, for people and programs."""

import argparse
import json
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from trapbase.camtrap_rows import time_text
from trapbase.cmd_cards import read_places
from trapbase.cmd_outlets import read_outlets
from trapbase.config import Settings
from trapbase.custody.schedule import newest_backup
from trapbase.effort import Alarm, alarms
from trapbase.export import export_camtrap
from trapbase.modem import modem_words, read_modem
from trapbase.moments import moment
from trapbase.radio.clock import clock_words, read_clock
from trapbase.reader import Reader
from trapbase.request_store import LOG
from trapbase.run import say
from trapbase.stays import Stay
from trapbase.store import Store
from trapbase.unit_words import health_words
from trapbase.verify import elsewhere, problems
from trapbase.view_outlets import line as way_line
from trapkit.errors import SetupError
from trapwire.airtime import snr_floor_quarter_db
from trapwire.alert import UNKNOWN
from trapwire.objects import RUNG_NAMES

REQUESTS = 20  # shown, the newest
MAX_PROBLEMS = 1000  # named in one JSON object
TELL_EVERY_S = 2.0


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommands."""
    status = subparsers.add_parser("status", help="what the base holds; also beside a running base")
    status.add_argument("--json", action="store_true", help="one JSON object")
    status.set_defaults(run=_status)
    export = subparsers.add_parser("export", help="everything in custody, for other programs")
    export.add_argument("--camtrap-dp", type=Path, required=True, metavar="DIR", help="a new folder, Camtrap DP 1.0.2")
    export.set_defaults(run=_export)
    verify = subparsers.add_parser("verify", help="every record against its file and digest; exit code 1 if not clean")
    verify.add_argument("--json", action="store_true", help="one JSON object")
    verify.set_defaults(run=_verify)
    again = subparsers.add_parser("again", help="take a trap's receipts down to it once more; it refused them, say")
    again.add_argument("--trap", type=int, required=True, metavar="N", help="the trap's number")
    again.set_defaults(run=_again)
    for parser in (status, export, verify, again):
        parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")


def _status(args: argparse.Namespace, settings: Settings) -> int:
    reader = Reader(Path(settings.folder))
    try:
        places = read_places(settings, reader)
        known = set(places.known())
        waiting = {row["trap"]: row["count"] for row in reader.rows("waiting_by_trap", 1000)}
        status = reader.summary() | {
            "modem": read_modem(Path(settings.folder)),
            "clock": read_clock(Path(settings.folder)),
            "traps": reader.traps(),
            "not_in_settings": sorted(set(waiting) - known),
            "conflicts_kept": len(reader.rows("conflicts", 1000)),
            "requests": reader.rows("requests", REQUESTS),
            "alarms": [_alarm(a) for a in alarms(reader.rows("alarms", 1000)) if a.stands],
            "notes_forged": {row["trap"]: row["count"] for row in reader.rows("forged_notes", 1000)},
            "cards": list(places.problems),
            "deployments": [
                _standing(stay) for own in places.stays.by_trap.values() for stay in own if not stay.end_ms
            ],
            "samples": len(places.samples()),
            "identifications": reader.rows("identifications_summary")[0],
            "outlets": read_outlets(settings, reader)[0],
            "late": [b for b in reader.rows("batches", 100) if b["last_error"]],
            "restored": next(iter(reader.rows("restored")), None),
            "backup": _backup(settings),
        }
    finally:
        reader.close()
    if args.json:
        print(json.dumps(status, sort_keys=True))
        return 0
    for alarm in status["alarms"]:
        print(f"ALARM trap {alarm['trap']}: {alarm['words']}" + ("" if alarm["verified"] else " (not verified)"))
    for problem in status["cards"]:
        print(f"LOOK AFTER: {problem}")
    for name in ("objects", "batches", "receipts", "counters"):
        print(f"{name}: " + (", ".join(f"{count} {state}" for state, count in status[name].items()) or "none"))
    cats = status["identifications"]
    if cats["sightings"]:
        words = f"{cats['sightings']} sightings, {cats['individuals']} individuals"
        print(f"identified: {words}: trapbase identifications")
    print("modem: " + modem_words(status["modem"], ZoneInfo(settings.zone)))
    print("clock: " + clock_words(status["clock"]))
    for way in status["outlets"]:
        print(way_line(way))
    heard = {row["trap"]: row for row in status["traps"]}
    for number in sorted(known | set(heard)):
        print(f"trap {number}: " + _trap_words(heard.get(number), waiting.get(number, 0), settings))
    for stay in status["deployments"]:
        print(f"by card: trap {stay['trap']} stands at {stay['station']}, {stay['side']}, since {stay['since']}")
    if status["samples"]:
        print(f"{status['samples']} field samples: trapbase samples")
    if status["restored"]:
        print(_restored_words(status["restored"], ZoneInfo(settings.zone)))
    if settings.backup.folder:
        print(_backup_words(status["backup"], settings))
    for number in status["not_in_settings"]:
        print(f"trap {number}: no [[trap]] table and no ranger's card names it; its objects wait here until one does")
    for request in reversed(status["requests"]):
        print(_request_words(request))
    for batch in status["late"]:
        print(f"batch {batch['batch_id'][:16]} is {batch['state']}: {batch['last_error']}")
    return 0


def _backup(settings: Settings) -> dict[str, Any] | None:
    """The newest backup of those that the base makes by itself."""
    newest = newest_backup(Path(settings.backup.folder)) if settings.backup.folder else None
    return None if newest is None else {"made_ms": newest.made_ms, "media": newest.media, "missing": newest.missing}


def _backup_words(backup: dict[str, Any] | None, settings: Settings) -> str:
    if backup is None:
        return f"backup: none in {settings.backup.folder} yet"
    made = moment(backup["made_ms"], ZoneInfo(settings.zone))
    lost = f"; {backup['missing']} media were missing in the base: trapbase verify" if backup["missing"] else ""
    return f"backup: the newest is of {made['there'] if made else 'no time that can be'}, {backup['media']} media{lost}"


def _restored_words(row: dict[str, Any], zone: ZoneInfo) -> str:
    made, came = moment(row["backup_ms"], zone), moment(row["restored_ms"], zone)
    words = [
        f"came back on {came['there'] if came else '?'} from a backup of {made['there'] if made else '?'}",
        "the back end is asked first what it has" if row["checked_ms"] is None else "the back end has been asked",
        f"{row['elsewhere']} objects lie at the back end alone",
    ]
    if row["ended_ms"] is None:
        words.append(f"traps are asked for {row['recalls']} that may be missing; a stick brings them at once")
    return ", ".join(words)


def _standing(stay: Stay) -> dict[str, Any]:
    return {
        "trap": stay.trap,
        "station": stay.station,
        "side": stay.side,
        "since": time_text(stay.start_ms),
        "by": stay.who,
    }


def _alarm(alarm: Alarm) -> dict[str, Any]:
    return {
        "trap": alarm.trap,
        "kind": alarm.name,
        "time_ms": alarm.time_ms if alarm.clock_known else None,
        "words": alarm.words,
        "verified": alarm.proved,
    }


def _request_words(row: dict[str, Any]) -> str:
    """What was asked of a trap, and what became of it."""
    state = "waits" if row["state"] == "open" else row["state"]
    if row["setting"] is None:
        what = f"{RUNG_NAMES[row['rung']]} {row['epoch']:08x} {row['number']}"
        return f"asked of trap {row['trap']}: {what}: {state}"
    if row["setting"] == LOG:
        return f"asked of trap {row['trap']}: {row['value']} entries of its log: {state}"
    now = "" if row["in_force"] is None else f", in force is {row['in_force']}"
    return f"asked of trap {row['trap']}: {row['setting']} = {row['value']}: {state}{now}"


def _trap_words(row: dict[str, Any] | None, waiting: int, settings: Settings) -> str:
    """A trap's last word for a person, its times in the base's zone, its figures as the page has them."""
    here = f"{waiting} objects wait here for a batch"
    if row is None:
        return f"not heard yet; {here}"
    health, heard = row["health"], moment(row["heard_ms"], ZoneInfo(settings.zone))
    battery, queued = health.get("battery", UNKNOWN), health.get("queued")
    words = [
        f"last heard {heard['there']} {heard['zone']}" if heard else "last heard at no time that can be",
        f"{row['sightings']} sightings",
        "battery not measured" if battery == UNKNOWN else f"battery {battery} %",
    ]
    if row["snr_db"] is None:
        words.append("not heard by radio")
    else:
        margin_db = row["snr_db"] - snr_floor_quarter_db(settings.gateway.sf) / 4
        words.append(f"radio margin {round(margin_db)} dB ({row['rssi_dbm']} dBm)")
    if queued is not None:
        words.append(f"{queued} wait there for the air")
    return ", ".join([*words, *health_words(health), here])


def _export(args: argparse.Namespace, settings: Settings) -> int:
    counts = export_camtrap(Path(settings.folder), args.camtrap_dp, settings)
    say(f"{args.camtrap_dp}: {counts['objects']} objects of {counts['sightings']} sightings")
    return 0


def _again(args: argparse.Namespace, settings: Settings) -> int:
    if args.trap not in {trap.number for trap in settings.trap}:
        known = ", ".join(str(trap.number) for trap in settings.trap) or "none"
        raise SetupError(f"--trap {args.trap}: is not in the settings; allowed are {known}")
    folder = Path(settings.folder)
    Reader(folder).close()  # raises where there is no base yet
    store = Store(folder)
    try:
        count = store.send_again(args.trap)
    finally:
        store.close()
    # The gateway remembers what traps have taken, and would answer for them.
    say(f"{count} receipts go down to trap {args.trap} again, once the base's gateway has been started again")
    return 0


def _verify(args: argparse.Namespace, settings: Settings) -> int:
    folder = Path(settings.folder)
    if not folder.is_dir():
        raise SetupError(f"key 'folder' is {settings.folder!r}: there is no such folder")
    next_word = time.monotonic() + TELL_EVERY_S

    def tell(what: str, done: int, total: int) -> None:
        nonlocal next_word
        if time.monotonic() >= next_word:
            next_word = time.monotonic() + TELL_EVERY_S
            say(f"verify: {done} of {total} {what}")

    named: list[str] = []
    count = 0
    for line in problems(folder, tell):
        count += 1
        if not args.json:
            print(line)
        elif len(named) < MAX_PROBLEMS:
            named.append(line)
    away, first = elsewhere(folder, MAX_PROBLEMS)
    if args.json:
        said = {"clean": not count, "problems": named, "count": count, "elsewhere": away, "elsewhere_named": first}
        print(json.dumps(said))
        return 1 if count else 0
    for line in first:
        print(f"at the back end alone, which has signed for it: {line}")
    print("clean" if not count else f"{count} problems")
    return 1 if count else 0
