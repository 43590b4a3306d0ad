"""The trap's supervisor: PIR, the queue in flash, the link. It sends what the Pi handed over while that is off."""

import struct

from trapmcu.clock import Clock
from trapmcu.crosswake import PARTNER, CrossWake
from trapmcu.duty import Duty
from trapmcu.flash import FlashStore, load_counter, load_heard, write_file
from trapmcu.overlay import Overlay
from trapmcu.radio import Antenna
from trapmcu.settings import NUMBERS
from trapmcu.told import Told
from trapmcu.trial import Trial
from trapwire import serialline as line
from trapwire.airtime import usable_frame
from trapwire.alert import ALERT_BYTES
from trapwire.ccm import Ccm
from trapwire.errors import WireError
from trapwire.fragments import cut
from trapwire.frame import Counter
from trapwire.hop import HOP_BYTES, HopKey
from trapwire.hoptrap import HopTrapLink
from trapwire.linkkeys import UP, LinkKey, key_name, parse_key
from trapwire.linktimes import LinkTimes
from trapwire.objects import (
    ALERT,
    CROP,
    DIGEST_BYTES,
    FRAME,
    HEAD_BYTES,
    Envelope,
    ObjectKey,
    decode_envelope,
    pack_keys,
    unpack_keys,
)
from trapwire.payloads import Heartbeat
from trapwire.quick import QuickTurns
from trapwire.traplink import TrapLink
from trapwire.wake import PIR
from trapwire.words import SETTING_CODES, SETTING_NAMES

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

REMEMBERED = 512  # delivered keys, so that an object offered twice is not sent twice
FRAMES_A_STEP = 8
FIRST_BELOW = 1 << 31  # where a new unit's frame counter begins, by lot: see PROTOCOL.md, "a counter that was lost"
HEARD_STEP = 256  # the base's frames between two writes of what was heard of it: days of flash, not minutes


