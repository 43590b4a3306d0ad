"""`deploy/install`: what was asked for, and whether it may be."""

import argparse
import os
import platform
import sys
from pathlib import Path

from trapship.machine import machine, steps
from trapship.machine.errors import InstallError, UsageError
from trapship.machine.host import Host
from trapship.machine.plan import ROLES
from trapship.machine.record import read_record
from trapship.machine.source import Source, from_bundle, from_clone

OLDEST_PYTHON = (3, 11)
NEXT = {  # how its settings come onto it
    "base": "a stick of `trapship provision base` (deploy/guide-engineer.md, 2 A base); without an operator's folder "
    "basestation/README.md, Set up",
    "trap": "its card of `trapship provision trap` (deploy/guide-engineer.md, 3 A trap)",
}


def main(arguments: list[str] | None = None, deploy: Path | None = None) -> int:
    """Exit code: 0 done, 1 something failed, 2 asked in a wrong way. deploy: the folder with what is laid down."""
    args = _parser().parse_args(arguments)
    try:
        return _run(args, (deploy or Path(__file__).resolve().parents[2]).resolve())
    except UsageError as error:
        print(f"install: {error}", file=sys.stderr)
        return 2
    except (InstallError, OSError) as error:
        print(f"install: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="deploy/install", description="a Debian machine becomes a base or a trap; the same again updates it"
    )
    parser.add_argument("role", nargs="?", choices=sorted(ROLES), help="what it becomes")
    parser.add_argument(
        "--wheels", type=Path, metavar="DIR", help="the program from a bundle (deploy/make-wheels): no internet"
    )
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="lay files and units there only")
    parser.add_argument("--remove", action="store_true", help="take it all away again; data, keys and settings stay")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--read-only", action="store_true", help="trap: the root is never written to, data lie apart")
    parser.add_argument("--no-firewall", action="store_true", help="the firewall is yours")
    parser.add_argument(
        "--country", default="", metavar="XX", help="trap: whose rules its Wi-Fi keeps to (RU, CN, MN …)"
    )
    return parser


def _run(args: argparse.Namespace, deploy: Path) -> int:
    root: Path = args.root.resolve()
    host = Host(root, dry=args.dry_run, say=_say)
    _allowed(args, host)
    record = read_record(root)
    role = ROLES.get(args.role or record.role)
    if args.remove:
        if role is None or not record.role:
            _say("nothing of ours is installed here")
            return 0
        if record.role != role.name:
            raise UsageError(f"this machine is a {record.role}, not a {role.name}; nothing was removed")
        steps.remove(host, role, record)
        return 0
    if role is None:
        raise UsageError(f"say what this machine shall become: {' or '.join(sorted(ROLES))}")
    if args.dry_run:
        _say("a dry run: nothing is changed, every line says what would be")
    source = _source(args, deploy)
    country = str(args.country).upper()
    wishes = steps.Wishes(read_only=args.read_only, firewall=not args.no_firewall, country=country)
    steps.install(host, role, source, wishes, record)
    _say(
        f"{role.name} {source.name}: "
        + (f"{host.changes} changes" if host.changes else "all as it should be, nothing to do")
    )
    settings = root / role.settings.lstrip("/")
    if not settings.exists():
        _say(f"next: {role.settings}: {NEXT[role.name]}")
    return 0


def _allowed(args: argparse.Namespace, host: Host) -> None:
    if sys.version_info < OLDEST_PYTHON:
        raise UsageError(f"this is Python {platform.python_version()}; 3.11 is the oldest that it runs with")
    if not host.root.is_dir():
        raise UsageError(f"--root {host.root}: is no folder")
    if args.country and not (len(args.country) == 2 and args.country.isascii() and args.country.isalpha()):
        raise UsageError(f"--country {args.country!r}: allowed are two letters, as in ISO 3166")
    if args.role == "base" and (args.read_only or args.country):
        raise UsageError("--read-only and --country are a trap's")
    if host.here and not host.dry and os.geteuid() != 0:
        raise UsageError("only root may change this machine: say it with sudo, or with --dry-run")
    if host.here:
        trouble = machine.os_trouble(_text("/etc/os-release")) or machine.root_trouble(_text("/proc/mounts"))
        if trouble:
            raise UsageError(trouble)


def _source(args: argparse.Namespace, deploy: Path) -> Source:
    if args.wheels is None:
        return from_clone(deploy)
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return from_bundle(deploy, args.wheels.resolve(), platform.machine(), python)


def _text(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(machine.LARGEST_BYTES).decode(errors="replace")
    except OSError as error:
        raise InstallError(f"{path}: cannot be read: {error.strerror}") from error


def _say(line: str) -> None:
    print(line, flush=True)
