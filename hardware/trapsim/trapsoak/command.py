"""`trapsim soak --bursts`: the trap's soak; the table of SOAK-TRAP.md."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapsim.cmd_bench import commit
from trapsim.trapsoak.page import others, page
from trapsim.trapsoak.run import seasons, soak

HARDWARE = Path(__file__).resolve().parents[2]


def run(args: argparse.Namespace, running: Callable[[], bool]) -> int:
    """Soak and print; 1 when anything happened that may not.  Raises: SetupError, OSError."""
    if args.season is not None and args.write:
        raise SetupError("--write: with --season the page would hold one of them; leave one away")
    if args.season is not None and args.kept is not None:
        raise SetupError("--kept: with --season the sums would be of other seasons too; leave one away")
    jobs = seasons(args.seed, args.bursts)
    chosen = f"--bursts {args.bursts}"
    if args.season is not None:
        jobs = (job for job in jobs if job[1] == args.season)
        chosen += f" --season {args.season}"
    figures: dict[str, Any] = {
        "command": f"trapsim soak {chosen} --seed {args.seed}",
        "commit": commit(),
        "seed": args.seed,
    }
    figures |= soak(jobs, args.workers, _say, running, args.kept)
    if not figures["counts"].get("seasons"):
        raise SetupError(f"--season {args.season}: {args.bursts} bursts have no such season; say more --bursts")
    figures["others"] = others(figures)
    print(json.dumps(figures, indent=1) if args.json else page(figures))
    if not running():
        print("trapsim: soak: stopped before its end; nothing was written", file=sys.stderr)
        return 1
    if args.write:
        write_atomically(HARDWARE / "soak-trap.json", (json.dumps(figures, indent=1) + "\n").encode())
        write_atomically(HARDWARE / "SOAK-TRAP.md", page(figures).encode())
    return 1 if figures["violations"] else 0


def _say(text: str) -> None:
    print(f"soak: {text}", file=sys.stderr, flush=True)
