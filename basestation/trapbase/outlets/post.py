"""What is posted, and what an answer means: values that every kind of outlet shares, and their HTTP."""

from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from typing import Protocol
from urllib.parse import urlsplit

from trapbase.httpline import HttpLine
from trapbase.outlet import OutletError, readable, wait_ms
from trapbase.outlets.facts import Facts

MAX_READ_BYTES = 65_536  # of an answer: more is not needed to know what it means
# Not this message but the way itself: a wrong token, a wrong address, a receiver that wants us to wait.
OF_THE_WAY = (401, 402, 403, 404, 405, 407, 408, 410, 421, 423, 425, 426, 429, 451)
_ADVICE = {
    401: "is what its key_file holds still right there?",
    403: "is what its key_file holds allowed to post there?",
    404: "is its url right?",
    405: "is its url right?",
    410: "is its url right? It says that it is gone for good",
    429: "it wants to be asked less often",
}


class BadItemError(Exception):
    """This one cannot be sent, now or later, as it is: it lies aside for a person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Post:
    """A request: `path` is added to the address of the settings."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What an answer means: `done`, or what is wrong with this message (`refused`) or with the way; `wait_ms`: the
    pause that was asked for."""

    done: bool = False
    refused: bool = False
    words: str = ""
    wait_ms: int = 0


class Kind(Protocol):
    """One kind of outlet, pure."""

    def build(self, facts: Facts, secret: str, utc_ms: int) -> Post:
        """The request.  Raises: BadItemError; SetupError when `secret`, the text of its key_file, is none."""

    def meaning(self, status: int, headers: Message, body: bytes) -> Outcome:
        """What an answer means."""


class Sender(Protocol):
    """Where posts go; `PostLine` is the real one."""

    def send(self, post: Post) -> tuple[int, Message, bytes]:
        """The answer's status, headers and first bytes.  Raises: OutletError."""


class PostLine:
    """HTTP to the host of `url`; `name`: of the outlet; `count`: hears how many bytes went either way."""

    def __init__(self, name: str, url: str, timeout_s: float, count: Callable[[int], None]) -> None:
        parts = urlsplit(url)
        self._url = url
        keys = ("its url", "its timeout_s")
        # A path may be a secret, as with the usual chats.
        shown = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        self._line = HttpLine(url, timeout_s, who=f"outlet {name}", keys=keys, shown=shown, count=count)

    def send(self, post: Post) -> tuple[int, Message, bytes]:
        """One POST; a redirect is an answer like any other, and followed nowhere."""
        try:
            return self._line.ask("POST", self._url + post.path, post.headers, post.body, cut_at=MAX_READ_BYTES)
        except UnicodeError as error:
            raise OutletError(f"its url or a header cannot be sent: {error}") from error

    def close(self) -> None:
        self._line.close()


def outcome_of(status: int, headers: Message, body: bytes) -> Outcome:
    """What any receiver's status means: 2xx is done; some 4xx are about the way, the others about this message."""
    if 200 <= status < 300:
        return Outcome(done=True)
    said = readable(body[:1000].decode(errors="replace"))
    words = f"it answered {status}" + (f" ({said})" if said else "")
    if 300 <= status < 400:
        return Outcome(
            words=f"it answered {status}, a redirect, which is not followed: put the address that answers into its url"
        )
    refused = 400 <= status < 500 and status not in OF_THE_WAY
    advice = _ADVICE.get(status, "" if refused else "it is tried again")
    return Outcome(refused=refused, words=words + (f": {advice}" if advice else ""), wait_ms=wait_ms(headers))
