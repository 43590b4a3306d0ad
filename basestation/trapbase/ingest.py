"""From the bus into custody: commit, then acknowledge (house rule 8).

A group of messages is sorted, stored in one transaction, acknowledged to the broker, and its keys published on
`ack/<trap>`, repeats included: the first acknowledgement may have been lost. Ingest holds no secret key: what is
sealed stays sealed. Everything from the bus is hostile; what is not ours is counted and acknowledged away.

While the disk takes one group, the next is read beside it; that one is looked up, written and acknowledged only after
the commit of the first has returned, so that order is kept, and what the disk refuses is all tried again.

Of a large object that comes in pieces, `have/<trap>` says how much there is, durably; once it is whole it goes the way
of all others.
"""

import json
from dataclasses import dataclass, replace
from functools import partial

from trapbase.intake.beside import Beside
from trapbase.intake.reading import Group, read_group, whole
from trapbase.model import Arrival
from trapbase.partials import FOLDER, Partials, Taken
from trapbase.request_store import RequestStore
from trapbase.shutout import ShutOut
from trapbase.store import Store
from trapbase.store_rows import Rows, rows_of
from trapkit import topics
from trapkit.errors import SetupError, StorageError
from trapkit.files import refusal
from trapkit.pieces import Have, Mark, Piece
from trapkit.topics import Message, MessageBus
from trapwire.objects import ObjectKey, pack_keys

SUBSCRIPTIONS = tuple(map(topics.every, (topics.UP, topics.PIECE, topics.HEARD, topics.ANSWER, topics.REVOKED)))

ROOM_BYTES = 256 * 1024 * 1024  # for objects that are not whole yet
ACK_KEYS = 1024  # the most that `unpack_keys` takes
RETRY_MS = 5000  # after the disk refused


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """Messages in their order, what they hold, and that as rows."""

    messages: list[Message]
    group: Group
    rows: Rows
    utc_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Done:
    """A group that is durable, and what is to be said of it; `here`: of its pieces those whose object was whole before;
    `kept`: its objects."""

    messages: list[Message]
    here: list[Mark]
    taken: Taken
    kept: list[Arrival]


