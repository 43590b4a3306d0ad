"""`trapcam status` for a person: a line for each thing, no braces. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from trapwire.notes import KIND_NAMES

NONE = "none"
Words = Callable[[Any], Iterable[str]]


def lines(status: Mapping[str, Any]) -> list[str]:
    """What `read_status` found, in its order; what there is much of in lines below its name."""
    said: list[str] = []
    for name, value in status.items():
        title = name.replace("_", " ")
        words = _WORDS.get(name)
        if words is None:
            said.append(f"{title}: {_plain(value)}")
            continue
        found = list(words(value))
        if len(found) <= 1:
            said.append(f"{title}: {found[0] if found else NONE}")
        else:
            said += [f"{title}:", *(f"  {each}" for each in found)]
    return said


def _plain(value: Any) -> str:
    return NONE if value is None or value == "" else str(value)


def _counts(counts: Mapping[str, int]) -> list[str]:
    """One line of counts by name."""
    return [", ".join(f"{number} {name}" for name, number in counts.items())] if counts else []


def _by_name(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """A line of counts for each name; zeros are left out."""
    return [f"{name}: {', '.join(f'{n} {what}' for what, n in of.items() if n) or 0}" for name, of in counts.items()]


def _place(at: Mapping[str, int | None]) -> str:
    return f"{at['position']} of {'?' if at['total'] is None else at['total']}"


def _people(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"{_hour(row['hour_ms'])}: {row['count']} {row['category']}" for row in rows]


def _parcels(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"{row['parcel']}: {row['objects']} objects, {row['unreceipted']} without a receipt, {_hour(row['carried_ms'])}"
        for row in rows
    ]


def _alarms(rows: Sequence[Mapping[str, int]]) -> list[str]:
    return [f"{KIND_NAMES.get(row['kind'], row['kind'])}, {_hour(row['at_ms'])}" for row in rows]


def _days(days: Mapping[str, Mapping[str, Any]]) -> list[str]:
    found = []
    for day, of in days.items():
        why = f" ({of['reasons']})" if of["reasons"] else ""
        marks = f"; {of['marks']}" if of["marks"] else ""
        told = "" if of["said"] else "; not said to the base yet"
        found.append(f"{day}: saw {of['seen_min']} of {of['watch_min']} min{why}, off {of['off_min']} min{marks}{told}")
    return found


def _hour(unix_ms: int) -> str:
    return f"{datetime.fromtimestamp(unix_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


_WORDS: dict[str, Words] = {
    "rejected": _counts,
    "unjudged": _counts,
    "objects": _by_name,
    "sources": lambda sources: [f"{name}: {_place(at)}" for name, at in sources.items()],
    "people_hours": _people,
    "camera_restarts": _counts,
    "audit": _by_name,
    "parcels": _parcels,
    "set_aside": list,
    "alarms": _alarms,
    "days": _days,
    "replay": lambda at: [_place(at)],
}
