"""`make demo ARGS=--update` as real processes: a staged update, canary first, and a bad release caught and taken back.

Not part of `make test`: it takes a minute and a half of real time, and `test_update.py` has the same story in virtual
time. `make soak` runs it.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trapsim.site import free_port
from trapsim.updatedemo.operator import BAD, GOOD

TRAPSIM = Path(sys.executable).parent / "trapsim"
pytestmark = pytest.mark.slow


def test_the_demo_updates_its_station_and_takes_the_bad_release_back_on_screen(tmp_path: Path) -> None:
    state = tmp_path / "demo"
    command = [str(TRAPSIM), "demo", "--once", "--json", "--update", "--state", str(state), "--port", str(free_port())]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout.splitlines()[-1])
    assert (figures["lost"], figures["duplicated"]) == (0, 0)
    updates = figures["updates"]
    assert updates["running"] == {"1": GOOD, "2": GOOD}
    assert (updates["newest"], updates["stopped"]) == (BAD, True)
    assert updates["why"] == f"trap 1 went back to {GOOD}: the new application did not come up"
    said = [line for line in run.stderr.splitlines() if line.startswith("updates: ")]
    first = next(i for i, line in enumerate(said) if line.startswith("updates: trap 1 (left): runs it"))
    second = next(i for i, line in enumerate(said) if line.startswith("updates: trap 2 (right): runs it"))
    assert first < second, "the canary first"
    assert any(f"trap 1 (left): went back to {GOOD} from {BAD}" in line for line in said)
    assert not any(f"trap 2 (right): tries {BAD}" in line for line in said)
