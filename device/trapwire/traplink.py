"""The trap's end of the link: bytes and `now` in; frames, events and the next deadline out.

Rules (PROTOCOL.md section 6). The trap speaks first, always. Of what waits it sends the lowest priority number,
oldest first; an alert goes out between two fragments of anything else. The last frame of a turn carries *poll*:
then the trap listens for `reply_window_ms`, and the base may answer with one or more frames, all but the last with
*more*. No answer, or one in which this object is not settled, brings a repeat, later and later.

    state       what ends it                                         next
    ready       a frame is due and the channel is free               sending
    sending     `sent()`; without poll                               ready
                `sent()`; with poll                                  listening
    listening   the base's last frame, something settled             ready
                the base's last frame, nothing settled               ready after a growing pause
                `reply_window_ms` over                               ready after a random, growing pause

While another trap waits for its answer, or the base gives it, this one keeps quiet, but not for ever: whose turn it
is stands in headers, and a trap has no key to prove those of others.
"""

from trapwire.company import GAP_SLOTS, LATE_SLOTS, MAX_QUIET_WINDOWS, Company
from trapwire.downward import Downward
from trapwire.errors import CAUSES, WireError, cause_of
from trapwire.fragments import Cut, read_fragment
from trapwire.frame import (
    ACK,
    ALERT,
    ASK,
    FRAGMENT,
    HAVE,
    HEADER_BYTES,
    HEARTBEAT,
    LOG,
    PIECE,
    QUICK,
    REPLY,
    WORD,
    Counter,
    Frame,
    peek_frame,
    tag_bytes,
)
from trapwire.linktimes import LinkTimes
from trapwire.objects import ALERT as ALERT_RUNG
from trapwire.objects import ObjectKey, decode_envelope
from trapwire.payloads import (
    Heartbeat,
    decode_ack,
    decode_have,
    decode_quick,
    encode_alert_payload,
    encode_ask,
    encode_quick,
)
from trapwire.quick import START_MS
from trapwire.sendqueue import SendQueue
from trapwire.trapwords import TrapWords

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

    from trapwire.linkkeys import LinkKey
    from trapwire.quick import QuickTurns

MAX_TURN_PIECES = 40  # pieces before the base is asked: what a base that is gone costs at most
HEARTBEAT_TRIES = 8  # silences in a row after which no heartbeat is repeated: what a base that is gone costs
URGENT_BYTES = 80  # an alert, or the full acknowledgement that goes before it
BESIDE_BYTES = HEADER_BYTES + tag_bytes(HEARTBEAT)  # in a frame, beside its payload


