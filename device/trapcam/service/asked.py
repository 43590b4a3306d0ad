"""What a phone sends, read within bounds, and what the page makes of it (no routes; used by `web`)."""

from datetime import UTC, datetime, timedelta
from math import radians, tan
from typing import Any
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from trapcam.service.forms import Form, Time
from trapcam.service.unit import Unit
from trapcam.service.words import YEAR_S

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


def clock(unix_ms: int) -> str:
    """A time of the trap, UTC."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def day(unix_ms: int, days: int) -> str:
    """The date so many days later, UTC; empty where it is so far that it says nothing."""
    return (
        "" if days > MOST_DAYS else (datetime.fromtimestamp(unix_ms / 1000, UTC) + timedelta(days)).strftime("%Y-%m-%d")
    )


def span(ms: int) -> str:
    """How long, in the largest unit that leaves more than one of it."""
    for name, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000)):
        if ms >= 2 * size:
            return f"{ms // size} {name}"
    return f"{-(-ms // 1_000)} s"


def size_of(count: int) -> str:
    """Bytes as a phone's list of downloads says them."""
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{-(-count // 1000)} kB"


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
