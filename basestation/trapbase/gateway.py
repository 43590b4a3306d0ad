"""From the modem to the bus and back. The gateway keeps nothing: what it forgets in a crash the trap sends again.

An object is published until ingest says it is committed; only then may the link acknowledge it to the trap.
"""

import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from trapbase.asking import Asking
from trapbase.pieces import PieceMemory
from trapbase.radio.cells import Heard, Radio
from trapkit import topics
from trapkit.errors import StorageError
from trapkit.topics import MessageBus
from trapwire.errors import WireError
from trapwire.objects import (
    HEAD_BYTES,
    MAX_DOWN_BYTES,
    RECEIPT,
    RUNG_NAMES,
    ObjectKey,
    decode_envelope,
    pack_keys,
    unpack_keys,
)
from trapwire.payloads import Heartbeat

KINDS = (topics.ACK, topics.DOWN, topics.DOWNACK, topics.WANTED, topics.SETTING)
SUBSCRIPTIONS = tuple(topics.every(kind) for kind in KINDS)
FORWARDING = (topics.every(topics.ACK),)  # of a base that answers no trap: it asks nothing and brings nothing down

MAX_PENDING = 512  # objects published and not committed; beyond it new ones wait at the trap
MAX_DELIVERED = 4096  # receipts remembered as taken, so that a repeat costs no air
TAKE = 64  # bus messages a step
HEARD_EVERY_MS = 10_000  # last words of one trap
GIVE_UP_MS = 600_000  # an object that ingest refuses (too many conflicts) is let go; the trap may offer it again


class _Pending:
    def __init__(self, envelope: bytes, properties: dict[str, str], now_ms: int) -> None:
        self.envelope = envelope
        self.properties = properties
        self.first_ms = now_ms
        self.due_ms = now_ms


