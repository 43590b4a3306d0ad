"""The card fails under the real process, by the kernel's own refusals: words, no traceback, nothing safe is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cam_parts import CAT

from tests.card import running
from trapcam.outbox import open_outbox
from trapsim.powercut import recorder
from trapwire.objects import ALERT, CROP, FRAME, FULL

SMALL_CARD = Path(__file__).with_name("small_card.py")
ROOM = "make room there; it goes on by itself"

traced = pytest.mark.skipif(recorder.strace() is None, reason="no strace, or this machine forbids tracing")


def may_mount() -> bool:
    try:
        return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not may_mount(), reason="no unshare, or this machine forbids namespaces")
def test_a_real_card_that_fills_up_and_one_that_is_read_only(tmp_path: Path) -> None:
    command = ["unshare", "-rm", sys.executable, str(SMALL_CARD), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    short, full = told["at_shortage"], told["full"]
    # Left out was the last one's; or its small objects were the ones that touched the reserve.
    assert 5 < short["fulls"] <= short["sightings"] <= short["fulls"] + 1
    assert "the card is nearly full: full frames and audit samples are not kept any more" in told["shortage"]
    assert full["sightings"] > short["sightings"] + 15, "the reserve holds many that are small"
    assert (full["fulls"], full["whole"]) == (short["fulls"], full["sightings"])
    assert f"database or disk is full: {ROOM}" in told["refused"]
    assert told["again"] == full, "a start on a full card loses nothing"
    assert told["room_again"] == {key: value + 1 for key, value in full.items()}
    assert told["shortage_again"] == ""
    assert "Read-only file system: mount it writable again, or replace the card" in told["read_only"]
    assert told["writable_again"]["whole"] == told["writable_again"]["sightings"] == full["sightings"] + 2


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A trap's settings and keys; 40 pictures of cats wait."""
    shots = tmp_path / "shots"
    shots.mkdir()
    for number in range(40):
        running.picture(shots / f"{number:02}.jpg", CAT, number)
    running.write_card(tmp_path / "card", shots)
    return tmp_path / "card"


@traced
@pytest.mark.parametrize(
    ("calls", "error"),
    [("pwrite64,fdatasync,fsync", "EIO"), ("pwrite64,fdatasync,fsync", "EROFS"), ("fdatasync", "EIO")],
)
def test_a_card_that_goes_away_or_turns_read_only_is_said_once_and_what_was_safe_stays(
    card: Path, calls: str, error: str
) -> None:
    """Every call of that kind fails from some moment on, as after a card was pulled; the process goes on and waits."""
    settings, log = card / "etc" / "trapcam.toml", card.with_name("log")
    first = running.Run(settings, log)
    first.until("03.jpg: ")
    assert first.end() == 0
    when = calls_until(log, calls, card) + 25
    run = running.Run(settings, card.with_name("log2"), [f"{calls}:error={error}:when={when}+"])
    run.until("not saved, asking again every 5 s: ")
    # What it says at its end is the card's too: no database can be closed on one that is gone.
    assert run.end() in (0, 1)
    assert "Traceback" not in "\n".join(run.lines)
    refused = [line for line in run.lines if "not saved" in line]
    assert len(refused) == 1
    assert "replace the card" in refused[0]
    told = [line for line in (*first.lines, *run.lines) if ": sighting " in line]
    box = open_outbox(card / "data", running.TRAP, 0)
    assert box.aside is None
    assert len(told) >= 4
    for number in range(1, len(told) + 1):
        assert all(box.envelope(number, rung) for rung in (ALERT, CROP, FRAME, FULL))
    box.close()


def calls_until(log: Path, calls: str, card: Path) -> int:
    """How many calls of this kind a start makes before its first burst."""
    count, names = 0, tuple(f"{name}(" for name in calls.split(","))
    for line in log.read_text().splitlines():
        count += line.split(maxsplit=1)[1].startswith(names)
        if b"epoch".hex(" ").replace(" ", "\\x") in line:
            break
    return count
