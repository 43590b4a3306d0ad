"""The shipped net beside another TFLite file, in turn in one run: time on one thread, and memory of a process."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from trapcam.detect import RUNTIMES, load_interpreter
from trapkit.errors import SetupError

ROUNDS = 15
INVOCATIONS = 10  # of each net a round
# A process that does nothing but look: what the net itself costs, the interpreter of Python included.
BARE = """
import importlib, sys
import numpy as np
for name in {runtimes!r}:
    try:
        runtime = importlib.import_module(name)
        break
    except ImportError:
        continue
net = runtime.Interpreter(model_path=sys.argv[1], num_threads=1)
net.allocate_tensors()
entry = net.get_input_details()[0]
for _ in range(10):
    net.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
    net.invoke()
"""
DETECT = """
import sys
from trapcam.cli import main
if main(["detect", sys.argv[1], "--out", sys.argv[2]]):
    sys.exit(1)
"""
PEAK = """
with open("/proc/self/status") as status:
    print(next(line for line in status if line.startswith("VmHWM:")))
"""


def bench_against(ours: Path, theirs: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Both nets' ms (median) and the median of the rounds' ratios; peak resident memory of a bare process of each.

    Raises: SetupError: `theirs` is no net that the runtime takes.
    """
    say(f"detector: beside {theirs.name}, {ROUNDS} rounds in turn…")
    if not theirs.is_file():
        raise SetupError(f"--against {theirs}: there is no such file; a .tflite file is needed")
    nets = [_prepared(ours), _prepared(theirs)]
    rounds = []
    for number in range(ROUNDS + 1):
        spent = [_spent_ms(net) for net in nets]
        if number:  # the first one warms up
            rounds.append(spent)
    mine, other = (median(spent[i] for spent in rounds) for i in (0, 1))
    return {
        "against": theirs.name,
        "ms_one_look": round(mine, 2),
        "ms_against": round(other, 2),
        "time_ratio": round(median(a / b for a, b in rounds), 3),
        "time_ratio_of_minima": round(min(a for a, _ in rounds) / min(b for _, b in rounds), 3),
        "file_ratio": round(ours.stat().st_size / theirs.stat().st_size, 3),
        "mb_process": round(_peak_mb(BARE.format(runtimes=RUNTIMES), str(ours)), 1),
        "mb_process_against": round(_peak_mb(BARE.format(runtimes=RUNTIMES), str(theirs)), 1),
    }


def detect_process_mb(pictures: Path, out: Path) -> float:
    """Peak resident memory of `trapcam detect` over a folder of photographs, in MB (10^6 bytes)."""
    return _peak_mb(DETECT, str(pictures), str(out))


def _prepared(model: Path) -> Any:
    net = load_interpreter(model, 1)
    entry = net.get_input_details()[0]
    net.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
    net.invoke()
    return net


def _spent_ms(net: Any) -> float:
    began = time.perf_counter()
    for _ in range(INVOCATIONS):
        net.invoke()
    return (time.perf_counter() - began) * 1000 / INVOCATIONS


def _peak_mb(code: str, *arguments: str) -> float:
    """Run Python code in a process of its own; its peak resident memory.  Raises: SetupError when it fails.

    The process says it itself: what wait4 tells includes this process, from which it was forked.
    """
    command = [sys.executable, "-c", code + PEAK, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise SetupError(f"measuring the memory of {' '.join(arguments)} failed: {done.stderr.strip()[-200:]}")
    return int(done.stdout.split()[-2]) * 1024 / 1e6
