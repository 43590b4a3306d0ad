"""The demo as real processes, twenty of them ended with `kill -9` at seeded times, under 20 % radio loss.

Real Mosquitto with TLS, real ptys, real SQLite, the real detector on real photographs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from trapsim.pictures import default_pictures
from trapsim.site import free_port

TRAPSIM = Path(sys.executable).parent / "trapsim"
TRAPS = 2
CATS = 6
OTHERS = ("astronaut.png", "coffee.png", "brick.png", "moon.png")


def demo(state: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run `trapsim demo --once --json`; its exit code, its figures and its stderr."""
    command = [str(TRAPSIM), "demo", "--once", "--json", "--state", str(state), "--port", str(free_port())]
    run = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=420, env=os.environ)
    lines = run.stdout.splitlines()
    return run.returncode, json.loads(lines[-1]) if lines else {}, run.stderr


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Chelsea six times, each time a little different, and four pictures without a cat."""
    folder = default_pictures(tmp_path / "all")
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    cat = Image.open(folder / "chelsea.png")
    for number in range(CATS):
        cat.crop((number, 0, cat.width - number, cat.height)).save(chosen / f"{number}-cat.png")
    for name in OTHERS:
        (chosen / name).write_bytes((folder / name).read_bytes())
    return chosen


def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path: Path, pictures: Path) -> None:
    code, figures, words = demo(
        tmp_path / "demo", "--images", str(pictures), "--kills", "20", "--loss", "0.2", "--speed", "10", "--seed", "7"
    )  # fmt: skip
    assert code == 0, words
    assert (figures["lost"], figures["duplicated"]) == (0, 0), words
    assert figures["frames_in"] == TRAPS * (CATS + len(OTHERS))
    sightings = figures["sightings"]
    assert sightings == TRAPS * CATS, "every cat, and nothing else"
    assert figures["alerts_stored"] == figures["sightings_stored"] == figures["media_stored"] == sightings
    assert figures["deleted_on_trap"] == 2 * sightings, "an alert and a crop each"
    assert figures["full_frames_held"] == figures["frames_kept"] == sightings
    assert figures["kills"] == 20
    assert figures["kills_under_way"] >= 12, "most of them while something was on its way"
