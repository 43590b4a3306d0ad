"""`trapcam collect`: everything without a receipt onto a stick, beside a running trap. Nothing is deleted here."""

import argparse
import json
import time
from pathlib import Path

from trapcam.collect import Tell, collect
from trapcam.config import TrapSettings, require_trap
from trapcam.examine.stopping import terminable
from trapkit.progress import say
from trapkit.settings import load_settings

TELL_EVERY_S = 2.0
MB = 1_000_000


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "collect", help="copy everything without a receipt onto a stick; beside a running trap, and nothing is deleted"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="the trap's settings (TOML); defaults without it")
    parser.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="where the stick is mounted; of all traps"
    )
    parser.add_argument("--rest", action="store_true", help="only what no stick has yet: the last one was full, say")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    settings = load_settings(TrapSettings, args.config)
    data = Path(settings.data)
    if args.to.is_dir() and data.is_dir() and args.to.stat().st_dev == data.stat().st_dev:
        say(f"trapcam collect: {args.to} is on the same disk as {data}: is the stick mounted there?")
    try:
        with terminable():
            now_ms = time.time_ns() // 1_000_000
            done = collect(data, require_trap(settings), args.to, now_ms, rest=args.rest, tell=_teller())
    except KeyboardInterrupt:
        say("trapcam collect: stopped; what is on the stick is whole. Say the same again and it goes on")
        return 1
    for words in done.damaged:
        say(f"trapcam collect: stays behind: {words}")
    if args.json:
        result = {"folder": str(done.folder), "parcel": done.parcel, "objects": done.there}
        print(json.dumps(result | {"written": done.written, "damaged": done.damaged}))
    else:
        print(f"{done.there} objects lie in {done.folder}, {done.written} of them new; parcel {done.parcel}")
    return 1 if done.damaged else 0


def _teller() -> Tell:
    """Says how far it is, every few seconds and at the end."""
    said_s = time.monotonic()

    def tell(done: int, of: int, done_bytes: int, of_bytes: int) -> None:
        nonlocal said_s
        if done == of or time.monotonic() - said_s >= TELL_EVERY_S:
            said_s = time.monotonic()
            say(f"trapcam collect: {done} of {of} objects, {done_bytes / MB:.1f} of {of_bytes / MB:.1f} MB")

    return tell
