"""`trapbase export`, `verify` and `again`: what a base holds, for people and programs."""

import argparse
import json
import re
import time
from pathlib import Path

from trapbase.borders import COUNTRY, why_closed
from trapbase.coarser import EXACT, GRIDS
from trapbase.config import Settings
from trapbase.export import export_camtrap
from trapbase.reader import Reader
from trapbase.run import say
from trapbase.store import Store
from trapbase.verify import elsewhere, problems
from trapkit.errors import SetupError

MAX_PROBLEMS = 1000  # named in one JSON object
TELL_EVERY_S = 2.0


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommands."""
    export = subparsers.add_parser("export", help="everything in custody, for other programs")
    export.add_argument("--camtrap-dp", type=Path, required=True, metavar="DIR", help="a new folder, Camtrap DP 1.0.2")
    export.add_argument("--for", dest="receiver", default="", metavar="COUNTRY", help="who gets it, like CN; else own")
    export.add_argument(
        "--coordinates",
        choices=(EXACT, *GRIDS),
        help="how exactly positions stand in it, in degrees (key 'coordinates' or 'abroad' of [export])",
    )
    export.set_defaults(run=_export)
    verify = subparsers.add_parser("verify", help="every record against its file and digest; exit code 1 if not clean")
    verify.add_argument("--json", action="store_true", help="one JSON object")
    verify.set_defaults(run=_verify)
    again = subparsers.add_parser("again", help="take a trap's receipts down to it once more; it refused them, say")
    again.add_argument("--trap", type=int, required=True, metavar="N", help="the trap's number")
    again.set_defaults(run=_again)
    for parser in (export, verify, again):
        parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")


def _export(args: argparse.Namespace, settings: Settings) -> int:
    receiver = args.receiver or settings.country
    if not re.fullmatch(COUNTRY, receiver):
        raise SetupError(f"--for {receiver!r}: allowed are two capital letters of ISO 3166, like CN, KR, MN or RU")
    why = why_closed(settings.country, receiver, settings.agreement)
    if why:
        raise SetupError(f"--for {receiver}: nothing is exported: {why}")
    own = receiver == settings.country
    coordinates = args.coordinates or (settings.export.coordinates if own else settings.export.abroad)
    counts = export_camtrap(Path(settings.folder), args.camtrap_dp, settings, receiver, coordinates)
    exactly = "exact positions" if coordinates == EXACT else f"positions rounded to {coordinates} degree"
    say(f"{args.camtrap_dp}: {counts['objects']} objects of {counts['sightings']} sightings, {exactly}")
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
