"""A row of `identifications` for people, and in the terms of BACKEND.md for programs. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from trapbase.camtrap_rows import time_text
from trapbase.eventid import sighting_id

NOBODY_KNOWN = "unknown individual"
Row = Mapping[str, Any]


def identified_words(row: Row) -> str:
    """As in: T-12 Elduga, female, adult, 0.97, by HotSpotter 2.1."""
    return ", ".join(identified_parts(row))


def identified_parts(row: Row) -> tuple[str, str]:
    """The name, and the rest of these words."""
    sure = None if row["confidence"] is None else f"{row['confidence']:.2f}"
    words = (row["sex"], row["life_stage"], sure, f"by {row['reviewer']}")
    return row["individual"] or NOBODY_KNOWN, ", ".join(word for word in words if word)


def identification(row: Row) -> dict[str, Any]:
    """One result, as the back end said it, with our number for it and whether it stands."""
    return {
        "id": row["id"],
        "result_id": row["result_id"],
        "observationID": sighting_id((row["trap"], row["epoch"], row["number"])),
        "individualID": row["individual"],
        "scientificName": row["species"],
        "sex": row["sex"],
        "lifeStage": row["life_stage"],
        "classificationMethod": row["method"],
        "classifiedBy": row["reviewer"],
        "classificationTimestamp": exact_time(row["decided_ms"]),
        "classificationProbability": row["confidence"],
        "replaces": row["replaces"],
        "withdrawn": bool(row["withdrawn"]),
        "stands": bool(row["stands"]),
    }


def exact_time(unix_ms: int) -> str:
    """With milliseconds where there are any."""
    if unix_ms % 1000 == 0:
        return time_text(unix_ms)
    text = datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
