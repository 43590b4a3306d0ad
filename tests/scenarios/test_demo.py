"""The demo as real processes: at thirty percent loss, with `kill -9` at seeded times under twenty, and parked.

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
from tests.support import many

from trapsim.pictures import PHOTOGRAPHS, default_pictures
from trapsim.site import free_port

TRAPSIM = Path(sys.executable).parent / "trapsim"
TRAPS = 2
CATS = many(3, 6)
KILLS = many(8, 20)
SCENES = 4  # Chelsea, in the demo's own pictures
OTHERS = ("astronaut.png", "coffee.png", "brick.png", "moon.png")


def demo(state: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run `trapsim demo --once --json`; its exit code, its figures and its stderr."""
    command = [str(TRAPSIM), "demo", "--once", "--json", "--state", str(state), "--port", str(free_port())]
    run = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=420, env=os.environ)
    lines = run.stdout.splitlines()
    return run.returncode, json.loads(lines[-1]) if lines else {}, run.stderr


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Chelsea some times, each time a little different, and four pictures without a cat."""
    folder = default_pictures(tmp_path / "all")
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    cat = Image.open(folder / "chelsea.png")
    for number in range(CATS):
        cat.crop((number, 0, cat.width - number, cat.height)).save(chosen / f"{number}-cat.png")
    for name in OTHERS:
        (chosen / name).write_bytes((folder / name).read_bytes())
    return chosen


def check(code: int, figures: dict[str, Any], words: str, sightings: int, state: Path, *, networked: int = 0) -> None:
    """Everything that was seen is everywhere it belongs, once. networked: sightings of traps with a network."""
    assert code == 0, words
    assert (figures["lost"], figures["duplicated"]) == (0, 0), words
    assert figures["sightings"] == sightings, "every cat, and nothing else"
    assert figures["alerts_stored"] == figures["sightings_stored"] == figures["frames_kept"] == sightings
    assert figures["media_stored"] == sightings + 2 * networked
    assert figures["deleted_on_trap"] == 2 * sightings + 2 * networked, "alert and crop, and of some the frames"
    assert figures["full_frames_held"] == sightings - networked
    assert figures["full_frames_received"] == networked
    assert figures["told"]["sighting"] == sightings, "by the webhook, each once: a repeat is dropped by its id"
    trapbase = [str(TRAPSIM.parent / "trapbase"), "verify", "--config", str(state / "base.toml")]
    verified = subprocess.run(trapbase, capture_output=True, text=True, timeout=60)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_night_at_thirty_percent_loss_is_delivered_once(tmp_path: Path) -> None:
    state = tmp_path / "demo"
    code, figures, words = demo(state, "--loss", "0.3")
    check(code, figures, words, TRAPS * SCENES, state)
    assert figures["frames_in"] == TRAPS * (len(PHOTOGRAPHS) - 1 + SCENES)


def test_kills_lose_nothing_and_double_nothing(tmp_path: Path, pictures: Path) -> None:
    state = tmp_path / "demo"
    arguments = (
        "--images",
        str(pictures),
        "--kills",
        str(KILLS),
        "--loss",
        "0.2",
        "--speed",
        "10",
        "--seed",
        "7",
        "--network",
    )
    code, figures, words = demo(state, *arguments)
    check(code, figures, words, TRAPS * CATS, state, networked=CATS)
    assert figures["frames_in"] == TRAPS * (CATS + len(OTHERS))
    assert figures["kills"] == KILLS
    assert figures["kills_under_way"] >= KILLS // 2, "most of them while something was on its way"


def test_parked_pis_start_for_what_moves_and_none_is_cut(tmp_path: Path, pictures: Path) -> None:
    state = tmp_path / "demo"
    code, figures, words = demo(state, "--images", str(pictures), "--parked", "--pir", "3")
    check(code, figures, words, TRAPS * CATS, state)
    assert figures["frames_in"] == TRAPS * (CATS + len(OTHERS))
    assert figures["pi_cuts"] == 0
    assert figures["pi_starts"] > 2 * TRAPS, "off in between, and on again"
    log = (state / "logs" / "trapcam1.log").read_text()
    assert log.count("the supervisor lets this computer go") >= 2


def test_two_units_with_the_pis_camera_deliver_their_bursts(tmp_path: Path) -> None:
    """One by day with frames from before the trigger, one under its lamp; all three full frames by the network."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    folder = default_pictures(tmp_path / "all")
    for name in ("chelsea.png", "astronaut.png", "brick.png"):
        (pictures / name).write_bytes((folder / name).read_bytes())
    with Image.open(folder / "chelsea.png") as cat:
        cat.crop((6, 0, cat.width - 6, cat.height)).save(pictures / "another.png")
    state = tmp_path / "demo"
    code, figures, words = demo(state, "--picamera", "--images", str(pictures), "--network", "all")
    assert code == 0, words
    cats = 2 * TRAPS
    assert (figures["lost"], figures["duplicated"], figures["sightings"]) == (0, 0, cats), words
    assert figures["alerts_stored"] == figures["sightings_stored"] == cats
    fulls = figures["full_frames_received"]
    assert cats < fulls <= 3 * cats, "of a burst in which something moves more than one is kept"
    assert figures["media_stored"] == 2 * cats + fulls
    assert cats < figures["frames_kept"] <= 6 * cats, "bursts, not single pictures"
