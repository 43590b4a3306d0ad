"""The uplink: objects to the supervisor, receipts and triggers from it. Takes `now_ms`; the line is handed in.

Rules:
- HELLO when the line opens, again every `hello_ms` until the supervisor says anything; its HELLO is the answer.
- After every opening, and at a HELLO that answers nothing (the supervisor has restarted), every object that the base
  is not known to have is offered again: waiting ones, then stored ones. Its STORED and DELIVERED are idempotent.
- At most `window` offers without an answer; an offer without one is made again after `answer_ms`.
- FULL_QUEUE stops offers of that priority and less urgent ones for `full_ms`; alerts may still find room.
- While a network serves only alerts are offered, and those at once: a network that died a moment ago still seems to
  serve, and an alert costs a second of air. Everything else may wait until that is known, for air is dear.
- REFUSED takes one object out of the offers until the next start; the others go on.
- A receipt is answered with RECEIPT_TAKEN once its outcome is durable, whatever it is; never before. The answer to one
  that was no use asks for it whole (`receipts`). A settings pack is answered so too, once it is durable.
- WANTED makes an object urgent for the radio, also one that was none for it; what is not here is not answered.
- TIME goes to the clock; MODE is remembered, with its time: `words`. A trigger in service is marked as such. That
  state counts for `SERVICE_STALE_MS`: a supervisor that fell silent must not make a trap overlook cats.
- The end of a visit is said by DONE, and again every `status_ms`, until MODE names another state.
- DONE names the last trigger that was seen to, once all is committed and handed over, and again every `status_ms`: then
  the supervisor may let the Pi go. After LEAVE the application ends what it has in hand and says so by `farewell`.
- What the supervisor says of its firmware waits in `firmware` for who asked.
- Anything else on the line is counted and skipped.
"""

import struct
from collections import deque
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from trapcam.clock import Clock
from trapcam.downpack import keep_pack
from trapcam.outbox import Outbox
from trapcam.states import ALARM_PRIORITY, ALERTS_ONLY, PRIORITIES, STORED
from trapcam.timers import due
from trapcam.trigger import Trigger, decode_wake
from trapcam.unitwords import UnitWords, decode_mode
from trapkit.errors import StorageError
from trapwire import serialline as line_kinds
from trapwire.alert import UNKNOWN
from trapwire.errors import WireError
from trapwire.objects import PACK, decode_envelope, pack_keys, unpack_keys
from trapwire.unitstates import SERVICE
from trapwire.words import decode_time

SERVICE_STALE_MS = 15_000  # it is said every 5 s
MAX_FIRMWARE = 16  # words on firmware that nobody took: one is asked for at a time
HANDED_OVER, SHUTTING_DOWN, VISIT_OVER = 0, 1, 2  # what DONE says
SILENT = (
    "supervisor: the line is open and nothing answers: is its firmware running, and are RX and TX not swapped? "
    "The camera goes on, all is kept"
)


