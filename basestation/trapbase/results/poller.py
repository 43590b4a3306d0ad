"""Asks the back end for its results, page after page, and keeps them.

    answer                                            what happens                       asked again
    nothing new                                       nothing                            after the interval
    a page that is the back end's                     kept, with its cursor, at once     at once if there is more
    a page of nothing but what is here, ROUND times   kept; a cursor goes round          after a growing pause
    its cursor is unknown there (410)                 from the beginning                 at once
    it gives none (404, 405, 501)                     nothing, and nobody is alarmed     after the longest pause
    a page, and there is no room for it               nothing changes, said              after a growing pause
    anything else; no signature of its key            nothing changes, said              after a growing pause

Results whose sightings are not here are kept like others: the sighting may still come, by a stick say.
"""

from collections.abc import Callable

from trapbase.config import UploadSettings
from trapbase.gate import Gate, Patience
from trapbase.outlet import OutletError, ResultSource
from trapbase.results.answer import MOST, BadAnswerError, Page, read_page
from trapbase.results.kept import FullError, ResultStore

ROUND = 256  # pages in a row that bring nothing new: 51,200 results read again, or a back end whose cursor goes round
GONE = 410
NONE_GIVEN = (404, 405, 501)


class Poller:
    """The step from the back end's results to the table; `key`: its Ed25519 public key, `chance` within 0–1, `gate`:
    the upload's, whose hours and bytes a day these questions share."""

    def __init__(
        self,
        kept: ResultStore,
        source: ResultSource,
        key: bytes,
        settings: UploadSettings,
        chance: Callable[[], float],
        gate: Gate | None = None,
    ) -> None:
        self._kept = kept
        self._source = source
        self._key = key
        self._name = key.hex()
        self._settings = settings
        self._interval_ms = round(settings.identifications_s * 1000)
        self._patience = Patience(settings, chance)
        self._chance = chance
        self._gate = gate or Gate(settings, chance)
        self._due_ms: int | None = None
        self._afresh = False  # the back end has forgotten our cursor
        self._stale = 0  # pages in a row without anything new
        self.last_error = ""

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """Ask for at most one page; whether anything was kept. `now_ms` must never go back.  Raises: StorageError."""
        if (self._due_ms is not None and now_ms < self._due_ms) or self._gate.is_shut(utc_ms):
            return False
        try:
            return self._ask(now_ms, utc_ms)
        finally:
            self._gate.settle(now_ms, utc_ms)

    def _ask(self, now_ms: int, utc_ms: int) -> bool:
        after = "" if self._afresh else self._kept.cursor(self._name)
        try:
            answer = self._source.identifications(after, MOST)
            page = None if answer is None else read_page(*answer, after, self._key)
        except OutletError as error:
            self._refused(error, after, now_ms)
            return False
        except BadAnswerError as error:
            self._kept.refused()
            words = f"back end's identifications: {error}; nothing is taken from it. Is {self._settings.public_key} "
            self._wait(words + "this back end's key?", now_ms)
            return False
        if page is None:
            self._well(now_ms + self._interval_ms)
            return False
        return self._take(page, now_ms, utc_ms)

    def _take(self, page: Page, now_ms: int, utc_ms: int) -> bool:
        try:
            new = self._kept.add(page.results, len(page.bad), self._name, page.next, utc_ms)
        except FullError as error:
            self._wait(f"back end's identifications: {error}", now_ms)
            return False
        self._afresh = False
        self._stale = 0 if new else self._stale + 1
        if self._stale >= ROUND:
            self._stale = 0
            self._wait(f"back end's identifications: {ROUND} pages in a row brought nothing new", now_ms)
            return False
        self._well(now_ms if page.more else now_ms + self._interval_ms)
        if page.bad:
            self.last_error = f"back end's identifications: {len(page.bad)} cannot be read and were left: {page.bad[0]}"
        return bool(new)

    def _refused(self, error: OutletError, after: str, now_ms: int) -> None:
        if error.status == GONE and after:
            self._afresh = True
            self._due_ms = now_ms
        elif error.status in NONE_GIVEN:
            self._well(now_ms + max(self._interval_ms, round(self._settings.retry_max_s * 1000)))
        else:
            self._wait(str(error), now_ms)

    def _well(self, due_ms: int) -> None:
        self._patience = Patience(self._settings, self._chance)
        self.last_error = ""
        self._due_ms = due_ms

    def _wait(self, error: str, now_ms: int) -> None:
        self._patience.failed(now_ms)
        self.last_error = error
        self._due_ms = max(self._patience.until_ms, now_ms + self._interval_ms)
