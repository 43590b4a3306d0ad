"""`trapbase backup` and `trapbase restore`."""

import argparse
import json
import time
from pathlib import Path

from trapbase.config import Settings
from trapbase.custody.backup import Progress, make_backup
from trapbase.custody.layout import backups_in
from trapbase.custody.restore import Restored, restore
from trapbase.run import say
from trapkit.errors import SetupError

SAY_EVERY_S = 2.0


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommands."""
    backup = subparsers.add_parser("backup", help="the whole base into a folder of backups; beside a running base")
    backup.add_argument("folder", type=Path, metavar="DIR", help="the folder of backups, best on another disk")
    backup.add_argument("--keep", type=int, metavar="N", help="how many stay (all)")
    backup.set_defaults(run=_backup)
    back = subparsers.add_parser("restore", help="bring the base back from a backup; it must not run")
    back.add_argument("backup", type=Path, metavar="BACKUP", help="one backup, or a folder of them: its newest")
    back.add_argument("--replace", action="store_true", help="set aside what lies in the base's folder, and keep it")
    back.set_defaults(run=_restore)
    for parser in (backup, back):
        parser.add_argument("--json", action="store_true", help="one JSON object")
        parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")


class _Teller:
    """Says how far it is, now and then."""

    def __init__(self) -> None:
        self._next = time.monotonic() + SAY_EVERY_S

    def tell(self, text: str) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SAY_EVERY_S
            say(text)


def _backup(args: argparse.Namespace, settings: Settings) -> int:
    if args.keep is not None and args.keep < 1:
        raise SetupError(f"--keep {args.keep}: allowed is 1 or more")
    teller, done = _Teller(), Progress(lost=[])
    utc_ms = time.time_ns() // 1_000_000
    for done in make_backup(Path(settings.folder), args.folder, settings.name, utc_ms, args.keep):
        teller.tell(f"backup: {done.looked} of {done.media} media, {done.copied} new")
    lost = done.lost or []
    if args.json:
        said = {"backup": str(done.path), "media": done.media, "copied": done.copied, "removed": done.removed}
        print(json.dumps(said | {"lost": lost}, sort_keys=True))
    else:
        print(f"{done.path}: {done.media} media, {done.copied} of them new; {done.removed} old backups removed")
        for sha256 in lost:
            print(f"media {sha256}: missing or damaged in the base itself: trapbase verify says whose it is")
    return 1 if lost else 0


def _restore(args: argparse.Namespace, settings: Settings) -> int:
    backup = args.backup
    found = backups_in(backup)
    if found:
        backup = found[-1]
    teller, state = _Teller(), None
    for state in restore(backup, Path(settings.folder), time.time_ns() // 1_000_000, replace=args.replace):
        teller.tell(f"restore: {state.verified} of {state.manifest.media} media verified, {state.copied} copied")
    assert state is not None
    _report(state, backup, settings, as_json=args.json)
    return 0


def _report(state: Restored, backup: Path, settings: Settings, *, as_json: bool) -> None:
    manifest = state.manifest
    if as_json:
        said = {"backup": str(backup), "made_ms": manifest.made_ms, "objects": manifest.objects, "media": state.copied}
        aside = None if state.aside is None else str(state.aside)
        print(json.dumps(said | {"counter": state.counter, "aside": aside, "let_go": state.let_go}, sort_keys=True))
        return
    print(f"{settings.folder}: is back from {backup}: {manifest.objects} objects, {state.copied} media")
    if manifest.base != settings.name:
        print(
            f"it is a backup of base {manifest.base!r}, and the settings name {settings.name!r}: is it the right one?"
        )
    if state.aside is not None:
        print(f"what was there lies in {state.aside}: take it away once all is well")
    if state.let_go:
        print(f"{state.let_go} settings that traps had been asked for are let go: ask again (trapbase set)")
    print("the base's next start asks the back end and the traps for what came since")