class TrapLink:
    """One trap's link with its home base.

    `load(key)` gives an object's envelope bytes from the queue, or None when it is gone; `random(n)` a whole number
    below n; `heartbeat()` a `Heartbeat`; `wait_ms(now, bytes, urgent)` how long the governor holds a frame back;
    `quick`: turns at a faster spreading factor, if any; its `sf` says where the radio is to be tuned.
    Events are tuples: ("delivered", key), ("down", Envelope), ("heard",), ("dropped", reason), and those of `words`.
    `counts`: frames dropped, by cause (`trapwire.errors.CAUSES`).
    """

    def __init__(
        self,
        key: "LinkKey",
        frame_bytes: int,
        times: LinkTimes,
        counter: Counter,
        load: "Callable[[ObjectKey], bytes | None]",
        random: "Callable[[int], int]",
        heartbeat: "Callable[[], Heartbeat]",
        wait_ms: "Callable[[int, int, bool], int] | None" = None,
        quick: "QuickTurns | None" = None,
    ) -> None:
        self.address = key.trap
        self._key = key
        self.counts = dict.fromkeys(CAUSES, 0)
        self._frame_bytes = frame_bytes
        self._times = times
        self._counter = counter
        self._load = load
        self._random = random
        self._heartbeat = heartbeat
        self._wait_ms = wait_ms
        self._quick = quick
        self._queue = SendQueue()
        self.words = TrapWords(key.trap)
        self._active: "ObjectKey | None" = None
        self._cut: "Cut | None" = None  # of the active object
        self._todo: "list[int]" = []
        self._turn = 0  # pieces since the last poll
        self._polling: "bool | None" = None  # whether the frame in the air polls; None while none is in the air
        self._asked: "tuple[int, ObjectKey | None] | None" = None  # kind and object of the last poll
        self._listen_until: "int | None" = None
        self._listen_end = 0  # however busy the channel is
        self._hold_until = 0  # our own pause
        self._company = Company(times, random)
        self._silent = 0  # polls without an answer, in a row
        self._unsettled = 0  # answers without anything settled, in a row
        self._progress = False  # whether the answer now coming in has settled or asked for anything
        self._next_heartbeat = 0
        self._down = Downward(key.trap)

    # What the supervisor hands in

    def offer(self, key: ObjectKey, priority: int, fresh: bool = True) -> bool:
        """Queue an object for sending (see `SendQueue.offer`); False when it must wait in flash.

        fresh: not false unless a run before this one may have sent some of it: then the base is asked first.
        """
        if key in self._queue:
            return True
        taken = self._queue.offer(key, priority, fresh)
        if taken and key.rung == ALERT_RUNG:
            self._hold_until = 0  # a new alert does not wait out an older object's pause
        return taken

    def committed(self, key: ObjectKey) -> None:
        """A downward object is durable here: acknowledge it in the next frame."""
        self._hold_until = 0
        self._unsettled = 0
        self._down.committed(key)

    def queued(self) -> int:
        return len(self._queue)

    def has_room(self) -> bool:
        return self._queue.has_room()

    def retune(self, frame_bytes: int, now: int) -> None:
        """Frames are of another size from now on, or `times` were changed: what was begun is cut anew."""
        self._frame_bytes = frame_bytes
        self._next_heartbeat = min(self._next_heartbeat, now + self._times.heartbeat_ms)
        self._active = None

    def beat(self) -> None:
        """The next heartbeat is due now."""
        self._next_heartbeat = self._hold_until = 0

    def kept(self) -> "tuple[tuple[int, ...], list[ObjectKey]]":
        """What a deep sleep between two turns must not forget: times and counts, and the objects that were begun."""
        return (self._next_heartbeat, self._hold_until, self._silent, self._unsettled), self._queue.begun()

    def resume(self, times: "tuple[int, ...]") -> None:
        """After such a sleep; objects are offered again, those that were begun as not fresh."""
        self._next_heartbeat, self._hold_until, self._silent, self._unsettled = times

    # What the radio brings

    def on_frame(self, data: bytes, now: int) -> "list[tuple[object, ...]]":
        """Take a frame from the air; the events it brings. Damage and strangers' frames raise nothing."""
        try:
            head = peek_frame(data)
            if head.address != self.address or not head.down:
                self._company.overhear(head, self._has_alert(), self._silent, now)
                return []
            frame = self._key.open(data)
        except WireError as error:
            return [self._dropped(error)]
        self._silent = 0
        self.words.heard()
        events: "list[tuple[object, ...]]" = [("heard",)]
        try:
            events += self._on_down(frame, now)
        except WireError as error:
            events.append(self._dropped(error))
        if self._listen_until is not None:
            if frame.flag:
                self._listen(now)
            else:
                self._listen_until = None
                self._answered(now)
                if self._asked is not None and self._asked[0] in (REPLY, LOG):
                    events += self.words.answered()
        return events

    def _listen(self, now: int) -> None:
        self._listen_until = now + self._times.reply_window_ms
        self._listen_end = now + MAX_QUIET_WINDOWS * self._times.reply_window_ms

    def _dropped(self, error: WireError) -> "tuple[object, ...]":
        self.counts[cause_of(error)] += 1
        return ("dropped", str(error))

    def _on_down(self, frame: Frame, now: int) -> "list[tuple[object, ...]]":
        if frame.kind == ACK:
            return [e for key in decode_ack(self.address, frame.payload) for e in self._settle(key)]
        if frame.kind == HAVE:
            have = decode_have(frame.payload)
            if self._cut is not None and (have.transfer, have.total) == (self._cut.transfer, self._cut.total):
                self._todo = have.missing()
                # Complete and not committed yet is no progress: ask again, later, with the last piece.
                self._progress = self._progress or bool(self._todo)
            return []
        if frame.kind == FRAGMENT:
            is_new, events = self._down.on_piece(read_fragment(frame.payload), now)
            self._progress = self._progress or is_new
            return events
        if frame.kind == QUICK:
            self._progress = self._quick is not None and self._quick.granted(*decode_quick(frame.payload), now)
            return []
        if frame.kind == WORD:
            return self.words.read(frame.payload)
        raise WireError("frame kind %d does not travel down" % frame.kind)

    def _settle(self, key: ObjectKey) -> "list[tuple[object, ...]]":
        if key not in self._queue:
            return []
        self._drop(key)
        self._queue.forgive()
        self._progress = True
        return [("delivered", key)]

    def _drop(self, key: ObjectKey) -> None:
        self._queue.drop(key)
        if key == self._active:
            self._active = self._cut = None
            self._todo, self._turn = [], 0

    def _answered(self, now: int) -> None:
        """The base has said all it had to say."""
        if self._quick is not None:
            if self._quick.active:
                if self._quick.answered() and self._company.ever:
                    # The others keep quiet for a whole turn; then it is theirs first.
                    self._hold_until = now + self._quick.left_ms(now) + (LATE_SLOTS + 1) * self._times.slot_ms
            elif self._asked is not None and self._asked[0] == QUICK:
                self._quick.refused(now)
                self._progress = True
            if self._quick.active:  # it is just allowed
                self._company.quiet_until = now + START_MS
                return
        head = self._queue.head()
        if self._progress or head is None:
            self._unsettled = 0
            if head is not None and head.rung != ALERT_RUNG:
                # Others have waited for the end of this turn, perhaps with an alert: let them speak first.
                self._company.let_others(now)
            return
        asked = self._asked[1] if self._asked is not None else None
        if asked is None or asked not in self._queue:
            return  # a heartbeat or an acknowledgement settles nothing, and delays nothing
        self._queue.blame(asked)
        wait = self._times.commit_ms << min(self._unsettled, 10)
        self._unsettled += 1
        self._hold_until = now + min(wait, self._times.pause_max_ms)

    def _unanswered(self, now: int) -> None:
        """Nothing came within the window: the same frame again after a random, growing pause."""
        away_ms = 0
        if self._quick is not None and (self._quick.active or (self._asked is not None and self._asked[0] == QUICK)):
            away_ms = self._quick.left_ms(now)  # the base may still listen where we were
            self._quick.failed(now)
        pause = self._times.longest_pause(self._silent, self._has_alert(), self._company.about(now))
        self._silent += 1
        self._hold_until = now + 1 + away_ms + self._random(pause)
        if self._asked is not None and self._asked[1] is not None and self._asked[1] == self._active:
            self._turn = MAX_TURN_PIECES  # whether it or its answer was lost: a short question tells, and costs less
        if self._asked is not None and self._asked[0] == HEARTBEAT and self._silent < HEARTBEAT_TRIES:
            self._next_heartbeat = now  # and apart from those of traps that were switched on with this one
        self._down.unheard()

    # What goes out

    def next_frame(self, now: int, busy: bool) -> "bytes | None":
        """The frame to send now, or None. `busy`: somebody is heard on the channel."""
        if self._polling is not None or now < (self.deadline(now) or 0):
            return None
        if self._listen_until is not None:
            if busy and now < self._listen_end:
                self._listen_until = min(now + self._times.slot_ms, self._listen_end)  # that may be the answer
                return None
            self._listen_until = None
            self._unanswered(now)
            return None
        if busy:
            self._company.wait_while_busy(self._silent, now)
            return None
        if self._quick is not None and self._quick.expired(now):
            return None  # the radio is tuned first
        if self._wait_ms is not None:
            urgent = self._has_alert()
            wait = self._wait_ms(now, min(URGENT_BYTES, self._frame_bytes) if urgent else self._frame_bytes, urgent)
            if wait:
                self._hold_until = now + wait  # a new alert asks again
                return None
        kind, poll, payload = self._choose(now)
        self._polling = poll
        if self._quick is not None:
            self._quick.use()
        return self._key.seal(kind, poll, self._counter.take(), payload)

    def sent(self, now: int) -> None:
        """The frame has left the antenna."""
        if self._polling:
            self._listen(now)
            self._progress = False
        elif self._company.about(now) and (self._quick is None or not self._quick.active):
            self._hold_until = now + GAP_SLOTS * self._times.slot_ms
        self._polling = None

    def deadline(self, now: int) -> "int | None":
        """When `next_frame` may have something, or None while a frame is in the air."""
        if self._polling is not None:
            return None
        if self._listen_until is not None:
            return self._listen_until
        waits = len(self._queue) or self._down.owes() or self.words.due()
        due = now if waits else self._next_heartbeat
        return max(due, self._hold_until, self._company.quiet_until)

    def idle(self) -> bool:
        """Whether the link neither sends nor listens for an answer: the radio may be elsewhere."""
        return self._polling is None and self._listen_until is None and (self._quick is None or not self._quick.active)

    def _choose(self, now: int) -> "tuple[int, bool, bytes]":
        """Kind, poll and payload of the next frame: something is due."""
        owed = self._down.take(self._frame_bytes)
        if owed is not None:
            self._asked = (owed[0], None)
            return owed[0], True, owed[1]
        while True:
            head = self._queue.head()
            urgent = head is not None and head.rung == ALERT_RUNG and self._queue.is_patient(head)
            if self.words.due() and not urgent:
                kind, payload = self.words.take(self._frame_bytes - BESIDE_BYTES)
                self._asked = (kind, None)
                return kind, True, payload
            # A heartbeat waits for the end of a turn: it is no reason to leave pieces unasked for.
            if head is None or (now >= self._next_heartbeat and not urgent and not self._turn):
                self._next_heartbeat = now + self._times.heartbeat_ms
                self._asked = (HEARTBEAT, None)
                return HEARTBEAT, True, self._heartbeat().encode(self._frame_bytes - BESIDE_BYTES)
            chosen = self._object(head, now)
            if chosen is not None:
                return chosen
            self._drop(head)  # the queue in flash no longer has it, or it can never be sent

    def _object(self, key: ObjectKey, now: int) -> "tuple[int, bool, bytes] | None":
        """The next frame of an object; None when there is none to be had."""
        if key == self._active:
            return self._next_piece(now)
        data = self._load(key)
        if data is None:
            return None
        if key.rung == ALERT_RUNG:
            self._asked = (ALERT, key)
            return ALERT, True, encode_alert_payload(key, decode_envelope(data).body)
        try:
            self._cut = Cut(data, self._frame_bytes)
        except WireError:
            return None
        self._active = key
        # What was interrupted, by a reset or by something more urgent, goes on where it was: the base is asked.
        self._todo = list(range(self._cut.total)) if self._queue.begin(key) else []
        self._turn = 0
        return self._next_piece(now)

    def _next_piece(self, now: int) -> "tuple[int, bool, bytes]":
        """The next piece of the active object; a question where none is known to be missing, or silence fell."""
        whole = self._cut
        assert whole is not None  # there is one as long as there is an active object
        if not self._todo or self._turn >= MAX_TURN_PIECES:
            self._turn = 0
            self._asked = (ASK, self._active)
            return ASK, True, encode_ask(whole.transfer, whole.total)
        if not self._turn and self._quick is not None and self._quick.wanted(len(self._todo), now):
            self._asked = (QUICK, self._active)
            return QUICK, True, encode_quick(self._quick.fastest, len(self._todo))
        most = self._quick.pieces if self._quick is not None and self._quick.active else MAX_TURN_PIECES
        index = self._todo.pop(0)
        self._turn += 1
        if self._todo and self._turn < most:
            return PIECE, False, whole.piece(index)
        self._turn = 0
        self._asked = (FRAGMENT, self._active)
        return FRAGMENT, True, whole.fragment(index)

    def _has_alert(self) -> bool:
        head = self._queue.head()
        return head is not None and head.rung == ALERT_RUNG
