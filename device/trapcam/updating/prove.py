"""Is the release on trial good? Camera, detector, supervisor, base, in this order; takes `now_ms`, does no IO itself.

A camera that gives nothing may do so after another start: that ends the start, and starts are counted. A known picture
that is not found is the same at every start: that ends the trial at once. One that fails at its first burst shall not
be proved before it: a burst was taken, or it has lasted a while without one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from trapcam.timers import due

CAMERA_MS = 60_000
LOOK_EVERY_MS = 5_000
LASTS_MS = 600_000


@dataclass(frozen=True, kw_only=True)
class Checks:
    """glance: whether the camera gives a frame now; known: the code of `reasons` by which the detector fails, or "";
    answers: whether a supervisor speaks, or none belongs here; taken: whether a burst was since the start; heard:
    whether a base has what was said since the trial began, or none is to be waited for."""

    glance: Callable[[], bool]
    known: Callable[[], str]
    answers: Callable[[], bool]
    taken: Callable[[], bool]
    heard: Callable[[], bool]


class Proof:
    """`works`: camera, detector and supervisor are good; `proved`: the base has heard of it, too; `again`: why this
    start came to nothing; `failed`: why the release did."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._begun_ms: int | None = None
        self._looked_ms: int | None = None
        self._seen = False
        self.works = self.proved = False
        self.again = self.failed = ""

    def step(self, now_ms: int) -> None:
        """Look at what is next."""
        self._begun_ms = now_ms if self._begun_ms is None else self._begun_ms
        if self.failed or self.again or self.proved:
            return
        if not self._seen:
            if not due(self._looked_ms, now_ms, LOOK_EVERY_MS):
                return
            self._looked_ms = now_ms
            if not self._checks.glance():
                self.again = "camera-gives-nothing" if due(self._begun_ms, now_ms, CAMERA_MS) else ""
                return
            self._seen = True
            self.failed = self._checks.known()
            if self.failed:
                return
        if not self.works:
            self.works = self._checks.answers()
            if not self.works and due(self._begun_ms, now_ms, CAMERA_MS):
                self.again = "supervisor-silent"
        lasts = self._checks.taken() or due(self._begun_ms, now_ms, LASTS_MS)
        self.proved = self.works and lasts and self._checks.heard()
