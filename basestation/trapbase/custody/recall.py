"""After a restore: ask traps for what they still have and this base has no more.

A trap numbers what it makes without a gap. Where a later number is here, or at the back end, and an earlier one is not,
the trap is asked for it by radio, as people ask (`trapbase want`): what it may be (alert, crop, note, scene), a few at
a time, each in turns. What it has deleted it has a receipt for, and the back end has it; what it does not have it does
not answer for. After `GIVE_UP_DAYS` nobody asks any more: what a trap has then still goes by stick.
"""

from trapbase.custody.restore_store import RestoreStore
from trapkit import topics
from trapkit.errors import StorageError
from trapkit.topics import MessageBus
from trapwire.objects import ObjectKey, pack_keys

LOOK_EVERY_MS = 60_000
WAIT_MS = 3_600_000  # an object that a trap has not sent yet is no gap
TURN_MS = 6 * 3_600_000  # a trap's computer sleeps for hours, and remembers eight wishes
TURNS = 4
GIVE_UP_DAYS = 30
MAX_ASKED = 512  # of all traps at once
LEAP_MS = 600_000  # of the clock between two looks: what was noted by the old one is put right by it
YEAR_2020_MS = 1_577_836_800_000
DAY_MS = 86_400_000


class Recall:
    """The step from what is missing to the bus. `wait_ms`: how long something must be missing."""

    def __init__(self, bus: MessageBus, store: RestoreStore, *, wait_ms: int = WAIT_MS) -> None:
        self._bus = bus
        self._store = store
        self._wait_ms = wait_ms
        self._look_ms: int | None = None
        self._seen: tuple[int, int] | None = None  # both clocks at the look before
        self.storage_error = ""

    def step(self, now_ms: int, utc_ms: int) -> None:
        """Look for what is missing when it is due, and ask for it. `now_ms` must never go back."""
        if not self._bus.connected or (self._look_ms is not None and now_ms < self._look_ms):
            return
        self._look_ms = now_ms + LOOK_EVERY_MS
        try:
            keys = self._due(now_ms, utc_ms)
        except StorageError as error:
            self.storage_error = str(error)
            return
        self.storage_error = ""
        by_trap: dict[int, list[ObjectKey]] = {}
        for key in keys:
            by_trap.setdefault(key.trap, []).append(key)
        for trap, own in by_trap.items():
            if not self._bus.publish(topics.wanted(trap), pack_keys(own)):
                return  # said again with the next look

    def _due(self, now_ms: int, utc_ms: int) -> list[ObjectKey]:
        since_ms = self._store.recalling_since()
        if since_ms is None:
            return []
        # A new disk often means a clock that nobody has set yet. When it is set, a month is not over.
        leap_ms = 0
        if self._seen is not None:
            leap_ms = (utc_ms - self._seen[1]) - (now_ms - self._seen[0])
        elif since_ms > utc_ms or since_ms < YEAR_2020_MS <= utc_ms:
            leap_ms = utc_ms - since_ms
        if abs(leap_ms) > LEAP_MS:
            self._store.shift(leap_ms)
            since_ms += leap_ms
        self._seen = (now_ms, utc_ms)
        if utc_ms - since_ms > GIVE_UP_DAYS * DAY_MS:
            self._store.end_recalls(utc_ms)
            return []
        self._store.find_missing(utc_ms)
        return self._store.take_turns(utc_ms, wait_ms=self._wait_ms, turn_ms=TURN_MS, turns=TURNS, limit=MAX_ASKED)
