"""`trapcam` as it is, but for its eyes: the detector is the scripted one. Started as a process by tests.

With `SCRIPTED_DAY=N` in its surroundings it runs N days from now, and at its start somebody opens the lid and the day's
picture is due: what a supervisor brings about.
"""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from cam_parts import ColourJudge

from trapcam import cmd_run
from trapcam.capture import Capture
from trapcam.cli import main
from trapcam.ledger import Ledger
from trapcam.trigger import CAUSE_LID, Trigger

DAY_MS = 86_400_000


class Due(Capture):
    """Begins with a day's picture due."""

    def __init__(self, *parts: object) -> None:
        super().__init__(*parts)  # type: ignore[arg-type]
        self.scene_due = True


class Opened(Ledger):
    """Hears of an opened lid first of all."""

    told = False

    def step(self, now_ms: int, *state: object, **more: object) -> None:
        if not self.told:
            self.told = True
            self.on_trigger(Trigger(number=1, cause=CAUSE_LID, at_ms=now_ms))
        super().step(now_ms, *state, **more)  # type: ignore[arg-type]


def on_day(number: int) -> None:
    """So many days from now."""
    cmd_run._now_ms = lambda: time.time_ns() // 1_000_000 + number * DAY_MS
    cmd_run.Capture, cmd_run.Ledger = Due, Opened  # type: ignore[misc]


if __name__ == "__main__":
    if "SCRIPTED_DAY" in os.environ:
        on_day(int(os.environ["SCRIPTED_DAY"]))
    cmd_run.Detector = lambda model, threads: ColourJudge()  # type: ignore[assignment, misc]
    sys.exit(main())
