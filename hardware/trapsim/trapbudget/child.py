"""The measured process: `python -m trapsim.trapbudget.child FOLDER …`; its last line on stdout is JSON.

Nothing heavy is imported before the clock has said how long Python itself took.
"""

import os
import time

STARTED_S = time.clock_gettime(time.CLOCK_BOOTTIME)


def process_started_s() -> float:
    """When this process was started (s, boot time), in the kernel's ticks."""
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - before pathlib is there
        ticks = int(file.read().rpartition(b")")[2].split()[19])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure what the arguments say."""
    import argparse
    import json
    import sys

    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--wake", action="store_true", help="one wake in real time")
    parser.add_argument("--bursts", type=int, default=0)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--stand-in", action="store_true", help="a detector that answers at once")
    args = parser.parse_args()
    from pathlib import Path

    from trapsim.trapbudget.measure import bursts, wake

    folder = Path(args.folder)
    if args.wake:
        found = wake(folder, process_started_s(), STARTED_S)
    else:
        found = bursts(folder, args.bursts, args.frames, stand_in=args.stand_in)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
