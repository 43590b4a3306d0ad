"""Who may use the ranger's page: a PIN an operator, slow to try (pure but for its file's bytes, which are handed in).

A PIN of six digits is weak; what guards it is that tries are few: after `FREE` wrong ones each further one has to
wait, twice as long every time, over restarts too. The wait is the unit's, not a phone's: one changes phones quickly.
"""

import hashlib
import hmac
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from trapkit.errors import SetupError

FREE = 5
FIRST_WAIT_MS = 30_000
LONGEST_WAIT_MS = 3_600_000
DIGITS = (6, 12)
_SCRYPT = {"n": 1 << 14, "r": 8, "p": 1}  # 16 MB and a third of a second on a Zero 2 W (estimate)
_SALT_BYTES = 16


def hashed(pin: str) -> str:
    """A PIN as it lies on the card.  Raises: SetupError."""
    if not (pin.isascii() and pin.isdigit() and DIGITS[0] <= len(pin) <= DIGITS[1]):
        raise SetupError(f"a PIN has {DIGITS[0]}–{DIGITS[1]} digits and nothing else")
    if len(set(pin)) < 3 or pin in "01234567890123456789" or pin in "98765432109876543210":
        raise SetupError("this PIN is among the first that a thief tries; take another")
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"{salt.hex()}:{_digest(pin, salt).hex()}"


def _digest(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, dklen=32, **_SCRYPT)


def read_operators(data: bytes, name: str) -> dict[str, str]:
    """Hashed PINs by operator, from `name` (TOML, a line each: `name = "salt:hash"`).  Raises: SetupError."""
    try:
        found = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"{name}: is no TOML: {error}") from error
    for operator, value in found.items():
        salt, _, digest = value.partition(":") if isinstance(value, str) else ("", "", "")
        if len(salt) != 2 * _SALT_BYTES or len(digest) != 64 or not _is_hex(salt + digest):
            raise SetupError(f"{name}: {operator!r} has no PIN of ours; make it with `trapcam pin {operator}`")
    if not found:
        raise SetupError(f"{name}: names no operator; make one with `trapcam pin NAME`")
    return dict(found)


def _is_hex(text: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in text)


@dataclass(frozen=True, kw_only=True)
class Tries:
    """Wrong tries since the last right one, and the time (monotonic ms) before which none is heard."""

    wrong: int = 0
    until_ms: int = 0


class Door:
    """`operators`: hashed PINs by name; `wrong`: wrong tries before this start, which begins with their wait."""

    def __init__(self, operators: Mapping[str, str], wrong: int, now_ms: int) -> None:
        self._operators = dict(operators)
        self.tries = Tries(wrong=wrong, until_ms=now_ms + _wait_ms(wrong))

    @property
    def names(self) -> list[str]:
        return sorted(self._operators)

    def wait_ms(self, now_ms: int) -> int:
        """How long no try is heard."""
        return max(0, self.tries.until_ms - now_ms)

    def opens(self, operator: str, pin: str, now_ms: int) -> bool:
        """Whether this is the operator's PIN; a wrong one counts, and one that comes too soon is not looked at."""
        if self.wait_ms(now_ms):
            return False
        known = self._operators.get(operator, "00" * _SALT_BYTES + ":" + "00" * 32)  # the same work for a wrong name
        salt, _, digest = known.partition(":")
        right = hmac.compare_digest(_digest(pin[:64], bytes.fromhex(salt)).hex(), digest)
        if right and operator in self._operators:
            self.tries = Tries()
            return True
        wrong = self.tries.wrong + 1
        self.tries = Tries(wrong=wrong, until_ms=now_ms + _wait_ms(wrong))
        return False


def _wait_ms(wrong: int) -> int:
    return 0 if wrong < FREE else min(FIRST_WAIT_MS << min(wrong - FREE, 20), LONGEST_WAIT_MS)
