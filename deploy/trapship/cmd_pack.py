"""`trapship pack`: the settings that all parks share, signed, so that what they count can be compared."""

import argparse
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapkit.operator.packs import Pack, flat, make_pack, read_pack
from trapkit.operator.signedtext import MAX_BYTES
from trapkit.sealing import read_key
from trapship.cmd_init import add_passphrase

PACK = "pack.toml"


def add_pack_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand with its three words."""
    parser = subparsers.add_parser("pack", help="the settings pack of all parks: the same methods everywhere, signed")
    words = parser.add_subparsers(dest="what", required=True, metavar="make|show|check")
    make = words.add_parser("make", help="check and sign one; units that are provisioned from now on get it")
    make.add_argument("folder", type=Path, metavar="OPERATOR", help="what `trapship init` made, of whoever signs packs")
    make.add_argument("source", type=Path, metavar="SOURCE", help="TOML: name, version, and their tables")
    make.add_argument("--out", type=Path, metavar="FILE", help="where it goes (OPERATOR/pack.toml)")
    add_passphrase(make)
    make.set_defaults(run=_make)
    show = words.add_parser("show", help="what one says, and who signed it")
    check = words.add_parser("check", help="whether it is signed by KEY and each value is allowed; exit code 2 if not")
    check.add_argument("--key", type=Path, required=True, metavar="KEY", help="operator.pub of whoever signs packs")
    for each, run in ((show, _show), (check, _check)):
        each.add_argument("pack", type=Path, metavar="FILE", help="a signed pack")
        each.set_defaults(run=run)


def _make(args: argparse.Namespace) -> int:
    from trapship.desk.folder import at_desk
    from trapship.desk.packcheck import check_values
    from trapship.vault import read_passphrase

    out: Path = args.out or args.folder / PACK
    try:
        text = _read(args.source).decode()
    except UnicodeDecodeError as error:
        raise SetupError(f"{args.source}: is no text: {error}") from error
    pack = read_pack(make_pack(text, bytes(32), str(args.source)), None, str(args.source))
    check_values(pack, str(args.source))
    with at_desk(args.folder, lambda: read_passphrase(args.passphrase_file)) as desk:
        data = make_pack(text, desk.seed, str(args.source))
        before = read_pack(_read(out), None, str(out)) if out.exists() else None
        if before is not None and before.title == pack.title and before.tables != pack.tables:
            raise SetupError(f"{args.source}: {out} is {pack.title} already, with other settings; take a new version")
        write_atomically(out, data)
    print(f"{out}: {pack.title}, {_count(pack)} settings, signed")
    print(f"units that are provisioned from now on have it; the others by a release: trapship build --settings {out}")
    return 0


def _show(args: argparse.Namespace) -> int:
    pack = read_pack(_read(args.pack), None, str(args.pack))
    print(f"{pack.title}: {_count(pack)} settings, signed by {pack.key.hex()}")
    for program, table in sorted(pack.tables.items()):
        for key, value in sorted(flat(table).items()):
            print(f"{program}: {key} = {value!r}")
    return 0


def _check(args: argparse.Namespace) -> int:
    from trapship.desk.packcheck import check_values

    pack = read_pack(_read(args.pack), read_key(args.key, "the key that packs are signed with"), str(args.pack))
    check_values(pack, str(args.pack))
    print(f"{args.pack}: good; {pack.title}, {_count(pack)} settings")
    return 0


def _count(pack: Pack) -> int:
    return sum(len(flat(table)) for table in pack.tables.values())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
