"""`trapcam pin NAME`: who may open the ranger's page."""

import argparse
import getpass
import sys
from pathlib import Path

from trapcam.config import TrapSettings
from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapkit.pins import MOST_OPERATORS, check_operator, hashed, read_operators, write_operators
from trapkit.settings import load_settings


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "pin", help="who may open the ranger's page: asks for a PIN, or reads one line from standard input"
    )
    parser.add_argument("name", metavar="NAME", help="the operator, as the page shows it")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")
    parser.add_argument("--remove", action="store_true", help="take this operator's PIN away")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the file again with this operator.  Raises: SetupError."""
    settings = load_settings(TrapSettings, args.config)
    path = Path(settings.service.operators)
    check_operator(args.name)
    known = read_operators(path.read_bytes(), str(path)) if path.exists() else {}
    if args.remove:
        if known.pop(args.name, None) is None:
            raise SetupError(f"{path}: names no {args.name!r}")
    else:
        if args.name not in known and len(known) >= MOST_OPERATORS:
            raise SetupError(f"{path}: names {len(known)} operators already, allowed are {MOST_OPERATORS}")
        known[args.name] = hashed(_asked(args.name))
    write_atomically(path, write_operators(known), mode=0o600)
    print(f"{path}: {len(known)} operators; the trap reads it at its next start")
    return 0


def _asked(name: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    pin = getpass.getpass(f"PIN for {name}: ")
    if pin != getpass.getpass("once more: "):
        raise SetupError("the two are not the same; nothing was written")
    return pin
