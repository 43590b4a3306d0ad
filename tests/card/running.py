"""`trapcam run` on a card of its own, recorded: the real process with a replay camera; settings and keys beside it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cam_parts import BACKEND, BASE, REVIEWER
from PIL import Image as Pictures

from trapsim.powercut import recorder
from trapsim.powercut.recorder import Op

PROGRAM = Path(__file__).resolve().parents[1] / "cam" / "scripted_trap.py"
TRAP = 7
END_S = 60.0  # one that hangs fails its test and does not stop the suite


def picture(path: Path, corner: tuple[int, int, int], seed: int, exif: Pictures.Exif | None = None) -> bytes:
    """A JPEG of noise whose first pixels tell `ColourJudge` what it shows; the pixels of all of its rows."""
    pixels = np.random.default_rng(seed).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    pixels[:16, :16] = corner
    Pictures.fromarray(pixels).save(path, "JPEG", quality=92, subsampling=0, **({"exif": exif} if exif else {}))
    return Pictures.open(path).tobytes()


def write_card(card: Path, pictures: Path, extra: str = "") -> Path:
    """Settings and keys in `card`/etc as on a trap; the settings file."""
    etc = card / "etc"
    etc.mkdir(parents=True)
    (etc / "base.pub").write_text(bytes(BASE.public_key).hex())
    (etc / "backend.pub").write_text(bytes(BACKEND.verify_key).hex())
    (etc / "recipients.txt").write_text(str(REVIEWER.to_public()))
    (etc / "trapcam.toml").write_text(f"""\
trap = {TRAP}
data = "{card}/data"
supervisor.port = "{card}/tty"
camera.replay.folder = "{pictures}"
keys.base = "{etc}/base.pub"
keys.receipts = "{etc}/backend.pub"
keys.recipients = "{etc}/recipients.txt"
trigger.source = "interval"
trigger.interval_s = 0.01
card.reserve_mb = 0
{extra}""")
    return etc / "trapcam.toml"


class Run:
    """One start of the trap under the recorder: `lines` said so far, and how it ended. day: see `scripted_trap`."""

    def __init__(self, settings: Path, log: Path, inject: Sequence[str] = (), day: int | None = None) -> None:
        self._log = log
        words = [*recorder.tracing(log, inject), sys.executable, str(PROGRAM), "run", "--config", str(settings)]
        around = os.environ | ({} if day is None else {"SCRIPTED_DAY": str(day)})
        self._process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=around)
        self._guard = threading.Timer(END_S, self._stop, (signal.SIGKILL,))
        self._guard.daemon = True
        self._guard.start()
        self.lines: list[str] = []

    def until(self, text: str) -> None:
        """Until it has said `text`, or has ended."""
        assert self._process.stderr
        for line in self._process.stderr:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return

    def _stop(self, how: signal.Signals) -> None:
        with self._log.open() as file:
            traced = int(file.readline().split()[0])
        os.kill(traced, how)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop the trap itself, and read the rest; its exit code."""
        if self._process.poll() is None:
            self._stop(how)
        _, rest = self._process.communicate(timeout=END_S)
        self._guard.cancel()
        self.lines += rest.splitlines()
        return self._process.returncode


def watch(
    card: Path, settings: Path, last: str, reader: recorder.Reader | None = None, day: int | None = None
) -> tuple[list[Op], list[str]]:
    """A start that takes all pictures up to the one named `last`: every operation on `card`, every line.

    reader: that of the start before, where there was one; day: see `scripted_trap`.
    """
    log = card.with_name(f"{card.name}.log")
    run = Run(settings, log, day=day)
    run.until(f"{last}: ")
    assert run.end() == 0, run.lines
    ops = (reader or recorder.Reader([card])).operations(log)
    log.unlink()
    return ops, run.lines
