"""What the page's routes share: the reader, the templates, the key that opens crops, and the live stream.

It opens crops in memory with the base's key and writes no picture to the disk.
"""

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from starlette.exceptions import HTTPException

from trapbase.cardbook import CardBook
from trapbase.config import Settings
from trapbase.effort import day_of
from trapbase.gate import day_of as day_of_zone
from trapbase.look.facts import ALARMS, figures_of, free_bytes, needs_rows, part_names
from trapbase.look.metrics import metrics_text
from trapbase.modem import read_modem
from trapbase.ops.partfile import read_states
from trapbase.parcels import Imported
from trapbase.pictures import media_type
from trapbase.places import Places
from trapbase.reader import Reader
from trapbase.shutout import watched_traps
from trapbase.updates.bundle import Bundle, bundle_of
from trapbase.updates.byradio import read_sent
from trapbase.updates.kept import MIRROR
from trapbase.updates.look import look
from trapbase.view import View, build_view
from trapbase.view_effort import DAYS
from trapbase.view_events import slug
from trapbase.view_outlets import MAX_ASIDE
from trapbase.words import LANGUAGES, Words
from trapkit.errors import SetupError, StorageError
from trapkit.sealing import open_box
from trapwire.alert import SPECIES

POLL_S = 0.5  # how often the database is asked whether it changed
ALIVE_S = 15.0  # a word on quiet streams; page.js takes 40 s without one for a lost connection
AGAIN_S = 60.0  # notes depend on the time too: a page that nobody reloads must warn of silence
PACE_S = 1.0  # at most one rendering in this time, shared by all readers
SHARE = 0.2  # of a processor that goes into renderings at the most: with a million sightings one takes longer
MAX_STREAMS = 32  # readers at once
EVENTS = 24  # newest events shown
SIGHTINGS = 25 * EVENTS  # looked at for them
EACH_TRAP = 12  # of these at least, so that one busy trap hides no other
ROWS = 20  # batches
OUTLETS = 200
TRAPS = 1000  # whose ledgers and scenes are shown
MAX_SHOWN = 20  # damaged and missing ones that are named
PICTURE = re.compile(r"([0-9]{1,15})-([0-9a-f]{64})")
UTC = ZoneInfo("UTC")
MOST_BUNDLES = 8  # that phones may be copying
CODES = {slug(name): code for code, name in SPECIES.items()}


