"""The ranger's page: routes over the parts of `trapcam.service` (Starlette, Jinja2; rendered here, no script needed).

Plain HTTP on the trap's own access point: a PIN opens it, a cookie keeps it open, every form brings a token back.
"""

import asyncio
from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from typing import Literal

from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from trapcam.service import forms
from trapcam.service.asked import field_m, fields_of, known_of, remember, time_of
from trapcam.service.bringing import RefusedError
from trapcam.service.desk import BusyError
from trapcam.service.download import GoneError, Parcel
from trapcam.service.forms import Form
from trapcam.service.showing import NIGHT, Parts, Showing
from trapcam.service.words import COOKIE as LANGUAGE
from trapcam.service.words import LANGUAGES, N_
from trapkit.cards import Card, Sample, Visit
from trapkit.errors import StorageError
from trapkit.headers import Headers
from trapkit.httprange import part_headers, wanted_range

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
NAME = "trap.local"
# What phones ask for to find out whether a network leads anywhere: answered by the page's address, so that it opens.
CAPTIVE = (
    "/generate_204", "/gen_204", "/hotspot-detect.html", "/library/test/success.html", "/connecttest.txt",
    "/ncsi.txt", "/redirect", "/canonical.html", "/success.txt", "/check_network_status.txt", "/wifi_status",
)  # fmt: skip
ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
MOST_PARCELS = 4  # lists kept for downloads that broke off


def create_page(parts: Parts) -> Starlette:
    """The application."""
    page = _Page(parts)
    routes = [
        Route("/", page.door, methods=["GET", "POST"]),
        Route("/language/{code}", page.language, methods=["POST"]),
        Route("/light/{how}", page.light, methods=["POST"]),
        Route("/out", page.out, methods=["POST"]),
        Route("/menu", page.menu),
        Route("/place", page.place),
        Route("/look.jpg", page.look),
        Route("/walk", page.walk, methods=["GET", "POST"]),
        Route("/card", page.card, methods=["GET", "POST"]),
        Route("/sent/{number:int}", page.sent),
        Route("/visit", page.visit, methods=["GET", "POST"]),
        Route("/parcels.tar", page.parcels),
        Route("/sample", page.sample, methods=["GET", "POST"]),
        Route("/end", page.end, methods=["GET", "POST"]),
        Route("/update", page.update, methods=["GET", "POST"]),
        *(Route(path, page.captive) for path in CAPTIVE),
        *(Route(f"/{name}", page.asset) for name in ASSETS),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: page.refuse, BusyError: page.busy,
                                                       StorageError: page.disk})  # fmt: skip
    app.add_middleware(Headers, headers=HEADERS)
    return app


