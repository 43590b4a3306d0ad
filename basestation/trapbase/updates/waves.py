"""Which units may take a release now, wave by wave, and when that stops by itself (decision 024). Pure; Unix ms.

Rules:
- Stations take their turn in waves: those of `Rules.first` (or one), then twice as many each time, at most `most`.
- A wave begins when every unit of the waves before it is settled, or by the operator's word; without `by_itself` only
  by his word.
- Of a station one unit at a time has the permission. The next one gets it when that one runs the release, is proved for
  `pair_ms`, and nobody of the station is silent: a station is never left to a camera that nobody hears.
- An engineer lets one unit go alone (`alone`): then who is silent beside it is as if it were not there, until it is
  heard again. Two that are heard never change at once, whatever anybody says.
- A unit is *proved* when it is heard `healthy_ms` after it first said that it runs the release. It is *settled* when it
  is proved, when it was silent before its turn, or when its trouble is excused.
- A trouble of a unit that has had its turn (it went back, refused, fell silent, has a new fault, sees less than it used
  to) stops everything at once when more than `tolerate` units have one that began after the operator's last word.
- A late unit, silent in its turn, gets its turn when it is heard again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from trapbase.moments import span
from trapkit.update.reasons import PERMITTING
from trapkit.update.reasons import words as reason_words

# What a unit does with a release
WAITS, MAY, TAKES, PROVES, RUNS, BACK, REFUSED = "waits", "may", "takes", "proves", "runs", "back", "refused"
CHANGING = ("staged", "trial")  # phases in which a unit may fail
# Kinds of troubles
SILENT, FAULT, FEWER = "silent", "fault", "fewer"
LEAVES_OUT = (BACK, REFUSED, SILENT)  # a unit with such a trouble, where it stops nothing, holds nobody up


@dataclass(frozen=True, kw_only=True)
class Rules:
    """first: stations that go first; most: stations of a wave; tolerate: units in trouble that stop nothing yet;
    by_itself: the next wave begins without the operator's word."""

    first: tuple[str, ...] = ()
    most: int = 8
    healthy_ms: int = 24 * 3_600_000
    pair_ms: int = 12 * 3_600_000
    silent_ms: int = 6 * 3_600_000
    tolerate: int = 0
    by_itself: bool = True


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What is known of a unit. heard_ms: when it was heard last; running, tried, phase, code: as it says of its updates
    (running None: it has said nothing yet); said_ms: when that came; since_ms: when it first said that it runs
    `running`; fault: of its heartbeat, in words; fewer: of what it sees less than it used to, in words."""

    trap: int
    station: str
    heard_ms: int | None = None
    running: str | None = None
    tried: str = ""
    phase: str = ""
    code: str = ""
    said_ms: int = 0
    since_ms: int = 0
    fault: str = ""
    fewer: str = ""


@dataclass(frozen=True, kw_only=True)
class Permitted:
    """A unit's first permission in this rollout: when, and the fault that it had then."""

    since_ms: int
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """A release on its way to the units, as it is kept. asked: waves that the operator has begun by word; go_ms: his
    last word: troubles that began before stop nothing; troubles: since when each is known, by unit and kind; alone:
    units that wait for no silent partner; lapsed: those to which that was allowed, and is no more."""

    release: str
    begun_ms: int
    go_ms: int = 0
    asked: int = 0
    stopped: bool = False
    permitted: Mapping[int, Permitted] = field(default_factory=dict)
    troubles: Mapping[tuple[int, str], int] = field(default_factory=dict)
    alone: frozenset[int] = frozenset()
    lapsed: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What is wrong with a unit after its turn; words to stand after its name."""

    trap: int
    kind: str
    words: str
    since_ms: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A unit in the rollout. step: one of the above; why: in words, what it waits for, or nothing."""

    trap: int
    station: str
    wave: int
    step: str
    why: str = ""
    settled: bool = False


