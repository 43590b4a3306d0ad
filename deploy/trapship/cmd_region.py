"""`trapship region`: what a country asks of every unit there, signed: radio, borders, places, language."""

import argparse
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapkit.operator.regions import TRAPBASE, Region, make_region, read_region
from trapkit.operator.signedtext import MAX_BYTES
from trapkit.sealing import read_key
from trapship.cmd_init import add_passphrase

REGION = "region.toml"


def add_region_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand with its three words."""
    parser = subparsers.add_parser("region", help="the plan of a region: radio, borders, places, language, signed")
    words = parser.add_subparsers(dest="what", required=True, metavar="make|show|check")
    make = words.add_parser("make", help="check and sign one; units that are provisioned from now on get it")
    make.add_argument("folder", type=Path, metavar="OPERATOR", help="what `trapship init` made")
    make.add_argument("source", type=Path, metavar="SOURCE", help="TOML: name, version, and what is asked there")
    make.add_argument("--out", type=Path, metavar="FILE", help="where it goes (OPERATOR/region.toml)")
    add_passphrase(make)
    make.set_defaults(run=_make)
    show = words.add_parser("show", help="what one says, and who signed it")
    check = words.add_parser("check", help="whether it is signed by KEY; exit code 2 if not")
    check.add_argument("--key", type=Path, required=True, metavar="KEY", help="operator.pub of whose region it is")
    for each, run in ((show, _show), (check, _check)):
        each.add_argument("region", type=Path, metavar="FILE", help="a signed region plan")
        each.set_defaults(run=run)


def _make(args: argparse.Namespace) -> int:
    from trapship.desk.folder import at_desk
    from trapship.desk.provisioning import check_zone
    from trapship.vault import read_passphrase

    out: Path = args.out or args.folder / REGION
    try:
        text = _read(args.source).decode()
    except UnicodeDecodeError as error:
        raise SetupError(f"{args.source}: is no text: {error}") from error
    made = read_region(make_region(text, bytes(32), str(args.source)), None, str(args.source))
    if made.zone:
        check_zone(made.zone)
    with at_desk(args.folder, lambda: read_passphrase(args.passphrase_file)) as desk:
        data = make_region(text, desk.seed, str(args.source))
        before = read_region(_read(out), None, str(out)) if out.exists() else None
        if before is not None and before.title == made.title and _said(before) != _said(made):
            raise SetupError(f"{args.source}: {out} is {made.title} already, and says otherwise; take a new version")
        write_atomically(out, data)
    print(f"{out}: {made.title}, signed")
    print("units that are provisioned and flashed from now on have it; language and places reach the others by a")
    print(f"release: trapship build --region {out}; radio and borders do not: provision those again")
    return 0


def _show(args: argparse.Namespace) -> int:
    found = read_region(_read(args.region), None, str(args.region))
    print(f"{found.title}, signed by {found.key.hex()}")
    for line in _said(found):
        print(line)
    return 0


def _check(args: argparse.Namespace) -> int:
    key = read_key(args.key, "the key that region plans are signed with")
    print(f"{args.region}: good; {read_region(_read(args.region), key, str(args.region)).title}")
    return 0


def _said(region: Region) -> list[str]:
    lines = [f"radio: {key} = {value!r}" for key, value in sorted(region.radio.items())]
    for name in ("country", "zone", "language"):
        if value := getattr(region, name):
            lines.append(f"{name}: {value}")
    if region.places:
        lines.append("places: " + ", ".join(f"{k} {v:g}" for k, v in region.layer(TRAPBASE)["cards"].items()))
    return lines + [f"agreement with {country}: {name}" for country, name in region.agreements]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
