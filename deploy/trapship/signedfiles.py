"""What `trapship pack` and `trapship region` share: a file of settings, made and signed, shown, checked."""

import argparse
from collections.abc import Callable
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.operator.signedtext import MAX_BYTES
from trapship.cmd_init import add_passphrase

Run = Callable[[argparse.Namespace], int]


def add_words(
    parser: argparse.ArgumentParser, file: str, what: str, *, make: Run, show: Run, check: Run, checks: str = ""
) -> None:
    """The words make, show and check; `file`: its name in the operator's folder; `what` it is; `checks`: what `check`
    looks at beside the signature."""
    words = parser.add_subparsers(dest="what", required=True, metavar="make|show|check")
    maker = words.add_parser("make", help="check and sign one; units that are provisioned from now on get it")
    maker.add_argument("folder", type=Path, metavar="OPERATOR", help="what `trapship init` made, of who signs it")
    maker.add_argument("source", type=Path, metavar="SOURCE", help="TOML: name, version, and what it says")
    maker.add_argument("--out", type=Path, metavar="FILE", help=f"where it goes (OPERATOR/{file})")
    add_passphrase(maker)
    maker.set_defaults(run=make)
    shower = words.add_parser("show", help="what one says, and who signed it")
    checker = words.add_parser("check", help=f"whether it is signed by KEY{checks}; exit code 2 if not")
    checker.add_argument("--key", type=Path, required=True, metavar="KEY", help="operator.pub of who signs it")
    for each, run in ((shower, show), (checker, check)):
        each.add_argument("file", type=Path, metavar="FILE", help=f"a signed {what}")
        each.set_defaults(run=run)


def read_file(path: Path) -> bytes:
    """At most one byte more than a signed text may have.  Raises: SetupError."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error


def read_source(path: Path) -> str:
    """What is to be signed.  Raises: SetupError."""
    try:
        return read_file(path).decode()
    except UnicodeDecodeError as error:
        raise SetupError(f"{path}: is no text: {error}") from error
