"""`trapship bundle`, `flash` and `doctor`: words to calls, and what came of them to stdout."""

import argparse
import json
import sys
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.progress import say
from trapkit.serialport import why_absent
from trapship.boards import BOARDS
from trapship.unitsettings import ROLES, load_settings

WAIT_S = 30.0
MOST_WAIT_S = 3600.0  # somebody stands beside the board, with a hand on its RESET
BUNDLE = Path("bundle")


def add_unit_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The three commands that know boards."""
    parser = subparsers.add_parser("bundle", help="all that goes onto a unit, in one folder; made once, with internet")
    parser.add_argument("folder", type=Path, metavar="DIR", help="new, or an older bundle, which it replaces")
    parser.add_argument(
        "--lib", type=Path, metavar="DIR", help="a folder with micropython-lib's lora/, without internet"
    )
    parser.add_argument("--index", metavar="URL", help="a package index of your own, instead of mpremote's")
    parser.set_defaults(run=_bundle)

    parser = subparsers.add_parser("flash", help="firmware, settings and keys onto a unit on a cable")
    _add_port(parser)
    parser.add_argument("--board", choices=sorted(BOARDS), required=True, help="which board this is")
    parser.add_argument("--role", choices=ROLES, required=True, help="what it shall be")
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE", help="its mcu.json")
    parser.add_argument("--keys", type=Path, metavar="DIR", help="what `trapship keys` made: fills in this unit's keys")
    parser.add_argument("--bundle", type=Path, default=BUNDLE, metavar="DIR", help=f"what `bundle` made ({BUNDLE})")
    parser.add_argument("--other-unit", action="store_true", help="it lives, and shall be another from now on")
    parser.add_argument("--erase-state", action="store_true", help="throw its counters, queue and event log away")
    parser.set_defaults(run=flash)

    parser = subparsers.add_parser("doctor", help="what is wrong with a unit on a cable; it starts again afterwards")
    _add_port(parser)
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="compare its firmware with this bundle too")
    parser.set_defaults(run=_doctor)


def _add_port(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", required=True, metavar="PATH", help="where it is plugged in, like /dev/ttyACM0")
    parser.add_argument(
        "--wait", type=_wait_s, metavar="S",
        help=f"for its answer, in s ({WAIT_S:.0f}); said, it is waited for a port that is not there yet, too",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="the result as JSON on stdout")


def _wait_s(text: str) -> float:
    try:
        wait_s = float(text)
    except ValueError:
        wait_s = -1.0
    if not 0 <= wait_s <= MOST_WAIT_S:  # nan is not either: with it the knocking would never end
        raise argparse.ArgumentTypeError(f"{text!r} is no time to wait; allowed is 0–{MOST_WAIT_S:g} s")
    return wait_s


def _patience_s(args: argparse.Namespace) -> float:
    """How long to wait for the board's answer.  Raises: SetupError for a port that is not there, unless it was said how
    long to wait for one."""
    trouble = why_absent(args.port)
    if trouble and args.wait is None:
        raise SetupError(
            f"{trouble}. A unit that sleeps has none until its RESET is pressed: say --wait {WAIT_S:.0f}, then press it"
        )
    if trouble:
        say(trouble)
    return WAIT_S if args.wait is None else float(args.wait)


def _bundle(args: argparse.Namespace) -> int:
    from trapship.bundle import make_bundle

    for line in make_bundle(args.folder, library=args.lib, index=args.index):
        print(line)
    return 0


def flash(args: argparse.Namespace) -> int:
    """Run the command; its exit code.  Raises: SetupError."""
    from trapship.bundle import read_bundle
    from trapship.flash import Done, Flasher, Interrupted
    from trapship.rawrepl import NoAnswer
    from trapship.reach import reach

    settings = load_settings(args.settings, args.role, args.keys)
    bundle = read_bundle(args.bundle)
    if args.board not in bundle.files:
        raise SetupError(f"{args.bundle}: has nothing for {args.board}; make it again: trapship bundle {args.bundle}")
    wait_s = _patience_s(args)
    done = Done(port=args.port, board=args.board, role=args.role, version=bundle.version)
    error, code = "", 0
    try:
        reached = reach(args.port, wait_s, say)
        try:
            flasher = Flasher(reached.repl, bundle, done, say)
            flasher.run(reached.who, settings, other_unit=args.other_unit, erase_state=args.erase_state)
        finally:
            reached.close()
    except SetupError as wrong:
        error, code = str(wrong), 2
    except (Interrupted, NoAnswer) as wrong:
        error, code = str(wrong), 1
    if error:
        print(f"trapship: {error}", file=sys.stderr)
    if args.json:
        print(json.dumps({**done.as_json(), "error": error or None}, indent=1))
    elif not error:
        trial = " (on trial)" if done.on_trial else ""
        print(f"{args.port}: {args.role}, version {done.version} in slot {done.slot}{trial}: {done.alive}")
    return code


def _doctor(args: argparse.Namespace) -> int:
    from trapship.bundle import read_bundle
    from trapship.doctor import examine

    bundle = read_bundle(args.bundle) if args.bundle else None
    report = examine(args.port, _patience_s(args), bundle, say)
    if args.json:
        print(json.dumps(report.as_json(), indent=1))
    else:
        for line in report.lines():
            print(line)
    return 1 if report.findings else 0
