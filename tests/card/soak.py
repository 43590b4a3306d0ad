"""Every power cut of many lives: `python -m tests.card.soak [--lives N] [--states N] [--seed S] [--json]`.

Without --states a life is cut after each operation in each way. Exit code 1 where one state is not as it must be.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "cam")]

from tests.card import cuts  # noqa: E402
from trapsim.powercut import recorder  # noqa: E402


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.card.soak", description=__doc__)
    parser.add_argument("--lives", type=int, default=12, metavar="N", help="how many (12)")
    parser.add_argument("--states", type=int, metavar="N", help="of each life (all)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of what is torn, and how (0)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    if recorder.strace() is None:
        print("no strace, or this machine forbids tracing", file=sys.stderr)
        return 2
    began, states, operations, wrong = time.monotonic(), 0, 0, []
    with tempfile.TemporaryDirectory() as folder:
        for life in range(args.lives):
            ops = cuts.record(Path(folder) / str(life), life)
            operations += len(ops)
            for said in cuts.cut(ops, Path(folder) / str(life), life, args.states, seed=args.seed):
                states += 1
                if said:
                    wrong.append(said)
                    print(said, file=sys.stderr)
            print(f"life {life}: {len(ops)} operations, {states} states so far", file=sys.stderr)
    figures = {
        "lives": args.lives,
        "operations": operations,
        "states": states,
        "wrong": len(wrong),
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(figures) if args.json else ", ".join(f"{name} {value}" for name, value in figures.items()))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
