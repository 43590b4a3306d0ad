"""What is told of the demo's updates while they go: publishes when it is time, reads what the base says, notices news.

good     published once the traps have been heard: the canary takes it, proves itself, then its partner
bad      published when both run the good one: the canary tries it, goes back by itself, and everything stops
over     both run the good one; the base says why the bad one is stopped
"""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from trapbase.places import Places
from trapbase.reader import Reader
from trapbase.update_settings import UpdateSettings
from trapbase.updates.kept import STOPPED
from trapbase.updates.look import Look, look
from trapbase.updates.words import headline, unit_rows
from trapkit.errors import SetupError, StorageError
from trapsim.site import STATION, TRAPS, Site, trap_settings
from trapsim.updatedemo.operator import BAD, GOOD, Operator
from trapsim.updatedemo.settings import update_settings

LOOK_EVERY_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How it is: which release each trap runs (None: not said yet), which one is stopped and why."""

    running: dict[int, str | None] = field(default_factory=dict)
    newest: str = ""
    stopped: bool = False
    why: str = ""


class Story:
    """`step` is called now and then; `say` takes lines for the screen."""

    def __init__(self, site: Site, say: Callable[[str], None], now_s: Callable[[], float] = time.monotonic) -> None:
        self._site = site
        self._operator = Operator(site.folder)
        self._settings: UpdateSettings = update_settings(site.folder, site.updates_port, STATION)
        self._say = say
        self._now_s = now_s
        self._next_s = 0.0
        self._published: list[str] = []
        self._said: dict[str, str] = {}
        self.standing = Standing()

    @property
    def over(self) -> bool:
        """The good release runs on both, and the bad one was caught."""
        now = self.standing
        return now.newest == BAD and now.stopped and all(now.running.get(trap) == GOOD for trap in TRAPS)

    def step(self) -> bool:
        """Look, tell what is new, publish what is due; whether anything moved."""
        if self._now_s() < self._next_s:
            return False
        self._next_s = self._now_s() + LOOK_EVERY_S
        found = self._look()
        if found is None:
            return False
        moved = self._tell(found)
        self.standing = _standing(found)
        if not self._published and all(unit.heard_ms for unit in found.units):
            self._publish(GOOD, "the application as it is, and its model")
        elif self._published == [GOOD] and all(self.standing.running.get(trap) == GOOD for trap in TRAPS):
            self._publish(BAD, "an application that does not start: what should have been seen before")
        else:
            return moved
        return True

    def figures(self) -> dict[str, object]:
        """For `--json`."""
        now = self.standing
        running = {str(trap): release or "" for trap, release in sorted(now.running.items())}
        return {"running": running, "newest": now.newest, "stopped": now.stopped, "why": now.why}

    def _publish(self, release: str, what: str) -> None:
        self._operator.publish(release)
        self._published.append(release)
        self._say(f"updates: the operator publishes {release}: {what}")

    def _look(self) -> Look | None:
        try:
            with closing(Reader(self._site.base)) as reader:
                now_ms = time.time_ns() // 1_000_000
                return look(self._settings, reader.rows, reader.traps(), Places(listed=trap_settings()), now_ms)
        except (SetupError, StorageError):
            return None  # the base has not made its database yet, or writes

    def _tell(self, found: Look) -> bool:
        """A line for each thing that is said otherwise than before, without how long it has been so."""
        now = {"": headline(found)} if found.rollout else {}
        for row in unit_rows(found, TRAPS):
            words = row["words"] or f"runs {row['running']}"
            now[f"trap {row['trap']} ({row['side']})"] = _without_time(words)
        news = {who: words for who, words in now.items() if self._said.get(who) != words}
        for who, words in news.items():
            self._say(f"updates: {who + ': ' if who else ''}{words}")
        self._said = now
        return bool(news)


def _without_time(words: str) -> str:
    return "runs it, and has to prove itself" if words.startswith("runs it for ") else words


def _standing(found: Look) -> Standing:
    row = found.rollout
    return Standing(
        running={unit.trap: unit.running for unit in found.units},
        newest=row["release"] if row else "",
        stopped=row is not None and row["state"] == STOPPED,
        why=row["why"] if row else "",
    )
