"""`trapship tuf-keys`, `build`, `sign`, `publish`, `status`, `rollback`, `rotate`, `countersign`, `move-key`,
`rehearse-loss`: words to calls, and what came of them to stdout."""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from trapkit.errors import SetupError
from trapkit.update.offer import PARTS
from trapship.release.roles import DEFAULT_ROOTS, DEFAULT_THRESHOLD, FIRST_ROOT, FOLDER, ROLES
from trapship.vault import Vault, read_passphrase

if TYPE_CHECKING:
    from trapship.release.keys import Signers
    from trapship.release.repository import Repository

MAX_VAULTS = 9


def add_release_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands that know releases."""
    parser = subparsers.add_parser("tuf-keys", help="the keys that sign releases, and the root that every unit gets")
    parser.add_argument("operator", type=Path, metavar="OPERATOR", help="the operator's folder; what is there is kept")
    parser.add_argument("--roots", type=int, default=DEFAULT_ROOTS, metavar="N", help=f"root keys ({DEFAULT_ROOTS})")
    parser.add_argument(
        "--threshold", type=int, default=DEFAULT_THRESHOLD, metavar="N", help=f"that must sign ({DEFAULT_THRESHOLD})"
    )
    _add_phrase(parser)
    parser.set_defaults(run=_tuf_keys)

    parser = subparsers.add_parser("build", help="a release's parts in one folder, to look at; no key is needed")
    parser.add_argument("folder", type=Path, metavar="BUILD", help="new, or an older build, which it replaces")
    parser.add_argument("--release", required=True, metavar="VERSION", help="YEAR.MONTH.NUMBER, such as 2026.12.1")
    helps = {
        "application": "pugmark's wheel; again for wheels that shall travel with it",
        "supervisor": "the folder of `trapship bundle`",
        "model": "feline.toml, beside its net",
        "settings": "a signed settings pack",
        "region": "a signed region plan",
    }
    for part in PARTS:
        parser.add_argument(f"--{part}", type=Path, action="append", default=[], metavar="PATH", help=helps[part])
    parser.set_defaults(run=_build)

    parser = subparsers.add_parser("sign", help="make a build a release: with the targets key; begins a repository")
    parser.add_argument("build", type=Path, metavar="BUILD", help="what `build` made")
    _add_repository(parser)
    parser.set_defaults(run=_sign)

    parser = subparsers.add_parser("publish", help="make known what was signed, and renew what ends; every 45 days")
    _add_repository(parser)
    parser.set_defaults(run=_publish)

    parser = subparsers.add_parser("rollback", help="publish an older release again, for units that have a later one")
    _add_repository(parser)
    parser.add_argument("--to", required=True, metavar="VERSION", help="a release that is kept")
    parser.set_defaults(run=_rollback)

    parser = subparsers.add_parser("status", help="what is published, what ends when, which keys; 1 when one has ended")
    _add_repository(parser, needs_keys=False)
    parser.add_argument("--json", action="store_true", help="as JSON on stdout")
    parser.set_defaults(run=_status)

    parser = subparsers.add_parser("rotate", help="another key for a role, signed by the root keys at hand")
    _add_repository(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--role", choices=ROLES, help="whose key is lost, stolen or old")
    what.add_argument("--renew", action="store_true", help="no other key: root's date anew, once in five years")
    parser.add_argument("--replace", default="", metavar="KEY", help="of several root keys, which: root-2, or its id")
    parser.set_defaults(run=_rotate)

    parser = subparsers.add_parser("countersign", help="add these root keys' signatures to the root that waits")
    _add_repository(parser)
    parser.set_defaults(run=_countersign)

    parser = subparsers.add_parser("move-key", help="a secret into another folder, with a passphrase of its own")
    parser.add_argument("operator", type=Path, metavar="OPERATOR", help="the folder that has it")
    parser.add_argument("name", metavar="NAME", help="such as tuf/root-2.key")
    parser.add_argument("to", type=Path, metavar="DIR", help="another folder, on a stick say")
    _add_phrase(parser)
    parser.add_argument("--to-passphrase-file", type=Path, metavar="FILE", help="the other folder's; asked for without")
    parser.set_defaults(run=_move_key)

    parser = subparsers.add_parser("rehearse-loss", help="lose each kind of key, on a copy: what works, what to do")
    _add_repository(parser)
    parser.add_argument("--backup", type=Path, metavar="DIR", help="your copy of OPERATOR: is it whole, does it open")
    parser.set_defaults(run=_rehearse)


def _add_phrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="its first line; asked for without; again for each folder, in their order",
    )


def _add_repository(parser: argparse.ArgumentParser, *, needs_keys: bool = True) -> None:
    parser.add_argument("repository", type=Path, metavar="REPO", help="the repository's folder")
    parser.add_argument(
        "--operator",
        type=Path,
        action="append",
        default=[],
        required=needs_keys,
        metavar="DIR",
        help="a folder with keys; again for keys that lie elsewhere",
    )
    _add_phrase(parser)


def _vaults(args: argparse.Namespace) -> list[Vault]:
    folders, files = list(args.operator), list(args.passphrase_file)
    if len(folders) > MAX_VAULTS or len(files) > len(folders):
        raise SetupError(
            f"{len(files)} passphrase files for {len(folders)} folders; allowed is one each, of {MAX_VAULTS}"
        )
    files += [None] * (len(folders) - len(files))
    phrases = [read_passphrase(file, what=str(folder)) for folder, file in zip(folders, files, strict=True)]
    return [Vault(folder, phrase) for folder, phrase in zip(folders, phrases, strict=True)]


def _opened(args: argparse.Namespace) -> "tuple[Repository, list[Vault], Signers]":
    from trapship.release.keys import signers
    from trapship.release.repository import Repository

    vaults = _vaults(args)
    return Repository(args.repository), vaults, signers(vaults)


@contextmanager
def _changing(args: argparse.Namespace, *, make: bool = False) -> "Iterator[tuple[Repository, list[Vault], Signers]]":
    """The same, and nobody else changes the repository meanwhile; passphrases are asked for before."""
    from trapship.release.lock import held

    opened = _opened(args)
    with held(args.repository, args.command, make=make):
        yield opened


def _say(said: list[str]) -> int:
    for line in said:
        print(line)
    return 0


def _now() -> datetime:
    from trapship.release.keys import rounded

    return rounded(datetime.now(UTC))


def _tuf_keys(args: argparse.Namespace) -> int:
    from trapship.release.keys import make

    is_new = not (args.operator / FOLDER / FIRST_ROOT).exists()
    phrase = read_passphrase(_one(args.passphrase_file), new=is_new, what=str(args.operator))
    return _say(make(Vault(args.operator, phrase), args.threshold, args.roots))


def _build(args: argparse.Namespace) -> int:
    from trapship.release.build import build

    said = build(args.folder, args.release, {part: getattr(args, part) for part in PARTS}, _now())
    return _say([*said, f"{args.folder}: look at it, then: trapship sign {args.folder} REPO --operator OPERATOR"])


def _sign(args: argparse.Namespace) -> int:
    from trapship.release.build import read_build
    from trapship.release.sign import sign_build

    built = read_build(args.build)
    with _changing(args, make=True) as (repository, vaults, signers):
        said = []
        for vault in vaults:
            first = vault.folder / FOLDER / FIRST_ROOT
            if first.is_file() and repository.begin(first.read_bytes()):
                said.append(f"{repository.folder}: new, with the root of {first}")
        return _say([*said, *sign_build(repository, built, signers, _now())])


def _publish(args: argparse.Namespace) -> int:
    from trapship.release.copies import idle_keys
    from trapship.release.publish import publish

    with _changing(args) as (repository, vaults, signers):
        said = publish(repository, signers, _now())
        return _say([*said, *idle_keys(repository, vaults)])


def _rollback(args: argparse.Namespace) -> int:
    from trapship.release.publish import publish
    from trapship.release.sign import sign_rollback

    with _changing(args) as (repository, _, signers):
        said = sign_rollback(repository, args.to, signers, _now())
        return _say([*said, *publish(repository, signers, _now())])


def _status(args: argparse.Namespace) -> int:
    from trapship.release.copies import idle_keys
    from trapship.release.status import lines, status

    repository, vaults, signers = _opened(args)
    told = status(repository, signers, _now())
    told["notes"] += idle_keys(repository, vaults)
    if args.json:
        print(json.dumps(told, indent=1))
    else:
        _say(lines(told))
    return 1 if told["expired"] else 0


def _rotate(args: argparse.Namespace) -> int:
    from trapship.release.rotate import renew_root, rotate

    with _changing(args) as (repository, vaults, signers):
        if args.renew:
            return _say(renew_root(repository, signers, _now()))
        return _say(rotate(repository, args.role, vaults, signers, _now(), replace=args.replace))


def _countersign(args: argparse.Namespace) -> int:
    from trapship.release.rotate import countersign

    with _changing(args) as (repository, _, signers):
        return _say(countersign(repository, signers))


def _move_key(args: argparse.Namespace) -> int:
    source = Vault(args.operator, read_passphrase(_one(args.passphrase_file), what=str(args.operator)))
    secret = source.get(args.name)
    is_new = not args.to.exists() or not any(args.to.iterdir())
    phrase = read_passphrase(args.to_passphrase_file, new=is_new, what=str(args.to))
    if args.to.resolve() == args.operator.resolve():
        raise SetupError(f"{args.to}: is the folder that has it already")
    Vault(args.to, phrase).put(args.name, secret)
    if Vault(args.to, phrase).get(args.name) != secret:
        raise SetupError(f"{args.to / args.name}: was read back other than it was written; take another stick")
    source.remove(args.name)
    return _say([f"{args.to / args.name}: new", f"{args.operator / args.name}: gone"])


def _rehearse(args: argparse.Namespace) -> int:
    from trapship.desk.folder import is_operator_folder
    from trapship.desk.losses import rehearse_desk
    from trapship.release.copies import copy_troubles, idle_keys
    from trapship.release.rehearse import rehearse

    repository, vaults, _ = _opened(args)
    desks = [vault for vault in vaults if is_operator_folder(vault.folder)]
    if args.backup and not desks:
        raise SetupError(f"--backup {args.backup}: none of the folders named is one of `trapship init`")
    wrong = 0
    for each in rehearse(repository, vaults, _now()):
        _say(each.lines())
    _say(idle_keys(repository, vaults))
    for vault in desks:
        if args.backup:
            troubles = copy_troubles(repository, vault, args.backup)
            _say(
                [f"! {each}" for each in troubles] or [f"{args.backup}: has every release key that {vault.folder} has"]
            )
            wrong += len(troubles)
        for each in rehearse_desk(vault, args.backup, _now().timestamp()):
            _say(each.lines())
            wrong += not each.is_mended
    _say(["nothing of yours was changed: all of this was done on a copy"])
    return 1 if wrong else 0


def _one(files: list[Path]) -> Path | None:
    if len(files) > 1:
        raise SetupError(f"--passphrase-file: {len(files)} were named; allowed is one")
    return files[0] if files else None
