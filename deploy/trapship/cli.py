"""`trapship`: keys, certificates, the broker's configuration, microcontrollers, releases.

Exit code 0, 1 (failed; of doctor: with findings), 2 (wrong use or set-up).

Nothing that is there is overwritten without a line that says so.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from trapkit.errors import SetupError, StorageError
from trapkit.files import write_atomically
from trapship.cmd_card import add_card_command
from trapship.cmd_init import add_init_command, add_reveal_command
from trapship.cmd_label import add_label_command
from trapship.cmd_pack import add_pack_command
from trapship.cmd_provision import add_provision_command
from trapship.cmd_region import add_region_command
from trapship.cmd_release import add_release_commands
from trapship.cmd_revoke import add_revoke_command
from trapship.cmd_unit import add_unit_commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="trapship",
        description="Gets a fleet onto its machines: keys, certificates, the broker's configuration, firmware.",
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_init_command(subparsers)
    add_reveal_command(subparsers)
    add_provision_command(subparsers)
    add_pack_command(subparsers)
    add_region_command(subparsers)
    _add_keys(subparsers)
    _add_fleet(subparsers)
    _add_broker(subparsers)
    add_revoke_command(subparsers)
    add_unit_commands(subparsers)
    add_card_command(subparsers)
    add_label_command(subparsers)
    add_release_commands(subparsers)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except SetupError as error:
        print(f"trapship: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:  # a base or a trap alone needs neither library
        extras = {"segno": "label", "tuf": "ship", "securesystemslib": "ship"}.get(error.name or "", "base")
        print(
            f"trapship: {error.name} is not installed: pip install '.[{extras}]' in the project's clone",
            file=sys.stderr,
        )
        return 2
    except (StorageError, OSError) as error:
        print(f"trapship: {error}", file=sys.stderr)
        return 1


def _add_keys(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "keys", help="the keys that open crops and full frames, and each trap's for the radio; what is there is kept"
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="for base.key, base.pub, review.key, recipients.txt, link/, units/"
    )
    parser.add_argument(
        "--trap",
        action="append",
        default=[],
        type=int,
        metavar="N",
        help="a trap: its link key, and what it signs with; again for more",
    )
    parser.add_argument(
        "--renew", action="append", default=[], type=int, metavar="N", help="a next link key for this trap"
    )
    parser.add_argument(
        "--listen",
        action="append",
        default=[],
        type=int,
        metavar="N",
        help="what another base needs to pass on what this trap says, without answering it",
    )
    parser.add_argument(
        "--hop", action="append", default=[], type=int, metavar="N", help="a hop key for this trap, by a repeater"
    )
    parser.add_argument(
        "--pair", action="append", default=[], nargs=2, type=int, metavar="N", help="a station key for these two traps"
    )
    parser.set_defaults(run=_keys)


def _keys(args: argparse.Namespace) -> int:
    from trapship.keys import make_keys
    from trapship.linkkeys import make_hop_keys, make_link_keys, make_listen_keys, make_station_keys
    from trapship.unitkeys import make_unit_keys

    for line in make_keys(args.folder):
        print(line)
    for line in make_link_keys(args.folder, args.trap, args.renew):
        print(line)
    for line in (*make_unit_keys(args.folder, args.trap), *make_listen_keys(args.folder, args.listen)):
        print(line)
    for line in (*make_hop_keys(args.folder, args.hop), *make_station_keys(args.folder, args.pair)):
        print(line)
    return 0


def _add_fleet(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("fleet", help="authority, server and a certificate a program and trap; only adds")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where they lie, and will be looked for again")
    parser.add_argument(
        "--name", action="append", default=[], metavar="NAME", help="by which traps reach the broker; again for more"
    )
    parser.add_argument(
        "--trap", action="append", default=[], type=int, metavar="N", help="a trap with a network; again for more"
    )
    parser.add_argument(
        "--forwarder",
        action="append",
        default=[],
        metavar="NAME",
        help="a base that passes on what it hears of this one's traps; again for more",
    )
    parser.set_defaults(run=_fleet)


def _fleet(args: argparse.Namespace) -> int:
    from trapship.certificates import PROGRAMS, make_fleet
    from trapship.names import FORWARDER, checked_base

    for number in args.trap:
        if not 0 < number < 1 << 16:
            raise SetupError(f"--trap {number}: is no trap's number; allowed is 1–65535")
    forwarders = [FORWARDER + checked_base(name) for name in args.forwarder]
    said = make_fleet(args.folder, (*PROGRAMS, *map(str, args.trap), *forwarders), names=tuple(args.name))
    for line in said or [f"{args.folder}: all is there, nothing was changed"]:
        print(line)
    if forwarders:
        print("say `trapship broker` again: its access list names each forwarder")
    return 0


def _add_broker(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("broker", help="Mosquitto's configuration and access list")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where they go, and where the broker keeps queues")
    parser.add_argument("--certificates", type=Path, required=True, metavar="DIR", help="what `trapship fleet` made")
    parser.add_argument("--port", type=int, default=8883, metavar="PORT", help="TCP (8883)")
    parser.add_argument(
        "--address", default="127.0.0.1", metavar="ADDRESS", help="to listen on (127.0.0.1); 0.0.0.0 for traps"
    )
    parser.set_defaults(run=_broker)


def _broker(args: argparse.Namespace) -> int:
    from trapship.broker import write_broker
    from trapship.certificates import server_names
    from trapship.names import is_loopback

    folder: Path = args.folder
    before = {path: path.read_bytes() for path in (folder / "mosquitto.conf", folder / "acl") if path.exists()}
    path = write_broker(folder, args.certificates, args.port, address=args.address)
    for written in (folder / "mosquitto.conf", folder / "acl"):
        old = before.get(written)
        if old is None:
            print(f"{written}: new")
        elif old == written.read_bytes():
            print(f"{written}: as it was")
        else:
            kept = written.with_name(written.name + ".old")
            write_atomically(kept, old, mode=0o600)
            print(f"{written}: replaced; what it was is in {kept}")
    if is_loopback(args.address):
        print(f"listens on {args.address}: for this machine alone; traps with a network need --address 0.0.0.0")
    elif all(map(is_loopback, server_names(args.certificates))):
        again = f"trapship fleet {shlex.quote(str(args.certificates))} --name ADDRESS"
        print(
            f"{args.certificates / 'server.crt'} names no other machine's way here: no trap accepts it; say `{again}`"
        )
    print(f"start it with: mosquitto -c {shlex.quote(str(path))}")
    return 0
