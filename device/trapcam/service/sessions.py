"""Who has come in: a random cookie a phone, for as long as it is used (pure; `now_ms` monotonic)."""

import secrets
from dataclasses import dataclass, field

IDLE_MS = 30 * 60_000
MOST = 16  # phones; the one that was idle longest gives way


@dataclass
class Session:
    """`operator`: whose PIN opened it; `form`: a token that every form of this phone brings back; `who`: the name that
    was typed last."""

    operator: str
    used_ms: int
    form: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    who: str = ""


class Sessions:
    """The phones that are in."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}

    def begin(self, operator: str, now_ms: int) -> str:
        """A new phone; its cookie."""
        while len(self._open) >= MOST:
            del self._open[min(self._open, key=lambda cookie: self._open[cookie].used_ms)]
        cookie = secrets.token_urlsafe(24)
        self._open[cookie] = Session(operator, now_ms)
        return cookie

    def find(self, cookie: str, now_ms: int) -> Session | None:
        """The phone with this cookie, unless it was idle too long."""
        session = self._open.get(cookie)
        if session is None:
            return None
        if now_ms - session.used_ms > IDLE_MS:
            del self._open[cookie]
            return None
        session.used_ms = now_ms
        return session

    def end(self, cookie: str) -> None:
        self._open.pop(cookie, None)
