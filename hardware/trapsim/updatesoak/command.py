"""`trapsim soak --updates`: updates interrupted; the table of SOAK-UPDATE.md."""

import argparse
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapsim.cmd_bench import commit
from trapsim.powercut import recorder
from trapsim.updatesoak.cuts import cut, record
from trapsim.updatesoak.life import drawn
from trapsim.updatesoak.page import page

HARDWARE = Path(__file__).resolve().parents[2]
CUTS = 20  # of each life


def run(args: argparse.Namespace, running: Callable[[], bool]) -> int:
    """Soak and print; 1 when anything happened that may not.  Raises: SetupError, OSError."""
    if recorder.strace() is None:
        raise SetupError("--updates: no strace, or it may not trace here: deploy/get-tools .cache strace")
    figures: dict[str, Any] = {
        "command": f"trapsim soak --updates {args.updates} --seed {args.seed}",
        "commit": commit(),
        "seed": args.seed,
    }
    figures |= soak(args.updates, args.seed, _say, running)
    print(json.dumps(figures, indent=1) if args.json else page(figures))
    if not running():
        print("trapsim: soak: stopped before its end; nothing was written", file=sys.stderr)
        return 1
    if args.write:
        write_atomically(HARDWARE / "soak-update.json", (json.dumps(figures, indent=1) + "\n").encode())
        write_atomically(HARDWARE / "SOAK-UPDATE.md", page(figures).encode())
    return 1 if figures["violations"] else 0


def soak(
    updates: int, seed: int, say: Callable[[str], None], running: Callable[[], bool] = lambda: True
) -> dict[str, Any]:
    """At least `updates` interruptions, life after life: counts, lives by kind, violations."""
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    violations: list[str] = []
    for number in count():
        if counts["interruptions"] >= updates or not running():
            break
        life = seed * 100_000 + number
        with TemporaryDirectory(prefix="pugmark-updates-") as made:
            folder = Path(made) / "life"
            try:
                ops = record(folder, life)
            except AssertionError as error:
                violations.append(f"seed {life}, uninterrupted: {error}")
                continue
            kinds[drawn(life).kind] += 1
            violations += [wrong for wrong in cut(ops, folder, life, CUTS, counts) if wrong]
            counts["operations recorded"] += len(ops)
            shutil.rmtree(folder)
        say(f"{counts['interruptions']} of {updates} interruptions, {len(violations)} violations")
    counts["lives"] = sum(kinds.values())
    return {"counts": dict(counts), "kinds": dict(kinds), "violations": violations}


def _say(text: str) -> None:
    print(f"soak: {text}", file=sys.stderr, flush=True)
