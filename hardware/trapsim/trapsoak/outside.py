"""All that is outside the Pi and outlives it: supervisor, radio, base, back end; with their faults, and their books."""

import hashlib
import struct
from collections import Counter, deque
from collections.abc import Callable

from nacl.signing import SigningKey

from trapkit import topics
from trapsim.memorybus import MemoryBroker
from trapsim.trapsoak.plan import GAP_MS, UTC_MS, Season, draws_of
from trapwire import serialline as kinds
from trapwire.errors import WireError
from trapwire.objects import ALERT, CROP, NOTE, RECEIPT, Envelope, ObjectKey, decode_envelope, pack_keys, unpack_keys
from trapwire.receipt import MAX_OBJECTS, Receipt, statement
from trapwire.unitstates import PARKED
from trapwire.words import encode_time

TRAP = 7
MAX_VIOLATIONS = 20  # of a season: the first say most
DELIVERY_MS = (300, 5_000)  # from the supervisor's flash to the base, and the word back
RECEIPT_AGAIN_MS = 3_000
LOST_ANSWERS = 0.05  # of what is said on the line, or acknowledged on the bus
LEAVE_AGAIN_MS = 500
CAUSE_DAY, CAUSE_LID = 2, 3
TIME_OFF_MS = 500  # how far the supervisor's time may be off


