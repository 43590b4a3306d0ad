"""From the bus into custody: commit, then acknowledge (house rule 8).

A group of messages is sorted, stored in one transaction, acknowledged to the broker, and its keys published on
`ack/<trap>`, repeats included: the first acknowledgement may have been lost. Ingest holds no secret key: what is
sealed stays sealed. Everything from the bus is hostile; what is not ours is counted and acknowledged away.

While the disk takes one group, the next is read: a group's commit has returned before its own acknowledgement goes, and
before the next one's transaction begins, so that order is kept and what the disk refuses is all tried again.

Of a large object that comes in pieces, `have/<trap>` says how much there is, durably; once it is whole it goes the way
of all others.
"""

from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from trapbase.intake.beside import AtOnce, Doer
from trapbase.intake.reading import Group, read_group, whole
from trapbase.model import Arrival
from trapbase.partials import FOLDER, Partials, Taken
from trapbase.request_store import RequestStore
from trapbase.store import Store
from trapbase.store_rows import Rows, rows_of
from trapkit import topics
from trapkit.errors import StorageError
from trapkit.pieces import Have, Mark, Piece
from trapkit.topics import Message, MessageBus
from trapwire.objects import ObjectKey, pack_keys

SUBSCRIPTIONS = tuple(map(topics.every, (topics.UP, topics.PIECE, topics.HEARD, topics.ANSWER)))

ROOM_BYTES = 256 * 1024 * 1024  # for objects that are not whole yet
ACK_KEYS = 1024  # the most that `unpack_keys` takes
RETRY_MS = 5000  # after the disk refused


@dataclass(frozen=True, kw_only=True, slots=True)
class _Going:
    """A group that is being stored: its `messages` in their order, and `kept`, what is durable once `commit` is done."""

    messages: list[Message]
    group: Group
    here: list[Mark]
    taken: Taken
    kept: list[Arrival]
    commit: Future[None]
    utc_ms: int


class Ingest:
    """The step from `bus` to `store`; `group` is the most messages in one transaction; `requests`: where answers of
    traps go, None for nowhere; `room_bytes`: for objects that are not whole yet; `doer`: where commits wait, None
    for at once. A thread of its own uses `store` meanwhile: nobody else may.

        read n+1 │ wait for n's commit │ write n+1, begin its commit │ acknowledge n │ read n+2 …
    """

    def __init__(
        self,
        bus: MessageBus,
        store: Store,
        *,
        group: int = 64,
        requests: RequestStore | None = None,
        room_bytes: int = ROOM_BYTES,
        doer: Doer | None = None,
    ) -> None:
        self._partials = Partials(store.folder / FOLDER, room_bytes)
        self._requests = requests
        self._bus = bus
        self._store = store
        self._group = group
        self._doer = doer or AtOnce()
        self._ready = False
        self._going: _Going | None = None
        self._held: deque[list[Message]] = deque()  # what the disk refused, and what was read behind it
        self._retry_ms = 0
        self.last_error = ""

    def step(self, now_ms: int, utc_ms: int | None = None) -> bool:
        """Read a group, wait for the one before, begin to store this one, acknowledge the other; whether there was
        either. `now_ms` must never go back, `utc_ms` is Unix time.

        When the disk refuses, both are held, unacknowledged, and tried again.
        """
        if self._held and now_ms < self._retry_ms:
            return False
        if not self._ready:
            self._store.media.recover()
            self._store.verify_notes()
            self._ready = True
        messages = self._held.popleft() if self._held else self._bus.take(self._group)
        if not messages and self._going is None:
            return False
        utc_ms = now_ms if utc_ms is None else utc_ms
        group = read_group(messages, utc_ms)
        rows = rows_of(group.arrivals, utc_ms)
        done = None
        try:
            done = self._settle()
            if messages:
                self._going = self._begin(messages, group, rows, utc_ms)
                messages = []
        except StorageError as error:
            self._hold(messages, error, now_ms)
        # While the disk is at the next group already.
        self._acknowledge(done)
        if self._held and now_ms < self._retry_ms:
            return False
        if self._going is not None and self._going.commit.done():
            try:
                self._acknowledge(self._settle())
            except StorageError as error:
                self._hold([], error, now_ms)
                return False
        return True

    def wait(self) -> None:
        """Until nothing is being stored: what came of it the next step says."""
        if self._going is not None:
            self._going.commit.exception()

    def close(self) -> None:
        """Acknowledge what is durable by now; what is not comes again."""
        with suppress(StorageError):
            self._acknowledge(self._settle())
        self._doer.close()

    def _begin(self, messages: list[Message], group: Group, rows: Rows, utc_ms: int) -> _Going:
        here = self._in_custody(group.pieces)
        taken = self._partials.take((piece for piece in group.pieces if piece.mark not in here), utc_ms)
        if taken.whole:
            rows = rows_of([*group.arrivals, *(whole(each.mark, each.body, utc_ms) for each in taken.whole)], utc_ms)
        kept = self._store.begin_add(rows, group.heard.items(), group.garbage, utc_ms, let_go=taken.let_go)
        commit = self._doer.begin(self._store.commit)
        return _Going(
            messages=messages, group=group, here=here, taken=taken, kept=kept, commit=commit, utc_ms=utc_ms
        )  # fmt: skip

    def _settle(self) -> _Going | None:
        """Wait for the group that is being stored, and take it away once it is durable.

        Raises: StorageError when it is not; then it is still there.
        """
        going = self._going
        if going is not None:
            going.commit.result()
            if self._requests is not None:
                for answer in going.group.answers:
                    self._requests.answered(*answer, going.utc_ms)
                for entries in going.group.logs:
                    self._requests.add_entries(*entries, going.utc_ms)
            self._going = None
            self.last_error = ""
        return going

    def _hold(self, messages: list[Message], error: StorageError, now_ms: int) -> None:
        """Try them again later, in their order: what is being stored, then what was read behind it, then the rest."""
        going, self._going = self._going, None
        behind = [messages] if messages else []
        self._held.extendleft([*behind, going.messages] if going else behind)
        self._retry_ms, self.last_error = now_ms + RETRY_MS, str(error)

    def _acknowledge(self, done: _Going | None) -> None:
        if done is None:
            return
        for message in done.messages:
            message.acknowledge()
        partly = {(each.mark.key, each.mark.sha256): each.mark for each in done.taken.whole}
        if partly or done.here:
            self._partials.forget([*done.here, *(mark for a in done.kept if (mark := partly.get((a.key, a.sha256))))])
        self._publish([*(mark.key for mark in done.here), *(a.key for a in done.kept)])
        self._answer(done.taken.have)

    def _in_custody(self, pieces: list[Piece]) -> list[Mark]:
        """Those named objects that are here already, whole: a trap asks again when an acknowledgement was lost."""
        return [mark for mark in dict.fromkeys(p.mark for p in pieces) if self._store.holds(mark.key, mark.sha256)]

    def _answer(self, have: list[Have]) -> None:
        for each in have:
            self._bus.publish(topics.have(each.mark.key.trap), each.encode())  # a lost one is asked for again

    def _publish(self, keys: list[ObjectKey]) -> None:
        by_trap: dict[int, dict[tuple[int, int, int, int], ObjectKey]] = {}
        for key in keys:
            by_trap.setdefault(key.trap, {})[key.as_tuple()] = key
        for trap, own in by_trap.items():
            its = list(own.values())
            for i in range(0, len(its), ACK_KEYS):
                # If the bus is gone the acknowledgement is lost; the object comes again and gets another.
                self._bus.publish(topics.ack(trap), pack_keys(its[i : i + ACK_KEYS]))
