"""`trapbase shut-out`: who is shut out; a signed list from a stick, which the running base sees by itself."""

import argparse
from pathlib import Path

from trapbase.config import Settings
from trapbase.run import say
from trapbase.shutout import open_list
from trapkit.errors import SetupError
from trapkit.operator.signedtext import MAX_BYTES


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("shut-out", help="units that the operator has shut out; take a signed list of them")
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="pugmark-revoked on the operator's stick")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")
    parser.set_defaults(run=_shut_out)


def _shut_out(args: argparse.Namespace, settings: Settings) -> int:
    shut = open_list(settings.revoked, settings.operator_key, settings.bus.certificates)
    if args.file is not None:
        try:
            with args.file.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise SetupError(f"{args.file}: cannot be read: {error.strerror}") from error
        new = shut.take(data, str(args.file))
        say(f"list {shut.serial} is in force" + ("" if new else " already"))
        say("the broker reads its own with it: systemctl restart pugmark-broker, if nothing here does it by itself")
    for unit in shut.units():
        print(f"{unit.kind} {unit.number}: shut out since {unit.since}")
    return 0
