"""`trapcam` as it is, but for its eyes and its camera: the detector is the scripted one, the module the simulated one
in real time, which hangs for good from its 30th picture on. Started as a process by tests."""

import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from cam_parts import ColourJudge
from pi_parts import scene

from trapcam import cmd_run
from trapcam.camera import choose
from trapcam.camera.device import HEIGHT, WIDTH
from trapcam.camera.watch import Bounds
from trapcam.cli import main
from trapsim.picam import Faults, Module

FOR_EVER = range(30, 1_000)


def opener(lens_position: float, rate: float) -> object:
    faults = Faults(hang=FOR_EVER, hang_close=range(1, 1_000), hang_s=threading.TIMEOUT_MAX)
    wait = threading.Event().wait  # nobody sets it
    module = Module([scene(40, (WIDTH, HEIGHT))], monotonic_s=time.monotonic, sleep=wait, faults=faults, frame_s=0.01)
    return module.device


if __name__ == "__main__":
    cmd_run.Detector = lambda model, threads: ColourJudge()  # type: ignore[assignment, misc]
    choose.picamera2_opener = opener  # type: ignore[assignment]
    choose.Bounds = lambda renew_shots: Bounds(  # type: ignore[assignment, misc]
        start_s=4, shot_s=0.5, close_s=0.5, pause_s=0.05, renew_shots=renew_shots
    )
    sys.exit(main())
