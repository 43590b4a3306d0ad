"""Chance that both interpreters draw alike, and the AES of each."""

try:
    from trapmcu.aes import Aes
except ImportError:  # CPython has no cryptolib
    from trapkit.aes import Aes  # type: ignore[assignment]

from trapwire.ccm import Ccm


class Dice:
    """Xorshift of 32 bits; the same draws from the same seed everywhere."""

    def __init__(self, seed: int) -> None:
        self._state = (seed * 2654435761 + 1) & 0xFFFFFFFF or 1

    def _next(self) -> int:
        x = self._state
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        self._state = x
        return x

    def below(self, n: int) -> int:
        """A whole number, 0 to n − 1; 0 where n is 0."""
        return self._next() % n if n > 0 else 0

    def unit(self) -> float:
        """0 <= x < 1."""
        return self._next() / 4294967296

    def chance(self, permille: int) -> bool:
        """True in so many of a thousand draws."""
        return self.below(1000) < permille

    def bytes(self, n: int) -> bytes:
        """So many bytes, quickly: they repeat after eight."""
        block = self._next().to_bytes(4, "big") + self._next().to_bytes(4, "big")
        return (block * (n // 8 + 1))[:n]


def cipher(key: bytes) -> Ccm:
    """AES-CCM as both ends of the link use it."""
    return Ccm(Aes(key))


def aes(key: bytes) -> Aes:
    """Bare AES, as a board hands it out."""
    return Aes(key)
