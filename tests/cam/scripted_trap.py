"""`trapcam` as it is, but for its eyes: the detector is the scripted one. Started as a process by tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from cam_parts import ColourJudge

from trapcam import cmd_run
from trapcam.cli import main

if __name__ == "__main__":
    cmd_run.Detector = lambda model, threads: ColourJudge()  # type: ignore[assignment, misc]
    sys.exit(main())