@dataclass(frozen=True, kw_only=True)
class Decision:
    """allow: units that may take it now; troubles: all that are there; stops: those for which it must stop; wave: how
    many of `waves` have begun; word: only the operator's word is wanting for the next one."""

    standings: tuple[Standing, ...]
    allow: tuple[int, ...]
    troubles: tuple[Trouble, ...]
    stops: tuple[Trouble, ...]
    wave: int
    waves: int
    done: bool
    word: bool


def decide(rollout: Rollout, units: Iterable[Unit], rules: Rules, now_ms: int) -> Decision:
    """What holds at `now_ms`."""
    by_station: dict[str, list[Unit]] = {}
    for unit in sorted(units, key=lambda u: u.trap):
        by_station.setdefault(unit.station, []).append(unit)
    every = [unit for own in by_station.values() for unit in own]
    step = {unit.trap: step_of(unit, rollout, rules) for unit in every}
    troubles = tuple(t for unit in every for t in _troubles(unit, step[unit.trap], rollout, rules, now_ms))
    fresh = tuple(t for t in troubles if t.since_ms > rollout.go_ms)
    stops = fresh if len({t.trap for t in fresh}) > rules.tolerate else ()
    left_out = {t.trap for t in troubles if t.kind in LEAVES_OUT and t not in stops}
    settled = {
        unit.trap: step[unit.trap] == RUNS
        or unit.trap in left_out
        or (step[unit.trap] == WAITS and not hears(unit, rules, now_ms))
        for unit in every
    }
    order = waves_of(by_station, rules)
    stopped = rollout.stopped or bool(stops)
    reached, word = _reached(order, by_station, settled, rollout, rules)
    standings, allow = [], []
    for number, stations in enumerate(order, start=1):
        for station in stations:
            turn, why = _turn(by_station[station], step, rollout, rules, now_ms)
            begun = number <= reached and not stopped
            if begun and turn is not None:
                allow.append(turn)
            for unit in by_station[station]:
                own = step[unit.trap]
                reason = _why(unit, own, turn, why, number, reached, stopped) if own in (WAITS, MAY) else ""
                if own == WAITS and not stopped and not hears(unit, rules, now_ms):
                    reason = "it is not heard, and has its turn when it is"
                standings.append(
                    Standing(
                        trap=unit.trap, station=station, wave=number, step=own, why=reason, settled=settled[unit.trap]
                    )
                )
    done = bool(every) and reached == len(order) and all(settled.values()) and RUNS in step.values() and not stopped
    return Decision(
        standings=tuple(standings), allow=tuple(sorted(allow)), troubles=troubles, stops=stops, wave=reached,
        waves=len(order), done=done, word=word and not stopped,
    )  # fmt: skip


def step_of(unit: Unit, rollout: Rollout, rules: Rules) -> str:
    """What it does with the rollout's release."""
    if unit.running == rollout.release:
        return RUNS if _proved(unit, rules.healthy_ms) else PROVES
    permitted = rollout.permitted.get(unit.trap)
    if permitted is None:
        return WAITS
    if unit.tried == rollout.release and unit.said_ms >= permitted.since_ms:
        known = {"reverted": BACK, "refused": REFUSED, "staged": TAKES, "trial": TAKES}
        return known.get(unit.phase, MAY)
    return MAY


def waves_of(stations: Iterable[str], rules: Rules) -> list[list[str]]:
    """The stations, wave by wave."""
    known = set(stations)
    first = [name for name in dict.fromkeys(rules.first) if name in known]
    rest = sorted(known - set(first))
    if not first and rest:
        first, rest = rest[:1], rest[1:]
    waves, size = ([first] if first else []), max(1, len(first))
    while rest:
        size = max(1, min(2 * size, rules.most))
        waves.append(rest[:size])
        rest = rest[size:]
    return waves


def _proved(unit: Unit, for_ms: int) -> bool:
    return unit.heard_ms is not None and unit.heard_ms >= unit.since_ms + for_ms


def hears(unit: Unit, rules: Rules, now_ms: int) -> bool:
    """Whether it was heard lately enough."""
    return unit.heard_ms is not None and now_ms - unit.heard_ms <= rules.silent_ms