class Gateway:
    """`base`: this base's name; `republish_ms`: when an object that was not committed is published again; `memory`:
    where pieces are remembered, if anywhere; `clock(now_ms, utc_ms)`: how far this base's clock may be off, None where
    nobody knows: then traps get no time."""

    def __init__(
        self,
        radio: Radio,
        bus: MessageBus,
        *,
        base: str = "base",
        republish_ms: int = 10_000,
        memory: PieceMemory | None = None,
        clock: Callable[[int, int], int | None] = lambda now_ms, utc_ms: None,
    ) -> None:
        self._radio = radio
        self._bus = bus
        self._base = base
        self._republish_ms = republish_ms
        self._asking = Asking(radio.words, bus)
        self._clock = clock
        self._pending: OrderedDict[ObjectKey, _Pending] = OrderedDict()
        self._memory = memory
        self._delivered: OrderedDict[ObjectKey, None] = OrderedDict()
        self._downacks: OrderedDict[ObjectKey, None] = OrderedDict()
        self._heard_ms: dict[int, int] = {}
        names = ("frames", "dropped", "objects", "overflow", "given_up", "garbage")
        self.counters = dict.fromkeys(names, 0)
        self.storage_error = ""

    def step(self, now_ms: int, utc_ms: int | None = None) -> bool:
        """One round; whether anything happened. `now_ms` must never go back, `utc_ms` is Unix time."""
        utc_ms = now_ms if utc_ms is None else utc_ms
        busy = False
        self._radio.clock(now_ms, utc_ms, self._clock(now_ms, utc_ms))
        for heard in self._radio.hear(now_ms):
            self._on_frame(heard, now_ms, utc_ms)
            busy = True
        for message in self._bus.take(TAKE):
            try:
                self._on_message(message.topic, message.payload, now_ms)
            except WireError:
                self.counters["garbage"] += 1
            message.acknowledge()
            busy = True
        self._publish(now_ms)
        return self._answer(now_ms) or busy

    def _answer(self, now_ms: int) -> bool:
        """What is due to traps; nothing while the disk refuses to keep the frame counter, without which nothing may be
        sent. Traps that get no answer keep what they have and ask again.
        """
        try:
            busy = self._radio.answer(now_ms)
        except StorageError as error:
            self.storage_error = f"no trap is answered: {error}"
            return False
        if busy:
            self.storage_error = ""
        return busy

    def deadline(self) -> int | None:
        """When the link wants the next step at the latest (ms), or None."""
        return self._radio.deadline()

    def _on_frame(self, heard: Heard, now_ms: int, utc_ms: int) -> None:
        self.counters["frames"] += 1
        snr_db = heard.snr_quarters / 4
        said = {
            "base": self._base, "rssi_dbm": str(heard.rssi_dbm), "snr_db": f"{snr_db:g}", "received_ms": str(utc_ms)
        }  # fmt: skip
        for event in heard.events:
            if event[0] == "object":
                self._on_object(event[1], said, now_ms)
                self._say_heard(event[2], heard, None, now_ms, utc_ms)
            elif event[0] == "piece" and self._memory:
                self._memory.keep(event[1:], self._radio)
            elif event[0] == "down_delivered":
                self._on_delivered(event[1])
            elif event[0] == "reply":
                self._asking.on_reply(*event[1:])
            elif event[0] == "log":
                self._asking.on_log(event[1], event[2], event[3], now_ms)
            elif event[0] == "heartbeat":
                self._say_heard(event[1], heard, event[2], now_ms, utc_ms)
            elif event[0] == "dropped":
                self.counters["dropped"] += 1

    def recall(self, now_ms: int, utc_ms: int) -> None:
        """Take back the pieces that an earlier run remembered."""
        said = {"base": self._base, "received_ms": str(utc_ms)}
        for trap, kind, payload in self._memory.read() if self._memory else []:
            for event in self._radio.recall(trap, kind, payload, now_ms):
                if event[0] == "object":
                    self._on_object(event[1], said, now_ms)

    def _on_object(self, data: bytes, said: dict[str, str], now_ms: int) -> None:
        try:
            key = decode_envelope(data).key
        except WireError:
            self.counters["garbage"] += 1
            return
        if key in self._pending:
            return
        if len(self._pending) >= MAX_PENDING:
            self.counters["overflow"] += 1
            self._radio.forget(key)
            return
        self.counters["objects"] += 1
        self._pending[key] = _Pending(data, said, now_ms)

    def _on_delivered(self, key: ObjectKey) -> None:
        self._downacks[key] = None  # an object's: a receipt that names it was no use to its trap
        if key.rung >= RECEIPT:
            self._remember(key)

    def _remember(self, key: ObjectKey) -> None:
        self._delivered[key] = None
        if len(self._delivered) > MAX_DELIVERED:
            self._delivered.popitem(last=False)

    def _say_heard(self, trap: int, heard: Heard, heartbeat: Heartbeat | None, now_ms: int, utc_ms: int) -> None:
        last = self._heard_ms.get(trap)
        if heartbeat is None and last is not None and now_ms - last < HEARD_EVERY_MS:
            return
        self._heard_ms[trap] = now_ms
        word: dict[str, Any] = {
            "base": self._base,
            "rssi_dbm": heard.rssi_dbm,
            "snr_db": heard.snr_quarters / 4,
            "received_ms": utc_ms,
            "health": heartbeat.values if heartbeat else {},
        }
        if heard.margin_db is not None:
            word["margin_db"] = heard.margin_db
        self._bus.publish(topics.heard(trap), json.dumps(word, sort_keys=True).encode())

    def _on_message(self, topic: str, payload: bytes, now_ms: int) -> None:
        """Raises: WireError when the message is none of ours."""
        address = topics.parse(topic)
        if address is not None and address.kind == topics.ACK:
            keys = unpack_keys(payload)
            if any(key.trap != address.trap for key in keys):
                raise WireError(f"keys of other traps on {topic}")
            for key in keys:
                self._pending.pop(key, None)
                self._radio.committed(key, now_ms)
                self._asking.on_committed(key)
        elif (
            address is not None
            and address.kind in (topics.WANTED, topics.SETTING, topics.DOWN)
            and (self._radio.listens_only(address.trap))
        ):
            pass  # another base says it
        elif address is not None and address.kind == topics.WANTED:
            self._asking.on_wanted(address.trap, payload, now_ms)
        elif address is not None and address.kind == topics.SETTING:
            self._asking.on_setting(address.trap, payload, now_ms)
        elif address is not None and address.kind == topics.DOWNACK:
            # A trap with a network of its own has taken these: no air for them. Ours come back here too, and change
            # nothing.
            for key in unpack_keys(payload):
                if key.trap != address.trap:
                    raise WireError(f"{key!r} on {topic}")
                if key.rung >= RECEIPT:
                    self._radio.withdraw_down(key)
                    self._remember(key)
        elif address is not None and address.kind == topics.DOWN:
            if len(payload) > HEAD_BYTES + MAX_DOWN_BYTES:
                raise WireError(f"down object of {len(payload)} bytes")
            envelope = decode_envelope(payload)
            if envelope.key.trap != address.trap or envelope.key.rung < RECEIPT:
                raise WireError(f"{envelope.key!r} on {topic}")
            if envelope.key in self._delivered:
                self._downacks[envelope.key] = None
            else:
                self._radio.offer_down(envelope)
        else:
            raise WireError(f"topic {topic!r} is not for a gateway")

    def _publish(self, now_ms: int) -> None:
        if not self._bus.connected:
            return
        self._asking.step(now_ms)
        for key in list(self._downacks):
            if not self._bus.publish(topics.downack(key.trap), pack_keys([key])):
                return
            del self._downacks[key]
        for key, pending in list(self._pending.items()):
            if now_ms - pending.first_ms > GIVE_UP_MS:
                del self._pending[key]
                self.counters["given_up"] += 1
                self._radio.forget(key)
            elif now_ms >= pending.due_ms:
                if not self._bus.publish(
                    topics.up(key.trap, RUNG_NAMES[key.rung]), pending.envelope, pending.properties
                ):
                    return
                pending.due_ms = now_ms + self._republish_ms
