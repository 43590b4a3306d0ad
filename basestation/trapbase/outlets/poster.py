"""The step of an outlet that posts: sightings and identifications in, one request a step.

    item       what happens                                                    next
    –          it came after the outlet's cursor, and its species is wanted    waiting, with the cursor moved
    waiting    posted, and taken                                               gone; the commit that counts it ends it
               refused (4xx about this message) for the fifth time             aside
               damaged here                                                    aside
    aside      a person asks for it (`trapbase retry`)                         waiting

A sighting waits for its crop as batches do, up to `batch.max_wait_s`, and is posted once: what comes later does not
post it again. A crash between the post and its commit posts it twice, under the same id. Where everything is refused
nothing is set aside: then it is the way that is wrong, and all wait.
"""

from collections.abc import Callable, Mapping

from trapbase.gate import Gate, Patience
from trapbase.outlet import OutletError
from trapbase.outlet_settings import OutletSettings
from trapbase.outlets.facts import Facts, priority
from trapbase.outlets.gather import Gatherer
from trapbase.outlets.post import BadItemError, Kind, Outcome, Post, Sender
from trapbase.outlets.queue import Item, OutletQueue
from trapkit.errors import SetupError, StorageError

REFUSALS = 5  # of one message, then it lies aside
ALL_REFUSED = 3  # different messages refused in a row: that is the way, and not the message
HEADERS_BYTES = 1024  # of a request and its answer, beside the body
RETRY_MS = 5000  # after the disk refused
LOOK_EVERY_MS = 1000


