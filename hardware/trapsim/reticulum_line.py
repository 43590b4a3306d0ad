"""What lies between two Reticulum instances: serial framing taken off, packets counted, some of them lost.

Reticulum's packets are at most 500 bytes, a LoRa frame 255. An RNode therefore puts a byte of its own before what it
sends, and sends what is longer than 254 bytes as two frames: markqvist/RNode_Firmware, Config.h (MTU 508, SINGLE_MTU
255, HEADER_L 1). Such a packet is lost when either of its frames is.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from trapsim.fades import Losses
from trapwire.airtime import PHY_MAX_BYTES, airtime_us

FLAG, ESCAPE, MASK = 0x7E, 0x7D, 0x20  # byte-stuffed HDLC, as in RFC 1662 without its address and checksum
RNODE_HEAD_BYTES = 1  # of each LoRa frame
PACKET_MAX_BYTES = 2 * (PHY_MAX_BYTES - RNODE_HEAD_BYTES)  # what an RNode takes
TRAP, BASE = 1, 0  # the two ends; `Losses` knows receivers by such numbers


def framed(packet: bytes) -> bytes:
    """A packet as it goes over the serial line."""
    out = bytearray([FLAG])
    for byte in packet:
        out += bytes([ESCAPE, byte ^ MASK]) if byte in (FLAG, ESCAPE) else bytes([byte])
    return bytes([*out, FLAG])


class Deframer:
    """Packets out of a serial line's bytes; what is too long for an RNode is cut off and counted in `oversized`."""

    def __init__(self) -> None:
        self.oversized = 0
        self._packet: bytearray | None = None
        self._escaped = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        for byte in data:
            if byte == FLAG:
                # A flag closes a packet that has bytes; otherwise it opens the next one.
                if self._packet:
                    yield bytes(self._packet)
                    self._packet = None
                else:
                    self._packet = bytearray()
                self._escaped = False
            elif self._packet is not None:
                if byte == ESCAPE:
                    self._escaped = True
                    continue
                if len(self._packet) == PACKET_MAX_BYTES:
                    self.oversized += 1
                    self._packet = None
                    continue
                self._packet.append(byte ^ MASK if self._escaped else byte)
                self._escaped = False


def lora_frames(size: int) -> list[int]:
    """Bytes of the LoRa frames, one or two, in which an RNode sends a packet of `size` bytes."""
    room = PHY_MAX_BYTES - RNODE_HEAD_BYTES
    return [min(room, size - at) + RNODE_HEAD_BYTES for at in range(0, size, room)]


@dataclass(kw_only=True)
class Count:
    """What one end has sent, lost packets included.

    `packet_bytes`: without any framing; `line_bytes`: with the serial line's, `lora_bytes`: with the RNode's byte a
    frame.
    """

    packets: int = 0
    lost: int = 0
    packet_bytes: int = 0
    line_bytes: int = 0
    lora_frames: int = 0
    lora_bytes: int = 0
    airtime_us: int = 0

    def add(self, packet: bytes, sf: int) -> int:
        """Count a packet; its airtime in us."""
        sizes = lora_frames(len(packet))
        spent = sum(airtime_us(size, sf) for size in sizes)
        self.packets += 1
        self.packet_bytes += len(packet)
        self.line_bytes += len(framed(packet))
        self.lora_frames += len(sizes)
        self.lora_bytes += sum(sizes)
        self.airtime_us += spent
        return spent


@dataclass(kw_only=True)
class Medium:
    """A half-duplex channel without collisions: who comes first, sends first; the other waits until it is free.

    `paced`: a packet takes its airtime at `sf`; otherwise none. `losses`: none while None. `whole_packets`: a packet
    has one draw, however many frames it takes; otherwise one a frame.
    """

    sf: int
    paced: bool
    whole_packets: bool
    losses: Losses | None = None
    sent: dict[int, Count] = field(default_factory=lambda: {TRAP: Count(), BASE: Count()})
    _waiting: deque[tuple[int, bytes]] = field(default_factory=deque)
    _on_air: tuple[int, bytes] | None = None
    _free_at_us: int = 0

    def offer(self, sender: int, packet: bytes) -> None:
        """A packet that `sender` hands to its radio."""
        self._waiting.append((sender, packet))

    def advance(self, now_us: int) -> list[tuple[int, bytes]]:
        """What arrives until `now_us`: receivers and packets."""
        arrived: list[tuple[int, bytes]] = []
        while True:
            if self._on_air is not None:
                if now_us < self._free_at_us:
                    return arrived
                sender, packet = self._on_air
                self._on_air = None
                if self._is_lost(1 - sender, packet):
                    self.sent[sender].lost += 1
                else:
                    arrived.append((1 - sender, packet))
            if not self._waiting:
                return arrived
            self._on_air = sender, packet = self._waiting.popleft()
            spent = self.sent[sender].add(packet, self.sf)
            self._free_at_us = now_us + (spent if self.paced else 0)

    def deadline_us(self) -> int | None:
        """When the packet on the air ends; None: the air is free."""
        return self._free_at_us if self._on_air is not None else None

    def take_count(self) -> dict[int, Count]:
        """What was sent since the last call."""
        taken, self.sent = self.sent, {TRAP: Count(), BASE: Count()}
        return taken

    def _is_lost(self, receiver: int, packet: bytes) -> bool:
        if self.losses is None:
            return False
        draws = 1 if self.whole_packets else len(lora_frames(len(packet)))
        # All draws are made: a receiver's n-th frame has the same fate whatever came before it.
        return sum(self.losses.lost(receiver, 0) for _ in range(draws)) > 0
