"""Frames by somebody without a link key who has recorded everything: played again, changed, made up."""

import random
from collections.abc import Callable

from trapkit.aes import AesCcm
from trapsim.keyed import link_key
from trapwire.frame import KINDS, PIECE, ChecksumCipher, Frame, encode_frame, header_bytes
from trapwire.linkkeys import DOWN, UP, LinkKey

FRAME_MAX_BYTES = 255
STRANGER = 0x4242  # a trap that no base of ours knows


class Forger:
    """Makes frames from those in `recorded`, each of which its receiver has heard, against traps 1 to `traps`."""

    def __init__(self, draws: random.Random, recorded: list[bytes], traps: int) -> None:
        self._draws = draws
        self._recorded = recorded
        self._traps = traps
        # The thief's own key; and that of another trap, which he took out of its box.
        self._thieves = [
            LinkKey(secret, trap, way, AesCcm)
            for trap in range(1, traps + 1)
            for way in (UP, DOWN)
            for secret in (draws.randbytes(16), link_key(trap % traps + 1), link_key(STRANGER))
        ]
        self.ways: dict[str, Callable[[bytearray], bytes]] = {
            "played again": bytes, "a bit flipped": self._flipped, "cut short": self._short,
            "made longer": self._longer, "another counter": self._counter, "another trap's number": self._address,
            "another kind, way or flag": self._first, "another version": self._version,
            "made up behind the header": self._tail, "garbage": self._garbage,
            "sealed under another key": self._sealed, "with version 1's checksum": self._checksum,
            "two frames in one": self._spliced,
        }  # fmt: skip

    def make(self, way: str) -> bytes:
        return self.ways[way](bytearray(self._draws.choice(self._recorded)))

    def _flipped(self, frame: bytearray) -> bytes:
        frame[self._draws.randrange(len(frame))] ^= 1 << self._draws.randrange(8)
        return bytes(frame)

    def _short(self, frame: bytearray) -> bytes:
        return bytes(frame[: self._draws.randrange(len(frame))])

    def _longer(self, frame: bytearray) -> bytes:
        return bytes(frame) + self._draws.randbytes(self._draws.randint(1, 16))

    def _counter(self, frame: bytearray) -> bytes:
        """Of tomorrow, over bytes of yesterday; mostly a little later."""
        size = header_bytes(frame[0] & 0x0F)
        counter = int.from_bytes(frame[3:size], "big")
        step = self._draws.choice((self._draws.randint(1, 300), self._draws.getrandbits(32)))
        frame[3:size] = ((counter + step) % (1 << 8 * (size - 3))).to_bytes(size - 3, "big")
        return bytes(frame)

    def _address(self, frame: bytearray) -> bytes:
        other = self._draws.choice((*range(1, self._traps + 1), self._draws.getrandbits(16)))
        frame[1:3] = other.to_bytes(2, "big")
        return bytes(frame)

    def _first(self, frame: bytearray) -> bytes:
        frame[0] ^= self._draws.randint(1, 0x3F)
        return bytes(frame)

    def _version(self, frame: bytearray) -> bytes:
        frame[0] ^= self._draws.randint(1, 3) << 6
        return bytes(frame)

    def _tail(self, frame: bytearray) -> bytes:
        size = header_bytes(frame[0] & 0x0F)
        frame[size:] = self._draws.randbytes(self._draws.randrange(FRAME_MAX_BYTES - size))
        return bytes(frame)

    def _garbage(self, _: bytearray) -> bytes:
        return self._draws.randbytes(self._draws.randint(0, FRAME_MAX_BYTES))

    def _sealed(self, frame: bytearray) -> bytes:
        """A good frame, in every respect but the key; with a counter that is new, and for pieces may be."""
        thief = self._draws.choice(self._thieves)
        kind = self._draws.choice((PIECE, *KINDS))
        payload = self._draws.randbytes(self._draws.randint(0, 64))
        return thief.seal(kind, self._draws.random() < 0.5, self._draws.getrandbits(32), payload)

    def _checksum(self, frame: bytearray) -> bytes:
        kind, is_down = self._draws.randint(1, 5), self._draws.random() < 0.5
        trap = self._draws.randint(1, self._traps)
        payload = self._draws.randbytes(self._draws.randint(0, 64))
        old = Frame(kind, is_down, True, trap, self._draws.getrandbits(32), payload, 1)
        return encode_frame(old, ChecksumCipher())

    def _spliced(self, frame: bytearray) -> bytes:
        other = self._draws.choice(self._recorded)
        at = self._draws.randint(0, min(len(frame), len(other)))
        return bytes(frame[:at]) + other[at:]
