"""The Pi behind the load switch and the UART: it boots, looks, keeps, hands over, halts, and fails in many ways.

It follows the rules of `trapcam.uplink`: HELLO until the supervisor answers; every object that the base is not known
to have is offered again after a start; an offer without an answer is made again; `window` offers are open at once.
What it commits outlives its power. A picture is drawn by chance: feline (alert and crop) or a false alarm.
"""

import struct

from trapsim.unitsim.dice import Dice
from trapsim.unitsim.uart import Buffer, Way
from trapwire import serialline as line
from trapwire.alert import UNKNOWN, Alert
from trapwire.errors import WireError
from trapwire.objects import (
    ALERT,
    CROP,
    NOTE,
    PACK,
    RECEIPT,
    Envelope,
    ObjectKey,
    decode_envelope,
    pack_keys,
    unpack_keys,
)

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from trapsim.unitsim.world import World

MODE, LEAVE, DONE = 0x19, 0x1A, 0x05  # of PROTOCOL.md section 8; the codes, so that an older wire has them too
IN_HAND, HALTING_NOW, VISIT_OVER = 0, 1, 2  # what DONE says: nothing in hand, shutting down now, the ranger leaves
SERVICE = 4  # of the unit's states
OFF, BOOTING, UP, HALTING, HALTED, HUNG = 0, 1, 2, 3, 4, 5
BOOT_MS = 5000  # at 20 °C; more in the cold
COLD_BOOT_MS = 60  # more for each degree below 0
LOOK_MS = 3000  # a burst and its detector
HALT_MS = 3000
HELLO_MS, STATUS_MS, ANSWER_MS, FULL_MS = 3000, 10000, 5000, 10000
WINDOW = 4
UART_BYTES = 65536
CROP_BYTES = 1500
NOTES_FROM = 1000000  # their numbers, apart from those of the sightings

# Faults, in force while they are in `faults`
HANGS_AT_HALT = "hangs at shutdown"
HANGS_AT_BOOT = "never boots"
SILENT = "silent"
GARBAGE = "garbage"
REBOOTS = "reboots by itself"
CARD = "card fault"


class Row:
    """An object in the outbox: `state` 0 waiting, 1 in the supervisor's flash, 2 at the base, 3 refused."""

    def __init__(self, envelope: bytes, priority: int) -> None:
        self.envelope = envelope
        self.priority = priority
        self.state = 0


