"""`trapship revoke`: a unit that was stolen is shut out, of an operator's folder or of single folders of keys."""

import argparse
import time
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import write_and_read_back
from trapship.cmd_init import add_passphrase

LIST = "pugmark-revoked"  # on a stick


def add_revoke_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "revoke",
        help="shut out a unit that was stolen, say: its certificates, its radio key, its calls to its partner",
        usage="trapship revoke OPERATOR trap|base|repeater N [--out STICK] [--broker HOST]\n"
        "       trapship revoke DIR [DIR ...] NAME        (folders of `trapship fleet` and `keys`)",
    )
    parser.add_argument("words", nargs="+", metavar="WORD", help="as above; NAME: a trap's number, or a program")
    parser.add_argument("--out", type=Path, metavar="DIR", help="a stick: the signed list, for any number of bases")
    parser.add_argument("--broker", metavar="HOST", help="a base's broker, reached from here: it has it at once")
    parser.add_argument("--port", type=int, default=8883, metavar="PORT", help="of that broker (8883)")
    add_passphrase(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from trapship.desk.folder import is_operator_folder

    if is_operator_folder(Path(args.words[0])):
        return _of_operator(args)
    if len(args.words) < 2:
        raise SetupError("revoke: say the folder and who is shut out: trapship revoke OPERATOR trap 7")
    return _of_folders([Path(word) for word in args.words[:-1]], args.words[-1])


def _of_operator(args: argparse.Namespace) -> int:
    from trapship.desk.folder import REVOKED, at_desk
    from trapship.desk.output import check_out, utc_words
    from trapship.desk.revoking import revoke
    from trapship.desk.tell import check_host, tell_base
    from trapship.vault import read_passphrase

    folder, unit = Path(args.words[0]), args.words[1:]
    if len(unit) != 2 or not (unit[1].isascii() and unit[1].isdecimal() and 0 < int(unit[1]) <= 65535):
        raise SetupError(f"revoke {folder}: say which unit: trap 7, base 1 or repeater 1")
    check_out(args.out)
    if args.broker is not None:
        check_host(args.broker)
    with at_desk(folder, lambda: read_passphrase(args.passphrase_file)) as desk:
        said = revoke(desk.register, unit[0], int(unit[1]), utc_words(time.time()))
        desk.save()
        for line in said:  # before the ways to a base, which may fail
            print(line)
        if args.out is not None:
            write_and_read_back(args.out / LIST, desk.public(REVOKED))
            print(f"{args.out / LIST}: signed; at each base: trapbase shut-out {args.out / LIST} --config base.toml")
        if args.broker is not None:
            base = tell_base(desk, args.broker, args.port, int(unit[1]))
            print(f"base {base} has the list in force")
    if args.out is None and args.broker is None:
        print(f"{folder / REVOKED}: signed; no base has it yet: say --out STICK or --broker HOST")
    return 0


def _of_folders(folders: list[Path], name: str) -> int:
    from trapship.linkkeys import LINK

    keyed = [folder for folder in folders if (folder / LINK).is_dir()]
    certified = [folder for folder in folders if folder not in keyed or (folder / "ca.crt").exists()]
    for folder in keyed:  # first: what follows may fail, and a thief is shut out at once
        _revoke_link(folder, name)
    for folder in certified:
        _revoke_certificate(folder, name)
    if name.isdecimal() and not keyed:
        print(f"its link key, by which it speaks by radio, stays: trapship revoke KEYS {name}")
    return 0


def _revoke_link(folder: Path, name: str) -> None:
    from trapship.linkkeys import remove_link_keys

    gone = remove_link_keys(folder, name)
    for path in gone:
        linked = path.endswith((".key", ".next"))
        other = "base" if path.endswith(".up") else "unit"
        then = (
            f"the base refuses trap {name} by radio within seconds" if linked else f"take it off the other {other} too"
        )
        print(f"{path}: gone; {then}")
    if not gone:
        print(f"{folder}: {name} has no link key here")


def _revoke_certificate(folder: Path, name: str) -> None:
    from trapship.certificates import revoke

    if not revoke(folder, name):
        print(f"{name} was revoked already")
        return
    print(f"{folder / 'ca.crl'}: {name} is revoked; start the broker again, and it is refused")
    print("(SIGHUP makes a running broker read the list: nobody gets in by it any more; an open connection goes on)")
    print(f"before {name} gets a new pair by `trapship fleet`, move {name}.crt and {name}.key away")