class PageState:
    """`secret`: the key that opens crops, or None; `stop`: the base is ending."""

    def __init__(self, settings: Settings, secret: bytes | None, stop: threading.Event) -> None:
        self._settings = settings
        self._folder = Path(settings.folder)
        self._secret = secret
        self._stop = stop
        self._reader: Reader | None = None
        loader = jinja2.PackageLoader("trapbase")
        self._templates = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
        self._streams = 0
        self._listed = {trap.number: trap for trap in settings.trap}
        self._shut_out = watched_traps(settings.revoked, settings.operator_key)
        self._book: CardBook | None = None
        self._shared: dict[str | None, _Rendered] = {}
        self._bundles: dict[str, tuple[str, Bundle]] = {}

    def asset(self, name: str) -> str:
        source, _, _ = self._templates.loader.get_source(self._templates, name)  # type: ignore[union-attr]
        return source

    def reader(self) -> Reader | None:
        """The reader, or None while the base has stored nothing at all."""
        if self._reader is None:
            try:
                self._reader = Reader(self._folder)
            except SetupError:
                return None
        return self._reader

    def version(self) -> int:
        reader = self.reader()
        try:
            return -1 if reader is None else reader.version()
        except StorageError:
            return -1

    def view(self, chosen: str | None = None) -> View:
        """The state of the base; `chosen`: a species' slug.  Raises: StorageError; HTTPException for another word."""
        if chosen is not None and chosen not in CODES:
            raise HTTPException(404, "no such species")
        reader = self.reader()
        code = None if chosen is None else CODES[chosen]
        places = self._places(reader)
        stations: dict[str, list[int]] = {}
        for number, trap in places.known().items():
            stations.setdefault(trap.station, []).append(number)
        names = ("sightings", "species", "batches", "receipts_of", "conflicts", "waiting_by_trap", "traps", "late")
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        if reader is not None:
            rows = _read(reader, code, list(stations.values()), places.known())
        summary = self.summary()
        now_ms = time.time_ns() // 1_000_000
        radio, own = read_sent(self._folder), self._settings.updates
        updates = look(own, reader.rows, rows["traps"], places, now_ms, radio) if reader else None
        species = None if code is None else SPECIES[code]
        return build_view(
            self._settings, rows, summary, now_ms, most=EVENTS, species=species, free_bytes=free_bytes(self._folder),
            modem=read_modem(self._folder), places=places, parts=read_states(self._folder, part_names(self._settings)),
            updates=updates,
        )  # fmt: skip

    def metrics(self) -> str:
        """The figures for Prometheus.  Raises: StorageError."""
        reader = self.reader()
        now_ms = time.time_ns() // 1_000_000
        return metrics_text(figures_of(self._settings, reader, self._places(reader), now_ms))

    def _places(self, reader: Reader | None) -> Places:
        if reader is None:
            return Places(listed=self._listed, shut_out=self._shut_out())
        if self._book is None:
            self._book = CardBook(reader, self._secret, self._listed, self._settings.cards, self._shut_out)
        return self._book.current()

    def summary(self) -> dict[str, Any]:
        """Counts of everything, by state.  Raises: StorageError."""
        reader = self.reader()
        return reader.summary() if reader else {}

    def render(self, template: str, chosen: str | None = None) -> str:
        try:
            return self._templates.get_template(template).render(view=self.view(chosen))
        except StorageError as error:
            raise HTTPException(503, str(error)) from error

    def release(self, tag: str = "") -> tuple[str, Bundle] | None:
        """The release that shall run as one file for a phone, and that file's name; None while there is none.

        tag: of the file that a phone has begun; where that is known still, it is what it was.
        Raises: HTTPException when the disk refuses.
        """
        if tag in self._bundles:
            return self._bundles[tag]
        reader = self.reader()
        try:
            row = next(iter(reader.rows("rollout")), None) if reader else None
            bundle = bundle_of(self._folder / MIRROR) if row else None
        except (StorageError, OSError) as error:
            raise HTTPException(503, str(error)) from error
        if row is None or bundle is None:
            return None
        found = self._bundles.setdefault(bundle.tag, (f"pugmark-update-{row['release']}.tar", bundle))
        while len(self._bundles) > MOST_BUNDLES:
            del self._bundles[next(iter(self._bundles))]
        return found

    def gone(self, bundle: Bundle) -> None:
        """A file of it is not there any more: who asks again gets another one."""
        self._bundles.pop(bundle.tag, None)

    def brought(self, words: Words, done: list[Imported] | None, trouble: str = "") -> str:
        """The page of the form, in a language; `done`: what came of the files just brought, `trouble`: why not all."""
        view = {"base": self._settings.name, "most_mb": self._settings.page.upload_mb, "shown": MAX_SHOWN}
        return self._templates.get_template("bring.html").render(
            view=view, done=done, trouble=trouble, _=words, languages=LANGUAGES
        )

    def crop(self, name: str) -> tuple[str, bytes] | None:
        """(media type, picture), or None when it is not here, not a crop or frame, or not for this base's key; `name`:
        `picture_name` of it."""
        reader = self.reader()
        found = PICTURE.fullmatch(name)
        if reader is None or self._secret is None or not found:
            return None
        sealed = reader.picture(int(found[1]), bytes.fromhex(found[2]))
        opened = open_box(self._secret, sealed) if sealed is not None else None
        kind = media_type(opened) if opened is not None else None
        return None if opened is None or kind is None else (kind[0], opened)

    def shared(self, chosen: str | None) -> "_Rendered":
        """The page's inner part, made once for all readers, and again when it is due."""
        now_s, version = time.monotonic(), self.version()
        last = self._shared.get(chosen)
        if last is not None:
            age_s = now_s - last.at_s
            if age_s < max(PACE_S, last.took_s / SHARE) or (last.version == version and age_s < AGAIN_S):
                return last
        began_s = time.thread_time()
        html = self.render("live.html", chosen)
        took_s = time.thread_time() - began_s
        self._shared[chosen] = fresh = _Rendered(version=version, at_s=now_s, took_s=took_s, html=html)
        return fresh

    def open_stream(self, chosen: str | None) -> AsyncIterator[bytes]:
        """The page's inner part again whenever the database changes.  Raises: HTTPException."""
        if chosen is not None and chosen not in CODES:
            raise HTTPException(404, "no such species")
        if self._streams >= MAX_STREAMS:
            raise HTTPException(503, f"{MAX_STREAMS} readers are here already")
        return self._stream(chosen)

    async def _stream(self, chosen: str | None) -> AsyncIterator[bytes]:
        self._streams += 1
        try:
            shown, quiet_s = "", 0.0
            while not self._stop.is_set():
                html = ""
                with suppress(HTTPException):  # the database is busy: this change is shown with the next
                    html = self.shared(chosen).html
                if html and html != shown:
                    shown, quiet_s = html, 0.0
                    yield b"data: " + json.dumps({"html": html}).encode() + b"\n\n"
                elif quiet_s >= ALIVE_S:
                    quiet_s = 0.0
                    yield b"event: alive\ndata: {}\n\n"
                await asyncio.sleep(POLL_S)
                quiet_s += POLL_S
        finally:
            self._streams -= 1


