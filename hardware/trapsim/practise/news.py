"""What is told of units that are practised with: who is heard, how many sightings, what a release does."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from trapbase.config import Settings
from trapbase.places import Places
from trapbase.reader import Reader
from trapbase.updates.look import look
from trapbase.updates.words import headline, unit_rows
from trapkit.errors import SetupError, StorageError


class News:
    """`step` says what is new. data: the base's; settings: as its files say them now."""

    def __init__(self, data: Path, settings: Callable[[], Settings], say: Callable[[str], None]) -> None:
        self._data = data
        self._settings = settings
        self._say = say
        self._said: dict[str, str] = {}
        self.heard: dict[int, int] = {}  # by trap: its sightings at the base

    def step(self) -> None:
        """Look, and say what was not said yet."""
        try:
            with closing(Reader(self._data)) as reader:
                now = self._look(reader)
        except (SetupError, StorageError):
            return  # the base has not made its database yet, or its settings are being written
        for who, words in now.items():
            if self._said.get(who) != words:
                self._say(f"{who}: {words}")
        self._said = now

    def _look(self, reader: Reader) -> dict[str, str]:
        settings = self._settings()
        traps = reader.traps()
        self.heard = {row["trap"]: row["sightings"] for row in traps}
        now = {f"trap {trap}": f"is heard; {count} sightings" for trap, count in sorted(self.heard.items())}
        listed = {trap.number: trap for trap in settings.trap}
        found = look(settings.updates, reader.rows, traps, Places(listed=listed), time.time_ns() // 1_000_000)
        if found.rollout:
            now["release"] = headline(found)
            for row in unit_rows(found, {}):
                words = row["words"].partition(" for ")[0] if row["words"].startswith("runs it for") else row["words"]
                now[f"trap {row['trap']}, release"] = words or f"runs {row['running']}"
        return now