class Ingest:
    """The step from `bus` to `store`; `group` is the most messages in one transaction; `requests`: where answers of
    traps go, None for nowhere; `room_bytes`: for objects that are not whole yet; `shut`: who is shut out, and where a
    list of them from the bus goes; `base`: this base's name; `beside`: while the disk takes a group, the one before is
    acknowledged there, and the next one read; None: all in its turn, and in one thread.

        write n ─ commit n ────────────────────── write n+1 ─ commit n+1 ────────────
                  acknowledge n-1, read n+1                   acknowledge n, read n+2
    """

    def __init__(
        self,
        bus: MessageBus,
        store: Store,
        *,
        group: int = 64,
        requests: RequestStore | None = None,
        room_bytes: int = ROOM_BYTES,
        beside: Beside[Read] | None = None,
        shut: ShutOut | None = None,
        base: str = "base",
    ) -> None:
        self._base = base
        self._shut = shut
        self._partials = Partials(store.folder / FOLDER, room_bytes)
        self._requests = requests
        self._bus = bus
        self._store = store
        self._group = group
        self._beside = beside
        self._ready = False
        self._held: list[Message] = []  # what the disk refused
        self._ahead: Read | None = None
        self._owed: _Done | None = None  # to be acknowledged beside the next commit
        self._retry_ms = 0
        self.last_error = ""

    def step(self, now_ms: int, utc_ms: int | None = None) -> bool:
        """Take and store one group; whether there was one. `now_ms` must never go back, `utc_ms` is Unix time.

        When the disk refuses, the group is held, unacknowledged, and tried again.
        """
        if self._held and now_ms < self._retry_ms:
            return False
        if not self._ready:
            self._store.media.recover()
            self._store.verify_notes()
            self._ready = True
        utc_ms = now_ms if utc_ms is None else utc_ms
        read = self._next(utc_ms)
        if not read.messages:
            return False
        try:
            read = self._shut_out(read)
        except OSError as error:
            self._held, self._retry_ms = read.messages, now_ms + RETRY_MS
            self.last_error = refusal(self._store.folder, error)
            self._pay()
            return False
        group = read.group
        try:
            here = self._in_custody(group.pieces)
            taken = self._partials.take((piece for piece in group.pieces if piece.mark not in here), utc_ms)
            kept = self._keep(read, taken)
            if self._requests is not None:
                for answer in group.answers:
                    self._requests.answered(*answer, utc_ms)
                for entries in group.logs:
                    self._requests.add_entries(*entries, utc_ms)
        except StorageError as error:
            self._held, self._retry_ms, self.last_error = read.messages, now_ms + RETRY_MS, str(error)
            self._pay()
            return False
        self._held = []
        self.last_error = ""
        self._owed = _Done(messages=read.messages, here=here, taken=taken, kept=kept)
        if self._ahead is None or not self._ahead.messages:
            self._pay()  # no other commit follows
        return True

    def close(self) -> None:
        """Acknowledge what is durable, and end the thread beside; what it has read comes again."""
        self._pay()
        if self._beside is not None:
            self._beside.close()

    def _next(self, utc_ms: int) -> Read:
        """The group that the disk refused, or was read ahead, or waits on the bus."""
        if self._held:
            return _read(self._held, utc_ms)
        ahead, self._ahead = self._ahead, None
        return ahead if ahead is not None and ahead.messages else self._take(utc_ms)

    def _take(self, utc_ms: int) -> Read:
        return _read(self._bus.take(self._group), utc_ms)

    def _shut_out(self, read: Read) -> Read:
        """Lists of the revoked in a group, put into force; what is left of it.  Raises: OSError.

        Here and not where it was read: a list in the group before counts too.
        """
        group = read.group
        for trap, payload in group.lists:
            try:
                if self._shut is None:
                    raise SetupError("nobody takes lists here")
                self._shut.take(payload)
                in_force = {"base": self._base, "serial": self._shut.serial}
                self._bus.publish(topics.shut(trap), json.dumps(in_force).encode())
            except SetupError:
                group.garbage += 1
        left = group.without(self._shut.traps) if self._shut is not None else group
        if left is group:
            return read
        return replace(read, group=left, rows=rows_of(left.arrivals, read.utc_ms))

    def _keep(self, read: Read, taken: Taken) -> list[Arrival]:
        """Store a group, and read the next one meanwhile; those that are durable."""
        rows, group, utc_ms = read.rows, read.group, read.utc_ms
        if taken.whole:
            rows = rows_of([*group.arrivals, *(whole(each.mark, each.body, utc_ms) for each in taken.whole)], utc_ms)
        kept = self._store.begin_add(rows, group.heard.items(), group.garbage, utc_ms, let_go=taken.let_go)
        meanwhile = None
        if self._beside is not None and self._ahead is None:
            meanwhile = self._beside.begin(partial(self._meanwhile, utc_ms))
        try:
            self._store.commit()
        finally:
            if meanwhile is not None:
                self._ahead = meanwhile.result()
        return kept

    def _meanwhile(self, utc_ms: int) -> Read:
        self._pay()
        return self._take(utc_ms)

    def _pay(self) -> None:
        """Acknowledge the group that is durable."""
        done, self._owed = self._owed, None
        if done is None:
            return
        for message in done.messages:
            message.acknowledge()
        if done.here or done.taken.whole:
            whole = {(each.mark.key, each.mark.sha256): each.mark for each in done.taken.whole}
            self._partials.forget([*done.here, *(mark for a in done.kept if (mark := whole.get((a.key, a.sha256))))])
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


def _read(messages: list[Message], utc_ms: int) -> Read:
    group = read_group(messages, utc_ms)
    return Read(messages=messages, group=group, rows=rows_of(group.arrivals, utc_ms), utc_ms=utc_ms)
