"""The figures as Markdown, with what they would be on a Zero 2 W, which is an estimate."""

import platform
from pathlib import Path
from typing import Any

from trapsim.linkpage import table
from trapsim.trapbudget.stages import STAGES

# Zero 2 W: Cortex-A53 at 1 GHz, one core. Public single-core benchmarks, from memory: it has a tenth of a server's x86
# core, a Pi 4 (A72, 1.5 GHz) two tenths to a quarter. FIELD.md's detectors fit: 53 ms on a Pi 4, 427 ms for a larger
# net on a Pi 3 (the Zero's own core at 1.2 GHz); for the Zero 2 W itself nothing is published.
ZERO_FACTOR = 10
ZERO_LEAST, ZERO_MOST = 6, 16
RSS_MAX_KB = 180 * 1024


def table_of(figures: dict[str, Any]) -> list[str]:
    """The lines between the marks of device/README.md."""
    outcomes = figures["outcomes"]
    peak, own = figures["peak_kb"] / 1024, figures["simulation_kb"] / 1024
    judge = "a detector that answers at once" if figures["stand_in"] else "the real detector"
    grown = f"{figures['growth_kb'] / 1024:+.1f} MB"
    lines = [
        f"By `{figures['command']}` at commit {figures['commit']},",
        f"on {processor()}: the real application as a process of its own, {figures['frames']} frames of",
        f"2304 × 1296 a burst from the simulated camera module, {judge}, sealing and SQLite on a disk.",
        "Bytes written are the kernel's count for the process; CPU seconds are all threads'.",
        "",
        f"**Memory:** {peak:.0f} MB resident at the most (wanted: {RSS_MAX_KB // 1024}), {own:.0f} of them",
        f"the simulated camera's own pictures; over {figures['bursts']:,} bursts {grown} from the first quarter's",
        "middle to the last's. picamera2 and libcamera are not in it: nobody has measured them here.",
        "",
    ]
    head = ["CPU seconds of a burst", *outcomes]
    rows = [[name, *(f"{outcomes[o]['cpu_s'][name]:.3f}" for o in outcomes)] for name in STAGES]
    rows += [["all", *(f"{outcomes[o]['all_s']:.2f}" for o in outcomes)]]
    zero = [_range(outcomes[o]["all_s"]) for o in outcomes]
    rows += [[f"on a Zero 2 W, estimate (× {ZERO_FACTOR}; {ZERO_LEAST}–{ZERO_MOST})", *zero]]
    rows += [["frames unpacked", *(f"{outcomes[o]['unpacked']:.0f}" for o in outcomes)]]
    rows += [["bytes written", *(f"{outcomes[o]['written']:,.0f}" for o in outcomes)]]
    rows += [["of them sealed objects", *(f"{outcomes[o]['objects']:,.0f}" for o in outcomes)]]
    lines += [*table(head, rows), ""]
    steps = [[name, f"{ms:,.0f}", f"{cpu_ms:,.0f}", f"{cpu_ms * ZERO_FACTOR / 1000:,.1f}"]
             for name, (ms, cpu_ms) in figures["wake"].items()]  # fmt: skip
    lines += [
        *table(["wake to the first frame judged", "ms here", "of CPU", "CPU s on a Zero 2 W, estimate"], steps),
        "",
        f"The factor is an estimate: a Cortex-A53 at 1 GHz has about a {ZERO_FACTOR}th of such a core (public",
        "single-core benchmarks, from memory); for this detector on a Zero 2 W nothing is published. The clock's ms",
        "grow with what else the machine does; waiting for the camera takes as long on both.",
    ]
    return lines


def _range(seconds: float) -> str:
    return f"{seconds * ZERO_FACTOR:.0f} s ({seconds * ZERO_LEAST:.0f}–{seconds * ZERO_MOST:.0f})"


def processor() -> str:
    """The processor's name, as the kernel has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} ({platform.machine()})" if names else platform.machine()
