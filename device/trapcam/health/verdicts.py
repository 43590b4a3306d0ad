"""From looks to verdicts: lens obscured, snowed in, lamp failed, camera moved; each with hysteresis (pure).

The references are what the scene looked like in the first two weeks, in its several lights; each follows slowly what
agrees with it, as seasons go. A verdict is given after so many looks in a row that say so, and taken back after as many
that do not. A scene that is not recognised for a week is learned too, and said before: snow on the ground does that, or
a camera that was turned right round, and the picture at the base shows which.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trapcam.health.look import PACKED_BYTES, Look, pack, unpack
from trapcam.health.shift import Shift, shift_between
from trapwire.notes import LAMP_FAILED, LOOKS_ELSEWHERE, OBSCURED, REASONS, SNOWED_IN

REFERENCES, STATE = "references", "state"
MOST_REFERENCES = 6  # lights of one scene
LEARNED_AFTER = 14  # scenes since the start or a visit: then nothing new is taken for the scene
STRANGE_AFTER = 7  # scenes in a row that agree with no reference
MOST_DOUBT = 4.0  # degrees by which columns and rows may differ about a turn
DOUBTED = 0.06  # so much more must such a look agree
FOLLOW = 0.2  # of a new look in its reference
NEAR = 0.03  # of the picture: two shifts that are one and the same


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a look counts as bad; `deploy/settings.md` has the words."""

    bare: float = 0.85
    detail: float = 0.3
    black: float = 20.0
    snow_mean: float = 165.0
    snow_colour: float = 30.0
    moved: float = 0.08
    turned: float = 5.0
    agreement: float = 0.3
    after_looks: int = 2
    after_moved: int = 3


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one look says by itself and against the references; `like`: which of them agrees best, None: none does."""

    obscured: bool
    snow: bool
    shift: Shift | None
    like: int | None


def judge_scene(look: Look, references: Sequence[bytes], limits: Limits) -> Verdict:
    """One look at the empty scene; without references only what it says by itself."""
    kept = [found for found in map(unpack, references) if found is not None]
    obscured = look.bare >= limits.bare or look.bright < limits.black
    # The least detail that this scene ever had when it was seen: dusk and shade have less than noon.
    obscured = obscured or (bool(kept) and look.detail < limits.detail * min(detail for detail, _, _ in kept))
    snow = obscured and look.mean >= limits.snow_mean and look.colour <= limits.snow_colour
    best: tuple[Shift, int] | None = None
    for place, (_, columns, rows) in enumerate(kept if not obscured else []):
        shift = shift_between(columns, rows, look)
        needed = limits.agreement
        if shift.doubt > MOST_DOUBT:  # columns and rows tell of different turns: of none, then, and less sure
            shift, needed = replace(shift, turned=0.0), needed + DOUBTED
        if shift.agreement >= needed and (best is None or shift.agreement > best[0].agreement):
            best = (shift, place)
    found, like = best or (None, None)
    return Verdict(obscured=obscured, snow=snow, shift=found, like=like)


class Health:
    """The verdicts that hold; `reasons`: as bits of `trapwire.notes`."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self.forget()

    def forget(self) -> None:
        """Begin anew: somebody has visited, the camera may look elsewhere on purpose, its lens was wiped."""
        self._references: list[bytes] = []
        self._scenes = 0  # seen since then
        self._strange = 0  # of them in a row, unrecognised
        self._streaks = {OBSCURED: 0, LAMP_FAILED: 0}  # looks in a row against the verdict that holds
        self._snow = False
        self._shifts: list[tuple[float, float, float]] = []  # beyond the bound, and alike, one look behind the other
        self.reasons = 0

    def words(self) -> list[str]:
        """What is wrong, for the operator."""
        said = [f"camera: {REASONS[bit]}" for bit in sorted(REASONS) if self.reasons & bit]
        return said + (["camera: the scene is not recognised"] if self._strange >= STRANGE_AFTER // 2 else [])

    def see(self, look: Look, at_ms: int, *, is_scene: bool, lit: bool | None = None) -> dict[str, int] | None:
        """One more look; the fields of an alarm where the camera has just been found to look elsewhere.

        lit: whether a lamp was to shine; where it was not, the look says nothing of the lamp. None: nobody knows.
        """
        if not is_scene:
            if lit is not False:
                self._turn(LAMP_FAILED, look.bright < self._limits.black)
            return None
        verdict = judge_scene(look, self._references, self._limits)
        self._snow = verdict.snow or (self._snow and verdict.obscured)
        self._turn(OBSCURED, verdict.obscured)
        self.reasons &= ~SNOWED_IN
        if self.reasons & OBSCURED and self._snow:
            self.reasons |= SNOWED_IN
        if verdict.obscured:
            return None
        self._scenes += 1
        if verdict.shift is None or verdict.like is None:
            self._learn(look)
            return None
        self._strange = 0
        return self._moved(look, verdict.shift, verdict.like)

    def _learn(self, look: Look) -> None:
        """A look that agrees with nothing that is known: it says nothing of a shift, for or against."""
        self._strange += 1
        learning = self._scenes <= LEARNED_AFTER and len(self._references) < MOST_REFERENCES
        if learning or self._strange >= STRANGE_AFTER:
            self._references = [*self._references, pack(look)][-MOST_REFERENCES:]
            self._strange = 0

    def _moved(self, look: Look, shift: Shift, like: int) -> dict[str, int] | None:
        limits = self._limits
        beyond = max(abs(shift.right), abs(shift.down)) > limits.moved or abs(shift.turned) > limits.turned
        if not beyond:
            self._shifts.clear()
            self.reasons &= ~LOOKS_ELSEWHERE
            self._follow(look, like)
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

    def _follow(self, look: Look, like: int) -> None:
        kept = unpack(self._references[like])
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
        self._references[like] = pack(mixed)

    def _turn(self, reason: int, bad: bool) -> None:
        """Hysteresis: a verdict changes after `after_looks` looks in a row against it."""
        if bad == bool(self.reasons & reason):
            self._streaks[reason] = 0
            return
        self._streaks[reason] += 1
        if self._streaks[reason] >= self._limits.after_looks:
            self._streaks[reason] = 0
            self.reasons ^= reason

    @property
    def references(self) -> list[bytes]:
        """What the scene looks like, in its several lights (packed looks)."""
        return self._references

    def copy(self) -> "Health":
        """Another one that goes on from here."""
        other = Health(self._limits)
        other.restore(self.kept().get)
        return other

    # --- between starts -----------------------------------------------------------------------------------------

    def kept(self) -> dict[str, bytes]:
        """What must outlast a start."""
        state = {
            "reasons": self.reasons,
            "obscured": self._streaks[OBSCURED],
            "lamp": self._streaks[LAMP_FAILED],
            "snow": self._snow,
            "shifts": self._shifts,
            "scenes": self._scenes,
            "strange": self._strange,
        }
        return {REFERENCES: b"".join(self._references), STATE: json.dumps(state).encode()}

    def restore(self, read: Callable[[str], bytes | None]) -> None:
        """Go on from what was kept; what cannot be read is forgotten."""
        kept = read(REFERENCES) or b""
        each = range(0, len(kept) - len(kept) % PACKED_BYTES, PACKED_BYTES)
        self._references = [kept[at : at + PACKED_BYTES] for at in each][:MOST_REFERENCES]
        try:
            state = json.loads(read(STATE) or b"{}")
            self.reasons = int(state.get("reasons", 0))
            self._streaks = {OBSCURED: int(state.get("obscured", 0)), LAMP_FAILED: int(state.get("lamp", 0))}
            self._snow = bool(state.get("snow", False))
            self._shifts = [(float(r), float(d), float(t)) for r, d, t in state.get("shifts", [])]
            self._scenes, self._strange = int(state.get("scenes", 0)), int(state.get("strange", 0))
        except (ValueError, TypeError, AttributeError):
            self.forget()
