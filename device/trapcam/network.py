"""The network: every object to the base over MQTT, receipts from it. Takes `now_ms`; the bus is handed in.

Rules:
- Published is every object that no base is known to have, most urgent first, in the bytes that were sealed at capture.
- Delivered is what `ack/<trap>` names, and nothing else: the broker's PUBACK proves nothing.
- Without an answer are at most `window` objects of together `window_bytes`, and beside them one full frame. What is
  larger than `OVER_BYTES` goes in pieces (`transfer`), and after a cut only the pieces that the base does not have.
- An offer is late once `answer_ms` have passed, and the time that all bytes on offer need at the slowest rate: a slow
  link is not flooded with repeats. It is then made again, each time with more patience; after `TRIES` others have its
  place for a while.
- While an offer is late the network does not serve, until any of ours is answered: the radio takes over.
- A new connection gives every offer its time again, for the client itself sends what the broker had not taken.
- A receipt is answered on `downack/<trap>` once its outcome is durable, whatever it is, and only then acknowledged.
- When the disk refuses, nothing is acknowledged, and the same message is tried again.
- Anything else on the bus is counted and acknowledged away.
"""

import hashlib
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from trapcam.downpack import keep_pack
from trapcam.outbox import Outbox
from trapcam.receipts import ReceiptOutcome
from trapcam.timers import due
from trapcam.transfer import TRIES, Transfer
from trapkit import topics
from trapkit.errors import StorageError
from trapkit.pieces import OVER_BYTES, Mark, decode_have
from trapkit.topics import Message, MessageBus
from trapwire.errors import WireError
from trapwire.objects import (
    FULLS,
    HEAD_BYTES,
    MAX_BODY_BYTES,
    MAX_DOWN_BYTES,
    PACK,
    RECEIPT,
    RUNG_NAMES,
    decode_envelope,
    pack_keys,
    unpack_keys,
)

MAX_PACKET_BYTES = 64 * 1024  # what the broker may send us: the longest list of keys has 11 KiB
TAKE = 64  # bus messages a step
REST_MS = 60_000  # before an object that was never answered, or cannot be read, has its next turn
DISK_RETRY_MS = 5_000

Key = tuple[int, int]  # number and rung


