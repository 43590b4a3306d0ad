"""Link keys for tests, on both interpreters: each with the AES that its firmware would have."""

from trapwire.ccm import Ccm
from trapwire.linkkeys import DOWN, NEVER, UP, LinkKey

try:
    from trapmcu.aes import Aes
except ImportError:
    from trapkit.aes import Aes


def cipher(key):
    return Ccm(Aes(key))


def link_key(trap):
    """Of trap `trap` in all tests."""
    return bytes([trap]) * 16


def trap_key(trap, key=None, heard=NEVER):
    """As the trap holds it."""
    return LinkKey(key or link_key(trap), trap, UP, cipher, heard)


def base_key(trap, key=None, heard=NEVER):
    """As its base holds it."""
    return LinkKey(key or link_key(trap), trap, DOWN, cipher, heard)


def base_keys(traps):
    """The ring of a base with these traps, nothing heard yet."""
    return {trap: [base_key(trap)] for trap in traps}
