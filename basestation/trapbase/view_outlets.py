"""The ways out of a base, in words: for the page, `trapbase status` and `trapbase outlets`. Pure."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from trapbase.config import Settings
from trapbase.eventid import sighting_id
from trapbase.gate import HALF_OPEN, LEAST_BYTES, OPEN, Pace, breaker_state, day_of, opens_in_ms
from trapbase.moments import moment, span
from trapbase.outlet_settings import UPLOAD
from trapbase.ways import ClosedWay, closed_ways

Row = dict[str, Any]
MAX_ASIDE = 20  # shown of each outlet
MAX_ERROR = 200  # characters
BORDER = "border"  # the state of a way that no agreement opens


def outlet_rows(settings: Settings, rows: list[Row], aside: list[Row], days: list[Row], now_ms: int) -> list[Row]:
    """Every way out that the settings have, the one to the back end first; `rows`, `aside`, `days`: answers of the
    reader's queries `outlets`, `outlet_aside`, `outlet_days`; `now_ms`: Unix ms. `trouble`: whether a person should
    look. Those that are closed at a border come first."""
    zone = ZoneInfo(settings.zone)
    known = {row["name"]: row for row in rows}
    closed = [_closed(way, known.get(way.name)) for way in closed_ways(settings)]
    spent = {row["outlet"]: row["bytes"] for row in days if row["day"] == day_of(now_ms, zone)}
    ways: list[tuple[str, str, Pace]] = [(UPLOAD, "tus", settings.upload)] if settings.upload.url else []
    ways += [(outlet.name, outlet.kind, outlet) for outlet in settings.outlet]
    found = []
    for name, kind, pace in ways:
        row = known.get(name)
        own = [_aside(item) for item in aside if item["outlet"] == name]
        used = spent.get(name, 0)
        found.append(
            {
                "name": name,
                "kind": kind,
                "state": "closed" if row is None else breaker_state(row["failures"], row["until_ms"] - now_ms),
                "words": "has not run yet" if row is None else _words(row, pace, used, zone, now_ms),
                "trouble": bool(own) or (row is not None and bool(row["last_error"])),
                "waiting": row["waiting"] if row else 0,
                "oldest_ms": row["oldest_ms"] if row else None,
                "sent": row["sent"] if row else 0,
                "last": moment(row["sent_ms"], zone) if row else None,
                "aside": own,
                "aside_count": row["aside"] if row else 0,
                "spent_bytes": used,
                "budget_kib": pace.budget_kib,
            }
        )
    return closed + found


def _closed(way: ClosedWay, row: Row | None) -> Row:
    """One that leads over a border without an agreement: what waits for it is kept."""
    return {
        "name": way.name, "kind": way.kind, "state": BORDER,
        "words": f"closed at the border: {way.why}. Everything is kept here meanwhile",
        "trouble": False, "waiting": row["waiting"] if row else 0, "oldest_ms": None, "sent": row["sent"] if row else 0,
        "last": None, "aside": [], "aside_count": 0, "spent_bytes": 0, "budget_kib": 0,
    }  # fmt: skip


def borders_words(settings: Settings) -> str:
    """One line of `trapbase status`; nothing where every way is open."""
    return "; ".join(way.words for way in closed_ways(settings))


def left_over(settings: Settings, rows: list[Row]) -> list[str]:
    """Outlets that the settings do not have any more, and for which something waits still."""
    named = {outlet.name for outlet in settings.outlet} | {way.name for way in closed_ways(settings)} | {UPLOAD}
    return [
        f"outlet {row['name']} is not in the settings any more; {row['waiting'] + row['aside']} wait for it"
        for row in rows
        if row["name"] not in named and row["waiting"] + row["aside"]
    ]


def notes(ways: list[Row]) -> list[str]:
    """What a person should look after, for the top of the page."""
    found = []
    for way in ways:
        if way["state"] in (OPEN, HALF_OPEN):
            found.append(f"Outlet {way['name']}: {way['words']}")
        if way["aside_count"]:
            first = way["aside"][0]
            found.append(
                f"Outlet {way['name']}: {way['aside_count']} set aside. {first['what']}: {first['why']}. "
                f"When it is mended: `trapbase retry {way['name']}`."
            )
    return found


def line(way: Row, now_ms: int) -> str:
    """One line for the terminal."""
    parts = [way["words"]]
    if way["kind"] != "tus":
        age = span(way["oldest_ms"], now_ms)
        parts.append(f"{way['sent']} sent, {way['waiting']} wait" + (f" (oldest {age})" if age else ""))
    if way["aside_count"]:
        parts.append(f"{way['aside_count']} set aside")
    if way["budget_kib"]:
        parts.append(f"{way['spent_bytes'] / 1024:.0f} of {way['budget_kib']} KiB used today")
    return f"outlet {way['name']} ({way['kind']}): " + ", ".join(parts)


def _words(row: Row, pace: Pace, used: int, zone: ZoneInfo, now_ms: int) -> str:
    waits_ms = row["until_ms"] - now_ms
    state = breaker_state(row["failures"], waits_ms)
    why = row["last_error"][:MAX_ERROR]
    if opens_in_ms(pace.hours, zone, now_ms):
        return f"waits for its hours, {pace.hours}" + (f"; {why}" if why else "")
    if pace.budget_kib and pace.budget_kib * 1024 - used < LEAST_BYTES:
        return f"the day's {pace.budget_kib} KiB are used up; it goes on tomorrow" + (f"; {why}" if why else "")
    if state == OPEN:
        there = datetime.fromtimestamp(row["until_ms"] / 1000, UTC).astimezone(zone)
        return f"pauses after {row['failures']} failures in a row, tried again at {there:%H:%M:%S}: {why}"
    if state == HALF_OPEN:
        return f"tries again after {row['failures']} failures in a row: {why}"
    if row["failures"]:
        return f"{row['failures']} failures in a row: {why}"
    return f"goes on: {why}" if why else "all is well"


def _aside(item: Row) -> Row:
    what = sighting_id((item["trap"], item["epoch"], item["number"]))
    said = "identification of " if item["result"] else "sighting "
    return {"id": item["id"], "what": f"{said}{what}", "why": item["last_error"], "refusals": item["refusals"]}
