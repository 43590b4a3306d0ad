"""From looks to verdicts: lens obscured, snowed in, lamp failed, camera moved; each with hysteresis (pure).

The reference is what the scene looked like on the days before, and follows it slowly, as seasons do. A verdict is given
after so many looks in a row that say so, and taken back after as many that do not.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trapcam.health.look import Look, pack, unpack
from trapcam.health.shift import Shift, shift_between
from trapwire.notes import LAMP_FAILED, LOOKS_ELSEWHERE, OBSCURED, REASONS, SNOWED_IN

REFERENCE, STATE = "reference", "state"
FOLLOW = 0.2  # of a new look in the reference
NEAR = 0.03  # of the picture: two shifts that are one and the same


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a look counts as bad; `deploy/settings.md` has the words."""

    bare: float = 0.9
    detail: float = 0.3
    black: float = 20.0
    snow_mean: float = 135.0
    snow_colour: float = 16.0
    moved: float = 0.08
    turned: float = 5.0
    agreement: float = 0.3
    after_looks: int = 2
    after_moved: int = 3


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one look says by itself and against the reference."""

    obscured: bool
    snow: bool
    shift: Shift | None


def judge_scene(look: Look, reference: bytes | None, limits: Limits) -> Verdict:
    """One look at the empty scene; without a reference only what it says by itself."""
    kept = unpack(reference) if reference else None
    obscured = look.bare >= limits.bare or look.bright < limits.black
    shift = None
    if kept is not None:
        detail, columns, rows = kept
        obscured = obscured or look.detail < limits.detail * detail
        shift = shift_between(columns, rows, look)
        if not obscured and shift.agreement < limits.agreement:
            shift = None
    snow = obscured and look.mean >= limits.snow_mean and look.colour <= limits.snow_colour
    return Verdict(obscured=obscured, snow=snow, shift=None if obscured else shift)


class Health:
    """The verdicts that hold; `reasons`: as bits of `trapwire.notes`; `worn`: the card wears out."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self.worn = False
        self.forget()

    def forget(self) -> None:
        """Begin anew: somebody has visited, the camera may look elsewhere on purpose, its lens was wiped."""
        self._reference: bytes | None = None
        self._streaks = {OBSCURED: 0, LAMP_FAILED: 0}  # looks in a row against the verdict that holds
        self._snow = False
        self._shifts: list[tuple[float, float, float]] = []  # beyond the bound, and alike, one look behind the other
        self.reasons = 0

    def words(self) -> list[str]:
        """What is wrong, for the operator."""
        return [f"camera: {REASONS[bit]}" for bit in sorted(REASONS) if self.reasons & bit]

    def see(self, look: Look, at_ms: int, *, is_scene: bool) -> dict[str, int] | None:
        """One more look; the fields of an alarm where the camera has just been found to look elsewhere."""
        if not is_scene:
            self._turn(LAMP_FAILED, look.bright < self._limits.black)
            return None
        verdict = judge_scene(look, self._reference, self._limits)
        self._snow = verdict.snow or (self._snow and verdict.obscured)
        self._turn(OBSCURED, verdict.obscured)
        self.reasons &= ~SNOWED_IN
        if self.reasons & OBSCURED and self._snow:
            self.reasons |= SNOWED_IN
        if verdict.obscured:
            return None
        if verdict.shift is None:
            if self._reference is None:
                self._reference = pack(look)
            return None
        return self._moved(look, verdict.shift)

    def _moved(self, look: Look, shift: Shift) -> dict[str, int] | None:
        limits = self._limits
        beyond = max(abs(shift.right), abs(shift.down)) > limits.moved or abs(shift.turned) > limits.turned
        if not beyond:
            self._shifts.clear()
            self.reasons &= ~LOOKS_ELSEWHERE
            self._follow(look)
            return None
        now = (shift.right, shift.down, shift.turned)
        if self._shifts and any(abs(a - b) > NEAR for a, b in zip(self._shifts[-1][:2], now[:2], strict=True)):
            self._shifts.clear()  # it swings: a branch, another light, and no camera
        self._shifts.append(now)
        if len(self._shifts) < limits.after_moved or self.reasons & LOOKS_ELSEWHERE:
            return None
        self.reasons |= LOOKS_ELSEWHERE
        right, down, turned = (float(np.median([s[i] for s in self._shifts])) for i in range(3))
        return {"right": round(right * 1000), "down": round(down * 1000), "turned": round(turned * 10)}

    def _follow(self, look: Look) -> None:
        kept = unpack(self._reference) if self._reference else None
        if kept is None:
            return
        detail, columns, rows = kept
        mixed = Look(
            **{
                **look.__dict__,
                "detail": (1 - FOLLOW) * detail + FOLLOW * look.detail,
                "columns": (1 - FOLLOW) * columns + FOLLOW * look.columns,
                "rows": (1 - FOLLOW) * rows + FOLLOW * look.rows,
            }
        )
        self._reference = pack(mixed)

    def _turn(self, reason: int, bad: bool) -> None:
        """Hysteresis: a verdict changes after `after_looks` looks in a row against it."""
        if bad == bool(self.reasons & reason):
            self._streaks[reason] = 0
            return
        self._streaks[reason] += 1
        if self._streaks[reason] >= self._limits.after_looks:
            self._streaks[reason] = 0
            self.reasons ^= reason

    # --- between starts -----------------------------------------------------------------------------------------

    def kept(self) -> dict[str, bytes]:
        """What must outlast a start."""
        state = {
            "reasons": self.reasons,
            "obscured": self._streaks[OBSCURED],
            "lamp": self._streaks[LAMP_FAILED],
            "snow": self._snow,
            "shifts": self._shifts,
        }
        return {REFERENCE: self._reference or b"", STATE: json.dumps(state).encode()}

    def restore(self, read: Callable[[str], bytes | None]) -> None:
        """Go on from what was kept; what cannot be read is forgotten."""
        self._reference = read(REFERENCE) or None
        try:
            state = json.loads(read(STATE) or b"{}")
            self.reasons = int(state.get("reasons", 0))
            self._streaks = {OBSCURED: int(state.get("obscured", 0)), LAMP_FAILED: int(state.get("lamp", 0))}
            self._snow = bool(state.get("snow", False))
            self._shifts = [(float(r), float(d), float(t)) for r, d, t in state.get("shifts", [])]
        except (ValueError, TypeError, AttributeError):
            self.forget()
