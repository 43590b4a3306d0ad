"""Everything that is known of updates at one moment, gathered from rows: for the base's step, page, status, figures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from trapbase.effort import day_of
from trapbase.places import Places
from trapbase.update_settings import SELF, UpdateSettings, stations
from trapbase.updates.air import Sent
from trapbase.updates.alone import KIND, Allowance, allowances
from trapbase.updates.kept import GOING, RELEASES, STOPPED, TRAPS, WORDS, Row
from trapbase.updates.shadows import Judged, judged, staged
from trapbase.updates.units import USUAL_DAYS, by_trap, units_of
from trapbase.updates.waves import Decision, Permitted, Rollout, Rules, Unit, decide
from trapkit.update.states import UpdateState

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
DAYS = 3 * USUAL_DAYS  # before a change, after it, and as long as a rollout may have gone on meanwhile
Rows = Callable[..., list[Row]]


@dataclass(frozen=True, kw_only=True)
class Look:
    """rollout: the newest one's row, with its decision as of now; units: of the fleet; said: what each said last of its
    updates; permits: those that hold, by unit; troubles: all of the rollout; allowed: units that an engineer lets go
    alone, and let; judged: new models beside the old ones, by unit; releases: of the mirror, newest first; radio:
    settings packs that went so, by unit."""

    now_ms: int
    rollout: Row | None
    decision: Decision | None
    units: list[Unit]
    said: Mapping[int, UpdateState]
    permits: Mapping[int, Row]
    troubles: list[Row]
    allowed: list[Allowance]
    judged: Mapping[int, Judged]
    releases: list[Row]
    radio: Mapping[int, Sent]

    @property
    def empty(self) -> bool:
        """Whether nobody has said anything of updates here."""
        return self.rollout is None and not self.said and not self.releases


def rules_of(updates: UpdateSettings) -> Rules:
    """The settings as waves have them."""
    return Rules(
        first=stations(updates),
        most=updates.most,
        healthy_ms=round(updates.healthy_h * HOUR_MS),
        pair_ms=round(updates.pair_h * HOUR_MS),
        silent_ms=round(updates.silent_h * HOUR_MS),
        tolerate=updates.tolerate,
        by_itself=updates.advance == SELF,
    )


def look(
    updates: UpdateSettings,
    rows: Rows,
    traps: list[dict[str, Any]],
    places: Places,
    now_ms: int,
    radio: Mapping[int, Sent] = MappingProxyType({}),
) -> Look:
    """rows: of a reader or a store that has `updates.sql`; traps: of the reader; radio: `byradio.read_sent`.

    Raises: StorageError.
    """
    known = places.known()
    notes = rows("update_notes", _json(known), WORDS - 1, TRAPS * WORDS)
    row = next(iter(rows("rollout")), None)
    watched = row is not None and (row["state"] == GOING or now_ms - row["moved_ms"] < USUAL_DAYS * DAY_MS)
    days = rows("update_days", day_of(now_ms) - DAYS, DAYS * TRAPS) if watched else []
    units = units_of(known, places.taken_down() | places.shut_out, traps, notes, days, updates.fewer_percent)
    marks = rows("update_troubles", row["id"], TRAPS) if row else []
    troubles, allowed = [mark for mark in marks if mark["kind"] != KIND], allowances(marks)
    alone = frozenset(one.trap for one in allowed if one.holds(now_ms))
    lapsed = frozenset(one.trap for one in allowed) - alone
    rollout = rollout_of(row, rows("first_permits", row["id"], TRAPS), troubles, alone, lapsed) if row else None
    return Look(
        now_ms=now_ms,
        rollout=row,
        decision=decide(rollout, units, rules_of(updates), now_ms) if rollout else None,
        units=units,
        said={trap: said[-1][0] for trap, said in by_trap(notes).items()},
        permits={p["trap"]: p for p in rows("permits", TRAPS)},
        troubles=troubles,
        allowed=allowed,
        judged=judged(rows("update_shadows", staged(notes), TRAPS * WORDS)),
        releases=rows("releases", RELEASES),
        radio=radio,
    )


def rollout_of(
    row: Row, permits: list[Row], troubles: list[Row], alone: frozenset[int], lapsed: frozenset[int]
) -> Rollout:
    """A rollout's row, its units' first permissions, its troubles, and who may go alone, or might, as a value."""
    return Rollout(
        release=row["release"], begun_ms=row["begun_ms"], go_ms=row["go_ms"], asked=row["asked"],
        stopped=row["state"] == STOPPED, alone=alone, lapsed=lapsed,
        permitted={p["trap"]: Permitted(since_ms=p["issued_ms"], fault=p["fault"]) for p in permits},
        troubles={(t["trap"], t["kind"]): t["since_ms"] for t in troubles},
    )  # fmt: skip


def _json(traps: Mapping[int, object]) -> str:
    return "[" + ",".join(map(str, sorted(traps))) + "]"
