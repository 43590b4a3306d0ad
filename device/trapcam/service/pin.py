"""Who may use the ranger's page: a PIN an operator, slow to try (pure; how one lies on the card: `trapkit.pins`).

A PIN of six digits is weak; what guards it is that tries are few: after `FREE` wrong ones each further one has to
wait, twice as long every time, over restarts too. The wait is the unit's, not a phone's: one changes phones quickly.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from trapkit.pins import SALT_BYTES, digest_of, hashed, read_operators

__all__ = ["FREE", "LONGEST_WAIT_MS", "Door", "Tries", "hashed", "read_operators"]

FREE = 5
FIRST_WAIT_MS = 30_000
LONGEST_WAIT_MS = 3_600_000


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
        known = self._operators.get(operator, "00" * SALT_BYTES + ":" + "00" * 32)  # the same work for a wrong name
        salt, _, digest = known.partition(":")
        right = hmac.compare_digest(digest_of(pin[:64], bytes.fromhex(salt)).hex(), digest)
        if right and operator in self._operators:
            self.tries = Tries()
            return True
        wrong = self.tries.wrong + 1
        self.tries = Tries(wrong=wrong, until_ms=now_ms + _wait_ms(wrong))
        return False


def _wait_ms(wrong: int) -> int:
    return 0 if wrong < FREE else min(FIRST_WAIT_MS << min(wrong - FREE, 20), LONGEST_WAIT_MS)
