"""Link keys of simulated traps, and what opens the frames under them."""

from functools import cache

from trapkit.aes import AesCcm
from trapwire.linkkeys import DOWN, UP, direction_key


def link_key(trap: int) -> bytes:
    """Of a simulated trap: 16 bytes that its number gives away."""
    return trap.to_bytes(2, "big") * 8


@cache
def frame_cipher(trap: int, down: bool) -> AesCcm:
    """Seals and opens the frames of one direction."""
    return AesCcm(direction_key(link_key(trap), DOWN if down else UP, trap))
