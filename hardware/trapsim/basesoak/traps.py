"""The traps around a base: by radio with the real `TrapLink`, and with a network, by the bus.

What lasts on a trap lasts here: an object goes from its queue when the base has it, and from its card by a receipt that
the back end signed for those very bytes. Traps do not die here; `trapsim soak --bursts` sees to that.
"""

import hashlib
import random
from collections.abc import Iterable
from typing import Any, Protocol, cast

from trapkit import topics
from trapkit.aes import AesCcm
from trapkit.pieces import OVER_BYTES, PIECE_BYTES, Mark, Piece, decode_have
from trapkit.sealing import signature_is_valid
from trapsim.basesoak.books import Books
from trapsim.basesoak.things import BACKEND_KEY
from trapsim.keyed import link_key
from trapwire.errors import WireError
from trapwire.frame import Counter
from trapwire.linkkeys import UP, LinkKey
from trapwire.linktimes import LinkTimes
from trapwire.objects import (
    HEAD_BYTES,
    RECEIPT,
    RUNG_NAMES,
    Envelope,
    ObjectKey,
    decode_envelope,
    pack_keys,
    unpack_keys,
)
from trapwire.payloads import Heartbeat
from trapwire.receipt import decode_receipt, statement
from trapwire.traplink import TrapLink

AT_ONCE = 8  # objects that a trap with a network has on their way


class Broker(Protocol):
    """Where a session is had (`trapsim.memorybus.MemoryBroker`)."""

    def connect(
        self, client_id: str, subscriptions: tuple[str, ...], *, may_publish: str = "#"
    ) -> topics.MessageBus: ...


class Trap:
    """`waiting`: not yet told to be at the base; `card`: not yet let go by a receipt; `kept`: what lies there."""

    def __init__(self, number: int, books: Books) -> None:
        self.number = number
        self.waiting: dict[ObjectKey, Envelope] = {}
        self.card: set[ObjectKey] = set()
        self.kept: dict[ObjectKey, Envelope] = {}
        self.digests: dict[ObjectKey, bytes] = {}
        self._books = books

    def see(self, envelopes: Iterable[Envelope]) -> None:
        """Hand over what it has just seen."""
        for envelope in envelopes:
            self._books.make(envelope)
            self.waiting[envelope.key] = envelope
            self.card.add(envelope.key)
            self.kept[envelope.key] = envelope
            self.digests[envelope.key] = hashlib.sha256(envelope.body).digest()

    def told(self, key: ObjectKey) -> None:
        if key not in self.digests:
            self._books.counts["acknowledgements of what a trap never made"] += 1
            return
        self._books.tell(key)
        self.waiting.pop(key, None)

    def take_receipt(self, key: ObjectKey, body: bytes) -> list[ObjectKey]:
        """Let go exactly what lies here of what a receipt names, where its signature holds. The keys of the answer."""
        self._books.hear_receipt(key, body)
        try:
            receipt = decode_receipt(body)
            named = [ObjectKey(self.number, receipt.epoch, number, rung) for number, rung in receipt.objects]
        except WireError:
            self._books.counts["receipts that a trap refused"] += 1
            return [key]
        own = [self.digests.get(each) for each in named]
        said = receipt.digests or own
        rows = [(k.number, k.rung, sha256) for k, sha256 in zip(named, said, strict=True) if sha256 is not None]
        if len(rows) < len(named) or not signature_is_valid(
            bytes(BACKEND_KEY.verify_key), statement(self.number, receipt.epoch, rows), receipt.signature
        ):
            self._books.counts["receipts that a trap refused"] += 1
            return [key] if receipt.digests else [key, named[0]]
        self._books.counts["receipts that came whole"] += receipt.digests is not None
        for each, sha256, held in zip(named, said, own, strict=True):
            if sha256 == held and each in self.card:
                self._books.delete(each)
                self.card.discard(each)
                self.kept.pop(each, None)
                self.waiting.pop(each, None)
        return [key]

    @property
    def is_done(self) -> bool:
        return not self.waiting and not self.card


