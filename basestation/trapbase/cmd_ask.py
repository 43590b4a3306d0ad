"""`trapbase want` and `set`: ask a trap for an object, or for another setting, by radio.

They write down what is asked; the running base takes it to the trap, in an answer to something that the trap sent.
`trapbase status` shows what became of it.
"""

import argparse
import time
from pathlib import Path

from trapbase.config import Settings
from trapbase.reader import Reader
from trapbase.request_store import RequestStore
from trapbase.run import say
from trapkit.errors import SetupError
from trapwire.airtime import usable_frame
from trapwire.errors import WireError
from trapwire.objects import ALERT, CROP, FRAME, NOTE, RUNG_NAMES, SCENE, ObjectKey
from trapwire.words import SETTING_CODES

RUNGS = {RUNG_NAMES[rung]: rung for rung in (ALERT, CROP, FRAME, NOTE, SCENE)}


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommands."""
    want = subparsers.add_parser("want", help="ask a trap for one object by radio, a better picture say")
    want.add_argument("trap", type=int, metavar="TRAP", help="the trap's number")
    want.add_argument("epoch", metavar="EPOCH", help="its outbox, eight hexadecimal digits")
    want.add_argument("number", type=int, metavar="NUMBER", help="of the sighting")
    want.add_argument("rung", metavar="RUNG", help=", ".join(RUNGS))
    want.set_defaults(run=_want)
    change = subparsers.add_parser("set", help="change a setting of a trap by radio")
    change.add_argument("trap", type=int, metavar="TRAP", help="the trap's number")
    change.add_argument("name", metavar="NAME", help=", ".join(SETTING_CODES))
    change.add_argument("value", type=int, metavar="VALUE", help="a whole number, in the setting's own unit")
    change.set_defaults(run=_set)
    for parser in (want, change):
        parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")


def _want(args: argparse.Namespace, settings: Settings) -> int:
    _check_trap(args.trap, settings)
    if args.rung not in RUNGS:
        raise SetupError(f"RUNG {args.rung}: does not go by radio; allowed are {', '.join(RUNGS)}")
    digits = args.epoch.lower()
    if len(digits) != 8 or set(digits) - set("0123456789abcdef"):
        raise SetupError(f"EPOCH {args.epoch}: allowed are eight hexadecimal digits")
    try:
        key = ObjectKey(args.trap, int(digits, 16), args.number, RUNGS[args.rung])
    except WireError as error:
        raise SetupError(f"NUMBER {args.number}: {error}") from error
    store = _open(settings)
    try:
        asked = store.want(*key.as_tuple(), _now_ms())
    finally:
        store.close()
    if not asked:
        say(f"{key!r} is here already")
        return 1
    say(f"{key!r}: asked for when the trap is next heard; it comes if the trap still has it")
    return 0


def _set(args: argparse.Namespace, settings: Settings) -> int:
    _check_trap(args.trap, settings)
    if args.name not in SETTING_CODES:
        raise SetupError(f"NAME {args.name}: cannot be set by radio; allowed are {', '.join(SETTING_CODES)}")
    if not 0 <= args.value < 1 << 32:
        raise SetupError(f"VALUE {args.value}: allowed is a whole number within 0–{(1 << 32) - 1}")
    if args.name == "sf":
        try:
            usable_frame(settings.gateway.plan, args.value)
        except WireError as error:
            raise SetupError(f"VALUE {args.value}: {error}") from error
    store = _open(settings)
    try:
        command = store.set(args.trap, args.name, args.value, _now_ms())
    finally:
        store.close()
    say(f"command {command}: trap {args.trap} is told {args.name} = {args.value} when it is next heard")
    if args.name == "sf" and args.value != settings.gateway.sf:
        say(
            "when `trapbase status` says `on trial` of every trap, change the modem's sf and gateway.sf and start both "
            "again: within the traps' trial_ms (10 minutes), or they go back by themselves"
        )
    return 0


def _check_trap(number: int, settings: Settings) -> None:
    if number not in {trap.number for trap in settings.trap}:
        known = ", ".join(str(trap.number) for trap in settings.trap) or "none"
        raise SetupError(f"TRAP {number}: is not in the settings; allowed are {known}")


def _open(settings: Settings) -> RequestStore:
    folder = Path(settings.folder)
    Reader(folder).close()  # raises where there is no base yet
    return RequestStore(folder)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
