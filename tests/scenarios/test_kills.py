"""The demo as real processes, twenty of them ended with `kill -9` at seeded times, under 20 % radio loss.

Real Mosquitto with TLS, real ptys, real SQLite, the real detector on real photographs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from trapsim.site import free_port

TRAPSIM = Path(sys.executable).parent / "trapsim"


def demo(state: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run `trapsim demo --once --json`; its exit code, its figures and its stderr."""
    command = [str(TRAPSIM), "demo", "--once", "--json", "--state", str(state), "--port", str(free_port())]
    run = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=420, env=os.environ)
    lines = run.stdout.splitlines()
    return run.returncode, json.loads(lines[-1]) if lines else {}, run.stderr


def check(code: int, figures: dict[str, Any], words: str) -> None:
    assert code == 0, words
    assert (figures["lost"], figures["duplicated"]) == (0, 0), words
    assert figures["sightings"] >= 2, "Chelsea passes two traps"
    assert figures["alerts_stored"] == figures["sightings_stored"] == figures["sightings"]
    assert figures["media_stored"] == figures["sightings"]
    assert figures["deleted_on_trap"] == 2 * figures["sightings"], "an alert and a crop each"
    assert figures["full_frames_held"] == figures["sightings"]
    assert figures["frames_kept"] == figures["sightings"]


def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    code, figures, words = demo(tmp_path / "demo", "--kills", "20", "--loss", "0.2", "--speed", "20", "--seed", "7")
    check(code, figures, words)
    assert figures["kills"] == 20