class Outside:
    """`base`: what the base has committed, by key; `receipted`: what the back end has signed for.

    `done`: whether the trap has seen to all its bursts; no trigger comes any more. `lids`: triggers of an opened lid;
    `slept_ms`: what has passed in the world while the Pi was off, beside the season's own time.
    """

    def __init__(self, season: Season, backend: SigningKey, *, networked: bool) -> None:
        self.season = season
        self.base: dict[ObjectKey, bytes] = {}
        self.receipted: set[tuple[int, int]] = set()
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self.done: Callable[[], bool] = lambda: False
        self.farewell = False
        self.lids: set[int] = set()
        self.slept_ms = 0
        self.broker = MemoryBroker()
        self._backend = backend
        self._thief = SigningKey(bytes(31) + b"\x01")
        self._draws = draws_of(season.seed, season.number, "outside")
        self._spells: dict[str, list[tuple[int, int]]] = {}
        for name, start, end in season.spells:
            self._spells.setdefault(name, []).append((start, end))
        self._flash: dict[ObjectKey, bytes] = {}
        self._to_say: deque[tuple[int, bytes]] = deque()
        self._on_air: list[tuple[int, ObjectKey]] = []
        self._receipts: dict[ObjectKey, tuple[bytes, int]] = {}  # envelope, and when it was sent last
        self._leave_ms: int | None = None
        self._trigger = 0
        self._causes: deque[int] = deque()  # of the next triggers, before those of passes
        self._next_wake = 0
        self._down = 0
        self._epoch: int | None = None
        self._bus = self.broker.connect("base", (topics.every(topics.UP), topics.every(topics.DOWNACK)))
        self.networked = networked

    def violation(self, text: str) -> None:
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(text)

    def in_spell(self, name: str, now: int) -> bool:
        return any(start <= now < end for start, end in self._spells.get(name, ()))

    @property
    def settled(self) -> bool:
        """Nothing is on its way, every receipt was answered, and no wake is to come but for passes."""
        return not (self._on_air or self._receipts or self._leave_ms or self._causes)

    # --- what strikes at a moment ---------------------------------------------------------------------------------

    def strike(self, name: str) -> bool:
        """Play one of the moments of the plan; False: it cannot be yet."""
        if name == "supervisor restarts":  # its flash outlasts that; what it was about to say does not
            self._to_say.clear()
            self._to_say.append((kinds.HELLO, b""))
            self._leave_ms = None
        elif name == "broker killed":
            self.broker.drop()
        elif name == "let go":
            self._leave_ms = 0
        elif name == "a day passes":
            self._causes.append(CAUSE_DAY)
        elif name == "lid opened":
            self._causes.append(CAUSE_LID)
        elif name.startswith("receipt "):
            if self._epoch is None or not self.base:
                return False
            self._receipt(name)
            return True
        self.counts[name] += 1
        return True

    def _receipt(self, name: str) -> None:
        assert self._epoch is not None
        epoch, signer = self._epoch, self._backend
        fresh = [key for key in self.base if (key.number, key.rung) not in self.receipted]
        chosen = self._draws.sample(fresh, min(len(fresh), self._draws.randint(1, MAX_OBJECTS)))
        digests = [(key.number, key.rung, _sha256(self.base[key])) for key in chosen]
        if name == "receipt good":
            if not chosen:
                return
            self.receipted |= {(key.number, key.rung) for key in chosen}
        else:
            # Of what lies on the card and nowhere else, where that is known: there a false word would do harm.
            held = sorted({key.number for key in self.base})
            digests = digests or [(number, 3, bytes(32)) for number in held[-4:]]
            if name == "receipt forged":
                signer = self._thief
            elif name == "receipt of another epoch":
                epoch ^= 1
            else:
                digests = [(number, rung, bytes(reversed(sha256))) for number, rung, sha256 in digests]
        signature = signer.sign(statement(TRAP, epoch, digests)).signature
        body = Receipt(epoch, [(number, rung) for number, rung, _ in digests], signature).encode()
        self._down += 1
        key = ObjectKey(TRAP, self._epoch, self._down, RECEIPT)
        self._receipts[key] = (Envelope(key, body).encode(), -RECEIPT_AGAIN_MS)
        self.counts[name] += 1

    # --- the serial line ------------------------------------------------------------------------------------------

    def speak(self, now: int) -> list[tuple[int, bytes]]:
        """What the supervisor says now."""
        if self.in_spell("supervisor silent", now):
            self._to_say.clear()
            return []
        if now >= self._next_wake and (self._causes or not self.done()) and self._leave_ms is None:
            self._trigger += 1
            self._next_wake = now + self._draws.randint(*GAP_MS)
            cause = self._causes.popleft() if self._causes else self._draws.choice((0, 0, 0, 1))
            self.lids |= {self._trigger} if cause == CAUSE_LID else set()
            self._to_say += [(kinds.WAKE, struct.pack(">IB", self._trigger, cause)), self._time(now)]
            self.counts["triggers"] += 1
        if self._leave_ms is not None and now >= self._leave_ms:
            self._leave_ms = now + LEAVE_AGAIN_MS
            self._to_say.append((kinds.LEAVE, b""))
        for key, (envelope, at_ms) in self._receipts.items():
            if now - at_ms >= RECEIPT_AGAIN_MS:
                self._receipts[key] = (envelope, now)
                if self.networked and self._draws.random() < 0.5:
                    self._bus.publish(topics.down(TRAP), envelope)
                else:
                    self._to_say.append((kinds.DOWN, envelope))
        for due in [flight for flight in self._on_air if flight[0] <= now]:
            self._on_air.remove(due)
            self._commit(due[1], self._flash[due[1]])
            self._to_say.append((kinds.DELIVERED, pack_keys([due[1]])))
        said, self._to_say = list(self._to_say), deque()
        return [word for word in said if word[0] == kinds.HELLO or self._draws.random() >= LOST_ANSWERS]

    def hear(self, kind: int, payload: bytes, now: int) -> None:
        """What the trap says to its supervisor."""
        if self.in_spell("supervisor silent", now):
            return
        if kind == kinds.PUT:
            self._put(payload, now)
        elif kind == kinds.HELLO:
            self._to_say += [(kinds.HELLO, b""), self._time(now), (kinds.MODE, bytes([PARKED, 90]))]
        elif kind == kinds.RECEIPT_TAKEN:
            self._taken(payload)
        elif kind == kinds.DONE and payload[:1] == b"\x01":
            self._leave_ms, self.farewell = None, True
        elif kind == kinds.FAULT:
            self.counts["faults told to the supervisor"] += bool(payload[0])

    def _time(self, now: int) -> tuple[int, bytes]:
        return kinds.TIME, encode_time(UTC_MS + self.slept_ms + now, TIME_OFF_MS)

    def switched_off(self) -> None:
        """The Pi is off: what was to be said to it is gone."""
        self._to_say.clear()
        self._leave_ms, self.farewell = None, False

    def _put(self, payload: bytes, now: int) -> None:
        envelope = self._decoded(payload[1:])
        if envelope is None:
            return
        key = envelope.key
        if self.in_spell("queue full", now) and key.rung != ALERT and key not in self._flash:
            self._to_say.append((kinds.FULL_QUEUE, pack_keys([key])))
            return
        if key.rung not in (ALERT, CROP, NOTE) and key not in self._flash:
            self.violation(f"{key!r} was offered by radio, where it does not go unasked")
        if key not in self._flash:
            self._flash[key] = envelope.body
            self._on_air.append((now + self._draws.randint(*DELIVERY_MS), key))
        elif self._flash[key] != envelope.body:
            self.violation(f"{key!r} was handed over twice with different bytes")
        flying = any(key == other for _, other in self._on_air)
        self._to_say.append((kinds.STORED if flying else kinds.DELIVERED, pack_keys([key])))

    def _taken(self, payload: bytes) -> None:
        for key in unpack_keys(payload):
            self.counts["receipts answered"] += self._receipts.pop(key, None) is not None

    # --- the base -------------------------------------------------------------------------------------------------

    def listen(self, now: int) -> None:
        """The base takes what came over the network: it commits, then it says so."""
        for message in self._bus.take(256):
            address = topics.parse(message.topic)
            if address is not None and address.kind == topics.DOWNACK:
                self._taken(message.payload)
            elif not self.in_spell("network without a base", now):
                envelope = self._decoded(message.payload)
                if envelope is not None:
                    self._commit(envelope.key, envelope.body)
                    if self._draws.random() >= LOST_ANSWERS:
                        self._bus.publish(topics.ack(TRAP), pack_keys([envelope.key]))
            message.acknowledge()

    def _decoded(self, data: bytes) -> Envelope | None:
        try:
            envelope = decode_envelope(data)
        except WireError as error:
            self.violation(f"the trap sent no envelope: {error}")
            return None
        if self._epoch is None:
            self._epoch = envelope.key.epoch
        if (envelope.key.trap, envelope.key.epoch) != (TRAP, self._epoch):
            self.violation(f"{envelope.key!r} came from trap {TRAP}, epoch {self._epoch:08x}")
        return envelope

    def _commit(self, key: ObjectKey, body: bytes) -> None:
        if key in self.base:
            self.counts["repeats at the base"] += 1
            if self.base[key] != body:
                self.violation(f"{key!r} came to the base twice with different bytes")
        self.base.setdefault(key, body)


class OutsideLine:
    """The trap's end of the serial line, in memory: `trapcam.uplink.Line`."""

    def __init__(self, outside: Outside, now_ms: Callable[[], int]) -> None:
        self._outside = outside
        self._now_ms = now_ms

    @property
    def is_open(self) -> bool:
        return not self._outside.in_spell("line unplugged", self._now_ms())

    @property
    def last_error(self) -> str:
        return "" if self.is_open else "/dev/serial0: cannot be opened: No such file or directory; is it plugged in?"

    def read(self) -> list[tuple[int, bytes]]:
        return self._outside.speak(self._now_ms()) if self.is_open else []

    def send(self, kind: int, payload: bytes) -> bool:
        if self.is_open:
            self._outside.hear(kind, payload, self._now_ms())
        return self.is_open


def _sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