def subscriptions(trap: int) -> tuple[str, ...]:
    """What a trap listens to."""
    return topics.ack(trap), topics.have(trap), topics.down(trap)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long to wait for the base (ms), how slow the network may be (bytes/s), and how much may be on offer."""

    window: int = 16
    window_bytes: int = 256 * 1024
    answer_ms: int = 10_000
    slowest_bytes_per_s: int = 10_000


class Network:
    """Moves objects from `outbox` over `bus`; `receipt_key` is the back end's public key (32 bytes).

    `counts`: messages since the start, by what became of them; `refusal`: what the disk says now.
    """

    def __init__(self, bus: MessageBus, outbox: Outbox, receipt_key: bytes, pace: Pace | None = None) -> None:
        self._bus = bus
        self._outbox = outbox
        self._receipt_key = receipt_key
        self._pace = pace or Pace()
        self._held: deque[Message] = deque()  # taken from the bus and not acknowledged
        self._offers: dict[Key, _Offer] = {}
        self._transfer: Transfer | None = None  # the one object that goes in pieces now
        self._resting: dict[Key, _Rest] = {}
        self._was_connected = False
        self._late = False
        self._denied = 0
        self._denial = ""
        self._disk = ""
        self._disk_ms: int | None = None
        self.progress = 0  # times that the base was known to have more than before
        receipts = (outcome.value for outcome in ReceiptOutcome)
        self.counts = dict.fromkeys(("published", "again", "pieces", "skipped", *receipts), 0)

    @property
    def serving(self) -> bool:
        """Whether objects really get through now."""
        return self._bus.connected and not self._late

    @property
    def connected(self) -> bool:
        return self._bus.connected

    def left(self) -> bool:
        """Whether anything is here that could still go.  Raises: StorageError."""
        rows = self._outbox.undelivered(1 + len(self._resting))
        return any((number, rung) not in self._resting for _, number, rung, _ in rows)

    @property
    def refusal(self) -> str:
        return self._disk or next((rest.why for rest in self._resting.values() if rest.why), "")

    @property
    def trouble(self) -> str:
        """What is wrong now, in words for the operator; empty while the network serves."""
        if self.refusal:
            return self.refusal
        if not self._bus.connected:
            return _words(self._bus.last_error) if self._bus.last_error else ""
        return _words(self._denial or "connected, but no base answers") if self._late else ""

    def step(self, now_ms: int) -> bool:
        """Take what has come, then publish what is due; whether anything moved."""
        if self._disk and not due(self._disk_ms, now_ms, DISK_RETRY_MS):
            return False
        self._disk = ""
        try:
            moved = self._take(now_ms)
            connected = self._bus.connected
            if connected and not self._was_connected:
                self._offers = {key: offer._replace(since_ms=now_ms) for key, offer in self._offers.items()}
                if self._transfer:
                    self._transfer.reconnected(now_ms)
            self._was_connected = connected
            return (connected and self._offer(now_ms)) or moved
        except StorageError as error:
            self._disk, self._disk_ms = str(error), now_ms
            return False

    # --- what comes ---------------------------------------------------------------------------------------------

    def _take(self, now_ms: int) -> bool:
        self._held = self._held or deque(self._bus.take(TAKE))
        moved = bool(self._held)
        while self._held:
            # It goes when it is acknowledged and not before: when the disk refuses, it and the rest are tried again.
            try:
                self._on_message(self._held[0], now_ms)
            except WireError:
                self.counts["skipped"] += 1
            self._held.popleft().acknowledge()
        return moved

    def _on_message(self, message: Message, now_ms: int) -> None:
        """Raises: WireError when the message is none of ours; StorageError."""
        address = topics.parse(message.topic)
        if address is None or address.trap != self._outbox.trap:
            raise WireError(f"topic {message.topic!r} is not for this trap")
        if address.kind == topics.ACK:
            self._delivered(message.payload)
        elif address.kind == topics.HAVE:
            self._there(message.payload, now_ms)
        elif address.kind == topics.DOWN:
            self._receipt(message.payload, now_ms)
        else:
            raise WireError(f"topic {message.topic!r} is not for a trap")

    def _delivered(self, payload: bytes) -> None:
        keys = unpack_keys(payload)
        own = [(k.number, k.rung) for k in keys if (k.trap, k.epoch) == (self._outbox.trap, self._outbox.epoch)]
        if not own:
            raise WireError("no key is of this outbox")
        self._outbox.mark([], own)
        for key in own:
            self._offers.pop(key, None)
            self._resting.pop(key, None)
            if self._transfer and _short(self._transfer.mark) == key:
                self._transfer = None
        self.progress += 1
        self._answered()

    def _there(self, payload: bytes, now_ms: int) -> None:
        have = decode_have(payload)
        if (have.mark.key.trap, have.mark.key.epoch) != (self._outbox.trap, self._outbox.epoch):
            raise WireError(f"{have.mark.key!r} is not of this outbox")
        if self._transfer and have.mark == self._transfer.mark:
            self.progress += self._transfer.hear(have, now_ms)
            self._answered()

    def _answered(self) -> None:
        self._late, self._denial = False, ""
        self._resting = {key: rest for key, rest in self._resting.items() if rest.why}  # the base listens again

    def _receipt(self, payload: bytes, now_ms: int) -> None:
        if len(payload) > HEAD_BYTES + MAX_DOWN_BYTES:
            raise WireError(f"down object of {len(payload)} bytes")
        envelope = decode_envelope(payload)
        if envelope.key.rung == PACK:
            self._bus.publish(topics.downack(self._outbox.trap), pack_keys(keep_pack(self._outbox, envelope)))
            return
        if envelope.key.trap != self._outbox.trap or envelope.key.rung != RECEIPT:
            raise WireError(f"{envelope.key!r} is no receipt for this trap")
        outcome = self._outbox.apply_receipt(envelope, self._receipt_key, now_ms)
        self.counts[outcome.value] += 1
        # If the bus is gone the answer is lost; the receipt comes again and gets another.
        self._bus.publish(topics.downack(self._outbox.trap), pack_keys(self._outbox.answer(envelope, outcome)))

    # --- what goes ----------------------------------------------------------------------------------------------

    def _offer(self, now_ms: int) -> bool:
        if self._bus.denied > self._denied:
            self._denied, self._denial = self._bus.denied, self._denial or self._bus.last_error
        moved = self._offer_again(now_ms)
        known = len(self._offers) + len(self._resting) + 1
        rows = self._outbox.undelivered(self._pace.window + 1 + known)
        left = {(number, rung) for _, number, rung, _ in rows}
        self._resting = {key: rest for key, rest in self._resting.items() if key in left}
        for _, number, rung, size in rows:
            key = (number, rung)
            rest = self._resting.get(key)
            if key in self._offers or (rest is not None and not due(rest.since_ms, now_ms, REST_MS)):
                continue
            if self._transfer and _short(self._transfer.mark) == key:
                continue
            if self._has_room(rung, size):
                moved |= self._begin(key, now_ms) if size > OVER_BYTES else self._publish(key, 1, now_ms)
            elif not _is_big(rung, size):
                break  # nothing less urgent overtakes it
        return self._send_pieces(now_ms) or moved

    def _offer_again(self, now_ms: int) -> bool:
        """Make the late offers again, or let them rest."""
        moved = False
        for key, offer in list(self._offers.items()):
            if not due(offer.since_ms, now_ms, offer.wait_ms):
                continue
            del self._offers[key]
            if offer.tries < TRIES:
                published = self._publish(key, offer.tries + 1, now_ms)
                self.counts["again"] += published
                moved |= published
                # Not published: another carrier has delivered it meanwhile, or it cannot be read.
                self._late |= published
            else:
                self._late = True
                self._resting[key] = _Rest(now_ms, "")
        return moved

    def _has_room(self, rung: int, size: int) -> bool:
        # A full frame may have 16 MiB, and this, the client and TLS each hold a copy: one at a time, beside the others.
        if _is_big(rung, size):
            return self._transfer is None and not any(_is_big(key[1], o.size) for key, o in self._offers.items())
        small = [offer.size for key, offer in self._offers.items() if not _is_big(key[1], offer.size)]
        return not small or (len(small) < self._pace.window and sum(small) + size <= self._pace.window_bytes)

    def _begin(self, key: Key, now_ms: int) -> bool:
        try:
            envelope = self._outbox.to_send(*key)
            if envelope and len(envelope.body) > MAX_BODY_BYTES:
                raise WireError(f"{envelope.key!r} has {len(envelope.body)} bytes, allowed are {MAX_BODY_BYTES}")
        except (StorageError, WireError) as error:  # its file is gone or damaged, or it is larger than any base takes
            self._resting[key] = _Rest(now_ms, str(error))
            return False
        if envelope is None:
            return False
        mark = Mark(envelope.key, hashlib.sha256(envelope.body).digest(), len(envelope.body))
        pace = self._pace
        self._transfer = Transfer(
            mark, envelope.body, answer_ms=pace.answer_ms, slowest_bytes_per_s=pace.slowest_bytes_per_s
        )  # fmt: skip
        self._resting.pop(key, None)
        self.counts["published"] += 1
        return True

    def _send_pieces(self, now_ms: int) -> bool:
        """As many pieces of the large object as may be on their way."""
        moved = False
        while self._transfer:
            key = _short(self._transfer.mark)
            piece = self._transfer.poll(now_ms, sum(offer.size for offer in self._offers.values()))
            self._late |= self._transfer.late
            if self._transfer.given_up:
                self._resting[key] = _Rest(now_ms, "")
            if self._transfer.given_up or not self._outbox.is_undelivered(*key):
                self._transfer = None  # or another carrier has delivered it
            elif piece is None:
                break
            elif not self._bus.publish(topics.piece(self._outbox.trap, RUNG_NAMES[key[1]]), piece.encode()):
                self._late = True  # too much is on its way to the broker already
                break
            else:
                self._transfer.sent(piece, now_ms)
                self.counts["pieces"] += bool(piece.data)
                moved = True
        return moved

    def _publish(self, key: Key, tries: int, now_ms: int) -> bool:
        try:
            envelope = self._outbox.to_send(*key)
            data = envelope.encode() if envelope else b""
        except (StorageError, WireError) as error:  # its file is gone or damaged, or it is larger than any base takes
            self._resting[key] = _Rest(now_ms, str(error))
            return False
        if not data:
            return False  # another carrier has delivered it, or a receipt has let it go meanwhile
        # No user properties: they say how a base heard an object on the air (BUS.md), and nobody has.
        if not self._bus.publish(topics.up(self._outbox.trap, RUNG_NAMES[key[1]]), data):
            self._late = True  # too much is on its way to the broker already
            return False
        self._resting.pop(key, None)
        ahead = sum(offer.size for offer in self._offers.values())
        ahead += self._transfer.on_its_way if self._transfer else 0
        wait_ms = self._pace.answer_ms + 1000 * tries * (ahead + len(data)) // self._pace.slowest_bytes_per_s
        self._offers[key] = _Offer(now_ms, wait_ms, len(data), tries)
        self.counts["published"] += 1
        return True


def _words(error: str) -> str:
    return f"network (the radio goes on): {error.removeprefix('bus: ')}"


def _is_big(rung: int, size: int) -> bool:
    return rung in FULLS or size > OVER_BYTES


def _short(mark: Mark) -> Key:
    return mark.key.number, mark.key.rung


class _Offer(NamedTuple):
    since_ms: int
    wait_ms: int
    size: int
    tries: int


class _Rest(NamedTuple):
    since_ms: int
    why: str  # what the disk said; empty where nobody answered
