"""Deployments as rangers' cards have them: where each trap stood, from when to when. Pure, and always recomputed.

Rules:
- Only a card that its trap's key vouches for, that opens and whose place is within the bounds counts; others are kept
  and said.
- Of one trap and epoch the numbers give the order, whatever the clock said; epochs follow each other by their first
  card's time. A stay never ends before it began.
- `place` begins a stay and ends the one that was open. At the same station and side within `CORRECTION_MS` it is the
  same card once more: the later words hold, the beginning stays.
- `take over` begins a stay and ends what another trap had open at that station's side.
- `end` ends the open stay, whatever station it names; without one it is said and changes nothing, unless another unit
  has taken that stay over.
- Two traps that are open at one station's side both stay open, and that is said: pictures are each their own trap's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from trapbase.eventid import WINDOW_MS
from trapkit.cards import Card, Sample, Visit, Written

CORRECTION_MS = 12 * 3_600_000
MOST_PROBLEMS = 50  # said; beyond them only their number


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Where a trap of this base can stand, degrees; `west` beyond `east`: over the 180th meridian."""

    south: float = -90.0
    north: float = 90.0
    west: float = -180.0
    east: float = 180.0

    def holds(self, latitude: float, longitude: float) -> bool:
        """Whether the place is within; 0, 0 never is: there nothing was typed."""
        within = self.west <= longitude <= self.east
        if self.west > self.east:
            within = longitude >= self.west or longitude <= self.east
        return self.south <= latitude <= self.north and within and (latitude, longitude) != (0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Said:
    """A card, visit or sample as it came: of which trap, under which epoch and number, what is in it, or why not."""

    trap: int
    epoch: int
    number: int
    stored_ms: int
    said: Written | None
    refusal: str = ""

    @property
    def sighting(self) -> tuple[int, int, int]:
        """The key that its object has, without the rung."""
        return self.trap, self.epoch, self.number


@dataclass(frozen=True, kw_only=True)
class Stay:
    """One deployment. Times in Unix ms; `end_ms` None: it stands there still; `doubt`: a time of it is not sure."""

    trap: int
    station: str
    side: str
    start_ms: int
    end_ms: int | None
    ended: str
    latitude: float
    longitude: float
    precision_m: float | None
    height_cm: int | None
    bearing_deg: int | None
    trail_m: float | None
    bait: str
    who: str
    note: str
    doubt: bool
    cards: tuple[tuple[int, int, int], ...]
    again: int = 0  # how many stays of that name began in the same minute before

    def holds(self, time_ms: int) -> bool:
        """Whether it stood there then."""
        return self.start_ms <= time_ms and (self.end_ms is None or time_ms <= self.end_ms)

    def off_ms(self, time_ms: int) -> int:
        """How far that time lies outside."""
        return max(self.start_ms - time_ms, 0 if self.end_ms is None else time_ms - self.end_ms, 0)


@dataclass(frozen=True, kw_only=True)
class Stays:
    """Of each trap, oldest first; `problems`: what a person should look after, in words."""

    by_trap: Mapping[int, list[Stay]]
    problems: list[str]

    def at(self, trap: int, time_ms: int) -> Stay | None:
        """Where it stood then, or nearest to then; None where no card knows it."""
        own = self.by_trap.get(trap, [])
        return min(own, key=lambda s: (s.off_ms(time_ms), -s.start_ms)) if own else None

    def now(self, trap: int) -> Stay | None:
        """The newest."""
        own = self.by_trap.get(trap, [])
        return own[-1] if own else None


NOWHERE = Stays(by_trap={}, problems=[])


def stays_of(cards: Iterable[Said], bounds: Bounds) -> Stays:
    """The stays that these cards tell of; visits and samples are passed over."""
    found = [c for c in cards if not isinstance(c.said, Visit | Sample)]
    problems = [f"{_name(c)}: {c.refusal}. It is kept and not used." for c in found if c.said is None]
    usable: list[tuple[Said, Card]] = []
    for c in found:
        if not isinstance(c.said, Card):
            continue
        if c.said.action == "end" or _within(c.said, bounds):
            usable.append((c, c.said))
        else:
            problems.append(
                f"{_name(c)}: {c.said.station} lies outside the bounds of this base ([cards] in the settings). It is "
                "kept and not used; correct the bounds, or save the card again with the right place."
            )
    book = _Book(problems)
    for c, card in _in_order(usable):
        book.take(c, card)
    return book.finish()


def _within(card: Card, bounds: Bounds) -> bool:
    return card.latitude is not None and card.longitude is not None and bounds.holds(card.latitude, card.longitude)


def _in_order(cards: list[tuple[Said, Card]]) -> list[tuple[Said, Card]]:
    """All cards by time, those of one outbox in the order of their numbers all the same."""
    held: dict[tuple[int, int], int] = {}
    timed = []
    for c, card in sorted(cards, key=lambda item: item[0].sighting):
        # One whose clock went back is sorted as if it were of the moment of the card before it.
        at_ms = max(card.at_ms, held.get((c.trap, c.epoch), 0))
        held[c.trap, c.epoch] = at_ms
        timed.append((at_ms, c.sighting, c, card))
    return [(c, card) for _, _, c, card in sorted(timed, key=lambda item: item[:2])]


class _Book:
    """The stays while cards are taken in order."""

    def __init__(self, problems: list[str]) -> None:
        self._problems = problems
        self._open: dict[int, Stay] = {}
        self._done: dict[int, list[Stay]] = {}

    def take(self, c: Said, card: Card) -> None:
        if card.action == "end":
            self._end(c, card)
            return
        was = self._open.get(c.trap)
        if was is not None and _is_correction(was, card):
            again = _stay(c, card)
            self._open[c.trap] = replace(
                again, start_ms=was.start_ms, doubt=was.doubt or again.doubt, cards=(*was.cards, *again.cards)
            )
            return
        if was is not None:
            self._close(was, card.at_ms, "by the next card, without one that took it down", doubt=_doubt(card))
        if card.action == "take over":
            for other in [s for s in self._open.values() if (s.station, s.side) == (card.station, card.side)]:
                self._close(other, card.at_ms, f"taken over by trap {c.trap}", doubt=_doubt(card))
        self._open[c.trap] = _stay(c, card)

    def _end(self, c: Said, card: Card) -> None:
        was = self._open.get(c.trap)
        if was is not None:
            if was.station != card.station:
                self._problems.append(
                    f"{_name(c)} takes it down at {card.station}; by its cards it stood at {was.station}, {was.side}. "
                    "That deployment is ended."
                )
            self._close(was, card.at_ms, "", doubt=_doubt(card))
            return
        before = self._done.get(c.trap, [])
        if not before or not before[-1].ended.startswith("taken over"):
            self._problems.append(f"{_name(c)} takes it down at {card.station}, but no card had put it up there.")

    def _close(self, stay: Stay, at_ms: int, why: str, *, doubt: bool) -> None:
        back = at_ms < stay.start_ms
        closed = replace(stay, end_ms=max(at_ms, stay.start_ms), ended=why, doubt=stay.doubt or doubt or back)
        self._done.setdefault(stay.trap, []).append(closed)
        self._open.pop(stay.trap)

    def finish(self) -> Stays:
        sides: dict[tuple[str, str], list[int]] = {}
        for stay in self._open.values():
            sides.setdefault((stay.station, stay.side), []).append(stay.trap)
        for (station, side), traps in sorted(sides.items()):
            if len(traps) > 1:
                names = " and ".join(map(str, sorted(traps)))
                self._problems.append(
                    f"{station}, {side}: traps {names} stand there at once by their cards. "
                    "Save “take down” at the one that left, or “take over” at the one that came."
                )
        by_trap: dict[int, list[Stay]] = {}
        for trap in sorted({*self._done, *self._open}):
            by_trap[trap] = _counted([*self._done.get(trap, []), *([self._open[trap]] if trap in self._open else [])])
        more = len(self._problems) - MOST_PROBLEMS
        said = self._problems[:MOST_PROBLEMS]
        return Stays(by_trap=by_trap, problems=said + ([f"… and {more} more cards of the kind."] if more > 0 else []))


def _counted(stays: list[Stay]) -> list[Stay]:
    """Those of one name and minute told apart."""
    seen: dict[tuple[str, str, int], int] = {}
    found = []
    for stay in stays:
        key = (stay.station, stay.side, stay.start_ms // 60_000)
        found.append(replace(stay, again=seen.get(key, 0)))
        seen[key] = seen.get(key, 0) + 1
    return found


def _stay(c: Said, card: Card) -> Stay:
    assert card.latitude is not None  # `_within` has looked
    assert card.longitude is not None
    return Stay(
        trap=c.trap,
        station=card.station,
        side=card.side,
        start_ms=card.at_ms,
        end_ms=None,
        ended="",
        latitude=card.latitude,
        longitude=card.longitude,
        precision_m=card.precision_m,
        height_cm=card.height_cm,
        bearing_deg=card.bearing_deg,
        trail_m=card.trail_m,
        bait=card.bait,
        who=plain(card.who),
        note=plain(card.note),
        doubt=_doubt(card),
        cards=(c.sighting,),
    )


def _is_correction(was: Stay, card: Card) -> bool:
    same = (was.station, was.side) == (card.station, card.side)
    return same and abs(card.at_ms - was.start_ms) <= CORRECTION_MS


def _doubt(card: Card) -> bool:
    return card.uncertainty_ms is None or card.uncertainty_ms > WINDOW_MS


def _name(c: Said) -> str:
    return f"Trap {c.trap}, card {c.epoch:08x}-{c.number}"


def plain(text: str) -> str:
    """One line that every table and terminal can show."""
    return " ".join("".join(ch if ch.isprintable() else " " for ch in text).split())
