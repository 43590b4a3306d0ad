"""`trapbase`: the base station's program. Exit code 0, 1 (failed), 2 (wrong use or set-up)."""

import argparse
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from trapbase import (
    cmd_ask,
    cmd_backup,
    cmd_cards,
    cmd_data,
    cmd_effort,
    cmd_import,
    cmd_log,
    cmd_outlets,
    cmd_results,
    cmd_shutout,
    cmd_status,
    cmd_updates,
)
from trapbase.config import Settings, check_traps, frame_bytes, modems
from trapbase.keyring import listened_traps, read_link_keys
from trapbase.ops.log import to_stderr
from trapbase.outlets.build import check_keys
from trapbase.run import BUILDERS, PARTS, Runner, say
from trapbase.ways import closed_ways, within_borders
from trapkit.bus_tls import TlsFiles
from trapkit.errors import SetupError, StorageError
from trapkit.operator.commands import add_identity_parser, take_over
from trapkit.sealing import read_key
from trapkit.serialport import why_absent
from trapkit.settings import layers_of, load_settings, show

MODEM_HELP = "Another line: serial below [gateway] in base.toml (basestation/README.md, Modems)"
TELLS_OF_BORDERS = ("run", "config")  # `status` and `outlets` show them themselves


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = argparse.ArgumentParser(prog="trapbase", description="The base station: keeps and forwards sightings.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(subparsers)
    cmd_status.add_parsers(subparsers)
    cmd_data.add_parsers(subparsers)
    cmd_backup.add_parsers(subparsers)
    cmd_import.add_parsers(subparsers)
    cmd_ask.add_parsers(subparsers)
    cmd_log.add_parsers(subparsers)
    cmd_effort.add_parsers(subparsers)
    cmd_cards.add_parsers(subparsers)
    cmd_results.add_parsers(subparsers)
    cmd_outlets.add_parsers(subparsers)
    cmd_updates.add_parsers(subparsers)
    cmd_shutout.add_parsers(subparsers)
    _add_config(subparsers)
    add_identity_parser(subparsers, "/var/lib/pugmark").set_defaults(take_over=lambda args: take_over("base", args))
    args = parser.parse_args(argv)
    try:
        if args.command == "identity":  # before there are settings
            return int(args.take_over(args))
        settings = load_settings(Settings, args.config)
        check_traps(settings)
        settings = within_borders(settings)
        for way in closed_ways(settings) if args.command in TELLS_OF_BORDERS else ():
            say(way.words)
        return int(args.run(args, settings))
    except SetupError as error:
        say(str(error))
        return 2
    except (StorageError, OSError) as error:
        say(str(error))
        return 1


def _add_run(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("run", help="receive, keep and forward; runs until SIGTERM")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")
    parser.add_argument("--only", metavar="PARTS", help=f"some of: {','.join(PARTS)} (all)")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace, settings: Settings) -> int:
    names = args.only.split(",") if args.only else list(PARTS)
    for name in names:
        if name not in PARTS:
            raise SetupError(f"--only {args.only}: {name!r} is no part; allowed are {', '.join(PARTS)}")
    return Runner(settings, list(dict.fromkeys(names)), threading.Event(), to_stderr(settings.log.format)).run()


def _add_config(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("config", help="show or check the settings")
    parser.add_argument("what", choices=("show", "check"), help="show: those in force; check: whether a base can run")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")
    parser.set_defaults(run=_config)


def _config(args: argparse.Namespace, settings: Settings) -> int:
    if args.what == "show":
        print(
            show(load_settings(Settings, args.config), layers_of(Settings, args.config) if args.config else None),
            end="",
        )
        return 0
    for modem in modems(settings):
        frame_bytes(settings.gateway, modem.sf)
        if why := why_absent(modem.serial):
            say(f"{why}. Until it is, this base hears nobody by radio. {MODEM_HELP}")
    if settings.box_key:
        read_key(Path(settings.box_key), "the key that opens crops")
    if settings.upload.url:
        read_key(Path(settings.upload.public_key), "the back end's public key")
    check_keys(settings.outlet, Path(settings.upload.public_key))
    if settings.updates.source:
        from trapbase.updates.build import check  # it takes memory that no other command needs

        check(settings)
    keys = Path(settings.gateway.keys)
    for trap in settings.trap:
        if not read_link_keys(keys, trap.number) and trap.number not in listened_traps(keys):
            say(f"trap {trap.number} has no link key, {keys / f'{trap.number}.key'}: it is not heard by radio")
    folder = Path(settings.bus.certificates)
    # A base that only passes on has the gateway alone, under a certificate of the home base's fleet.
    for name in BUILDERS if settings.gateway.home else [settings.gateway.certificate]:
        try:
            TlsFiles(folder / "ca.crt", folder / f"{name}.crt", folder / f"{name}.key").context()
        except SetupError as error:
            raise SetupError(f"key 'bus.certificates' is {str(folder)!r}: {error}") from error
    print(f"{args.config or 'defaults'}: good; {len(settings.trap)} traps")
    return 0


if __name__ == "__main__":
    sys.exit(main())
