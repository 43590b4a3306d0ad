"""Gathers what `status`, the page and /metrics say of a base. Beside a running one, and without counting every row."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from trapbase.config import Settings
from trapbase.effort import alarms
from trapbase.gate import day_of
from trapbase.look.metrics import Figures
from trapbase.modem import read_modem
from trapbase.ops.partfile import read_states
from trapbase.places import Places
from trapbase.reader import Reader
from trapbase.updates.look import look
from trapbase.updates.words import notes as update_notes
from trapbase.view import stations_of, zones_of
from trapbase.view_needs import needs, word_ms
from trapbase.view_outlets import MAX_ASIDE, left_over, notes, outlet_rows
from trapwire.airtime import snr_floor_quarter_db

Row = dict[str, Any]
TRAPS = 1000
CONFLICTS = 1000  # counted by trap
LATE = 100
ALARMS = 200  # the newest, settled ones too
OUTLETS = 200  # those of the settings, and those that were there once


def part_names(settings: Settings) -> tuple[str, ...]:
    """Of the parts that a base with these settings has."""
    updates = ("updates",) if settings.updates.source else ()
    return ("gateway", "ingest", "forward", *(f"outlet {o.name}" for o in settings.outlet), *updates, "page")


def needs_rows(reader: Reader, known: Iterable[int], traps: list[Row]) -> dict[str, list[Row]]:
    """What `view_needs.needs` looks at. `known`: numbers of the traps that are forwarded; `traps`: of the reader."""
    newest = reader.rows("newest", 1, TRAPS)
    keys = [(row["trap"], row["epoch"], row["number"]) for row in newest]
    return {
        "traps": traps,
        "sightings": reader.rows("sightings", json.dumps(keys)),
        "late": reader.rows("late", LATE),
        "oldest": reader.rows("oldest", json.dumps(sorted(known))),
        "waiting_by_trap": reader.rows("waiting_by_trap", CONFLICTS),
        "conflicts": reader.rows("conflicts", CONFLICTS),
        "receipts_waiting": reader.rows("receipts_waiting", TRAPS),
        "forged_notes": reader.rows("forged_notes", TRAPS),
    }


def free_bytes(folder: Path) -> int | None:
    """What a program without root's share may still write there; None where nobody can say."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize


def ways_of(settings: Settings, reader: Reader, now_ms: int) -> tuple[list[Row], list[str]]:
    """The ways out as they are now (Unix ms), and what is left of former ones.  Raises: StorageError."""
    days = reader.rows("outlet_days", day_of(now_ms, ZoneInfo(settings.zone)))
    rows, aside = reader.rows("outlets", OUTLETS), reader.rows("outlet_aside", MAX_ASIDE)
    return outlet_rows(settings, rows, aside, days, now_ms), left_over(settings, rows)


def figures_of(settings: Settings, reader: Reader | None, places: Places, now_ms: int) -> Figures:
    """For /metrics. `reader`: None while the base has stored nothing.  Raises: StorageError."""
    folder = Path(settings.folder)
    parts, modem, free = read_states(folder, part_names(settings)), read_modem(folder), free_bytes(folder)
    if reader is None:
        return Figures(now_ms=now_ms, parts=parts, modem=modem, free_bytes=free)
    known = places.known()
    traps = reader.traps(TRAPS)
    rows = needs_rows(reader, known, traps)
    zones = zones_of(settings, known)
    stations = stations_of(settings, known, traps, zones, places.taken_down(), places.shut_out)
    found = needs(settings, rows, stations, known, now_ms, free_bytes=free, modem=modem, parts=parts)
    updates = look(settings.updates, reader.rows, traps, places, now_ms)
    found += update_notes(updates)
    ways, over = ways_of(settings, reader, now_ms)
    floor_db = snr_floor_quarter_db(settings.gateway.sf) / 4
    return Figures(
        now_ms=now_ms,
        parts=parts,
        modem=modem,
        free_bytes=free,
        summary=reader.summary(),
        oldest={row["waits_for"]: row["since_ms"] for row in rows["oldest"]},
        traps=[row | {"word_ms": word_ms(row)} for row in traps],
        floor_db=floor_db,
        alarms=sum(alarm.stands for alarm in alarms(reader.rows("alarms", ALARMS))),
        needs=len(found) + len(notes(ways)) + len(over) + len(places.problems),
        ways=ways,
        rollout=updates.rollout,
        steps={s.trap: s.step for s in updates.decision.standings} if updates.decision else {},
        running={unit.trap: unit.running for unit in updates.units if unit.running is not None},
    )
