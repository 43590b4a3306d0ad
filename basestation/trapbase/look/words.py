"""The lines of `trapbase status`, in words. Pure; times in Unix ms."""

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from trapbase.config import Settings
from trapbase.moments import moment, span
from trapbase.ops.partfile import GONE, RUNS, PartState
from trapbase.outlet_settings import UPLOAD
from trapbase.request_store import LOG
from trapbase.ways import closed_ways
from trapwire.objects import RUNG_NAMES

Row = Mapping[str, Any]
OPEN = ("open", "on trial")


def alarm_words(alarm: Row) -> str:
    """A lid that was opened, or a camera that looks elsewhere."""
    return f"ALARM trap {alarm['trap']}: {alarm['words']}" + ("" if alarm["verified"] else " (not verified)")


def custody_words(summary: Row, oldest: Mapping[str, int], now_ms: int) -> str:
    """What waits for what, the oldest's age beside it."""
    objects, batches, receipts = (summary.get(name, {}) for name in ("objects", "batches", "receipts"))
    queues = (
        (objects.get("stored", 0), "objects wait for a batch", "batch"),
        (batches.get("cut", 0) + batches.get("uploading", 0), "batches for their upload", "upload"),
        (batches.get("uploaded", 0), "for a signature", "signature"),
        (receipts.get("signed", 0), "receipts for their traps", "trap"),
    )
    words = [f"{objects.get('receipted', 0)} objects signed for"]
    for count, what, name in queues:
        if count:
            age = span(oldest[name], now_ms) if name in oldest else ""
            words.append(f"{count} {what}" + (f" (oldest {age})" if age else ""))
    return ", ".join(words)


def uplink_words(settings: Settings, signed_ms: int | None, now_ms: int) -> str:
    """The way to the back end; what is wrong with it stands among what needs a person."""
    if any(way.name == UPLOAD for way in closed_ways(settings)):
        return "closed at the border: everything is kept here"
    if not settings.upload.url:
        return "no back end (upload.url): everything is kept here"
    ago = span(signed_ms, now_ms)
    last = f"last signature {ago} ago" if ago else "nothing signed yet"
    return f"{settings.upload.url}, {last}"


def parts_words(parts: Mapping[str, PartState], now_ms: int) -> str:
    """Which parts of the base run."""
    if not parts:
        return "none has run on this folder yet: trapbase run"
    by_state: dict[str, list[str]] = {}
    for name, state in parts.items():
        by_state.setdefault(state.at(now_ms), []).append(name)
    return "; ".join(
        f"{', '.join(names)} {'said nothing of late' if state == GONE else state.replace(RUNS, 'run')}"
        for state, names in by_state.items()
    )


def disk_words(free_bytes: int | None) -> str:
    """Room in the base's folder."""
    return "unknown" if free_bytes is None else f"{free_bytes / 2**30:.1f} GiB free"


def cats_words(summary: Row) -> list[str]:
    """How many cats the back end has named."""
    if not summary["sightings"]:
        return []
    words = f"{summary['sightings']} sightings, {summary['individuals']} individuals"
    return [f"identified: {words}: trapbase identifications"]


def backup_words(backup: Row | None, settings: Settings, zone: ZoneInfo) -> str:
    """The newest backup of those that the base makes by itself."""
    if backup is None:
        return f"none in {settings.backup.folder} yet"
    made = moment(backup["made_ms"], zone)
    lost = f"; {backup['missing']} media were missing in the base: trapbase verify" if backup["missing"] else ""
    return f"the newest is of {made['there'] if made else 'no time that can be'}, {backup['media']} media{lost}"


def restored_words(row: Row, zone: ZoneInfo) -> str:
    """Of a base that came back from a backup: how far it is."""
    made, came = moment(row["backup_ms"], zone), moment(row["restored_ms"], zone)
    words = [
        f"came back on {came['there'] if came else '?'} from a backup of {made['there'] if made else '?'}",
        "the back end is asked first what it has" if row["checked_ms"] is None else "the back end has been asked",
        f"{row['elsewhere']} objects lie at the back end alone",
    ]
    if row["ended_ms"] is None:
        words.append(f"traps are asked for {row['recalls']} that may be missing; a stick brings them at once")
    return ", ".join(words)


def asked_words(requests: Sequence[Row]) -> list[str]:
    """What was asked of traps, and what became of it: what is open first, then the newest."""
    return [_request_words(r) for r in sorted(requests, key=lambda r: (r["state"] not in OPEN, -r["id"]))]


def _request_words(row: Row) -> str:
    state = "waits" if row["state"] == "open" else row["state"]
    if row["setting"] is None:
        what = f"{RUNG_NAMES[row['rung']]} {row['epoch']:08x} {row['number']}"
        return f"asked of trap {row['trap']}: {what}: {state}"
    if row["setting"] == LOG:
        return f"asked of trap {row['trap']}: {row['value']} entries of its log: {state}"
    now = "" if row["in_force"] is None else f", in force is {row['in_force']}"
    return f"asked of trap {row['trap']}: {row['setting']} = {row['value']}: {state}{now}"


def more_words(deployments: Sequence[Row], samples: int, counters: Mapping[str, int]) -> list[str]:
    """What nobody need do anything about."""
    lines = [
        f"by card: trap {stay['trap']} stands at {stay['station']}, {stay['side']}, since {stay['since']}"
        for stay in deployments
    ]
    if samples:
        lines.append(f"{samples} field samples: trapbase samples")
    counted = [f"{count} {name.replace('_', ' ')}" for name, count in counters.items() if count]
    return [*lines, *(["counted: " + ", ".join(counted)] if counted else [])]
