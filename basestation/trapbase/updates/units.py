"""What is known of each unit, from rows: when it was heard, what it says of its updates, whether it sees less. Pure.

What a unit says of its updates are its notes of kind `UPDATE`, each of which has the state as it was then. The newest
one holds: of the epoch that was heard last, the highest number.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trapbase.config import TrapSettings
from trapbase.effort import day_of
from trapbase.unit_keys import FORGED
from trapbase.unit_words import TROUBLES, fault_words
from trapbase.updates.waves import Unit
from trapkit.update.states import UpdateState
from trapwire import events
from trapwire.unitstates import SAFE

Row = Mapping[str, Any]
USUAL_DAYS = 14  # before a change that tell what is usual, and after it that are held against them
LEAST_DAYS = 5  # of the first, or nobody knows what is usual
LEAST_EXPECTED = 20  # of chance alone a quarter of fewer is one in tens of thousands of days; of 10 it is one in 300
# Faults that a release may have brought; weather, batteries and visitors it does not answer for.
ITS_FAULTS = {
    events.WATCHDOG, events.SAFE_ENTERED, events.PI_CUT, events.PI_NO_SHOW, events.FLASH_FULL, events.FLASH_DAMAGED,
    events.QUEUE_FULL, events.CARD_FAULT, events.RADIO_FAULT,
}  # fmt: skip
# What is compared, by name in a day's line: what it is called
COUNTED = {
    "seen": "minutes in which it could see",
    "triggers": "triggers",
    "bursts": "bursts",
    "sightings": "sightings",
}


def units_of(
    known: Mapping[int, TrapSettings],
    gone: Iterable[int],
    traps: Iterable[Row],
    notes: Iterable[Row],
    days: Iterable[Row],
    fewer_percent: int,
) -> list[Unit]:
    """Every trap that stands somewhere. gone: taken down, or shut out, so that who stood beside one of these stands
    alone; traps: of the reader; notes, days: rows of `notes` of kinds UPDATE and DAY;
    fewer_percent: of the usual, below which a unit sees too little (0: never said)."""
    words = {row["trap"]: row for row in traps}
    said = by_trap(notes)
    lines: dict[int, list[Row]] = {}
    for row in days:
        if row["proof"] != FORGED:
            lines.setdefault(row["trap"], []).append(row)
    down = set(gone)
    return [
        _unit(trap, words.get(number), said.get(number, []), lines.get(number, []), fewer_percent)
        for number, trap in sorted(known.items())
        if number not in down
    ]


def by_trap(notes: Iterable[Row]) -> dict[int, list[tuple[UpdateState, int]]]:
    """What each unit said of its updates, oldest first, with when it came; without what is forged or cannot be read."""
    rows: dict[int, list[Row]] = {}
    for row in notes:
        if row["proof"] != FORGED:
            rows.setdefault(row["trap"], []).append(row)
    found: dict[int, list[tuple[UpdateState, int]]] = {}
    for trap, own in rows.items():
        # A card that was changed begins another series: the series that was heard last is the unit's.
        heard = {row["epoch"]: max(r["stored_ms"] for r in own if r["epoch"] == row["epoch"]) for row in own}
        for row in sorted(own, key=lambda r: (heard[r["epoch"]], r["epoch"], r["number"])):
            state = state_of(row)
            if state is not None:
                found.setdefault(trap, []).append((state, row["stored_ms"]))
    return found


def state_of(row: Row) -> UpdateState | None:
    """The state in a row of `notes`; None where it is none that this base knows."""
    said = json.loads(row["said"])
    try:
        return UpdateState(said["running"], said["tried"], said["phase"], said["code"], row["time_ms"])
    except (KeyError, TypeError, ValueError):
        return None


def _unit(
    trap: TrapSettings, word: Row | None, said: Sequence[tuple[UpdateState, int]], days: Sequence[Row], percent: int
) -> Unit:
    health = word["health"] if word else {}
    code = health.get("fault")
    fault = TROUBLES[SAFE] if health.get("state") == SAFE else fault_words(code) if code in ITS_FAULTS else ""
    heard_ms = max(word["heard_ms"] or 0, word["came_ms"] or 0) or None if word else None
    if not said:
        return Unit(trap=trap.number, station=trap.station, heard_ms=heard_ms, fault=fault)
    state, said_ms = said[-1]
    since_ms = said_ms
    for before, at_ms in reversed(said):
        if before.running != state.running:
            break
        since_ms = at_ms
    return Unit(
        trap=trap.number, station=trap.station, heard_ms=heard_ms, running=state.running, tried=state.tried,
        phase=state.phase, code=state.code, said_ms=said_ms, since_ms=since_ms, fault=fault,
        fewer=fewer_words(days, since_ms, percent),
    )  # fmt: skip


def fewer_words(days: Iterable[Row], since_ms: int, percent: int) -> str:
    """Of what a unit counts since a change much less than before it, in the time that it watched; nothing where all is
    as usual, or nobody can say."""
    changed = day_of(since_ms)
    before = [_line(row) for row in days if changed - USUAL_DAYS <= row["day"] < changed]
    after = [_line(row) for row in days if changed < row["day"] <= changed + USUAL_DAYS]
    watched = [sum(line["watch"] for line in own) for own in (before, after)]
    if len(before) < LEAST_DAYS or not all(watched):
        return ""
    for name, words in COUNTED.items():
        expected = sum(line[name] for line in before) * watched[1] / watched[0]
        found = sum(line[name] for line in after)
        if expected >= LEAST_EXPECTED and found * 100 < expected * percent:
            return f"has {found} {words} since then, where {expected:.0f} are usual for it"
    return ""


def _line(row: Row) -> dict[str, int]:
    said = json.loads(row["said"])
    return {name: said[name] if type(said.get(name)) is int else 0 for name in ("watch", *COUNTED)}