class Poster:
    """`known`: the traps of which somebody knows where they stand; `wait_ms`: how long a sighting waits for its crop,
    None where it need not; `secret`: reads the key_file, raises SetupError."""

    def __init__(
        self,
        settings: OutletSettings,
        queue: OutletQueue,
        gatherer: Gatherer,
        kind: Kind,
        sender: Sender,
        gate: Gate,
        *,
        known: Callable[[], Mapping[int, object]],
        wait_ms: int | None,
        secret: Callable[[], str],
        chance: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._gatherer = gatherer
        self._kind = kind
        self._sender = sender
        self._gate = gate
        self._known = known
        self._wait_ms = wait_ms
        self._secret = secret
        self._chance = chance
        self._patience: dict[int, Patience] = {}
        self._refused: set[int] = set()  # since somebody got through
        self._short: int | None = None  # bytes left of the day that were too few for what is next
        self._pokes = 0
        self._look_ms = 0
        self._next_ms = 0
        self._begun = False
        self.storage_error = ""
        self.last_error = ""

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """One round; whether anything moved. `now_ms` must never go back, `utc_ms` is Unix time."""
        if now_ms < self._next_ms:
            return False
        try:
            moved = self._round(now_ms, utc_ms)
            self._gate.settle(now_ms, utc_ms)
        except StorageError as error:
            # What was posted and could not be counted is posted again, under the same id.
            self.storage_error = str(error)
            self._next_ms = now_ms + RETRY_MS
            return False
        self.storage_error = ""
        return moved

    def _round(self, now_ms: int, utc_ms: int) -> bool:
        if not self._begun:
            self._queue.begin(everything=self._settings.since == "beginning")
            self._begun = True
        moved = self._enqueue(now_ms, utc_ms)
        may = self._gate.may_try(now_ms, utc_ms)
        if self._gate.pokes != self._pokes:
            self._pokes = self._gate.pokes
            self._patience.clear()
            self._refused.clear()
        if not may or self._is_short(utc_ms):
            return moved
        item = self._next(now_ms, utc_ms)
        return moved if item is None else self._try(item, now_ms, utc_ms)

    def _enqueue(self, now_ms: int, utc_ms: int) -> bool:
        """Move the cursors over what is new."""
        if now_ms < self._look_ms:
            return False
        seen, said = self._queue.candidates()
        if not seen and not said:
            self._look_ms = now_ms + LOOK_EVERY_MS
            return False
        wanted = self._settings.species, self._settings.least_percent
        chosen = []
        # Of what is not wanted now the cursor goes on all the same: a wish for it later is no wish for the past.
        for one in seen + (said if self._settings.identifications else []):
            place = priority(*wanted, one.code, one.confidence, one.named)
            if place is not None:
                chosen.append((one, place))
        self._queue.add(chosen, seen[-1].at if seen else None, said[-1].at if said else None, utc_ms)
        return True

    def _next(self, now_ms: int, utc_ms: int) -> Item | None:
        for item in self._queue.ready(self._known(), utc_ms, self._wait_ms):
            patience = self._patience.get(item.id)
            if patience is None or now_ms >= patience.until_ms:
                return item
        return None

    def _is_short(self, utc_ms: int) -> bool:
        """Whether what is next must wait for another day's budget."""
        room = self._gate.room(utc_ms)
        if self._short is not None and room is not None and room <= self._short:
            return True
        self._short = None
        return False

    def _try(self, item: Item, now_ms: int, utc_ms: int) -> bool:
        """Post one item; whether it is done with."""
        try:
            facts = self._gatherer.facts(item)
            if facts is None:
                self._queue.drop(item)
                return True
            post = self._build(facts, utc_ms)
        except BadItemError as error:
            self._queue.refuse(item, str(error), refusals=item.refusals, aside=True)
            return True
        except SetupError as error:
            self._fail(now_ms, str(error))
            return False
        room = self._gate.room(utc_ms)
        if room is not None and len(post.body) + HEADERS_BYTES > room:
            return self._too_large(item, len(post.body), room)
        return self._send(item, post, now_ms, utc_ms)

    def _build(self, facts: Facts, utc_ms: int) -> Post:
        try:
            return self._kind.build(facts, self._secret(), utc_ms)
        except SetupError as error:
            raise SetupError(f"its key_file cannot be used: {error}") from error

    def _too_large(self, item: Item, size: int, room: int) -> bool:
        """It does not fit into what is left of the day; into a whole day neither?"""
        if size + HEADERS_BYTES <= self._settings.budget_kib * 1024:
            self._short = room
            return False
        words = f"it has {size} bytes, more than a whole day's budget_kib"
        self._queue.refuse(item, words, refusals=item.refusals, aside=True)
        return True

    def _send(self, item: Item, post: Post, now_ms: int, utc_ms: int) -> bool:
        try:
            outcome = self._kind.meaning(*self._sender.send(post))
        except OutletError as error:
            self._fail(now_ms, str(error), error.wait_ms)
            return False
        if outcome.done:
            self._queue.sent(item, utc_ms)
            self._patience.pop(item.id, None)
            self._refused.clear()
            self._gate.worked()
            self.last_error = ""
            return True
        if not outcome.refused:
            self._fail(now_ms, outcome.words, outcome.wait_ms)
            return False
        self._refused.add(item.id)
        if len(self._refused) < ALL_REFUSED:
            self._gate.worked()
            self._count_refusal(item, outcome, now_ms, most=REFUSALS)
        else:
            words = f"{len(self._refused)} messages in a row were refused: {outcome.words}"
            self._count_refusal(item, outcome, now_ms, most=REFUSALS - 1)
            self._fail(now_ms, words, outcome.wait_ms)
        return False

    def _count_refusal(self, item: Item, outcome: Outcome, now_ms: int, *, most: int) -> None:
        """Others go before it next time; with `REFUSALS` of them it lies aside."""
        refusals = min(item.refusals + 1, most)
        aside = refusals >= REFUSALS
        self._queue.refuse(item, outcome.words, refusals=refusals, aside=aside)
        self._patience.setdefault(item.id, Patience(self._settings, self._chance)).failed(now_ms, outcome.wait_ms)
        if aside:
            del self._patience[item.id]
            self._refused.discard(item.id)

    def _fail(self, now_ms: int, words: str, wait_ms: int = 0) -> None:
        self.last_error = words
        self._gate.failed(now_ms, words, wait_ms)