class _Page(Showing):
    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._trying = asyncio.Lock()
        self._given: Parcel | None = None  # the last one that went out to its end
        self._parcels: dict[str, Parcel] = {}  # by tag: a download goes on with the list that it began with

    # --- the way in ---------------------------------------------------------------------------------------------

    async def door(self, request: Request) -> Response:
        """PIN, then the menu."""
        now_ms, door, wrong = self._parts.monotonic_ms(), self._parts.door, ""
        if request.method == "POST":
            fields = await fields_of(request)
            operator = fields.get("operator", door.names[0] if len(door.names) == 1 else "")
            # Hashing takes a third of a second of a slow board: not in the loop that serves the others. One try at a
            # time: of fifty that come at once all but the first few must find that they have to wait.
            async with self._trying:
                before = door.wait_ms(now_ms)
                opened = await run_in_threadpool(door.opens, operator, fields.get("pin", ""), now_ms)
            if opened:
                await self._ask(partial(self._parts.wrong, 0))
                answer = RedirectResponse("/menu", 303)
                cookie = self._sessions.begin(operator, now_ms)
                answer.set_cookie(self._cookie, cookie, httponly=True, samesite="strict")
                return answer
            if not before:
                await self._ask(partial(self._parts.wrong, door.tries.wrong))
            wrong = N_("This PIN is wrong.")
        elif self._session(request) is not None:
            return RedirectResponse("/menu", 303)
        wait_s = -(-door.wait_ms(now_ms) // 1000)
        return self._show(request, "door.html", 403 if wrong else 200, names=door.names, wrong=wrong, wait_s=wait_s)

    async def language(self, request: Request) -> Response:
        return remember(request, LANGUAGE, request.path_params["code"], LANGUAGES)

    async def light(self, request: Request) -> Response:
        return remember(request, NIGHT, request.path_params["how"], ("on", "off"))

    async def out(self, request: Request) -> Response:
        self._sessions.end(request.cookies.get(self._cookie, ""))
        return RedirectResponse("/", 303)

    async def captive(self, request: Request) -> Response:
        return RedirectResponse(f"http://{NAME}/", 302)

    async def asset(self, request: Request) -> Response:
        name = request.url.path[1:]
        data = (files("trapcam.service") / "templates" / name).read_bytes()
        return Response(data, media_type=ASSETS[name], headers={"Cache-Control": "max-age=3600"})

    # --- the tasks ----------------------------------------------------------------------------------------------

    async def menu(self, request: Request) -> Response:
        session = self._inside(request)
        updates = self._parts.bringer is not None
        states: dict[str, str] = {}  # of the last card and the last visit that were saved while this page is open
        for number, said in self._said.items():
            if isinstance(said, Card) and said.action == "end":
                states.clear()  # what was done before is another place's
            if not isinstance(said, Sample):
                what = "visit" if isinstance(said, Visit) else "end" if said.action == "end" else "card"
                states[what] = await self._ask(partial(self._parts.trap.progress, number))
        return self._show(
            request, "menu.html", session=session, unit=await self._unit(), updates=updates, states=states,
            walk=await self._walk(),
        )  # fmt: skip

    async def place(self, request: Request) -> Response:
        session = self._inside(request)
        field = [(metres, *field_m(metres, self._parts.view_deg)) for metres in (2, 5, 10)]
        return self._show(request, "place.html", session=session, unit=await self._unit(), field=field)

    async def look(self, request: Request) -> Response:
        self._inside(request)
        look = await self._ask(self._parts.trap.look)
        if look is None:
            raise HTTPException(503, N_("The camera gives no picture."))
        return Response(look.jpeg, media_type="image/jpeg")

    async def walk(self, request: Request) -> Response:
        session = self._inside(request)
        trap = self._parts.trap
        if request.method == "POST":
            do = (await self._form(request, session)).get("do")
            self._ended = self._ended and do != "begin"
            await self._ask(trap.begin_walk if do == "begin" else trap.end_walk)
            walk = await self._ask(trap.walk)
            # Who goes on while it runs is told first that the trap would have missed the animal.
            return RedirectResponse("/card" if do == "next" and (walk is None or walk.passed) else "/walk", 303)
        return self._show(
            request, "walk.html", session=session, walk=await self._walk(),
            simulated=self._parts.simulated,
        )  # fmt: skip

    async def card(self, request: Request) -> Response:
        """Fill in, look it over, save: three steps of one form that comes back whatever happens."""
        session = self._inside(request)
        unit = await self._unit()
        known = known_of(unit) | {"who": session.who}
        typed = await self._form(request, session) if request.method == "POST" else known
        form = Form(typed, self._language(request))
        do = form.fields.get("do")
        if do == "take" and unit.gnss and unit.gnss.text:
            form.fields["position"] = unit.gnss.text
        action: Literal["place", "take over"] = "take over" if form.fields.get("action") == "take over" else "place"
        if request.method == "POST":
            made = forms.card(
                form, action, time_of(unit, form), self._parts.region, deployed=unit.deployed, before=unit.standing
            )
            if made is not None and do == "save":
                return await self._save(session, made)
            if made is not None and do not in ("change", "take"):
                return self._show(
                    request, "check.html", session=session, form=form, card=made, baits=forms.BAITS,
                    listed=self._parts.side if made.side != self._parts.side else "",
                )  # fmt: skip
            if do in ("change", "take"):
                form.wrong.clear()
        code = 422 if form.wrong else 200
        return self._show(
            request, "card.html", code, session=session, form=form, unit=unit, sides=forms.SIDES, baits=forms.BAITS,
            walk=await self._walk(),
        )  # fmt: skip

    async def sent(self, request: Request) -> Response:
        session = self._inside(request)
        number = request.path_params["number"]
        state, said = await self._ask(partial(self._parts.trap.progress, number)), self._said.get(number)
        what, barcode = ("sample", said.barcode) if isinstance(said, Sample) else ("", "")
        if isinstance(said, Visit):
            what = "visit"
        if isinstance(said, Card):
            what = "end" if said.action == "end" else "card"
        return self._show(
            request, "sent.html", session=session, state=state, what=what, barcode=barcode,
            walk=await self._walk(),
        )  # fmt: skip

    async def visit(self, request: Request) -> Response:
        """What happened, what to take along, and at the end what was done."""
        session = self._inside(request)
        unit = await self._unit()
        form = Form(await self._form(request, session)) if request.method == "POST" else Form({"who": session.who})
        if request.method == "POST":
            made = forms.visit(form, time_of(unit, form))
            if made is not None:
                return await self._save(session, made)
        parcel = await self._ask(self._parts.trap.parcel) if unit.unreceipted else None
        return self._show(
            request, "visit.html", 422 if form.wrong else 200, session=session, unit=unit, parcel=parcel,
            given=self._given, form=form, done=forms.DONE,
        )  # fmt: skip

    async def parcels(self, request: Request) -> Response:
        """Everything without a receipt, as one file; a broken download goes on where it stopped."""
        self._inside(request)
        asked = request.headers.get("range", "")
        known = self._parcels.get(request.headers.get("if-range", "")) if asked else None
        found = known or await self._ask(self._parts.trap.parcel)
        self._parcels[found.tag] = found
        while len(self._parcels) > MOST_PARCELS:
            del self._parcels[next(iter(self._parcels))]
        try:
            part = wanted_range(asked, found.size) if known or "if-range" not in request.headers else None
        except ValueError:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{found.size}"})
        first, last = part or (0, found.size - 1)
        headers = part_headers(found.name, found.tag, found.size, part)
        return StreamingResponse(
            iterate_in_threadpool(self._read(found, first, last)), 206 if part else 200, headers, "application/x-tar"
        )

    def _read(self, found: Parcel, first: int, last: int) -> Iterator[bytes]:
        """An object that is gone ends the answer short: the phone asks again, and gets a new list."""
        try:
            yield from found.read(first, last)
            if last == found.size - 1:
                self._given = found
        except GoneError:
            self._parcels.pop(found.tag, None)
            raise

    async def sample(self, request: Request) -> Response:
        session = self._inside(request)
        unit = await self._unit()
        form = Form(await self._form(request, session)) if request.method == "POST" else Form({"who": session.who})
        if request.method == "POST":
            made = forms.sample(
                form, time_of(unit, form), self._parts.region, deployed=unit.deployed, standing=unit.standing
            )
            do = form.fields.get("do")
            if made is not None and do == "save":
                return await self._save(session, made)
            if made is not None and do != "change":
                return self._show(
                    request, "samplecheck.html", session=session, form=form, sample=made, kinds=forms.KINDS,
                    kept=forms.KEPT,
                )  # fmt: skip
        code = 422 if form.wrong else 200
        return self._show(
            request, "sample.html", code, session=session, form=form, unit=unit, kinds=forms.KINDS, kept=forms.KEPT
        )

    async def end(self, request: Request) -> Response:
        session = self._inside(request)
        unit = await self._unit()
        form = Form(await self._form(request, session)) if request.method == "POST" else Form({"who": session.who})
        if request.method == "POST":
            made = forms.card(
                form, "end", time_of(unit, form), self._parts.region, deployed=unit.deployed, before=unit.standing
            )
            do = form.fields.get("do")
            if made is not None and do == "save":
                return await self._save(session, made)
            if made is not None and do != "change":
                return self._show(request, "endcheck.html", session=session, form=form, card=made)
        taken = 0  # in this visit, of what is here still
        if self._given is not None and unit.unreceipted:
            taken = self._given.shared(await self._ask(self._parts.trap.parcel))
        return self._show(
            request, "end.html", 422 if form.wrong else 200, session=session, form=form, unit=unit, sides=forms.SIDES,
            taken=taken,
        )  # fmt: skip

    async def update(self, request: Request) -> Response:
        """A release from the phone. Its form's token stands in the address: the body is one file."""
        session = self._inside(request)
        if self._parts.bringer is None:
            raise HTTPException(404)
        brought, wrong = None, ""
        if request.method == "POST":
            if request.query_params.get("form") != session.form:
                raise HTTPException(403, N_("This form is from another visit. Go back and fill it in again."))
            try:
                brought = await self._parts.bringer.take(request)
            except RefusedError as error:
                wrong = str(error)
        code = 422 if wrong else 200
        return self._show(request, "update.html", code, session=session, brought=brought, wrong=wrong)
