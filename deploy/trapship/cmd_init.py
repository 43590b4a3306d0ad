"""`trapship init` and `reveal`: an operator's folder; the keys that open pictures, out of it."""

import argparse
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import make_folder, write_atomically

KEEP = "KEEP.md"


def add_init_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("init", help="an operator's folder: every key of a new fleet, sealed; and KEEP.md")
    parser.add_argument("folder", type=Path, metavar="OPERATOR", help="a new folder, on a machine that you trust")
    parser.add_argument("--name", default="Pugmark", metavar="NAME", help="whose fleet this is, for people")
    add_passphrase(parser)
    parser.set_defaults(run=_run)


def add_reveal_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("reveal", help="what opens pictures, out of the vault: for open-card, and reviewers")
    parser.add_argument("folder", type=Path, metavar="OPERATOR", help="what `trapship init` made")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for base.key and review.key; 600")
    add_passphrase(parser)
    parser.set_defaults(run=_reveal)


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


def _reveal(args: argparse.Namespace) -> int:
    from trapship.desk.folder import BOX, REVIEW, at_desk
    from trapship.vault import read_passphrase

    with at_desk(args.folder, lambda: read_passphrase(args.passphrase_file)) as desk:
        make_folder(args.out, 0o700)
        for name in (BOX, REVIEW):
            path = args.out / Path(name).name
            if path.exists():
                raise SetupError(f"{path}: is there already, and may be another's; name a new folder")
            write_atomically(path, desk.vault.get(name) + b"\n", mode=0o600)
            print(f"{path}: it opens pictures, and lies open here; destroy it when you are done")
    return 0
