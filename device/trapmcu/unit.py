"""A unit's start on its own board: settings, board, slots; then the main loop. `boot.py` calls it from a slot."""

import sys
import time

from trapmcu.boards import open_board
from trapmcu.main import run
from trapmcu.retained import SLEEP
from trapmcu.settings import complete
from trapmcu.settingsfile import SettingsFile
from trapmcu.slots import Slots
from trapwire import events as ev

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any


class Trials:
    """What is on trial at this start: the slot, the settings. `news`: codes for the log, each with a value."""

    def __init__(self, root: str, slot: str) -> None:
        self._root = root
        self._slots = Slots(root, slot)
        self._loader: "Any" = None
        self._file = SettingsFile(root + "/settings", complete)
        self.news: "list[tuple[int, int]]" = []

    def load(self, woke: bool) -> "dict[str, Any]":
        """The settings in force.  Raises: ValueError when none can be used."""
        settings = self._file.load(woke, int(time.time()))
        if self._file.damaged:
            self.news.append((ev.FLASH_DAMAGED, 1))
        if self._file.reverted:
            self.news.append((ev.SETTINGS_REVERTED, self._file.version))
        if not woke and self._file.since is not None:
            self.news.append((ev.SETTINGS_TRIED, self._file.version))
        if self._slots.reverted():
            self.news.append((ev.SLOT_REVERTED, ord(self._slots.running)))
        if not woke and self._slots.on_trial():
            self.news.append((ev.SLOT_TRIED, ord(self._slots.running)))
        return settings

    def confirm(self) -> "list[tuple[int, int]]":
        """The unit does its work: what is on trial stays. What that is, for the log."""
        kept = []
        if self._file.since is not None:
            kept.append((ev.SETTINGS_KEPT, self._file.version))
        if self._slots.on_trial():
            kept.append((ev.SLOT_KEPT, ord(self._slots.running)))
        self._file.confirm()
        return kept if self._slots.confirm() else []

    def on_pi(self, payload: bytes) -> bytes:
        """What the Pi says of new firmware; the answer."""
        if self._loader is None:  # imported only where it is needed: code lies in the heap
            from trapmcu.newcode import Loader

            self._loader = Loader(self._root, self._slots)
        answer: bytes = self._loader.on(payload, int(time.time()))
        return answer

    def over(self) -> bool:
        """Whether what is on trial had its time, or the Pi wants the other slot: the next start takes it."""
        now_s = int(time.time())
        if self._loader is not None and self._loader.is_due(now_s):
            return True
        if self._slots.expired(now_s):
            return self._slots.give_up()
        return self._file.expired(now_s)


def main(slot: str, root: str = "") -> None:
    """Run the unit; on a board this does not return.  Raises: ValueError where no settings can be used."""
    board_class, woke = open_board()
    trials = Trials(root, slot)
    settings = trials.load(woke == SLEEP)
    board = board_class(settings)
    print("pugmark: %s runs from slot %s" % (settings["role"], slot), file=sys.stderr)
    run(board, settings, trials)
