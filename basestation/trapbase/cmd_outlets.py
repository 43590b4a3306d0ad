"""`trapbase outlets` and `retry`: the ways out of a base, and another try for what lies aside."""

import argparse
import json
import time
from pathlib import Path

from trapbase.config import Settings
from trapbase.look.facts import ways_of
from trapbase.outlet_settings import UPLOAD, WEBHOOK
from trapbase.outlets.build import read_secret
from trapbase.outlets.queue import OutletQueue
from trapbase.outlets.webhook import public_key
from trapbase.reader import Reader, Row
from trapbase.run import say
from trapbase.view_outlets import line
from trapkit.errors import SetupError


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommands."""
    outlets = subparsers.add_parser("outlets", help="every way out: its state, what waits, what lies aside and why")
    outlets.add_argument("--json", action="store_true", help="one JSON object")
    outlets.set_defaults(run=_outlets)
    retry = subparsers.add_parser("retry", help="try a way out again now, and what lies aside for it")
    retry.add_argument("outlet", metavar="OUTLET", help=f"its name, or {UPLOAD}")
    retry.add_argument("item", type=int, nargs="?", metavar="ITEM", help="only this one, by its number")
    retry.set_defaults(run=_retry)
    for parser in (outlets, retry):
        parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")


def read_outlets(settings: Settings, reader: Reader) -> tuple[list[Row], list[str]]:
    """The ways out as they are now, and what is left of former ones.  Raises: StorageError."""
    return ways_of(settings, reader, time.time_ns() // 1_000_000)


def _outlets(args: argparse.Namespace, settings: Settings) -> int:
    reader = Reader(Path(settings.folder))
    try:
        ways, over = read_outlets(settings, reader)
    finally:
        reader.close()
    keys = {outlet.name: outlet.key_file for outlet in settings.outlet if outlet.kind == WEBHOOK}
    for way in ways:
        if way["name"] in keys:
            way["public_key"] = _public(keys[way["name"]])
    if args.json:
        print(json.dumps({"outlets": ways, "left_over": over}, sort_keys=True))
        return 0
    for way in ways:
        print(line(way, time.time_ns() // 1_000_000))
        if way.get("public_key"):
            print(f"  signs as {way['public_key']}")
        for item in way["aside"]:
            print(f"  {item['id']}: {item['what']}: {item['why']}")
        if len(way["aside"]) < way["aside_count"]:
            print(f"  … and {way['aside_count'] - len(way['aside'])} more")
    for text in over:
        print(text)
    if not ways:
        print("no way out: neither upload.url nor an [[outlet]] table is set; everything is kept here")
    return 0


def _public(key_file: str) -> str:
    try:
        return public_key(read_secret(Path(key_file)))
    except SetupError:
        return ""  # the outlet itself says what is wrong with it


def _retry(args: argparse.Namespace, settings: Settings) -> int:
    names = [UPLOAD, *(outlet.name for outlet in settings.outlet)]
    if args.outlet not in names:
        raise SetupError(f"OUTLET {args.outlet}: is not in the settings; allowed are {', '.join(names)}")
    folder = Path(settings.folder)
    Reader(folder).close()  # raises where there is no base yet
    queue = OutletQueue(folder, args.outlet)
    try:
        count = queue.ask(args.item)
    finally:
        queue.close()
    if count is None:
        what = "has not run yet" if args.item is None else f"has no item {args.item}"
        raise SetupError(f"OUTLET {args.outlet}: {what}; see `trapbase outlets`")
    say(f"outlet {args.outlet}: tried again within seconds by the running base; {count} come back from aside")
    return 0
