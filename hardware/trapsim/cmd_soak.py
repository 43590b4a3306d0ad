"""`trapsim soak`: very many alerts on a bad air, very many hostile frames: the table of SOAK.md; with `--bursts` the
trap's own soak, with `--base` the base's, with `--updates` that of updates."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapsim.arguments import whole

HARDWARE = Path(__file__).resolve().parents[1]
MANY = 10_000_000


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "soak", help="very many alerts and hostile frames through the link, or bursts through a trap"
    )
    parser.add_argument("--alerts", type=whole(0, MANY), default=10_000, help="at least so many (10000); 0: none")
    parser.add_argument("--hostile", type=whole(0, MANY), default=10_000, help="so many frames (10000); 0: none")
    parser.add_argument("--seed", type=whole(0, 2**31), default=1, help="of everything that is drawn (1)")
    parser.add_argument("--workers", type=whole(1, 256), default=os.cpu_count() or 1, help="processes (one a core)")
    parser.add_argument("--night", type=whole(1, MANY), help="only this night of the seed")
    parser.add_argument("--round", type=whole(1, MANY), help="only this round of hostile frames of the seed")
    parser.add_argument("--bursts", type=whole(1, MANY), help="soak the trap in its place: so many bursts, with faults")
    parser.add_argument("--season", type=whole(1, MANY), help="only this season of the trap's (with --bursts)")
    parser.add_argument("--kept", type=Path, metavar="FILE", help="not played again (--bursts, --base)")
    parser.add_argument("--kept-only", action="store_true", help="play nothing, show what is kept (with --base --kept)")
    parser.add_argument("--base", action="store_true", help="soak the base in its place: kills, power cuts, faults")
    parser.add_argument("--updates", type=whole(1, MANY), help="soak updates in their place: so many interruptions")
    parser.add_argument("--only", metavar="PART", help="only this part of the base's (with --base)")
    parser.add_argument("--life", type=whole(0, MANY), help="only this life of the part (with --base --only)")
    parser.add_argument("--small", action="store_true", help="one life of each part, and a short one (with --base)")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the page")
    parser.add_argument(
        "--write", action="store_true", help="also write hardware/SOAK.md, SOAK-TRAP.md, SOAK-BASE.md or SOAK-UPDATE.md"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, running: Callable[[], bool]) -> int:
    """Soak and print; 1 when anything happened that may not.  Raises: SetupError, OSError."""
    if args.base:
        from trapsim.basesoak.command import run as soak_base

        return soak_base(args, running)
    if args.only is not None or args.life is not None or args.small or args.kept_only:
        raise SetupError("--only, --life, --small, --kept-only: are of the base's soak; say --base too")
    if args.updates is not None:
        from trapsim.updatesoak.command import run as soak_updates

        return soak_updates(args, running)
    if args.bursts is not None:
        from trapsim.trapsoak.command import run as soak_trap

        return soak_trap(args, running)
    if args.season is not None:
        raise SetupError("--season: is of the trap's soak; say --bursts too")
    from trapsim.cmd_bench import commit
    from trapsim.soakhostile import ROUND_FRAMES
    from trapsim.soakpage import page
    from trapsim.soakrun import nights, rounds, soak_alerts, soak_hostile

    is_one = args.night is not None or args.round is not None
    if is_one and args.write:
        raise SetupError("--write: with --night or --round the page would hold one of them; leave one away")
    chosen_nights = nights(args.seed, 0 if is_one else args.alerts)
    chosen_rounds = rounds(args.seed, 0 if is_one else args.hostile)
    if args.night is not None:
        chosen_nights = iter([(args.seed, args.night)])
    if args.round is not None:
        chosen_rounds = iter([(args.seed, args.round, ROUND_FRAMES)])
    chosen = f"--alerts {args.alerts} --hostile {args.hostile}"
    if is_one:
        numbers = {"--night": args.night, "--round": args.round}
        chosen = " ".join(f"{option} {number}" for option, number in numbers.items() if number is not None)
    figures: dict[str, Any] = {
        "command": f"trapsim soak {chosen} --seed {args.seed}",
        "commit": commit(),
        "seed": args.seed,
    }
    workers = 1 if is_one else args.workers
    figures["hostile"] = soak_hostile(chosen_rounds, workers, _say, running)
    figures["alerts"] = soak_alerts(chosen_nights, workers, _say, running)
    figures["violations"] = [
        f"seed {args.seed}, {name}: {text}"
        for part in ("alerts", "hostile")
        for name, texts in figures[part]["violations"].items()
        for text in texts
    ]
    print(json.dumps(figures, indent=1) if args.json else page(figures))
    for text in figures["violations"]:
        print(f"trapsim: soak: {text}", file=sys.stderr)
    if not running():
        print("trapsim: soak: stopped before its end; nothing was written", file=sys.stderr)
        return 1
    if args.write:
        write_atomically(HARDWARE / "soak.json", (json.dumps(figures, indent=1) + "\n").encode())
        write_atomically(HARDWARE / "SOAK.md", page(figures).encode())
    return 1 if figures["violations"] else 0


def _say(text: str) -> None:
    print(f"soak: {text}", file=sys.stderr, flush=True)
