"""`trapship pack`: the settings that all parks share, signed, so that what they count can be compared."""

import argparse
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapkit.operator.packs import Pack, flat, make_pack, read_pack
from trapkit.sealing import read_key
from trapship.signedfiles import add_words, read_file, read_source

PACK = "pack.toml"


def add_pack_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand with its three words."""
    parser = subparsers.add_parser("pack", help="the settings pack of all parks: the same methods everywhere, signed")
    add_words(parser, PACK, "settings pack", make=_make, show=_show, check=_check, checks=" and each value is allowed")


def _make(args: argparse.Namespace) -> int:
    from trapship.desk.folder import at_desk
    from trapship.desk.packcheck import check_values
    from trapship.vault import read_passphrase

    out: Path = args.out or args.folder / PACK
    text = read_source(args.source)
    pack = read_pack(make_pack(text, bytes(32), str(args.source)), None, str(args.source))
    check_values(pack, str(args.source))
    with at_desk(args.folder, lambda: read_passphrase(args.passphrase_file)) as desk:
        data = make_pack(text, desk.seed, str(args.source))
        before = read_pack(read_file(out), None, str(out)) if out.exists() else None
        if before is not None and before.title == pack.title and before.tables != pack.tables:
            raise SetupError(f"{args.source}: {out} is {pack.title} already, with other settings; take a new version")
        write_atomically(out, data)
    print(f"{out}: {pack.title}, {_count(pack)} settings, signed")
    print(f"units that are provisioned from now on have it; the others by a release: trapship build --settings {out}")
    return 0


def _show(args: argparse.Namespace) -> int:
    pack = read_pack(read_file(args.file), None, str(args.file))
    print(f"{pack.title}: {_count(pack)} settings, signed by {pack.key.hex()}")
    for program, table in sorted(pack.tables.items()):
        for key, value in sorted(flat(table).items()):
            print(f"{program}: {key} = {value!r}")
    return 0


def _check(args: argparse.Namespace) -> int:
    from trapship.desk.packcheck import check_values

    pack = read_pack(read_file(args.file), read_key(args.key, "the key that packs are signed with"), str(args.file))
    check_values(pack, str(args.file))
    print(f"{args.file}: good; {pack.title}, {_count(pack)} settings")
    return 0


def _count(pack: Pack) -> int:
    return sum(len(flat(table)) for table in pack.tables.values())
