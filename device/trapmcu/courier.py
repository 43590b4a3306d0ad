"""The courier of a trap: the Pi's serial line, the queue in flash, the link. It carries while the Pi is off, too."""

import struct

from trapmcu.crosswake import PARTNER
from trapmcu.duty import Duty
from trapmcu.flash import FlashStore
from trapmcu.linkmemory import Delivered, LinkMemory
from trapmcu.overlay import Overlay
from trapmcu.radio import Antenna, Mender
from trapmcu.told import Told
from trapmcu.trial import Trial
from trapwire import serialline as line
from trapwire.airtime import usable_frame
from trapwire.ccm import Ccm
from trapwire.errors import WireError
from trapwire.fragments import check_sendable
from trapwire.hop import HOP_BYTES
from trapwire.linkkeys import parse_key
from trapwire.linktimes import LinkTimes
from trapwire.objects import ALERT, RECEIPT, ObjectKey, decode_envelope, pack_keys, unpack_keys
from trapwire.payloads import Heartbeat
from trapwire.quick import QuickTurns
from trapwire.traplink import TrapLink
from trapwire.unitstates import UNKNOWN_DB
from trapwire.words import SETTING_CODES, SETTING_NAMES

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Any

    from trapmcu.clock import Clock
    from trapmcu.crosswake import CrossWake

FRAMES_A_STEP = 8
MAX_BEGUN = 16
REST_MS = 20000  # a shorter rest is not worth a start: half a second at full power against light sleep
# Pieces of memory that outlive a deep sleep
_LINK = ">QQIIIQBb"
_STATUS, _NO_STATUS = ">IIB", bytes(8) + b"\xff"  # unreceipted, full frames held, battery
MEMORY, LINK, DUTY, BEGUN, WANTED, PAIR, PI = 1, 2, 3, 4, 5, 6, 7