class RadioTrap(Trap):
    """A trap in the woods, on the link; `draws`: for its pauses; `first`: its first frame counter."""

    def __init__(
        self, number: int, books: Books, frame_bytes: int, draws: random.Random, times: LinkTimes, first: int = 0
    ) -> None:
        super().__init__(number, books)
        self.link = TrapLink(
            LinkKey(link_key(number), number, UP, AesCcm), frame_bytes, times, Counter(first, lambda _: None),
            self._load,
            lambda n: draws.randrange(n) if n > 0 else 0, lambda: Heartbeat({"battery": 80}),
        )  # fmt: skip

    def _load(self, key: ObjectKey) -> bytes | None:
        return self.waiting[key].encode() if key in self.waiting else None

    def see(self, envelopes: Iterable[Envelope]) -> None:
        super().see(envelopes)
        self.refill()

    def refill(self) -> None:
        """The link's own queue is short: what lies in flash goes in as there is room, the urgent first."""
        for key in sorted(self.waiting, key=lambda key: (key.rung, key.number)):
            if not self.link.has_room():
                return
            self.link.offer(key, key.rung, fresh=False)

    def hear(self, frame: bytes, now: int) -> None:
        for event in cast("list[tuple[Any, ...]]", self.link.on_frame(frame, now)):
            if event[0] == "delivered":
                self.told(event[1])
                self.refill()
            elif event[0] == "wanted" and event[1] in self.kept:
                self.waiting[event[1]] = self.kept[event[1]]
                self.refill()
            elif event[0] == "down":
                for key in self.take_receipt(event[1].key, event[1].body):
                    self.link.committed(key)


class NetTrap(Trap):
    """A trap with a network: publishes what was not acknowledged again and again, large objects in pieces."""

    def __init__(self, number: int, books: Books, broker: Broker, resend_ms: int = 1000) -> None:
        super().__init__(number, books)
        kinds = (topics.ack(number), topics.have(number), topics.down(number))
        self._bus = broker.connect(str(number), kinds, may_publish=f"{topics.ROOT}/+/{number}/#")
        self._resend_ms = resend_ms
        self._due_ms = 0

    def step(self, now: int) -> None:
        for message in self._bus.take(256):
            self._hear(message.topic, message.payload)
            message.acknowledge()
        if now >= self._due_ms and self._bus.connected:
            self._due_ms = now + self._resend_ms
            for envelope in list(self.waiting.values())[:AT_ONCE]:
                self._publish(envelope)

    def due(self, now: int) -> int | None:
        """When it wants a step next."""
        if getattr(self._bus, "queue", None):  # of the broker in memory
            return now
        return max(now, self._due_ms) if self.waiting and self._bus.connected else None

    def _publish(self, envelope: Envelope) -> None:
        key, body = envelope.key, envelope.body
        if len(body) + HEAD_BYTES > OVER_BYTES:
            ask = Piece(Mark(key, self.digests[key], len(body)), 0, b"")
            self._bus.publish(topics.piece(key.trap, RUNG_NAMES[key.rung]), ask.encode())
        else:
            self._bus.publish(topics.up(key.trap, RUNG_NAMES[key.rung]), envelope.encode())

    def _hear(self, topic: str, payload: bytes) -> None:
        address = topics.parse(topic)
        kind = address.kind if address else ""
        try:
            if kind == topics.ACK:
                for key in unpack_keys(payload):
                    self.told(key)
            elif kind == topics.HAVE:
                have = decode_have(payload)
                envelope = self.waiting.get(have.mark.key)
                if envelope is not None and have.mark.sha256 == self.digests[envelope.key]:
                    data = envelope.body[have.size : have.size + PIECE_BYTES]
                    name = RUNG_NAMES[envelope.key.rung]
                    self._bus.publish(topics.piece(self.number, name), Piece(have.mark, have.size, data).encode())
            elif kind == topics.DOWN:
                down = decode_envelope(payload)
                if down.key.rung == RECEIPT:
                    self._bus.publish(topics.downack(self.number), pack_keys(self.take_receipt(down.key, down.body)))
        except WireError:
            self._books.counts["messages that a trap could not read"] += 1
