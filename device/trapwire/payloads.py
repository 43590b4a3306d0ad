"""Payloads of the frames other than fragments' data (PROTOCOL.md section 5)."""

import struct

from trapwire.alert import ALERT_BYTES
from trapwire.errors import WireError
from trapwire.objects import ALERT, Envelope, ObjectKey

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Container

MAX_ACK_KEYS = 8
MAX_BITMAP_BYTES = 32
HEARTBEAT_BYTES = 21
LONG_HEARTBEAT_BYTES = 32
UNKNOWN = {"days_left": 0xFFFF, "temperature_c": -128, "battery_mv": 0}


def encode_alert_payload(key: ObjectKey, body: bytes) -> bytes:
    """An alert with its object's epoch and number: 21 bytes."""
    return struct.pack(">I", key.epoch) + struct.pack(">I", key.number)[1:] + body


def decode_alert_payload(address: int, payload: bytes) -> Envelope:
    """The alert as an object of the trap at `address`.  Raises: WireError."""
    if len(payload) != 7 + ALERT_BYTES:
        raise WireError("alert payload of %d bytes, %d are needed" % (len(payload), 7 + ALERT_BYTES))
    epoch, number = struct.unpack(">II", payload[:4] + b"\x00" + payload[4:7])
    return Envelope(ObjectKey(address, epoch, number, ALERT), bytes(payload[7:]))


def encode_ack(keys: "list[ObjectKey]") -> bytes:
    """Keys that were committed: 8 bytes each, at most `MAX_ACK_KEYS`; none means only *heard*."""
    return b"".join(struct.pack(">II", k.epoch, k.number << 8 | k.rung) for k in keys[:MAX_ACK_KEYS])


def decode_ack(address: int, payload: bytes) -> "list[ObjectKey]":
    """The keys acknowledged, of the trap at `address`.  Raises: WireError."""
    if len(payload) % 8 or len(payload) > 8 * MAX_ACK_KEYS:
        raise WireError("acknowledgement of %d bytes is not 0–%d keys" % (len(payload), MAX_ACK_KEYS))
    keys = []
    for i in range(0, len(payload), 8):
        epoch, rest = struct.unpack(">II", payload[i : i + 8])
        keys.append(ObjectKey(address, epoch, rest >> 8, rest & 0xFF))
    return keys


class Have:
    """What a receiver holds of a transfer: everything below `start`, then a bitmap, lowest piece in bit 7."""

    def __init__(self, transfer: int, total: int, start: int, bitmap: bytes) -> None:
        self.transfer = transfer
        self.total = total
        self.start = start
        self.bitmap = bitmap

    def missing(self) -> "list[int]":
        """The pieces that are not there yet, in order."""
        return [i for i in range(self.start, self.total) if not self._has(i - self.start)]

    def _has(self, offset: int) -> bool:
        return offset >> 3 < len(self.bitmap) and bool(self.bitmap[offset >> 3] & 0x80 >> (offset & 7))