def _troubles(unit: Unit, step: str, rollout: Rollout, rules: Rules, now_ms: int) -> list[Trouble]:
    permitted = rollout.permitted.get(unit.trap)
    if permitted is None:
        return []  # whatever is wrong with it, this release has not done it
    found: list[tuple[str, str]] = []
    if step == BACK:
        found.append((BACK, f"went back to {_named(unit.running)}: {reason_words(unit.code) or 'it did not say why'}"))
    elif step == REFUSED:
        found.append((REFUSED, f"refused it: {reason_words(unit.code) or 'it did not say why'}"))
    elif step != RUNS and now_ms - max(unit.heard_ms or 0, permitted.since_ms) > rules.silent_ms:
        heard = span(unit.heard_ms, now_ms)
        found.append((SILENT, f"has not been heard for {heard}" if heard else "has not been heard"))
    if step in (TAKES, PROVES) and unit.fault and unit.fault != permitted.fault:
        found.append((FAULT, f"has a fault that it had not before: {unit.fault}"))
    if step in (PROVES, RUNS) and unit.fewer:
        found.append((FEWER, unit.fewer))
    return [
        Trouble(trap=unit.trap, kind=kind, words=text, since_ms=rollout.troubles.get((unit.trap, kind), now_ms))
        for kind, text in found
    ]


def _reached(
    order: list[list[str]],
    by_station: Mapping[str, list[Unit]],
    settled: Mapping[int, bool],
    rollout: Rollout,
    rules: Rules,
) -> tuple[int, bool]:
    """How many waves have begun, and whether the next one waits for the operator's word alone."""
    for number, _ in enumerate(order, start=1):
        before = all(settled[u.trap] for stations in order[: number - 1] for name in stations for u in by_station[name])
        if number > rollout.asked and not (rules.by_itself and before):
            return number - 1, before and not rules.by_itself
    return len(order), False


def _turn(
    station: list[Unit], step: Mapping[int, str], rollout: Rollout, rules: Rules, now_ms: int
) -> tuple[int | None, str]:
    """Whose turn it is at a station, and why it is nobody's."""
    own = station
    if any(unit.trap in rollout.alone and hears(unit, rules, now_ms) for unit in station):
        own = [unit for unit in station if hears(unit, rules, now_ms)]
    changed = [unit for unit in own if step[unit.trap] == PROVES and not _proved(unit, rules.pair_ms)]
    # Two have it where one went alone, and the other is heard again: who has begun goes on, then who went alone.
    silent = [unit.trap for unit in own if not hears(unit, rules, now_ms)]
    back = rollout.lapsed if silent else frozenset()  # who has not begun by then waits again
    begun = [u for u in own if step[u.trap] == TAKES or (step[u.trap] == MAY and u.trap not in back)]
    begun.sort(key=lambda unit: (step[unit.trap] != TAKES, unit.trap not in rollout.alone))
    if begun and (step[begun[0].trap] == TAKES or not changed):
        return begun[0].trap, ""
    waiting = [unit for unit in own if step[unit.trap] in (WAITS, MAY)]
    if not waiting:
        return None, ""
    if changed:
        return None, f"trap {changed[0].trap} beside it has just changed and must prove itself first"
    busy = [unit.trap for unit in own if unit.phase in CHANGING]
    if busy:
        return None, f"trap {busy[0]} takes another release"
    if silent:
        return None, f"trap {silent[0]} is not heard"
    return waiting[0].trap, ""


def _why(unit: Unit, step: str, turn: int | None, why: str, wave: int, reached: int, stopped: bool) -> str:
    if stopped:
        return "the update is stopped"
    if step == MAY and turn != unit.trap:
        return "held back: " + (why or f"trap {turn} beside it changes")
    if step == MAY:
        return reason_words(unit.code) if unit.phase == "waiting" and unit.code not in PERMITTING else ""
    if wave > reached:
        return f"its wave ({wave}) has not begun"
    return why or (f"after trap {turn} beside it" if turn != unit.trap else "")


def _named(running: str | None) -> str:
    return running or "what was installed"
