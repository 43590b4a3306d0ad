"""One table of codes: the wire's, its words at the base, and the page made from them are the same."""

import subprocess
import sys
from pathlib import Path

from trapbase.unit_words import CUTS, EVENTS, PI_REASONS, RESETS, SLOTS, STATES
from trapmcu import crosswake, diary, pipower, retained, supervisor
from trapwire import events, unitstates

DEPLOY = Path(__file__).parents[2] / "deploy"
BOUNDS = ("IMPORTANT", "FAULT")  # no codes: from where on an entry is durable at once, and a fault


def test_the_page_is_what_the_generator_writes() -> None:
    command = [sys.executable, str(DEPLOY / "make-events-page"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_code_has_its_words_and_no_other() -> None:
    codes = {value: name for name, value in vars(events).items() if name.isupper() and name not in BOUNDS}
    assert codes == {code: name for code, (name, _, _) in EVENTS.items()}
    assert len(codes) == sum(name.isupper() for name in vars(events)) - len(BOUNDS), "two names of one code"
    assert all(0 <= code < 128 for code in codes)


def test_every_state_has_its_words() -> None:
    named = {name: value for name, value in vars(unitstates).items() if name.isupper()}
    states = {name.lower(): value for name, value in named.items() if not name.startswith("UNKNOWN")}
    assert states == {name: state for state, (name, _) in STATES.items()}


def test_values_mean_what_the_firmware_writes() -> None:
    assert CUTS[diary.CUTS[pipower.SILENT]] == "it was silent"
    assert CUTS[diary.CUTS[pipower.NO_HALT]] == "it did not halt"
    assert CUTS[diary.CUTS[pipower.BATTERY]] == "battery gave way under it"
    assert set(CUTS) == set(diary.CUTS.values())
    woken = {supervisor.DAILY + diary.OTHERS, supervisor.LID + diary.OTHERS}
    assert set(PI_REASONS) == {diary.MOVED, crosswake.PARTNER, diary.HOURS, diary.SERVES, *woken}
    assert set(RESETS) == {retained.POWER, retained.SLEEP, retained.WATCHDOG, retained.SOFT}
    assert set(SLOTS) == {ord("a"), ord("b")}
    assert EVENTS[events.PI_LEAVE][2] == {state: f"unit is {name}" for state, (name, _) in STATES.items()}