class Supervisor:
    """One trap's supervisor on `board`; `step(now)` does what is due. Times are ms of the board's clock."""

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._board = board
        self._started = board.now_ms()
        folder = board.flash
        self._up = FlashStore(folder + "/up", settings["queue_bytes"])
        self._down = FlashStore(folder + "/down", settings["down_bytes"])
        self._counter_path = folder + "/counter"
        counter = Counter(load_counter(self._counter_path, board.random(FIRST_BELOW)), self._reserve)
        self._times = LinkTimes(**settings["times"])
        overlay = Overlay(folder + "/by-radio", settings, self._times.__dict__)
        self._trap = settings["trap"]
        link_key = parse_key(settings["link_key"])
        self._heard_path = folder + "/heard"
        self._heard = load_heard(self._heard_path, key_name(link_key))
        self._key = LinkKey(link_key, self._trap, UP, self._cipher, self._heard)
        self._plan = settings["plan"]
        self._sf = settings["sf"]
        self._frame_bytes = usable_frame(self._plan, self._sf)
        self._antenna = Antenna(board.radio, settings["sf"])
        self._duty = Duty(settings["plan"], settings["sf"], folder + "/duty", self._started)
        given = (self._key, self._frame_bytes, self._times, counter, self._load, board.random, self._heartbeat)
        self._wrap_bytes = 0
        self._quick: "QuickTurns | None" = None  # one that goes by a repeater has none
        self._tuned = settings["sf"]
        if settings["hop_key"]:
            hop = HopKey(parse_key(settings["hop_key"]), self._trap, self._cipher)
            self._link: "TrapLink" = HopTrapLink(hop, settings["sf"], *given, self._duty.wait_ms)
            self._wrap_bytes = HOP_BYTES
            self._frame_bytes -= HOP_BYTES
        else:
            fastest = settings["quick_sf"] or settings["sf"]
            self._quick = QuickTurns(settings["sf"], fastest, self._frame_bytes)
            self._link = TrapLink(*given, self._duty.wait_ms, self._quick)
        self._pair: "CrossWake | None" = None
        if settings["station_key"]:
            self._pair = CrossWake(board, settings, self._antenna, self._duty, counter, self._cipher)
        for code in sorted(overlay.values):
            self._apply(code, overlay.values[code])
        trial = Trial(overlay, settings.get("trial_ms", NUMBERS["trial_ms"][0]), self._link.words.say, self._apply)
        clock = Clock(settings.get("drift_ppm", NUMBERS["drift_ppm"][0]))
        self._told = Told(clock, trial, self._say, self._write_heard)
        self._decoder = line.SerialDecoder()
        self._delivered: "list[tuple[ObjectKey, bytes]]" = []  # with the digest of what was delivered
        self._repeat_ms = settings["repeat_ms"]
        self._repeat_at = 0
        self._triggers = 0
        self._pi = (0, 0, 255)  # unreceipted, full frames held, battery: the Pi's last word
        self.dropped = 0
        self._refill()
        self._antenna.start(settings["freq_khz"])
        # What was delivered just before a reset may not have reached the Pi: it offers all again, and is answered.
        self._say(line.HELLO, b"")

    def step(self, now: int) -> "int | None":
        """Do what is due; when to call again at the latest, in ms, unless the UART, PIR or radio wakes us earlier."""
        for kind, payload in self._decoder.feed(self._board.uart_read()):
            try:
                self._on_pi(kind, payload, now)
            except WireError:
                self.dropped += 1
        for _ in range(self._board.pir_edges()):
            self._wake(PIR, now)
            if self._pair is not None:
                self._pair.edge(now)
        self._radio(now)
        if now >= self._repeat_at:
            self._repeat_at = now + self._repeat_ms
            self._refill()
            for key, _ in self._down.ordered()[:4]:
                self._say_down(key)
        deadline = self._link.deadline(now)
        if self._pair is not None:
            wanted = self._pair.deadline(now)
            deadline = wanted if deadline is None or self._pair.away else min(deadline, wanted)
        deadlines = (deadline, self._told.step(now), self._repeat_at)
        return min([d for d in deadlines if d is not None])

    def _wake(self, cause: int, now: int) -> None:
        self._triggers += 1
        self._told.on_wake(now)
        self._say(line.WAKE, struct.pack(">IB", self._triggers, cause))

    def _radio(self, now: int) -> None:
        if self._pair is None or not self._pair.away:
            self._hear(now)
        if self._pair is not None:
            away = self._pair.step(now, self._link.idle())
            for _ in range(self._pair.woken()):
                self._wake(PARTNER, now)
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
        self._remember_heard()

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
            self._link.sent(now)
            return None

    def _apply(self, setting: int, value: int) -> None:
        """A setting's value is in force from now on; the antenna follows as soon as it does not send."""
        if setting == SETTING_CODES["sf"]:
            self._sf = value
            self._frame_bytes = usable_frame(self._plan, value) - self._wrap_bytes
            if self._quick is not None:
                self._quick.move(value, self._frame_bytes)
            if self._pair is not None:
                self._pair.link_sf = value
        else:
            setattr(self._times, SETTING_NAMES[setting], value)
        self._link.retune(self._frame_bytes, self._board.now_ms())

    def _on_link(self, event: "tuple[Any, ...]", now: int) -> None:
        if event[0] == "delivered":
            key = event[1]
            self._delivered = (self._delivered + [(key, _digest(self._up.get(key) or b""))])[-REMEMBERED:]
            self._up.remove(key)
            self._say(line.DELIVERED, pack_keys([key]))
        elif event[0] == "down":
            envelope = event[1]
            # Not kept means not acknowledged: the base sends it again when there is room.
            if self._keep(self._down, envelope.key, envelope.encode(), 0):
                self._link.committed(envelope.key)
                self._say(line.DOWN, envelope.encode())
        elif event[0] == "dropped":
            self.dropped += 1
        else:
            self._told.on_event(event, now)

    def _on_pi(self, kind: int, payload: bytes, now: int) -> None:
        if kind == line.HELLO:
            self._repeat_at = 0
            self._say(line.HELLO, b"")
            self._told.on_hello(now)
        elif kind == line.PUT:
            self._put(payload)
        elif kind == line.RECEIPT_TAKEN:
            for key in unpack_keys(payload):
                self._down.remove(key)
        elif kind == line.STATUS and len(payload) == 9:
            self._pi = struct.unpack(">IIB", payload)
        else:
            self.dropped += 1

    def _put(self, payload: bytes) -> None:
        if not payload:
            raise WireError("PUT without an object")
        envelope = decode_envelope(payload[1:])
        key = envelope.key
        packed = pack_keys([key])
        try:
            self._check(envelope)
        except WireError:
            self._say(line.REFUSED, packed)
            raise
        self._told.on_put(key)
        if (key, _digest(payload[1:])) in self._delivered:
            self._say(line.DELIVERED, packed)
        elif self._keep(self._up, key, payload[1:], min(payload[0], 9)):
            self._say(line.STORED, packed)
            self._link.offer(key, min(payload[0], 9))
        else:
            self._say(line.FULL_QUEUE, packed)

    def _check(self, envelope: Envelope) -> None:
        """Whether this object can go by radio, in this trap's name.  Raises: WireError."""
        key = envelope.key
        if key.trap != self._trap:
            raise WireError("object of %r was handed to trap %d" % (key, self._trap))
        if key.rung == ALERT:
            if len(envelope.body) != ALERT_BYTES:
                raise WireError("alert of %d bytes, %d are needed" % (len(envelope.body), ALERT_BYTES))
        elif key.rung in (CROP, FRAME):
            cut(envelope.encode(), self._frame_bytes)
        else:
            raise WireError("object of %r does not go by radio" % (key,))

    @staticmethod
    def _keep(store: FlashStore, key: ObjectKey, data: bytes, priority: int) -> bool:
        try:
            return store.put(key, data, priority)
        except OSError:
            return False  # flash full in blocks before it is in bytes, or worn out: as good as no room

    def _load(self, key: ObjectKey) -> "bytes | None":
        """An object for the link. One that flash has damaged is dropped, and the Pi asked to hand it over again."""
        data = self._up.get(key)
        if data is None:
            return None
        try:
            decode_envelope(data)
        except WireError:
            self.dropped += 1
            self._up.remove(key)
            self._say(line.HELLO, b"")
            return None
        return data

    def _refill(self) -> None:
        # The link holds a bounded number of keys; flash may hold more, and after a reset holds all.
        if not self._link.has_room() or self._link.queued() >= len(self._up):
            return
        for key, priority in self._up.ordered():
            self._link.offer(key, priority, fresh=False)
            if not self._link.has_room():
                break

    def _reserve(self, end: int) -> None:
        write_file(self._counter_path, str(end).encode())

    def _cipher(self, key: bytes) -> Ccm:
        return Ccm(self._board.aes(key))

    def _remember_heard(self) -> None:
        if self._key.heard - self._heard >= HEARD_STEP:
            self._heard = self._key.heard
            self._write_heard()  # flash is full: tried again a step later; until then a reset forgets more

    def _write_heard(self) -> bool:
        try:
            write_file(self._heard_path, ("%s %d" % (self._key.name, self._key.heard)).encode())
        except OSError:
            return False
        self._heard = self._key.heard
        return True

    def _say(self, kind: int, payload: bytes) -> None:
        self._board.uart_write(line.encode_message(kind, payload))

    def _say_down(self, key: ObjectKey) -> None:
        data = self._down.get(key) or b""
        try:
            decode_envelope(data)
        except WireError:
            self.dropped += 1
            self._down.remove(key)  # without it the Pi deletes nothing: safe, and seen in the heartbeat's counts
            return
        self._say(line.DOWN, data)

    def _heartbeat(self) -> Heartbeat:
        unreceipted, full_held, battery = self._pi
        measured = self._board.battery_percent()
        if measured is not None:
            battery = measured
        return Heartbeat(
            {
                "uptime_s": (self._board.now_ms() - self._started) // 1000,
                "battery": battery,
                "queued": len(self._up),
                "queued_kib": (self._up.size() + 1023) // 1024,
                "unreceipted": unreceipted,
                "full_held": full_held,
                "frames_sent": self._antenna.frames_sent,
                "airtime_s": self._antenna.airtime_ms // 1000,
            }
        )


def _digest(envelope: bytes) -> bytes:
    """The first bytes of the body's digest, as the envelope's head has them."""
    return envelope[HEAD_BYTES - DIGEST_BYTES : HEAD_BYTES]
