"""What the uploader needs of a back end; `trapbase.tus` is the real one, `trapsim` has one without sockets."""

from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Protocol

MAX_SAID = 160  # characters of a back end's own words
LONGEST_WAIT_S = 86_400  # that an answer may ask for


class OutletError(Exception):
    """The back end could not be reached, or refused.

    `refused`: it answered that this very batch is not wanted, so that others may be tried before it; otherwise
    nobody gets through and everything waits. `status`: the answer's, of HTTP, or 0; `wait_ms`: how long it asked us
    to wait.
    """

    def __init__(self, message: str, *, refused: bool = False, status: int = 0, wait_ms: int = 0) -> None:
        super().__init__(message)
        self.refused = refused
        self.status = status
        self.wait_ms = wait_ms


CONFLICT = 409  # it has another offset than we thought
TOO_LARGE = 413
# What a person should know of an answer; the rest of 4xx says it in its own words.
_ADVICE = {
    401: "does it know this base? see upload.url",
    403: "does it know this base? see upload.url",
    404: "is upload.url right?",
    CONFLICT: "it has another offset; it is asked, and the upload goes on there",
    TOO_LARGE: "the batch is too large for it; set batch.max_bytes lower",
    507: "its disk is full; everything waits and is tried again",
}


def wait_ms(headers: Message) -> int:
    """What `Retry-After` (RFC 9110, section 10.2.3) asks for, at most a day; 0 where it says nothing that can be read.
    A date counts from the answer's own `Date`: the clocks of both ends may differ."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), LONGEST_WAIT_S) * 1000
    try:
        seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", ""))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0
    return round(min(max(seconds, 0), LONGEST_WAIT_S) * 1000)


def readable(said: str) -> str:
    """A stranger's words as they may be shown: a line, without control characters."""
    return "".join(c if c.isprintable() else " " for c in said[:MAX_SAID]).strip()


def refusal_by(what: str, status: int, said: str, headers: Message | None = None, *, todo: str = "") -> OutletError:
    """The error for an answer of HTTP: `what` we did, what it `said`; 408 and 429 are about time, 4xx about a batch.
    `todo`: what happens now, where no batch is meant."""
    refused = 400 <= status < 500 and status not in (408, 429)
    advice = todo or _ADVICE.get(
        status, "the batch waits, others go on" if refused else "everything waits and is tried again"
    )
    shown = readable(said)
    words = f"back end: {what} was answered with {status}" + (f" ({shown})" if shown else "") + f": {advice}"
    pause = 0 if headers is None else wait_ms(headers)
    return OutletError(words, refused=refused, status=status, wait_ms=pause)


class Catalogue(Protocol):
    """What a back end says of all that it has; every method raises OutletError."""

    def batches(self, after: str) -> tuple[list[str], str | None]:
        """Ids of batches that it has, a page of them, and what to ask with for the next, None behind the last; `after`:
        that of the page before, empty for the first."""

    def receipts(self, batch_id: str) -> bytes | None:
        """The signed receipts, JSON; None while there are none."""


class Outlet(Protocol):
    """Every method raises OutletError."""

    def create(self, batch_id: str, size: int) -> str:
        """A place for a batch of `size` bytes: its address."""

    def offset(self, url: str) -> int | None:
        """How many bytes the back end has; None when it does not know the address (any more)."""

    def send(self, url: str, offset: int, data: bytes) -> int:
        """Append `data` at `offset`; how many bytes the back end has then."""

    def receipts(self, batch_id: str) -> bytes | None:
        """The signed receipts, JSON; None while there are none."""


class ResultSource(Protocol):
    """Where identifications come from."""

    def identifications(self, after: str, limit: int) -> tuple[bytes, str] | None:
        """The page of at most `limit` results after the cursor `after` ("" for the beginning): its bytes, and their
        signature in hexadecimal; None when there is nothing new.  Raises: OutletError."""
