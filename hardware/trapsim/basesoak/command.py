"""`trapsim soak --base`: the base's soak; the table of SOAK-BASE.md."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapsim.basesoak.page import page
from trapsim.basesoak.run import PARTS, jobs, soak
from trapsim.cmd_bench import commit

HARDWARE = Path(__file__).resolve().parents[2]


def run(args: argparse.Namespace, running: Callable[[], bool]) -> int:
    """Soak and print; 1 when anything happened that may not.  Raises: SetupError, OSError."""
    if args.only is not None and args.only not in PARTS:
        raise SetupError(f"--only {args.only}: there is no such part; allowed are {', '.join(PARTS)}")
    if args.life is not None and args.only is None:
        raise SetupError("--life: say of which part too, with --only")
    if args.kept_only and args.kept is None:
        raise SetupError("--kept-only: say of which file, with --kept")
    if args.write and (args.life is not None or args.only is not None or args.small):
        raise SetupError("--write: with --only, --life or --small the page would hold a part; leave one away")
    chosen = "".join(
        f" {option} {value!r}" if isinstance(value, str) else f" {option} {value}"
        for option, value in (("--only", args.only), ("--life", args.life))
        if value is not None
    )
    figures: dict[str, Any] = {
        "command": f"trapsim soak --base{chosen}{' --small' if args.small else ''} --seed {args.seed}",
        "commit": commit(),
        "seed": args.seed,
    }
    asked = list(jobs(args.seed, args.only, args.life, small=args.small))
    workers = 1 if len(asked) == 1 else args.workers
    figures |= {"asked": dict(Counter(job[0] for job in asked))} | soak(
        asked, workers, _say, running, args.kept, kept_only=args.kept_only
    )
    print(json.dumps(figures, indent=1) if args.json else page(figures))
    if not running():
        print("trapsim: soak: stopped before its end; nothing was written", file=sys.stderr)
        return 1
    if args.write:
        write_atomically(HARDWARE / "soak-base.json", (json.dumps(figures, indent=1) + "\n").encode())
        write_atomically(HARDWARE / "SOAK-BASE.md", page(figures).encode())
    return 1 if figures["violations"] else 0


def _say(text: str) -> None:
    print(f"soak: {text}", file=sys.stderr, flush=True)
