"""A new model judges beside the one that decides, and what would have been otherwise is counted.

The new one only looks: what it says goes nowhere but into the count. A picture lies in memory once, as ever; the second
look at it costs the detector's time again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from trapcam.frames import Burst, Image, Unreadable
from trapcam.judge import Description, Judge, Seen
from trapcam.record import KEPT, UNREADABLE, Outcome, Withheld
from trapcam.sighting import Event, decide

GOES_ON, DECIDES, REFUSED = 0, 1, 2  # as in trapwire.notes.VERDICTS


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What two models said of the same bursts. model: the new one's SHA-256; the others as in trapwire.notes.SHADOW."""

    model: str
    bursts: int = 0
    only_old: int = 0
    only_new: int = 0
    people_old: int = 0
    people_new: int = 0

    @property
    def different(self) -> int:
        return self.only_old + self.only_new + self.people_old + self.people_new

    def verdict(self, bursts: int, most: float) -> int:
        """After `bursts`, of which a share of `most` may differ; sooner where that cannot be kept any more."""
        if self.different > most * bursts:
            return REFUSED
        return DECIDES if self.bursts >= bursts else GOES_ON

    def count(self, old: tuple[bool, bool], new: tuple[bool, bool]) -> "Tally":
        """One more burst: (kept, withheld for people) by each."""
        return replace(
            self,
            bursts=self.bursts + 1,
            people_old=self.people_old + (old[1] and not new[1]),
            people_new=self.people_new + (new[1] and not old[1]),
            only_old=self.only_old + (old[0] and not new[0] and not new[1]),
            only_new=self.only_new + (new[0] and not old[0] and not old[1]),
        )

    def encode(self) -> str:
        """As text, to be kept over starts."""
        return json.dumps(asdict(self))


def decode(text: str, model: str) -> Tally:
    """What was kept of that model; a new tally where that is none of it."""
    try:
        told = json.loads(text)
        found = Tally(**{name: told[name] for name in asdict(Tally(model=""))})
    except (ValueError, TypeError, KeyError):
        return Tally(model=model)
    return found if found.model == model else Tally(model=model)


class Captures(Protocol):
    """What makes outcomes of bursts: `trapcam.capture.Capture`, or `trapcam.unjudged.Unjudged`."""

    def outcome(self, taken: Burst | Unreadable, source: str, position: int) -> Outcome | Withheld: ...


class Beside:
    """A judge that lets another one look at each picture too, where there is one: `other`."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.other: Judge | None = None
        self._found: list[Sequence[Seen]] = []

    @property
    def description(self) -> Description:
        return self._judge.description

    def detect(self, image: Image, moved: tuple[float, float, float, float] | None = None) -> Sequence[Seen]:
        """What the one that decides says."""
        if self.other is not None:
            self._found.append(self.other.detect(image, moved))
        return self._judge.detect(image, moved)

    def begin(self) -> None:
        """Another burst; what was said before (on a ranger's page, say) belongs to none."""
        self._found = []

    def other_decides(self, keep: Sequence[str], keep_threshold: float) -> tuple[bool, bool]:
        """(kept, withheld for people) by the other one, of the pictures since `begin`."""
        assert self.other is not None
        found, self._found = self._found, []
        decision = decide(found, self.other.description.thresholds, tuple(keep), keep_threshold)
        return isinstance(decision, Event), not isinstance(decision, Event) and decision.private


class Shadow:
    """Around what captures: the same outcomes, and a count. keep, keep_threshold: as the trap's policy. `tally`: None
    while no model is compared; kept: takes it after each burst, to be kept over starts."""

    def __init__(self, beside: Beside, keep: Sequence[str], keep_threshold: float, kept: Callable[[str], None]) -> None:
        self._beside = beside
        self._keep = keep
        self._keep_threshold = keep_threshold
        self._kept = kept
        self.capture: Captures | None = None
        self.tally: Tally | None = None

    def begin(self, other: Judge, before: str) -> Tally:
        """From now on `other` judges too; before: what was kept."""
        self._beside.other = other
        self.tally = decode(before, other.description.sha256)
        return self.tally

    def end(self) -> None:
        """No longer."""
        self._beside.other = self.tally = None

    def outcome(self, taken: Burst | Unreadable, source: str, position: int) -> Outcome | Withheld:
        """As of what captures."""
        assert self.capture is not None
        self._beside.begin()
        outcome = self.capture.outcome(taken, source, position)
        if self.tally is None or (isinstance(outcome, Outcome) and outcome.outcome == UNREADABLE):
            return outcome
        old = (isinstance(outcome, Outcome) and outcome.outcome == KEPT, isinstance(outcome, Withheld))
        self.tally = self.tally.count(old, self._beside.other_decides(self._keep, self._keep_threshold))
        self._kept(self.tally.encode())
        return outcome


def values(tally: Tally, verdict: int) -> Mapping[str, int]:
    """The fields of its note."""
    counted = {name: min(count, 0xFFFF) for name, count in asdict(tally).items() if name != "model"}
    return {"model": int(tally.model[:8], 16), **counted, "verdict": verdict}
