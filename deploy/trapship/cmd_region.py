"""`trapship region`: what a country asks of every unit there, signed: radio, borders, places, language."""

import argparse
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapkit.operator.regions import TRAPBASE, Region, make_region, read_region
from trapkit.sealing import read_key
from trapship.signedfiles import add_words, read_file, read_source

REGION = "region.toml"


def add_region_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand with its three words."""
    parser = subparsers.add_parser("region", help="the plan of a region: radio, borders, places, language, signed")
    add_words(parser, REGION, "region plan", make=_make, show=_show, check=_check)


def _make(args: argparse.Namespace) -> int:
    from trapship.desk.folder import at_desk
    from trapship.desk.provisioning import check_zone
    from trapship.vault import read_passphrase

    out: Path = args.out or args.folder / REGION
    text = read_source(args.source)
    made = read_region(make_region(text, bytes(32), str(args.source)), None, str(args.source))
    if made.zone:
        check_zone(made.zone)
    with at_desk(args.folder, lambda: read_passphrase(args.passphrase_file)) as desk:
        data = make_region(text, desk.seed, str(args.source))
        before = read_region(read_file(out), None, str(out)) if out.exists() else None
        if before is not None and before.title == made.title and _said(before) != _said(made):
            raise SetupError(f"{args.source}: {out} is {made.title} already, and says otherwise; take a new version")
        write_atomically(out, data)
    print(f"{out}: {made.title}, signed")
    print("units that are provisioned and flashed from now on have it; language and places reach the others by a")
    print(f"release: trapship build --region {out}; radio and borders do not: provision those again")
    return 0


def _show(args: argparse.Namespace) -> int:
    found = read_region(read_file(args.file), None, str(args.file))
    print(f"{found.title}, signed by {found.key.hex()}")
    for line in _said(found):
        print(line)
    return 0


def _check(args: argparse.Namespace) -> int:
    key = read_key(args.key, "the key that region plans are signed with")
    print(f"{args.file}: good; {read_region(read_file(args.file), key, str(args.file)).title}")
    return 0


def _said(region: Region) -> list[str]:
    lines = [f"radio: {key} = {value!r}" for key, value in sorted(region.radio.items())]
    for name in ("country", "zone", "language"):
        if value := getattr(region, name):
            lines.append(f"{name}: {value}")
    if region.places:
        lines.append("places: " + ", ".join(f"{k} {v:g}" for k, v in region.layer(TRAPBASE)["cards"].items()))
    return lines + [f"agreement with {country}: {name}" for country, name in region.agreements]
