"""`trapship init`: an operator's folder."""

import argparse
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import write_atomically

KEEP = "KEEP.md"


def add_init_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("init", help="an operator's folder: every key of a new fleet, sealed; and KEEP.md")
    parser.add_argument("folder", type=Path, metavar="OPERATOR", help="a new folder, on a machine that you trust")
    parser.add_argument("--name", default="Pugmark", metavar="NAME", help="whose fleet this is, for people")
    add_passphrase(parser)
    parser.set_defaults(run=_run)


def add_passphrase(parser: argparse.ArgumentParser) -> None:
    """Where the passphrase comes from, but for the terminal."""
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        help="with the passphrase in its first line; else it is asked",
    )


def _run(args: argparse.Namespace) -> int:
    from trapship.desk.folder import create, is_operator_folder
    from trapship.desk.keep import keep_page
    from trapship.release.keys import make
    from trapship.release.roles import FIRST_ROOT, FOLDER
    from trapship.vault import Vault, read_passphrase

    if not (args.name.isprintable() and 0 < len(args.name) <= 80):
        raise SetupError(f"--name {args.name!r}: allowed are 1–80 letters")
    if is_operator_folder(args.folder):
        raise SetupError(f"{args.folder}: is an operator's folder already; name a new one, or provision its units")
    vault = Vault(args.folder, read_passphrase(args.passphrase_file, new=True))
    # The releases' first: a cut among them begins them anew, for nothing was signed by them yet.
    if not (args.folder / FOLDER / FIRST_ROOT).exists():
        for secret in [name for name in vault.names() if name.startswith(f"{FOLDER}/")]:
            vault.remove(secret)
    lines = [*make(vault), *create(vault, args.name)]
    page = args.folder / KEEP
    write_atomically(page, keep_page(args.name).encode())
    for line in [*lines, f"{page}: new; what to keep where: read it now"]:
        print(line)
    return 0