class Line(Protocol):
    """A serial line; `trapkit.serialport.SerialPort` is the real one."""

    @property
    def is_open(self) -> bool: ...

    @property
    def last_error(self) -> str: ...

    def read(self) -> list[tuple[int, bytes]]: ...

    def send(self, kind: int, payload: bytes) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long to wait for the supervisor, in ms, and how many offers may be open."""

    window: int = 4
    silent_ms: int = 30_000
    answer_ms: int = 5_000
    hello_ms: int = 3_000
    status_ms: int = 10_000
    full_ms: int = 10_000


class Uplink:
    """Moves objects from `outbox` over `line`; `receipt_key` is the back end's public key (32 bytes).

    `counts`: messages since the start, by what became of them; `refusal`: what the disk said in the last step.
    """

    def __init__(
        self,
        line: Line,
        outbox: Outbox,
        receipt_key: bytes,
        timing: Timing | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._line = line
        self._clock = clock
        self._outbox = outbox
        self._receipt_key = receipt_key
        self._timing = timing or Timing()
        self._was_open = False
        self._answered = False
        self._hello_ms: int | None = None
        self._status_ms: int | None = None
        self._full: tuple[int, int] | None = None  # (priority, since when)
        self._offers: dict[tuple[int, int], _Offer] = {}  # by number and rung
        self._networked = False
        self._again: list[tuple[int, int, int]] = []  # stored objects to ask after, the most urgent last
        self._refused: set[tuple[int, int]] = set()
        self.counts = {"skipped": 0, "unsendable": 0, "applied": 0, "partly": 0, "repeated": 0, "refused": 0}
        self.refusal = ""
        self.firmware: deque[bytes] = deque(maxlen=MAX_FIRMWARE)
        self.mode: int | None = None  # the unit's state, as the supervisor said it (trapwire.unitstates)
        self.words: UnitWords | None = None  # all that it said then
        self._visit_over = False  # the ranger leaves: said until the unit is in another state
        self._visit_ms: int | None = None
        self.card_fault = False  # what is taken cannot be kept: said with the next STATUS
        self._said_fault = False
        self.leave = False  # the supervisor wants the Pi to shut down
        self._trigger = 0  # the last one that came
        self.trigger_no: int | None = None  # its number, None before the first
        self._done: tuple[int, int] | None = None  # trigger and time of the last DONE
        self._asked_ms: int | None = None  # since when something that is answered at once has had no answer
        self._silent = False

    @property
    def trouble(self) -> str:
        """What is wrong now, in words for the operator."""
        if self.refusal or self._line.is_open:
            return self.refusal or (SILENT if self._silent else "")
        return self._line.last_error and f"supervisor: {self._line.last_error}"

    @property
    def answered(self) -> bool:
        """Whether a supervisor has said anything since the line opened."""
        return self._was_open and self._answered

    def say_firmware(self, payload: bytes) -> bool:
        """A word on its firmware to the supervisor (`trapwire.slotask`); whether it went."""
        return self._send(line_kinds.FIRMWARE, payload)

    def step(self, now_ms: int, *, networked: bool = False) -> list[Trigger]:
        """Read and answer what has come, then send what is due; the triggers that came.

        networked: a network serves now, so that only alerts are worth their air.
        """
        self.refusal = ""
        self._networked = networked
        messages = self._line.read()
        if self._line.is_open != self._was_open:
            self._was_open = self._line.is_open
            self._answered = False
            self._hello_ms = self._status_ms = None
            try:
                self._start_over()
            except StorageError as error:
                self.refusal, self._was_open = str(error), False  # the next step tries again
        if messages or not self._was_open:
            self._asked_ms = None
        triggers = self._take(messages, now_ms)
        if self._was_open:
            self._send_due(now_ms)
        self._silent = self._asked_ms is not None and due(self._asked_ms, now_ms, self._timing.silent_ms)
        return triggers

    def _start_over(self) -> None:
        """Forget what the supervisor had said of its queue: it may have lost it."""
        self._offers.clear()
        self._refused.clear()
        self._full = None
        self._again = self._outbox.in_state(STORED)[::-1]

    def idle(self, now_ms: int) -> None:
        """No trigger waits and none is worked on: say so, once everything is handed over that can be."""
        if not self._was_open or self._offers:
            return
        try:
            left = self._outbox.waiting(1 + len(self._refused), self._below())
        except StorageError as error:
            self.refusal = str(error)
            return
        if any((number, rung) not in self._refused for _, number, rung in left):
            return
        told, at_ms = self._done or (None, None)
        if told == self._trigger and not due(at_ms, now_ms, self._timing.status_ms):
            return
        self._done = (self._trigger, now_ms)
        self._send(line_kinds.DONE, struct.pack(">BI", HANDED_OVER, self._trigger))

    def in_service(self, now_ms: int) -> bool:
        """Whether a ranger is at the trap, by a supervisor's word that is not too old."""
        words = self.words
        if words is None or words.state != SERVICE or words.walked is None:  # old firmware says it once
            return False
        return not due(words.at_ms, now_ms, SERVICE_STALE_MS)

    def visit_over(self) -> None:
        """The ranger leaves: the supervisor is to end service, as by the button. Nothing where there is none."""
        if self.mode == SERVICE and not self._visit_over:
            self._visit_over, self._visit_ms = True, None

    def farewell(self) -> None:
        """The Pi shuts down now."""
        self._send(line_kinds.DONE, struct.pack(">BI", SHUTTING_DOWN, self._trigger))

    # --- what comes ---------------------------------------------------------------------------------------------

    def _take(self, messages: list[tuple[int, bytes]], now_ms: int) -> list[Trigger]:
        triggers: list[Trigger] = []
        stored: list[tuple[int, int]] = []
        delivered: list[tuple[int, int]] = []
        for kind, payload in messages:
            try:
                if kind == line_kinds.WAKE:
                    triggers.append(replace(decode_wake(payload, now_ms), in_service=self.in_service(now_ms)))
                    self._trigger = self.trigger_no = triggers[-1].number
                elif kind == line_kinds.STORED:
                    stored.append(self._own(payload))
                elif kind == line_kinds.DELIVERED:
                    delivered.append(self._own(payload))
                elif kind == line_kinds.FULL_QUEUE:
                    self._hold_back(self._own(payload), now_ms)
                elif kind == line_kinds.REFUSED:
                    self._give_up(self._own(payload))
                elif kind == line_kinds.DOWN:
                    self._receipt(payload, now_ms)
                elif kind == line_kinds.WANTED:
                    self._outbox.want(*self._own(payload))
                elif kind == line_kinds.TIME:
                    self._on_time(payload)
                elif kind == line_kinds.MODE and payload:
                    self.words = decode_mode(payload, now_ms)
                    self.mode = self.words.state
                    self._visit_over = self._visit_over and self.mode == SERVICE
                elif kind == line_kinds.FIRMWARE_IS:
                    self.firmware.append(payload)
                elif kind == line_kinds.LEAVE:
                    self.leave = True
                elif kind == line_kinds.HELLO:
                    self._done = None
                    if self._answered:
                        self._start_over()
                else:
                    raise WireError(f"message kind {kind:#04x} is unknown")
                self._answered = True
            except WireError:
                self.counts["skipped"] += 1
            except StorageError as error:
                self.refusal = str(error)  # not answered: the supervisor sends it again
        if stored or delivered:
            self._mark(stored, delivered)
        return triggers

    def _on_time(self, payload: bytes) -> None:
        unix_ms, uncertainty_ms = decode_time(payload)
        if self._clock is not None and uncertainty_ms is not None:
            self._clock.hear(unix_ms, uncertainty_ms)

    def _own(self, payload: bytes) -> tuple[int, int]:
        """The number and rung of a key of this trap and epoch.  Raises: WireError."""
        keys = unpack_keys(payload)
        if len(keys) != 1:
            raise WireError(f"{len(keys)} keys, one is needed")
        if (keys[0].trap, keys[0].epoch) != (self._outbox.trap, self._outbox.epoch):
            raise WireError(f"{keys[0]!r} is not of this outbox")
        return keys[0].number, keys[0].rung

    def _mark(self, stored: list[tuple[int, int]], delivered: list[tuple[int, int]]) -> None:
        try:
            self._outbox.mark(stored, delivered)
        except StorageError as error:
            self.refusal = str(error)  # the offers stay open and are made again
            return
        for answered in stored + delivered:
            self._offers.pop(answered, None)

    def _hold_back(self, answered: tuple[int, int], now_ms: int) -> None:
        offer = self._offers.get(answered)
        if offer:
            self._withdraw(answered, offer)
            self._full = (min(offer.priority, self._full[0]) if self._full else offer.priority, now_ms)

    def _give_up(self, answered: tuple[int, int]) -> None:
        self._offers.pop(answered, None)
        self._refused.add(answered)
        self.counts["unsendable"] += 1

    def _withdraw(self, key: tuple[int, int], offer: "_Offer") -> None:
        """Close an offer without an answer: waiting objects are found in the outbox again, stored ones kept here."""
        del self._offers[key]
        if offer.stored:
            self._again.append((offer.priority, *key))

    def _receipt(self, payload: bytes, now_ms: int) -> None:
        envelope = decode_envelope(payload)
        if envelope.key.rung == PACK:
            self._send(line_kinds.RECEIPT_TAKEN, pack_keys(keep_pack(self._outbox, envelope)))
            return
        outcome = self._outbox.apply_receipt(envelope, self._receipt_key, now_ms)
        self.counts[outcome.value] += 1
        self._send(line_kinds.RECEIPT_TAKEN, pack_keys(self._outbox.answer(envelope, outcome)))

    # --- what goes ----------------------------------------------------------------------------------------------

    def _send(self, kind: int, payload: bytes) -> bool:
        sent = self._line.send(kind, payload)
        if not sent:
            self._was_open = False  # the line may be open again by the next read: say HELLO all the same
        return sent

    def _send_due(self, now_ms: int) -> None:
        if not self._answered and due(self._hello_ms, now_ms, self._timing.hello_ms):
            self._hello_ms = now_ms
            self._asked_ms = now_ms if self._asked_ms is None else self._asked_ms
            self._send(line_kinds.HELLO, b"")
        if self._visit_over and due(self._visit_ms, now_ms, self._timing.status_ms):
            self._visit_ms = now_ms
            self._send(line_kinds.DONE, struct.pack(">BI", VISIT_OVER, self._trigger))
        try:
            if due(self._status_ms, now_ms, self._timing.status_ms):
                self._status_ms = now_ms
                if self.card_fault or self._said_fault:
                    self._said_fault = self.card_fault
                    self._send(line_kinds.FAULT, bytes([self.card_fault]))
                self._send(line_kinds.STATUS, struct.pack(">IIB", *self._outbox.held_counts(), UNKNOWN))
            self._offer(now_ms)
        except StorageError as error:
            self.refusal = str(error)

    def _offer(self, now_ms: int) -> None:
        for key, offer in list(self._offers.items()):
            if due(offer.since_ms, now_ms, self._timing.answer_ms):
                self._withdraw(key, offer)
        if self._full and due(self._full[1], now_ms, self._timing.full_ms):
            self._full = None
        below = self._below()
        # Objects on offer are still `waiting` in the outbox, so ask for that many more.
        known = len(self._offers) + len(self._refused)
        for priority, number, rung in self._outbox.waiting(self._timing.window + known, below):
            if (number, rung) not in self._offers and (number, rung) not in self._refused:
                self._put(_Offer(now_ms, priority, False), number, rung)
        while self._has_room() and self._again and self._again[-1][0] < below:
            priority, number, rung = self._again.pop()
            self._put(_Offer(now_ms, priority, True), number, rung)

    def _below(self) -> int:
        """Only priorities below this one are offered now."""
        below = self._full[0] if self._full else PRIORITIES
        return min(below, ALERTS_ONLY) if self._networked else below

    def _has_room(self) -> bool:
        return self._was_open and len(self._offers) < self._timing.window

    def _put(self, offer: "_Offer", number: int, rung: int) -> None:
        if not self._has_room():
            return
        envelope = self._outbox.to_send(number, rung)
        # None: another carrier has delivered it, or a receipt has let it go meanwhile
        if envelope and self._send(line_kinds.PUT, bytes([offer.priority - ALARM_PRIORITY]) + envelope.encode()):
            self._offers[(number, rung)] = offer
            self._asked_ms = offer.since_ms if self._asked_ms is None else self._asked_ms


class _Offer(NamedTuple):
    since_ms: int
    priority: int
    stored: bool  # it was in the supervisor's flash before; asked after, not handed over