@dataclass(frozen=True, kw_only=True)
class _Rendered:
    version: int
    at_s: float
    took_s: float
    html: str


def _read(
    reader: Reader, code: int | None, stations: list[list[int]], known: Iterable[int]
) -> dict[str, list[dict[str, Any]]]:
    """Everything that the view is made of; `stations`: the traps of each; `known`: those that are forwarded."""
    traps = reader.traps()
    each = max(EACH_TRAP, SIGHTINGS // max(1, len(traps), sum(len(own) for own in stations)))
    if code is None:
        newest = reader.rows("newest", each, SIGHTINGS)
    else:
        newest = reader.rows("newest_of", code, SIGHTINGS)
        beside = {trap: own for own in stations for trap in own}
        asked = [[trap, row["time_ms"]] for row in newest for trap in beside.get(row["trap"], [])]
        newest += reader.rows("near", json.dumps(asked), SIGHTINGS)
    keys = list(dict.fromkeys((row["trap"], row["epoch"], row["number"]) for row in newest))
    batches = reader.rows("batches", ROWS)
    return needs_rows(reader, known, traps) | {
        "sightings": reader.rows("sightings", json.dumps(keys)),
        "identified": reader.rows("identified", json.dumps(keys)),
        "species": reader.rows("species"),
        "batches": batches,
        "receipts_of": reader.rows("receipts_of", json.dumps([b["batch_id"] for b in batches])),
        "alarms": reader.rows("alarms", ALARMS),
        "day_notes": reader.rows("day_notes", day_of(time.time_ns() // 1_000_000) - DAYS, DAYS * TRAPS),
        "scenes": reader.rows("scenes", TRAPS),
        "outlets": reader.rows("outlets", OUTLETS),
        "outlet_aside": reader.rows("outlet_aside", MAX_ASIDE),
        # The day of the base's zone may be the one before or after that of UTC.
        "outlet_days": reader.rows("outlet_days", day_of_zone(time.time_ns() // 1_000_000, UTC) - 1),
    }