class SimPi:
    """to_mcu, from_mcu: the two ways of the line. feline_permille: of its looks. `outbox`: what it committed, for good.

    `sightings`: how many felines it committed; `looks`; `on_since`: None while off; `powered`: (on, off) in ms.
    """

    def __init__(self, world: "World", trap: int, feline_permille: int, crop_bytes: int = CROP_BYTES) -> None:
        self._world = world
        self._dice = Dice(trap * 77 + 1)
        self.trap = trap
        self.epoch = 0xC0FFEE00 + trap
        self.feline_permille = feline_permille
        self.crop_bytes = crop_bytes
        self.outbox: "dict[tuple[int, int], Row]" = {}  # all that it ever committed
        self.waiting: "dict[tuple[int, int], Row]" = {}  # of these, what the base is not known to have
        self.faults: "set[str]" = set()
        self.powered: "list[tuple[int, int]]" = []
        self.on_since: "int | None" = None
        self.state = OFF
        self.sightings = 0
        self.looks = 0
        self.boots = 0
        self.receipts = 0
        self.packs: "list[bytes]" = []  # envelopes that came down
        self.causes: "list[int]" = []  # of the triggers that it was told
        self.heard_modes: "list[tuple[int, int, int]]" = []
        self.words: "list[tuple[int, bytes]]" = []  # when, what MODE said in service
        self.walked = 0  # triggers in service: none to be looked at
        self.times: "list[tuple[int, bytes]]" = []  # when, what TIME said
        self.temperature_c = 20
        self.from_mcu = Way(lambda: self.state in (UP, HALTING))
        self.to_mcu = Way(lambda: True)
        self._begin()

    def _begin(self) -> None:
        """What a Pi forgets without power."""
        self._next = 0
        self.input = Buffer()
        self._decoder = line.SerialDecoder()
        self._answered = False
        self._hello_at = self._status_at = 0
        self._todo: "list[int]" = []  # when each look ends
        self._offers: "dict[tuple[int, int], int]" = {}
        self._asked: "set[tuple[int, int]]" = set()  # stored ones that were asked after
        self._full_until = 0
        self._leaving = False
        self._said: "tuple[int, int] | None" = None  # the trigger and time of the last DONE
        self._trigger = 0  # the last one that came
        self._state = -1  # the unit's, as it was told
        self.visit_over = False  # the page's "you may leave": said until the unit is in another state

    # Power

    def power(self, on: bool) -> None:
        """The load switch."""
        now = self._world.now
        if on and self.on_since is None:
            self.on_since = now
            self.boots += 1
            self._begin()
            self.state = HUNG if HANGS_AT_BOOT in self.faults else BOOTING
            self._next = now + BOOT_MS + max(0, -self.temperature_c) * COLD_BOOT_MS
        elif not on and self.on_since is not None:
            self.powered.append((self.on_since, now))
            self.on_since = None
            self.state = OFF
            self.to_mcu.cut(now)

    def halted(self) -> bool:
        """The pin by which it says so."""
        return self.state == HALTED

    def powered_ms(self) -> int:
        now = self._world.now
        return sum(off - on for on, off in self.powered) + (0 if self.on_since is None else now - self.on_since)

    # Time

    def due(self) -> "int | None":
        arrives = self.from_mcu.due()
        own = self._next if self.state in (BOOTING, UP, HALTING) else None
        if arrives is None or own is None:
            return arrives if own is None else own
        return min(arrives, own)

    def act(self) -> None:
        now = self._world.now
        data = self.from_mcu.take(now)
        if self.state == UP:
            self.input.add(data, UART_BYTES)
        if self.state == BOOTING and now >= self._next:
            self.state = UP
            self._hello_at = self._status_at = now
        if self.state == HALTING and now >= self._next:
            self.state = HUNG if HANGS_AT_HALT in self.faults else HALTED
        if self.state == UP:
            self._step(now)

    def _step(self, now: int) -> None:
        if GARBAGE in self.faults:
            self.to_mcu.send(self._dice.bytes(40) + b"\xc0\x02\x00\xc0", now)
            self._next = now + 500
            return
        if REBOOTS in self.faults and self._dice.chance(100):
            self._begin()
            self.state, self._next = BOOTING, now + BOOT_MS
            return
        for kind, payload in self._decoder.feed(self.input.take()):
            try:
                self._on(kind, payload, now)
            except WireError:
                continue
        for end in [t for t in self._todo if t <= now]:
            self._todo.remove(end)
            self._look(now)
        if SILENT not in self.faults:
            self._speak(now)
        if self.state == UP:
            self._next = self._soonest(now)

    def _soonest(self, now: int) -> int:
        times = [now + 1000, self._status_at] + self._todo
        if not self._answered:
            times.append(self._hello_at)
        return max(now + 1, min(times))

    # What comes

    def _on(self, kind: int, payload: bytes, now: int) -> None:
        if kind == line.WAKE:
            self._trigger = struct.unpack(">I", payload[:4])[0]
            self.causes.append(payload[4])
            if self._state == SERVICE:
                self.walked += 1
            elif not self._leaving:
                self._todo.append(max([now] + self._todo) + LOOK_MS)
        elif kind in (line.STORED, line.DELIVERED, line.FULL_QUEUE, line.REFUSED):
            for key in unpack_keys(payload):
                self._answer(kind, (key.number, key.rung), now)
        elif kind == line.DOWN:
            envelope = decode_envelope(payload)
            if envelope.key.rung in (RECEIPT, PACK):
                self.receipts += envelope.key.rung == RECEIPT
                if envelope.key.rung == PACK and envelope.encode() not in self.packs:
                    self.packs.append(envelope.encode())
                self._say(line.RECEIPT_TAKEN, pack_keys([envelope.key]), now)
        elif kind == line.TIME:
            self.times.append((now, payload))
        elif kind == line.HELLO:
            self._said = None
            if self._answered:
                self._offers = {}
                self._asked = set()
        elif kind == MODE and len(payload) >= 2:
            if payload[0] != self._state:
                self.heard_modes.append((now, payload[0], payload[1]))
            self._state = payload[0]
            if self._state == SERVICE:
                self.words.append((now, payload))
            else:
                self.visit_over = False
        elif kind == LEAVE:
            self._leaving = True
            self._todo = self._todo[:1]  # what is in hand is finished
        self._answered = True

    def _answer(self, kind: int, which: "tuple[int, int]", now: int) -> None:
        self._offers.pop(which, None)
        row = self.outbox.get(which)
        if row is None:
            return
        if kind == line.STORED:
            row.state = max(row.state, 1)
        elif kind == line.DELIVERED:
            row.state = 2
            self.waiting.pop(which, None)
        elif kind == line.REFUSED:
            row.state = 3
        elif row.state < 2:
            self._full_until = now + FULL_MS

    def _look(self, now: int) -> None:
        self.looks += 1
        if not self._dice.chance(self.feline_permille) or CARD in self.faults:
            return
        number = len(self.outbox) // 2 + 1
        alert = Alert(self._world.unix_ms(), None, 1, 200, 1, (number >> 8 & 255, number & 255, 9, 9), None)
        self._commit(number, ALERT, alert.encode(), 0)
        self._commit(number, CROP, struct.pack(">I", number) + self._dice.bytes(self.crop_bytes), 1)
        self.sightings += 1

    def save(self, size: int) -> None:
        """A ranger's card, or any other plain statement of the trap: from now on it is not lost."""
        self._commit(NOTES_FROM + len(self.outbox), NOTE, self._dice.bytes(size), 1)

    def _commit(self, number: int, rung: int, body: bytes, priority: int) -> None:
        envelope = Envelope(ObjectKey(self.trap, self.epoch, number, rung), body)
        self.outbox[(number, rung)] = self.waiting[(number, rung)] = Row(envelope.encode(), priority)

    # What goes

    def _speak(self, now: int) -> None:
        if not self._answered:
            if now >= self._hello_at:
                self._hello_at = now + HELLO_MS
                self._say(line.HELLO, b"", now)
            return
        if now >= self._status_at:
            self._status_at = now + STATUS_MS
            self._say(line.STATUS, struct.pack(">IIB", len(self.waiting), 0, UNKNOWN), now)
        self._offer(now)
        if self.visit_over and (self._said is None or now - self._said[1] >= STATUS_MS):
            self._said = (self._trigger, now)
            self._say(DONE, struct.pack(">BI", VISIT_OVER, self._trigger), now)
        if self._todo or self._offers or self._owed(now):
            return
        if self._leaving:
            self._say(DONE, struct.pack(">BI", HALTING_NOW, self._trigger), now)
            self.state, self._next = HALTING, now + HALT_MS
        elif self._said is None or self._said[0] != self._trigger or now - self._said[1] >= STATUS_MS:
            self._said = (self._trigger, now)
            self._say(DONE, struct.pack(">BI", IN_HAND, self._trigger), now)

    def _owed(self, now: int) -> bool:
        """Whether something is still to be handed over that the supervisor may take."""
        return now >= self._full_until and any(row.state == 0 for row in self.waiting.values())

    def _offer(self, now: int) -> None:
        for which in [w for w in self._offers if now - self._offers[w] >= ANSWER_MS]:
            del self._offers[which]
        if now < self._full_until:
            return
        fresh = [(r.priority, w) for w, r in self.waiting.items() if r.state == 0 and w not in self._offers]
        again = [(r.priority, w) for w, r in self.waiting.items() if r.state == 1 and w not in self._asked]
        for _, which in sorted(fresh) + sorted(again):
            if len(self._offers) >= WINDOW:
                return
            self._asked.add(which)
            self._offers[which] = now
            row = self.outbox[which]
            self._say(line.PUT, bytes([row.priority]) + row.envelope, now)

    def _say(self, kind: int, payload: bytes, now: int) -> None:
        self.to_mcu.send(line.encode_message(kind, payload), now)
