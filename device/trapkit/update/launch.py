"""Starts the application of the slot in force: `python -m trapkit.update.launch --root ROOT -- run --config FILE`.

This runs from what the installer put there, outside the slots, and is to the Pi what `boot.py` is to the supervisor:
all that has to be right for a unit to start something. A start of `run` is counted before the new code is looked at; a
trial that cannot be counted does not start. It puts the slot's `application/` in front of Python's path and becomes
`python -m trapcam`; third-party packages stay those of its own environment (decision 023).
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from trapkit.update.install import INSTALLED, start
from trapkit.update.slots import Slots

ROOT = "/var/lib/pugmark/update"
COUNTED = "run"
# Told to the application: its own slot, ROOT, and Python's path as it was before
SLOT, FOLDER, PATH_BEFORE = "PUGMARK_SLOT", "PUGMARK_SLOTS", "PUGMARK_PATH_BEFORE"


def chosen(slots: Slots, now_ms: int, *, counted: bool = True) -> str:
    """The slot to start now, "" as installed; the start is counted and durable where it counts."""
    try:
        before = slots.read()
        if not counted:
            return before.in_force if slots.is_whole(before.in_force) else INSTALLED
        after = start(before, slots.is_whole, now_ms)
    except OSError:
        return INSTALLED  # a card that cannot be read: what the installer put there lies elsewhere, or nothing starts
    if after != before:
        try:
            slots.write(after)
        except OSError:
            return before.good if before.good != INSTALLED and slots.is_whole(before.good) else INSTALLED
    else:
        with suppress(OSError):
            slots.link(after.in_force)  # a cut may have come between the record and the link
    return after.in_force


def environment(slots: Slots, slot: str, env: Mapping[str, str]) -> dict[str, str]:
    """What the application is to find around it."""
    made = {name: value for name, value in env.items() if name not in (SLOT, FOLDER, PATH_BEFORE)}
    before = made.get("PYTHONPATH", "")
    made[FOLDER], made[SLOT], made[PATH_BEFORE] = str(slots.root), slot, before
    application = slots.part(slot, "application")
    if application is not None:
        made["PYTHONPATH"] = f"{application}:{before}" if before else str(application)
        made["PYTHONDONTWRITEBYTECODE"] = "1"  # a slot is as it was staged
    return made


def again(slots: Slots, args: Sequence[str]) -> None:
    """Become this launcher again, as the installer put it there; from within an application that it has started.

    Returns where that is not possible: whoever restarts the program does it then.
    """
    env = {name: value for name, value in os.environ.items() if name not in (SLOT, FOLDER, PATH_BEFORE, "PYTHONPATH")}
    if os.environ.get(PATH_BEFORE):
        env["PYTHONPATH"] = os.environ[PATH_BEFORE]
    words = [sys.executable, "-P", "-m", "trapkit.update.launch", "--root", str(slots.root), "--", *args]
    with suppress(OSError):
        os.execve(sys.executable, words, env)  # noqa: S606  (no shell is wanted)


def main(argv: Sequence[str] | None = None) -> int:
    """Become the application; returns only where it cannot: 2."""
    parser = argparse.ArgumentParser(prog="trapkit.update.launch", description="Start the release in force.")
    parser.add_argument("--root", type=Path, default=Path(ROOT), metavar="ROOT", help=f"folder of the slots ({ROOT})")
    parser.add_argument("args", nargs="*", metavar="ARG", help="of trapcam, behind --; run where there are none")
    options = parser.parse_args(argv)
    args = options.args or [COUNTED]
    slots = Slots(options.root)
    slot = chosen(slots, time.time_ns() // 1_000_000, counted=args[0] == COUNTED)
    print(f"trap: starts {f'slot {slot}' if slot else 'what was installed'}", file=sys.stderr, flush=True)
    words = [sys.executable, "-P", "-m", "trapcam", *args]
    try:
        os.execve(sys.executable, words, environment(slots, slot, os.environ))  # noqa: S606  (no shell is wanted)
    except OSError as error:
        print(f"trap: {sys.executable}: cannot be started: {error.strerror}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
