"""Runs in the measured process: a wake in real time, or bursts in virtual time, on the real trap (`parts`)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

IDLE_S = 4.0  # of the camera's own time between two bursts: its ring is full again
QUICK_IDLE_S = 1.0  # the same where only memory is looked at
CYCLE = ("nothing", "cat", "nothing", "person")
SAMPLES = 0.5  # of far bursts are audit samples here, to have some to measure


def wake(folder: Path, process_s: float, python_s: float) -> dict[str, Any]:
    """One trap, woken at its start and again while it runs; when what was done, by the clock and in CPU time (ms)."""
    marks: list[tuple[str, float, float]] = [("python", python_s, time.process_time())]

    def told(what: str) -> None:
        marks.append((what, time.clock_gettime(time.CLOCK_BOOTTIME), time.process_time()))

    import trapcam.cmd_run  # noqa: F401 - what `trapcam run` imports, and nothing of the simulation

    told("imports")
    from trapsim.trapbudget.rig import Rig

    told("simulation")
    rig = Rig(folder, told=told, real_time=True)
    told("ready")
    rig.eye.show("cat")
    rig.step_until(lambda: bool(rig.outcomes))
    first = len(marks)
    rig.run_for(6.0)
    rig.supervisor.wake()
    told("second wake")
    rig.step_until(lambda: len(rig.outcomes) > 1)
    rig.close()
    simulation_s = marks[2][1] - marks[1][1]  # is no trap's; taken out of all that follows it
    simulation_cpu_s = marks[2][2] - marks[1][2]
    since = [
        (name, 1000 * (at_s - process_s - later * simulation_s), 1000 * (cpu_s - later * simulation_cpu_s))
        for name, at_s, cpu_s in marks
        for later in (at_s > marks[1][1],)
    ]
    return {"start": [m for m in since[:first] if m[0] != "simulation"], "armed": since[first:]}


def bursts(folder: Path, count: int, frames: int, *, stand_in: bool) -> dict[str, Any]:
    """`count` bursts of so many frames; of each its outcome, CPU seconds by stage, bytes written, memory after it."""
    from trapsim.trapbudget.proc import free_kb, memory_kb, written_bytes
    from trapsim.trapbudget.rig import Rig

    rig = Rig(folder, samples=SAMPLES, frames=frames, stand_in=stand_in)
    rows = []
    began_s = time.monotonic()
    for number in range(count):
        kind = CYCLE[number % len(CYCLE)]
        rig.eye.show(kind)
        rig.run_for(QUICK_IDLE_S if stand_in else IDLE_S)
        rig.clock.take()
        written, unpacked, pictures = written_bytes(), rig.camera.unpacked, rig.module.captures
        rig.supervisor.wake()
        rig.step_until(lambda done=number + 1: len(rig.outcomes) >= done)  # type: ignore[misc]
        rows.append(
            {
                "kind": kind,
                "outcome": rig.outcomes[number],
                "frames": rig.frames[number],
                "cpu_s": rig.clock.take(),
                "written": written_bytes() - written,
                "objects": rig.bytes[number],
                "unpacked": rig.camera.unpacked - unpacked,
                "pictures": rig.module.captures - pictures,
                "rss_kb": memory_kb()["VmRSS"],
                "free_kb": free_kb(),
            }
        )
        rig.run_for(1.0)  # hand-over and receipt, which belong to no burst
    rig.close()
    return {"rows": rows, "memory_kb": memory_kb(), "seconds": time.monotonic() - began_s, "simulation_kb": SCENES_KB}


SCENES_KB = 2 * 2304 * 1296 * 3 // 2 // 1024  # the simulated module's two pictures; a driver holds as many and more
Told = Callable[[str], None]
