"""What a phone sends, read within bounds, and what the page makes of it (no routes; used by `web`)."""

from datetime import UTC, datetime, timedelta, tzinfo
from ipaddress import ip_address
from math import radians, tan
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from trapcam.service.forms import Form, Time
from trapcam.service.unit import Unit
from trapcam.service.words import N_, YEAR_S

MAX_FORM_BYTES = 16 * 1024
MOST_DAYS = 3_650
MAX_HEARD_BYTES = 1024 * 1024  # of a body that is too long: some phones hear no answer before they have said all


async def fields_of(request: Request) -> dict[str, str]:
    """A posted form's fields; anything else is none. Bounded: a phone may send what it likes."""
    body, size = b"", 0
    async for part in request.stream():
        size += len(part)
        if size <= MAX_FORM_BYTES:
            body += part
        elif size > MAX_HEARD_BYTES:
            break
    if size > MAX_FORM_BYTES:
        raise HTTPException(413)
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise HTTPException(415)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=40, errors="replace")
    except (UnicodeDecodeError, ValueError) as error:
        raise HTTPException(400) from error
    return dict(pairs)


def remember(request: Request, name: str, value: str, allowed: Any) -> Response:
    """Keep a choice in the phone, and go back to where it was made."""
    if value not in allowed:
        raise HTTPException(404)
    back = request.query_params.get("back", "/")
    answer = RedirectResponse(back if back.startswith("/") and not back.startswith("//") else "/", 303)
    answer.set_cookie(name, value, max_age=YEAR_S, samesite="strict")
    return answer


def is_reachable(address: str) -> bool:
    """Whether a phone can come to this numeric address: not one of the computer alone, as in the demo, and not none."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return not (found.is_loopback or found.is_unspecified)


def zone_of(name: str) -> tzinfo | None:
    """The time zone of that name; None where there is none, or nobody has named one."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def when(unix_ms: int, zone: tzinfo | None) -> Markup:
    """A time of the trap as an element of a page: the station's own, with UTC beside it; a script puts the phone's in
    where the zone is not known."""
    utc = datetime.fromtimestamp(unix_ms / 1000, UTC)
    if zone is None:
        return Markup('<time data-ms="{}">{:%Y-%m-%d %H:%M} UTC</time>').format(unix_ms, utc)
    there = utc.astimezone(zone)
    minutes = round((there.utcoffset() or timedelta()).total_seconds() / 60)
    east = f"{'−' if minutes < 0 else '+'}{abs(minutes) // 60}" + (f":{abs(minutes) % 60:02}" if minutes % 60 else "")
    beside = utc.strftime("%H:%M" if utc.date() == there.date() else "%Y-%m-%d %H:%M")
    return Markup("<time>{:%Y-%m-%d %H:%M} UTC{} ({} UTC)</time>").format(there, east, beside)


def day(unix_ms: int, days: int) -> str:
    """The date so many days later, UTC; empty where it is so far that it says nothing."""
    return (
        "" if days > MOST_DAYS else (datetime.fromtimestamp(unix_ms / 1000, UTC) + timedelta(days)).strftime("%Y-%m-%d")
    )


def span(ms: int) -> tuple[str, int]:
    """How long, in the largest unit that leaves more than one of it: a message of the catalogues, and its number."""
    for text, size in ((N_("{n} d"), 86_400_000), (N_("{n} h"), 3_600_000), (N_("{n} min"), 60_000)):
        if ms >= 2 * size:
            return text, ms // size
    return N_("{n} s"), -(-ms // 1_000)


def size_of(count: int) -> str:
    """Bytes as a phone's list of downloads says them."""
    return f"{count / 1e6:.1f}\u00a0MB" if count >= 100_000 else f"{-(-count // 1000)}\u00a0kB"


def field_m(metres: float, view_deg: tuple[float, float]) -> tuple[float, float]:
    """How wide and high the view is at a distance."""
    return 2 * metres * tan(radians(view_deg[0] / 2)), 2 * metres * tan(radians(view_deg[1] / 2))


def known_of(unit: Unit) -> dict[str, str]:
    """What need not be typed again: of a saved card all but who, note, and the position, which no page shows."""
    card = unit.standing
    if card is None:
        return {"bait": "none"}
    numbers = {"height_cm": card.height_cm, "bearing_deg": card.bearing_deg, "trail_m": card.trail_m}
    typed = {name: f"{value:g}" for name, value in numbers.items() if value is not None}
    return {"station": card.station, "side": card.side, "bait": card.bait, **typed}


def time_of(unit: Unit, form: Form) -> Time:
    """The trap's own time; a phone's is a hint beside it."""
    try:
        phone_ms: int | None = int(form.fields.get("phone_ms", ""))
    except ValueError:
        phone_ms = None
    if phone_ms is not None and not 1_577_836_800_000 <= phone_ms <= 4_102_444_800_000:
        phone_ms = None
    return Time(at_ms=max(unit.time_ms, 1_577_836_800_000), uncertainty_ms=unit.uncertainty_ms, phone_ms=phone_ms)
