"""What the outbox holds, read beside a running trap (read-only)."""

import sqlite3
from pathlib import Path
from typing import Any

from trapcam.aside import folders
from trapcam.audit_store import SQL as AUDIT_SQL
from trapcam.camera.pi import RENEWALS, RESTARTS
from trapcam.collect import SQL as CARRIED_SQL
from trapcam.effort import date_of
from trapcam.note_store import SQL as NOTES_SQL
from trapcam.outbox import DATABASE
from trapcam.outbox_rows import SQL
from trapcam.record import NO_MODEL, NO_MODEL_NO_ROOM, plain_reason
from trapkit.errors import SetupError, StorageError
from trapwire.notes import CLOCK_UNTRUSTED, MARKS, REASONS, words
from trapwire.objects import FULLS, RUNG_NAMES

UNJUDGED_COUNTS = {NO_MODEL: "kept", NO_MODEL_NO_ROOM: "not kept"}

SHOWN_DAYS = 7  # of the ledger, the newest


def read_status(folder: Path, trap: int) -> dict[str, Any]:
    """Counts of frames, bursts and objects; all zero before the trap's first start.

    Raises: StorageError when the database cannot be read.
    """
    path = folder / DATABASE
    empty = _empty(trap) | {"set_aside": folders(folder)}
    if not path.exists():
        return empty
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10)
        db.row_factory = sqlite3.Row
        try:
            db.execute("BEGIN")  # one moment for all of the counts
            return _read(db, empty)
        finally:
            db.close()
    except sqlite3.DatabaseError as error:
        raise StorageError(f"{path}: cannot be read: {error}") from error


def _empty(trap: int) -> dict[str, Any]:
    return {
        "trap": trap,
        "epoch": None,
        "frames_in": 0,
        "frames_kept": 0,
        "frames_withheld": 0,
        "unreadable": 0,
        "rejected": {},
        "sightings": 0,
        "model": "",
        "unjudged": {},
        "objects": {},
        "full_frames_held": 0,
        "full_frames_left_out": 0,
        "bytes": 0,
        "receipts": 0,
        "receipts_refused": 0,
        "receipt_strangers": 0,
        "sources": {},
        "people_hours": [],
        "camera_restarts": {},
        "camera_renewals": 0,
        "audit": {},
        "audit_bytes": 0,
        "carried": 0,
        "parcels": [],
        "set_aside": [],
        "alarms": [],
        "days": {},
    }


def _read(db: sqlite3.Connection, status: dict[str, Any]) -> dict[str, Any]:
    trap = status["trap"]
    if not _has(db, "outbox"):
        return status  # the first start was cut off before it had made its tables
    identity = db.execute(SQL["identity"]).fetchone()
    if identity is None:
        return status
    if identity["trap"] != trap:
        raise SetupError(f"this outbox belongs to trap {identity['trap']}, the setting `trap` is {trap}")
    status["epoch"] = identity["epoch"]
    counters = {row["name"]: row["value"] for row in db.execute(SQL["status_counters"])}
    for name in ("frames_in", "frames_withheld", "receipts_refused", "receipt_strangers", RENEWALS):
        status[name] = counters.get(name, 0)
    status["camera_restarts"] = {
        name.removeprefix(RESTARTS): value for name, value in counters.items() if name.startswith(RESTARTS)
    }
    for row in db.execute(SQL["status_bursts"]):
        if row["reason"] and plain_reason(row["reason"]) in UNJUDGED_COUNTS:
            name = UNJUDGED_COUNTS[plain_reason(row["reason"])]
            status["unjudged"][name] = status["unjudged"].get(name, 0) + row["bursts"]
        elif row["outcome"] == "kept":
            status["frames_kept"] += row["frames"]
            status["sightings"] += row["bursts"]
        elif row["outcome"] == "unreadable":
            status["unreadable"] += row["bursts"]
        else:
            reason = plain_reason(row["reason"])
            status["rejected"][reason] = status["rejected"].get(reason, 0) + row["bursts"]
    for row in db.execute(SQL["status_objects"]):
        rung = RUNG_NAMES[row["rung"]]
        status["objects"].setdefault(rung, {})[row["state"]] = row["objects"]
        if row["state"] != "deleted":
            status["bytes"] += row["bytes"]
        if row["rung"] in FULLS and row["state"] == "held":
            status["full_frames_held"] += row["objects"]
    if _has(db, "left_out"):
        status["full_frames_left_out"] = db.execute(SQL["status_left_out"]).fetchone()["left_out"]
    status["receipts"] = db.execute(SQL["status_receipts"]).fetchone()["receipts"]
    status["sources"] = {
        row["source"]: {"position": row["position"], "total": row["total"]}
        for row in db.execute(SQL["status_progress"])
    }
    status["people_hours"] = [dict(row) for row in db.execute(SQL["status_people"])]
    if _has(db, "carried"):
        status["carried"] = db.execute(CARRIED_SQL["carried"]).fetchone()["objects"]
        status["parcels"] = [dict(row) for row in db.execute(CARRIED_SQL["parcels"])]
    if _has(db, "told"):
        status["model"] = next((row["says"] for row in db.execute(SQL["told"], ("model",))), "")
    if status["unjudged"]:
        status["unjudged"]["bytes"] = db.execute(SQL["unjudged_bytes"]).fetchone()["bytes"]
    if _has(db, "notes"):
        _read_notes(db, status)
    return _read_audit(db, status) if _has(db, "audit") else status


def _has(db: sqlite3.Connection, what: str) -> bool:
    """An outbox that no program of today has opened yet lacks tables, or columns of its events."""
    known = db.execute("SELECT name FROM sqlite_schema UNION SELECT name FROM pragma_table_info('events')")
    return what in {row["name"] for row in known}


def _read_notes(db: sqlite3.Connection, status: dict[str, Any]) -> None:
    """The alarms that mark the epoch, and what the ledger has of the last days."""
    status["alarms"] = [{"kind": row["kind"], "at_ms": row["at_ms"]} for row in db.execute(NOTES_SQL["open_alarms"])]
    for row in db.execute(NOTES_SQL["last_days"], (SHOWN_DAYS,)):
        marks = row["marks"] | (0 if row["number"] or row["trusted"] else CLOCK_UNTRUSTED)
        status["days"][date_of(row["day"])] = {
            "watch_min": row["watch_s"] // 60,
            "seen_min": row["seen_s"] // 60,
            "off_min": row["off_s"] // 60,
            "reasons": words(row["reasons"], REASONS),
            "marks": words(marks, MARKS),
            "said": row["number"] is not None,
        }


def _read_audit(db: sqlite3.Connection, status: dict[str, Any]) -> dict[str, Any]:
    """By stratum: rejected bursts, and what became of the samples among them."""
    for row in db.execute(AUDIT_SQL["cells"]):
        counts = status["audit"].setdefault(row["stratum"], {})
        for name in ("bursts", "held", "exported", "collected", "dropped"):
            counts[name] = counts.get(name, 0) + row[name]
        status["audit_bytes"] += row["bytes"]
    return status
