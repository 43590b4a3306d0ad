"""`trapbase import`: what a stick or a phone brings, into custody; also beside a running base."""

import argparse
import json
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trapbase.cmd_cards import read_places
from trapbase.config import Settings
from trapbase.parcels import MAX_NAMED, Imported, Tell, find_parcels, import_file, import_parcel, leave_note
from trapbase.reader import Reader
from trapbase.run import say
from trapbase.store import Store
from trapkit.errors import StorageError
from trapkit.files import lock_folder

INCOMING = "incoming-import"  # a running ingest has its own, and clears it
TELL_EVERY_S = 2.0


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "import", help="take what `trapcam collect` put on a stick, or a phone brought; beside a running base too"
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="DIR|FILE.tar",
        help="the stick, its folder `pugmark`, one parcel, or a phone's tar",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace, settings: Settings) -> int:
    parcels = [args.folder] if args.folder.is_file() else find_parcels(args.folder)
    folder = Path(settings.folder)
    Reader(folder).close()  # raises where there is no base yet
    done: list[Imported] = []
    with (
        lock_folder(folder, "trapbase-import"),
        closing(Store(folder, Path(settings.unit_keys), incoming=INCOMING)) as store,
    ):
        store.media.recover()
        for each in parcels:
            try:
                done.append(_take(store, each, settings.name))
            except OSError as error:
                raise StorageError(
                    f"{each}: the stick cannot be read: {error.strerror or error}; what was taken is safe, "
                    "put the stick in again and say the same: doubles are no harm"
                ) from error
    with closing(Reader(folder)) as reader:
        known = set(read_places(settings, reader).known())
    strangers = sorted({trap for each in done for trap in each.traps} - known)
    if args.json:
        print(json.dumps({"parcels": [_figures(each) for each in done], "not_in_settings": strangers}))
    else:
        _print(done, strangers)
    return 1 if any(each.damaged or each.missing or each.refused for each in done) else 0


def _take(store: Store, folder: Path, base: str) -> Imported:
    now_ms = time.time_ns() // 1_000_000
    if folder.is_file():
        return import_file(store, folder, folder.name, now_ms, _teller())
    done = import_parcel(store, folder, now_ms, _teller())
    leave_note(done, base, datetime.fromtimestamp(now_ms // 1000, UTC).strftime("%Y-%m-%d %H:%M UTC"))
    return done


def _figures(done: Imported) -> dict[str, Any]:
    return {
        "folder": str(done.folder),
        "taken": done.taken,
        "new": done.new,
        "doubles": done.doubles,
        "aside": done.aside,
        "refused": done.refused,
        "damaged": done.damaged[:MAX_NAMED],
        "damaged_count": len(done.damaged),
        "missing": done.missing[:MAX_NAMED],
        "missing_count": len(done.missing),
        "note": done.note,
    }


def _print(done: list[Imported], strangers: list[int]) -> None:
    for each in done:
        aside = f", {each.aside} kept aside" if each.aside else ""
        print(f"{each.folder}: {each.taken} objects are safe here: {each.new} new, {each.doubles} doubles{aside}")
        if each.refused:
            print(f"  not taken: {each.refused} that contradict what came first under their key")
        for what, names in (("damaged", each.damaged), ("missing", each.missing)):
            for name in names[:MAX_NAMED]:
                print(f"  {what}: {name}")
            if len(names) > MAX_NAMED:
                print(f"  and {len(names) - MAX_NAMED} more {what}")
        if each.note:
            print(f"  {each.note}")
    for trap in strangers:
        print(f"trap {trap}: no [[trap]] table and no ranger's card names it; its objects wait here until one does")


def _teller() -> Tell:
    """Says how far it is, every few seconds."""
    said_s = time.monotonic()

    def tell(name: str, objects: int) -> None:
        nonlocal said_s
        if time.monotonic() - said_s >= TELL_EVERY_S:
            said_s = time.monotonic()
            say(f"import: {name}: {objects} objects are safe here")

    return tell
