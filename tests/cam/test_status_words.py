"""`trapcam status` for a person: words, never a program's braces."""

import re
from pathlib import Path
from typing import Any

from trapcam.outbox import Outbox
from trapcam.status import read_status
from trapcam.status_words import lines
from trapwire.notes import OPENED

HOUR_MS = 1_796_000_400_000
FULL: dict[str, Any] = {
    "rejected": {"nothing seen": 3, "people": 1},
    "unjudged": {"kept": 2, "bytes": 900},
    "objects": {"alert": {"waiting": 1, "deleted": 4}, "crop": {"held": 0}},
    "sources": {"replay:/a": {"position": 2, "total": 6}, "pi": {"position": 9, "total": None}},
    "people_hours": [{"hour_ms": HOUR_MS, "category": "person", "count": 2}],
    "camera_restarts": {"hung": 1},
    "audit": {"day": {"bursts": 5, "held": 2, "exported": 0}},
    "parcels": [{"parcel": "7-abc", "objects": 9, "unreceipted": 4, "carried_ms": HOUR_MS}],
    "set_aside": ["aside-1", "aside-2"],
    "alarms": [{"kind": OPENED, "at_ms": HOUR_MS}],
    "days": {
        "2026-12-01": {
            "watch_min": 100, "seen_min": 90, "off_min": 5, "reasons": "lens obscured", "marks": "", "said": False,
        }
    },
    "replay": {"position": 0, "total": None},
}  # fmt: skip


def test_each_thing_is_said_in_words() -> None:
    said = lines({"trap": 7, "model": "", **FULL})
    for words in (
        "trap: 7",
        "model: none",
        "rejected: 3 nothing seen, 1 people",
        "  alert: 1 waiting, 4 deleted",
        "  crop: 0",
        "  replay:/a: 2 of 6",
        "  pi: 9 of ?",
        "people hours: 2026-11-30 01:00 UTC: 2 person",
        "audit: day: 5 bursts, 2 held",
        "parcels: 7-abc: 9 objects, 4 without a receipt, 2026-11-30 01:00 UTC",
        "  aside-1",
        "alarms: opened, 2026-11-30 01:00 UTC",
        "days: 2026-12-01: saw 90 of 100 min (lens obscured), off 5 min; not said to the base yet",
    ):
        assert words in said, (words, said)


def test_what_a_trap_has_never_a_programs_braces_before_and_after_its_first_start(
    tmp_path: Path, outbox: Outbox
) -> None:
    found = read_status(tmp_path / "none", 7), read_status(tmp_path / "data", 7)
    for status in found:
        said = lines(status)
        assert not [line for line in said if re.search(r"[{}\[\]]", line)]
        assert "people hours: none" in said
    assert {name for name, value in found[0].items() if isinstance(value, dict | list)} <= set(FULL)
