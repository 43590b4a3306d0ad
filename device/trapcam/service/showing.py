"""What every page of the ranger's has: who is in, the trap behind its desk, words and templates, and what went wrong.

No routes; used by `web`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from typing import Any

import jinja2
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from trapcam.service import forms
from trapcam.service.asked import day, fields_of, is_reachable, size_of, span, when
from trapcam.service.bearings import point
from trapcam.service.bringing import Bringer
from trapcam.service.desk import Desk
from trapcam.service.forms import Region
from trapcam.service.pin import Door
from trapcam.service.sessions import Session, Sessions
from trapcam.service.unit import Trap, Unit, Walk
from trapcam.service.words import COOKIE as LANGUAGE
from trapcam.service.words import LANGUAGES, N_, Words, wanted
from trapkit.cards import Card, Written

LEFT_LYING = ("/menu", "/visit")  # these renew themselves, and a phone that lies there with one keeps no page open
MOST_SAID = 64  # cards, visits and samples of a visit whose page still knows what they were
COOKIE, NIGHT = "trap-{}", "night"  # of each trap its own: by number, for a phone may know several under one name


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the page is made of. `wrong`: writes down how many wrong PINs there were, over restarts."""

    desk: Desk
    trap: Trap
    door: Door
    region: Region
    address: str  # numeric, for phones that do not know the name
    view_deg: tuple[float, float]  # how wide the camera sees, across and up
    wrong: Callable[[int], None]  # called in the trap's loop
    number: int = 0  # this trap's
    zone: tzinfo | None = None  # of its station; None: not known
    side: str = ""  # of its station, as the operator's list has it; empty: it has none
    bringer: Bringer | None = None  # takes a release from a phone; None: this trap takes no updates
    simulated: bool = False  # somebody walks past by himself in a walk test
    language: str = "en"  # for a phone that wants none of ours
    touched: Callable[[], None] = lambda: None  # at every request of somebody who is in
    monotonic_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000


class Showing:
    """The trap's parts, who is in, and how a page comes about."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._address = parts.address if is_reachable(parts.address) else ""
        self._cookie = COOKIE.format(parts.number)
        self._sessions = Sessions()
        self._ended = False  # a deployment ended since the last walk test, which was another place's
        self._said: dict[int, Written] = {}  # by number: what waits to be heard is told by its name
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("trapcam.service"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.filters |= {
            "when": partial(when, zone=parts.zone), "day": day, "point": point, "span": span, "size": size_of,
        }  # fmt: skip

    async def _ask(self, work: Callable[[], Any]) -> Any:
        return await run_in_threadpool(self._parts.desk.ask, work)

    async def _unit(self) -> Unit:
        found: Unit = await self._ask(self._parts.trap.unit)
        return found

    async def _walk(self) -> Walk | None:
        """The walk test of this place."""
        walk: Walk | None = await self._ask(self._parts.trap.walk)
        return None if walk is not None and self._ended and not walk.running else walk

    async def _save(self, session: Session, said: Written) -> Response:
        """Keep it, and lead to where its way to the base is shown."""
        number = int(await self._ask(partial(self._parts.trap.save, said)))
        session.who, self._said[number] = said.who, said
        if isinstance(said, Card):
            self._ended = said.action == "end"
        while len(self._said) > MOST_SAID:
            del self._said[next(iter(self._said))]
        return RedirectResponse(f"/sent/{number}", 303)

    def _session(self, request: Request) -> Session | None:
        return self._sessions.find(request.cookies.get(self._cookie, ""), self._parts.monotonic_ms())

    def _inside(self, request: Request) -> Session:
        session = self._session(request)
        if session is None:
            raise HTTPException(401)
        if request.url.path not in LEFT_LYING or "x-renewed" not in request.headers:
            self._parts.touched()
        return session

    async def _form(self, request: Request, session: Session) -> dict[str, str]:
        fields = await fields_of(request)
        if fields.pop("form", "") != session.form:
            raise HTTPException(403, N_("This form is from another visit. Go back and fill it in again."))
        return fields

    def _language(self, request: Request) -> str:
        header = request.headers.get("accept-language", "")
        return request.cookies.get(LANGUAGE) or wanted(header, self._parts.language)

    def _show(self, request: Request, name: str, code: int = 200, **values: Any) -> HTMLResponse:
        words = Words(self._language(request))
        text = self._templates.get_template(name).render(
            _=words, languages=LANGUAGES, night=request.cookies.get(NIGHT) == "on", path=request.url.path,
            address=self._address, labels=forms.LABELS, asked=request.method == "GET", **values,
        )  # fmt: skip
        return HTMLResponse(text, code)

    async def refuse(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 401:
            return RedirectResponse("/", 303)
        if request.url.path.endswith((".jpg", ".css", ".js", ".svg")):
            return PlainTextResponse(f"{error.status_code}\n", error.status_code)
        reason = error.detail if error.status_code in (403, 503) else N_("There is no such page.")
        return self._show(request, "trouble.html", error.status_code, reason=reason, session=self._session(request))

    async def busy(self, request: Request, error: Exception) -> Response:
        reason = N_("The trap is busy. Try again in a moment: nothing is lost.")
        return self._show(request, "trouble.html", 503, reason=reason, session=self._session(request))

    async def disk(self, request: Request, error: Exception) -> Response:
        reason = N_("The card takes nothing now. What you typed was not saved: go back and try again.")
        return self._show(request, "trouble.html", 507, reason=reason, session=self._session(request))
