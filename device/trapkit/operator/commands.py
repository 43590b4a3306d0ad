"""`trapcam identity` and `trapbase identity`: take over what provisioning wrote. The same command for both programs."""

import argparse
from pathlib import Path

from trapkit.operator.takeover import TakeOver


def add_identity_parser(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", into: str
) -> argparse.ArgumentParser:
    """Register the subcommand; `into`: where this program's files lie. The caller sets `run`."""
    parser = subparsers.add_parser(
        "identity", help="take over a card or stick of `trapship provision`: settings, keys, certificates"
    )
    parser.add_argument("source", type=Path, metavar="FROM", help="a folder pugmark/, or the card or stick with it")
    parser.add_argument("--into", type=Path, default=Path(into), metavar="DIR", help=f"where they go ({into})")
    parser.add_argument("--owner", default="", metavar="USER", help="whom they shall belong to")
    parser.add_argument("--other-unit", action="store_true", help="this machine shall be another unit from now on")
    parser.add_argument("--keep", action="store_true", help="leave the secrets on the card or stick")
    return parser


def take_over(kind: str, args: argparse.Namespace) -> int:
    """Run it for a machine that is a `kind`; the exit code.  Raises: SetupError, OSError."""
    taker = TakeOver(kind=kind, owner=args.owner, other_unit=args.other_unit, keep=args.keep)
    lines = taker.run(args.source, args.into)
    for line in lines or [f"{args.into}: nothing new"]:
        print(line)
    return 0