class Courier:
    """Carries for one trap on `board`; `step(now)` does what is due. Times are ms of the board's clock.

    kept: what `keep` gave before a deep sleep, else nothing; by_radio: whether the partner's call ended that sleep;
    notice(what, value, now): a message of the Pi ("pi", its kind and payload), the partner calls ("partner"), the
    link's own events ("heard": the base was; "delivered": a rung), what is full ("full", "flash"), a radio that is
    silent ("radio"). health(): what the heartbeat says beside the queue's figures; log: what an excerpt is taken from.
    `alerts_only`: nothing else goes on the air.
    """

    def __init__(
        self, board: "Any", settings: "dict[str, Any]", clock: "Clock", kept: "dict[int, bytes]", by_radio: bool,
        notice: "Callable[[str, Any, int], None]", health: "Callable[[], dict[str, int]]", log: "Any",
        alerts_only: bool = False,
    ) -> None:  # fmt: skip
        self._board, self._notice, self._health = board, notice, health
        self.alerts_only = alerts_only
        self._started, folder = board.now_ms(), board.flash
        self.firmware: "Callable[[bytes], bytes] | None" = None  # the Pi's words on it, and the answer
        self._up = FlashStore(folder + "/up", settings["queue_bytes"])
        self._down = FlashStore(folder + "/down", settings["down_bytes"])
        self._memory = LinkMemory(board, settings, self._cipher, kept.get(MEMORY))
        counter = self._memory.counter
        self._times = LinkTimes(**settings["times"])
        overlay = Overlay(folder + "/by-radio", settings, self._times.__dict__)
        self._trap, self._plan = settings["trap"], settings["plan"]
        self._tuned = self._sf = settings["sf"]
        self._frame_bytes, self._antenna = usable_frame(self._plan, self._sf), Antenna(board.radio, self._sf)
        self._mender = Mender(board, self._antenna, settings, self._no_radio)
        self._duty = Duty(settings["plan"], settings["sf"], folder + "/duty", self._started, kept.get(DUTY))
        given = (self._memory.key, self._frame_bytes, self._times, counter, self._load, board.random, self._heartbeat)
        self._wrap_bytes = 0
        self._quick: "QuickTurns | None" = None  # one that goes by a repeater has none
        if settings["hop_key"]:  # imported only where it is needed: code lies in the heap
            from trapwire.hop import HopKey
            from trapwire.hoptrap import HopTrapLink

            hop = HopKey(parse_key(settings["hop_key"]), self._trap, self._cipher)
            self._link: "TrapLink" = HopTrapLink(hop, settings["sf"], *given, self._duty.wait_ms)
            self._wrap_bytes = HOP_BYTES
            self._frame_bytes -= HOP_BYTES
        else:
            fastest = settings["quick_sf"] or settings["sf"]
            self._quick = QuickTurns(settings["sf"], fastest, self._frame_bytes)
            self._link = TrapLink(*given, self._duty.wait_ms, self._quick)
        self._pair: "CrossWake | None" = None
        if settings["station_key"] and overlay.values[SETTING_CODES["pair"]]:
            from trapmcu.crosswake import CrossWake

            self._pair = CrossWake(board, settings, self._antenna, self._duty, counter, self._cipher)
            if PAIR in kept:
                self._pair.resume(kept[PAIR])
        for code in sorted(overlay.values):
            self._apply(code, overlay.values[code])
        trial = Trial(overlay, settings["trial_ms"], self._link.words.say, self._apply)
        self._told = Told(clock, trial, self.say, self._memory.write_heard)
        self._told.wanted = unpack_keys(kept.get(WANTED, b""))
        self._decoder = line.SerialDecoder()
        self._delivered = Delivered(folder + "/delivered")
        self._repeat_ms = settings["repeat_ms"]
        self.dropped = self._repeat_at = 0
        self._pi = struct.unpack(_STATUS, kept.get(PI, _NO_STATUS))  # the Pi's last word
        self._link.words.log = log
        self._begun = unpack_keys(kept[BEGUN]) if BEGUN in kept else None
        self._refill()
        if LINK in kept:
            link = struct.unpack(_LINK, kept[LINK])
            self._link.resume(link[:4])
            self._antenna.resume(link[4:6])
            self._mender.faults, self._told.margin_db = link[6:]
        if by_radio and self._pair is not None and board.radio is not None:
            self._pair.called(self._started)
        else:
            self._mender.begin(self._started)
        # What was delivered just before a reset may not have reached the Pi: it offers all again, and is answered.
        self.say(line.HELLO, b"")

    def step(self, now: int) -> "int | None":
        """Do what is due; when to call again at the latest, in ms, unless the UART, PIR or radio wakes us earlier."""
        for kind, payload in self._decoder.feed(self._board.uart_read()):
            try:
                self._on_pi(kind, payload, now)
            except WireError:
                self.dropped += 1
        self._radio(now)
        if now >= self._repeat_at:
            self._repeat_at = now + self._repeat_ms
            self._refill()
            for key, _ in self._down.ordered()[:4]:
                data = self._whole(self._down, key)
                if data:
                    self.say(line.DOWN, data)
        deadline = self._mender.at or self._link.deadline(now)
        if self._mender.at is None and self._pair is not None:
            wanted = self._pair.deadline(now)
            deadline = wanted if deadline is None or self._pair.away else min(deadline, wanted)
        deadlines = (deadline, self._told.step(now), self._repeat_at)
        return min([d for d in deadlines if d is not None])

    def wake(self, number: int, cause: int, age_ms: int, now: int) -> None:
        """Tell the Pi that something moved, `age_ms` ago."""
        self._told.on_wake(now)
        self.say(line.WAKE, struct.pack(">IBI", number, cause, age_ms))

    def call_partner(self, now: int) -> None:
        """Our PIR has seen something that counts."""
        if self._pair is not None:
            self._pair.edge(now)

    def beat(self) -> None:
        """The next heartbeat is due now."""
        self._link.beat()

    def hush(self, until: int) -> None:
        """Nothing is sent until then."""
        self._link.resume((until, until, 0, 0))

    def reach(self) -> "tuple[int, int, int, int]":
        """Margins in dB or UNKNOWN_DB, the base's of us and ours of the partner; the link's SF and largest frame."""
        partner_db = UNKNOWN_DB if self._pair is None else self._pair.margin_db
        return self._told.margin_db, partner_db, self._sf, self._frame_bytes

    def queued(self) -> bool:
        """Whether anything waits that may go on the air."""
        return bool(self._link.queued()) if self.alerts_only else bool(len(self._up))

    def rest_ms(self, now: int) -> "int | None":
        """For how long nothing will be due here, when that is long enough for a deep sleep; else None.

        What is asked of the base, or tried at its wish, is waited for awake.
        """
        if self._mender.at is not None:
            return self._mender.at - now if self._mender.at - now >= REST_MS else None
        away = self._antenna.sending or (self._pair is not None and (self._pair.away or self._pair.wants()))
        if away or not self._link.idle() or self._link.words.due() or self._told.step(now) is not None:
            return None
        rest = (self._link.deadline(now) or now) - now
        if self._pair is not None:
            rest = min(rest, self._pair.beat_at - now)
        return rest if rest >= REST_MS else None

    def keep(self, now: int) -> "dict[int, bytes]":
        """What a deep sleep that follows at once must not forget."""
        times, begun = self._link.kept()
        kept = {
            MEMORY: self._memory.keep(),
            LINK: struct.pack(_LINK, *times, *self._antenna.counts(), self._mender.faults, self._told.margin_db),
            WANTED: pack_keys(self._told.wanted),
            DUTY: self._duty.keep(now),
            PI: struct.pack(_STATUS, *self._pi),
        }
        if len(begun) <= MAX_BEGUN:
            kept[BEGUN] = pack_keys(begun)  # else all count as begun: the base is asked once more than needed
        if self._pair is not None:
            kept[PAIR] = self._pair.keep()
        return kept

    def doze(self, now: int) -> bool:
        """The radio's own sleep, before the unit's; whether a call of the partner may end it."""
        if self._mender.at is None:
            self._mender.ask(self._board.radio.doze if self._pair is None else self._pair.listen_asleep, now)
        return self._mender.at is None and self._pair is not None

    def _radio(self, now: int) -> None:
        if self._mender.at is None:
            self._mender.ask(self._on_air, now, now)
        elif now >= self._mender.at:
            self._tuned = self._mender.mend(now)
            self._duty.tune(self._tuned)

    def _no_radio(self, now: int) -> None:
        self._link.sent(now)  # what was handed to it is as good as lost on the air
        if not self._mender.faults & (self._mender.faults - 1):  # the first in a row, the second, the fourth
            self._notice("radio", self._mender.faults, now)

    def _on_air(self, now: int) -> None:
        if self._pair is None or not self._pair.away:
            self._hear(now)
        if self._pair is not None:
            away = self._pair.step(now, self._link.idle())
            for _ in range(self._pair.woken()):
                self._notice("partner", PARTNER, now)
            if away:
                return
        self._tune()
        if not self._antenna.sending:
            frame = self._next_frame(now)
            self._tune()
            if frame is not None:
                self._send(frame, now)

    def _tune(self) -> None:
        """Be where the link is: at a quick turn's spreading factor, or the cell's."""
        sf = self._sf if self._quick is None else self._quick.sf
        if sf == self._tuned or self._antenna.sending:
            return
        self._tuned = sf
        self._antenna.tune(self._tuned, 0)
        self._duty.tune(self._tuned)

    def _hear(self, now: int) -> None:
        if self._antenna.finished():
            self._link.sent(now)
        for _ in range(FRAMES_A_STEP):
            packet = self._antenna.received()
            if packet is None:
                break
            for event in self._link.on_frame(packet[0], now):
                self._on_link(event, now)
        self._memory.on_heard()

    def _send(self, frame: bytes, now: int) -> None:
        if self._duty.spent(now, len(frame)):
            self._antenna.send(frame)
        else:
            self.dropped += 1  # flash is full: what it cannot remember must not be on the air
            self._link.sent(now)

    def _next_frame(self, now: int) -> "bytes | None":
        try:
            return self._link.next_frame(now, self._antenna.busy())
        except OSError:
            # Flash has no room for the frame counter, and no value is used twice: as good as a frame lost on the air.
            self.dropped += 1
            self._notice("flash", self._kib(), now)
            self._link.sent(now)
            return None

    def _apply(self, setting: int, value: int) -> None:
        """A setting's value is in force; the antenna follows when it does not send, `pair` at the next start."""
        name = SETTING_NAMES[setting]
        if name == "sf":
            self._sf = value
            self._frame_bytes = usable_frame(self._plan, value) - self._wrap_bytes
            if self._quick is not None:
                self._quick.move(value, self._frame_bytes)
            if self._pair is not None:
                self._pair.link_sf = value
        elif name != "pair":
            setattr(self._times, name, value)
        self._link.retune(self._frame_bytes, self._board.now_ms())

    def _on_link(self, event: "tuple[Any, ...]", now: int) -> None:
        if event[0] == "delivered":
            key = event[1]
            self._delivered.add(key, self._up.get(key) or b"")
            self._up.remove(key)
            self.say(line.DELIVERED, pack_keys([key]))
            self._notice("delivered", key.rung, now)
        elif event[0] == "down":
            envelope = event[1]
            # Not kept means not acknowledged: the base sends it again when there is room.
            if self._keep(self._down, envelope.key, envelope.encode(), 0):
                self._link.committed(envelope.key)
                self.say(line.DOWN, envelope.encode())
        elif event[0] == "dropped":
            self.dropped += 1
        else:
            self._notice(event[0], None, now)
            self._told.on_event(event, now)

    def _on_pi(self, kind: int, payload: bytes, now: int) -> None:
        self._notice("pi", (kind, payload), now)
        if kind == line.HELLO:
            self._repeat_at = 0
            self.say(line.HELLO, b"")
            self._told.on_hello(now)
        elif kind == line.PUT:
            self._put(payload)
        elif kind == line.RECEIPT_TAKEN:
            for key in unpack_keys(payload):  # behind a receipt's an object's: it was no use, and is wanted whole
                (self._down.remove if key.rung >= RECEIPT else self._link.committed)(key)
        elif kind == line.STATUS and len(payload) == 9:
            self._pi = struct.unpack(_STATUS, payload)
        elif kind == line.FIRMWARE and self.firmware is not None:
            self.say(line.FIRMWARE_IS, self.firmware(payload))
        elif kind not in (line.DONE, line.FAULT):  # those are the supervisor's
            self.dropped += 1

    def _put(self, payload: bytes) -> None:
        if not payload:
            raise WireError("PUT without an object")
        envelope = decode_envelope(payload[1:])
        key = envelope.key
        packed = pack_keys([key])
        try:
            check_sendable(envelope, self._trap, self._frame_bytes)
        except WireError:
            self.say(line.REFUSED, packed)
            raise
        asked = self._told.on_put(key)
        if (key, payload[1:]) in self._delivered and not asked and self._up.get(key) is None:
            self.say(line.DELIVERED, packed)
            return
        kept = self._keep(self._up, key, payload[1:], min(payload[0], 9))
        if kept:
            self.say(line.STORED, packed)
            if not self.alerts_only or key.rung == ALERT:
                self._link.offer(key, min(payload[0], 9))
            return
        if kept is not None:
            self._notice("full", len(self._up), self._board.now_ms())
        self.say(line.FULL_QUEUE, packed)

    def _keep(self, store: FlashStore, key: ObjectKey, data: bytes, priority: int) -> "bool | None":
        """Whether it is kept; None: flash is full in blocks before it is in bytes, or worn out."""
        try:
            return store.put(key, data, priority)
        except OSError:
            self._notice("flash", self._kib(), self._board.now_ms())
            return None

    def _kib(self) -> int:
        return (self._up.size() + 1023) // 1024

    def _load(self, key: ObjectKey) -> "bytes | None":
        return None if self.alerts_only and key.rung != ALERT else self._whole(self._up, key)

    def _whole(self, store: FlashStore, key: ObjectKey) -> "bytes | None":
        """An object; one that flash has damaged is dropped, and the Pi asked to hand it over again."""
        data = store.get(key)
        try:
            if data is not None:
                decode_envelope(data)
        except WireError:
            self.dropped += 1
            store.remove(key)  # of one for the Pi: without it the Pi deletes nothing, which is safe
            self.say(line.HELLO, b"")
            return None
        return data

    def _refill(self) -> None:
        # The link holds a bounded number of keys; flash may hold more, and after a reset holds all.
        if not self._link.has_room() or self._link.queued() >= len(self._up):
            return
        for key, priority in self._up.ordered():
            if not self.alerts_only or key.rung == ALERT:
                self._link.offer(key, priority, fresh=self._begun is not None and key not in self._begun)
            if not self._link.has_room():
                break

    def _cipher(self, key: bytes) -> Ccm:
        return Ccm(self._board.aes(key))

    def say(self, kind: int, payload: bytes) -> None:
        """A message to the Pi; lost if it is off."""
        self._board.uart_write(line.encode_message(kind, payload))

    def _heartbeat(self) -> Heartbeat:
        unreceipted, full_held, battery = self._pi
        values = {"battery": battery, "full_held": full_held}
        values.update(self._health())
        values.update({"queued": len(self._up), "queued_kib": self._kib(), "unreceipted": unreceipted})
        values.update({"frames_sent": self._antenna.frames_sent, "airtime_s": self._antenna.airtime_ms // 1000})
        return Heartbeat(values)
