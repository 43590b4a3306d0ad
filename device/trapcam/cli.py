"""`trapcam`: the trap unit's program. Exit code 0, 1 (failed), 2 (wrong use or set-up)."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from trapcam import (
    cmd_audit,
    cmd_collect,
    cmd_detect,
    cmd_evaluate,
    cmd_health,
    cmd_pin,
    cmd_run,
    cmd_update,
    fromsettings,
)
from trapcam.camera.replay import replay_source
from trapcam.config import TrapSettings, check_keep, model_path, require_trap
from trapcam.description import check_model
from trapcam.status import read_status
from trapcam.status_words import lines
from trapkit.errors import SetupError, StorageError
from trapkit.operator.commands import add_identity_parser, take_over
from trapkit.sealing import public_of, read_key
from trapkit.settings import layers_of, load_settings, show


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = argparse.ArgumentParser(prog="trapcam", description="The camera trap: keeps the cats, hands them over.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    cmd_run.add_parser(subparsers)
    cmd_audit.add_parser(subparsers)
    cmd_collect.add_parser(subparsers)
    cmd_pin.add_parser(subparsers)
    cmd_update.add_parser(subparsers)
    _add_status(subparsers)
    _add_config(subparsers)
    add_identity_parser(subparsers, "/etc/pugmark").set_defaults(run=lambda args: take_over("trap", args))
    cmd_detect.add_parser(subparsers)
    cmd_evaluate.add_parser(subparsers)
    cmd_health.add_parser(subparsers)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except SetupError as error:
        print(f"trapcam: {error}", file=sys.stderr)
        return 2
    except (StorageError, OSError) as error:
        print(f"trapcam: {error}", file=sys.stderr)
        return 1


def _add_status(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("status", help="what the outbox holds; also beside a running trap")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=_status)


def _status(args: argparse.Namespace) -> int:
    settings = load_settings(TrapSettings, args.config)
    status = read_status(Path(settings.data), require_trap(settings))
    # The replay's place, without having to know how the outbox names its source.
    source = status["sources"].get(replay_source(Path(settings.camera.replay.folder)), {"position": 0, "total": None})
    status["replay"] = source
    status["sign_key"] = _public_key(settings)
    if args.json:
        print(json.dumps(status, sort_keys=True))
        return 0
    for line in lines(status):
        print(line)
    return 0


def _public_key(settings: TrapSettings) -> str | None:
    """What the base needs to prove this trap's notes, hexadecimal; None before the first start makes the key."""
    path = fromsettings.sign_key_path(settings)
    return public_of(read_key(path, "the key that notes are signed with")).hex() if path.exists() else None


def _add_config(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("config", help="show or check the settings")
    parser.add_argument(
        "what", choices=("show", "check"), help="show: those in force, as TOML; check: whether a trap can run"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")
    parser.set_defaults(run=_config)


def _config(args: argparse.Namespace) -> int:
    settings = load_settings(TrapSettings, args.config)
    if args.what == "show":
        print(show(settings, layers_of(TrapSettings, args.config) if args.config else None), end="")
        return 0
    require_trap(settings)
    fromsettings.open_keys(settings)
    if settings.keys.sign:
        fromsettings.open_sign_key(settings)
    fromsettings.open_bus(settings)
    camera = cmd_run.open_camera(settings)
    check_keep(settings, check_model(model_path(settings)).classes)
    print(f"{args.config or 'defaults'}: good; {camera.source}: {camera.about}")
    return 0
