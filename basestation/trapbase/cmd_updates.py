"""`trapbase updates`: who runs which release, what waits, what went back and why; and the operator's word.

`go` and `stop` write down what is said; the running base does it within seconds.
"""

import argparse
import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from trapbase.cmd_cards import read_places
from trapbase.config import Settings
from trapbase.reader import Reader
from trapbase.run import say
from trapbase.updates.byradio import read_sent
from trapbase.updates.kept import DONE, STOPPED, UpdateStore
from trapbase.updates.look import Look, look
from trapbase.updates.words import headline, notes, release_rows, rollout_json, unit_rows
from trapkit.errors import SetupError

SHOW, GO, STOP = "show", "go", "stop"


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("updates", help="who runs which release, what waits, what went back and why")
    parser.add_argument(
        "what", nargs="?", choices=(SHOW, GO, STOP), default=SHOW,
        help="show; go: begin the next wave now, or go on after a stop; stop: nobody else may take it",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")
    parser.set_defaults(run=_updates)


def read_look(settings: Settings, reader: Reader, traps: list[dict[str, Any]] | None = None) -> Look:
    """Updates as they are now, read beside a running base.  Raises: SetupError, StorageError."""
    now_ms, radio = time.time_ns() // 1_000_000, read_sent(Path(settings.folder))
    return look(settings.updates, reader.rows, traps or reader.traps(), read_places(settings, reader), now_ms, radio)


def _updates(args: argparse.Namespace, settings: Settings) -> int:
    folder = Path(settings.folder)
    with closing(Reader(folder)) as reader:
        if args.what != SHOW:
            return _say(args.what, settings, reader)
        _show(read_look(settings, reader), {t.number: t.side for t in settings.trap}, as_json=args.json)
    return 0


def _show(seen: Look, sides: dict[int, str], *, as_json: bool) -> None:
    units, releases = unit_rows(seen, sides), release_rows(seen)
    if as_json:
        said = {"rollout": rollout_json(seen.rollout), "headline": headline(seen), "needs": notes(seen)}
        print(json.dumps(said | {"units": units, "releases": releases}, sort_keys=True))
        return
    print(headline(seen))
    for note in notes(seen):
        print(f"! {note}")
    wide = [max((len(str(unit[name])) for unit in units), default=0) for name in ("station", "side", "running")]
    for unit in units:
        where = f"{unit['station']:<{wide[0]}}  trap {unit['trap']:<5}  {unit['side']:<{wide[1]}}"
        print(f"  {where}  {unit['running']:<{wide[2]}}  {unit['words']}".rstrip())
        for words in unit["troubles"]:
            print(f"      {words}")
    for release in releases:
        print(f"here: {release['release']} ({release['parts']}; {release['kib']} KiB)")


def _say(what: str, settings: Settings, reader: Reader) -> int:
    """The operator's word, written down."""
    seen = read_look(settings, reader)
    row, now_ms = seen.rollout, time.time_ns() // 1_000_000
    if row is None:
        raise SetupError(f"updates {what}: no release is on its way; publish one, and let the base fetch it")
    with closing(UpdateStore(Path(settings.folder))) as kept:
        if what == STOP:
            if row["state"] == STOPPED:
                raise SetupError(
                    f"updates stop: {row['release']} is stopped already: {row['why'] or 'by the operator'}"
                )
            kept.stop(row, "", now_ms)
            say(
                f"{row['release']}: nobody else may take it; who has begun goes on. `trapbase updates go` takes it back"
            )
            return 0
        if row["state"] == DONE:
            raise SetupError(f"updates go: {row['release']} runs on every unit that is heard")
        kept.go(row, now_ms)
    if row["state"] == STOPPED:
        say(f"{row['release']} goes on; what was wrong with units up to now stops it no more")
    else:
        say(f"{row['release']}: wave {row['wave'] + 1} begins")
    return 0