def make_have(transfer: int, total: int, held: "Container[int]", room: int) -> Have:
    """The report on a transfer of which the pieces in `held` (a container of indices) have arrived.

    `room`: bytes that the bitmap may take; pieces beyond it are asked for again in a later report.
    """
    start = 0
    while start < total and start in held:
        start += 1
    last = total - 1
    while last > start and last not in held:
        last -= 1
    size = min((last - start) // 8 + 1 if last > start else 0, room, MAX_BITMAP_BYTES)
    bitmap = bytearray(size)
    for offset in range(size * 8):
        if start + offset in held:
            bitmap[offset >> 3] |= 0x80 >> (offset & 7)
    return Have(transfer, total, start, bytes(bitmap))


def encode_have(have: Have) -> bytes:
    """6 bytes and the bitmap."""
    return struct.pack(">HHH", have.transfer, have.total, have.start) + have.bitmap


def decode_have(payload: bytes) -> Have:
    """The report.  Raises: WireError."""
    if not 6 <= len(payload) <= 6 + MAX_BITMAP_BYTES:
        raise WireError("report of %d bytes is not 6–%d" % (len(payload), 6 + MAX_BITMAP_BYTES))
    transfer, total, start = struct.unpack(">HHH", payload[:6])
    if start > total or total > 0xFFF:
        raise WireError("report starts at %d of %d pieces" % (start, total))
    return Have(transfer, total, start, bytes(payload[6:]))


def encode_ask(transfer: int, total: int) -> bytes:
    """Which pieces are there of this transfer? 4 bytes."""
    return struct.pack(">HH", transfer, total)


def decode_ask(payload: bytes) -> "tuple[int, int]":
    """Number and count of pieces of the transfer that is asked about.  Raises: WireError."""
    if len(payload) != 4:
        raise WireError("question of %d bytes, 4 are needed" % len(payload))
    transfer, total = struct.unpack(">HH", payload)
    if not 0 < total <= 0xFFF:
        raise WireError("question about %d pieces is not within 1–4095" % total)
    return transfer, total


def encode_quick(sf: int, value: int) -> bytes:
    """Up: at what spreading factor, and how many pieces; down: at which, and for how many ms. 3 bytes."""
    return struct.pack(">BH", sf, value)


def decode_quick(payload: bytes) -> "tuple[int, int]":
    """Spreading factor, and pieces or ms.  Raises: WireError."""
    if len(payload) != 3:
        raise WireError("quick turn of %d bytes, 3 are needed" % len(payload))
    sf, value = struct.unpack(">BH", payload)
    if not 7 <= sf <= 12:
        raise WireError("quick turn at spreading factor %d is not within 7–12" % sf)
    return sf, value


class Heartbeat:
    """A trap's state of health; every field a whole number, `battery` in percent or 255 for unknown.

    Its second half (`MORE`) is there where `values` has a state (`trapwire.unitstates`). fault: the code of the last
    one within a day (`trapwire.events`), 0 for none; days_left, temperature_c and battery_mv may be `UNKNOWN`; resets:
    since the flash is new; triggers: within a day.
    """

    FIELDS = ("uptime_s", "battery", "queued", "queued_kib", "unreceipted", "full_held", "frames_sent", "airtime_s")
    FORMAT = ">IBHHHHII"
    MORE = ("state", "fault", "days_left", "temperature_c", "resets", "triggers", "battery_mv")
    MORE_FORMAT = ">BBHbHHH"

    def __init__(self, values: "dict[str, int]") -> None:
        fields = self.FIELDS + (self.MORE if "state" in values else ())
        formats = self.FORMAT[1:] + self.MORE_FORMAT[1:]
        self.values = {}
        for i, name in enumerate(fields):
            # A counter that outgrew its field shows its bound, never a lie that wrapped.
            low, high = (-128, 127) if formats[i] == "b" else (0, (1 << 8 * struct.calcsize(formats[i])) - 1)
            self.values[name] = min(max(values.get(name, UNKNOWN.get(name, 0)), low), high)

    def encode(self, room: int = HEARTBEAT_BYTES) -> bytes:
        """21 bytes, 36 on the air, as long as an alert; 32 where there is so much room, and the second half."""
        data = struct.pack(self.FORMAT, *[self.values[f] for f in self.FIELDS])
        if room >= LONG_HEARTBEAT_BYTES and "state" in self.values:
            data += struct.pack(self.MORE_FORMAT, *[self.values[f] for f in self.MORE])
        return data


def decode_heartbeat(payload: bytes) -> Heartbeat:
    """The heartbeat; bytes that a later version added behind are skipped.  Raises: WireError."""
    if len(payload) < HEARTBEAT_BYTES:
        raise WireError("heartbeat of %d bytes, %d are needed" % (len(payload), HEARTBEAT_BYTES))
    fields = struct.unpack(Heartbeat.FORMAT, payload[:HEARTBEAT_BYTES])
    values = {name: fields[i] for i, name in enumerate(Heartbeat.FIELDS)}
    if len(payload) >= LONG_HEARTBEAT_BYTES:
        fields = struct.unpack(Heartbeat.MORE_FORMAT, payload[HEARTBEAT_BYTES:LONG_HEARTBEAT_BYTES])
        for i, name in enumerate(Heartbeat.MORE):
            values[name] = fields[i]
    return Heartbeat(values)
