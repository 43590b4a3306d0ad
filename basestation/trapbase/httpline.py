"""The one place that speaks HTTP as a client, on http.client: every wait is bounded, every byte is counted, no redirect
is followed, and nobody is spoken to but the host of the settings."""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from trapbase.outlet import OutletError

MAX_ANSWER_BYTES = 1 << 20  # a receipt of 1,000 objects has ~120 kB
DEFAULT_PORTS = {"http": 80, "https": 443}
ANSWER_TIMES = 4  # an answer that trickles is given up after so many times the wait for silence
KEPT_S = 5.0  # a connection that was silent for longer is closed rather than trusted with a body
HANDSHAKE_BYTES = 5000  # of TLS 1.3 with a usual chain of certificates, both ways; it is not seen from here

Answer = tuple[int, http.client.HTTPMessage, bytes]


def _uncounted(size: int) -> None:
    """Nobody pays by the byte."""


class HttpLine:
    """To the host of `url` (http or https) alone; `timeout_s` bounds every wait for it.

    `who`, `keys`: how errors name the other side, and which settings they point to (of the address, of the wait);
    `shown`: the address as it may be said, where it is a secret; `count`: hears how many bytes went either way.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float,
        *,
        who: str = "back end",
        keys: tuple[str, str] = ("upload.url", "upload.timeout_s"),
        shown: str = "",
        count: Callable[[int], None] = _uncounted,
    ) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._who = who
        self._url_key, self._timeout_key = keys
        self._shown = shown or url
        self._count = count
        self._connection: _Counted | _CountedTls | None = None
        self._host = ("", "")
        self._checked: tuple[str, SplitResult] | None = None
        self._used_s = 0.0

    def ask(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None = None, *, cut_at: int | None = None
    ) -> Answer:
        """The answer's status, headers and body. `cut_at`: more of its body than so many bytes is not read; without it
        an answer over `MAX_ANSWER_BYTES` is an error.  Raises: OutletError."""
        parts = self.check(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if body is not None and time.monotonic() - self._used_s > KEPT_S:
            self.close()
        reused = self._connection is not None and self._host == (parts.scheme, parts.netloc)
        for again in (reused and body is None, False):
            try:
                connection = self._connect(parts.scheme, parts.netloc)
                connection.request(method, target, body, headers)
                response = connection.getresponse()
                with response:  # it may hold the connection's socket, whole or not
                    data = response.read((MAX_ANSWER_BYTES if cut_at is None else cut_at) + 1)
                self._count(len(data) + sum(len(k) + len(v) + 4 for k, v in response.headers.items()))
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.close()
                # A kept connection may have been closed by the other side meanwhile; that is no failure.
                if not again:
                    raise OutletError(f"{self._who}: {method}: {self._words(error)}") from error
                continue
            self._used_s = time.monotonic()
            if len(data) > (MAX_ANSWER_BYTES if cut_at is None else cut_at):
                self.close()
                if cut_at is None:
                    raise OutletError(f"{self._who}: its answer is over {MAX_ANSWER_BYTES} bytes", refused=True)
            return response.status, response.headers, data[:cut_at]
        raise AssertionError("unreachable")

    def check(self, url: str) -> SplitResult:
        """Pictures and positions go only to the host of the settings, wherever a `Location` points."""
        if self._checked is not None and url == self._checked[0]:
            return self._checked[1]  # the next of many pieces goes to the same address
        try:
            same = _origin(url) == _origin(self._url)
        except ValueError as error:
            raise OutletError(f"{self._who}: {url[:100]!r} is no address", refused=True) from error
        if not same:
            raise OutletError(f"{self._who}: the address {url[:100]!r} is not at {self._shown}", refused=True)
        # Spelt as in the settings: `user@` or a port that goes without saying is no other host.
        self._checked = (url, urlsplit(url)._replace(netloc=urlsplit(self._url).netloc))
        return self._checked[1]

    def close(self) -> None:
        """Let the connection go; the next request makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _words(self, error: Exception) -> str:
        if isinstance(error, _TrickleError):
            limit_s = self._timeout_s * ANSWER_TIMES
            return f"timed out: its answer was not whole after {limit_s:g} s ({self._timeout_key}); it is tried again"
        if isinstance(error, TimeoutError):
            return f"timed out: no answer within {self._timeout_s:g} s ({self._timeout_key}); it is tried again"
        if isinstance(error, ssl.SSLCertVerificationError):
            reason = error.verify_message
            return f"the certificate of {self._shown} is not trusted ({reason}); is {self._url_key} right?"
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            return f"no connection to {self._shown} ({reason}); is it running, and {self._url_key} right?"
        reason = str(error) or type(error).__name__
        return f"{self._shown} did not answer as a {self._who} does ({reason}); is {self._url_key} right?"

    def _connect(self, scheme: str, host: str) -> "_Counted | _CountedTls":
        if self._connection is None or self._host != (scheme, host):
            self.close()
            if scheme == "https":
                context = ssl.create_default_context()
                self._connection = _CountedTls(host, timeout=self._timeout_s, context=context)
            elif scheme == "http":
                self._connection = _Counted(host, timeout=self._timeout_s)
            else:
                raise OutletError(f"{self._who}: cannot speak {scheme!r}, http and https are possible", refused=True)
            self._connection.count = self._count
            self._host = (scheme, host)
        return self._connection


class _TrickleError(TimeoutError):
    """An answer took too long as a whole."""


class _Bounded(io.RawIOBase):
    """What comes in, until a time: a byte now and then would hold the line for ever."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._raw = line.makefile("rb", buffering=0)
        self._silence_s = line.gettimeout() or 0.0
        self._until_s = time.monotonic() + self._silence_s * ANSWER_TIMES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise _TrickleError
        if left_s >= self._silence_s:  # as it is set already
            return self._raw.readinto(buffer)
        self._line.settimeout(left_s)
        try:
            return self._raw.readinto(buffer)
        except TimeoutError as error:
            raise _TrickleError from error
        finally:
            self._line.settimeout(self._silence_s)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Incoming:
    """What a response sees of a socket."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Bounded(self._line))


class _Response(http.client.HTTPResponse):
    """Reads within bounds."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_Incoming(sock), *args, **kwargs)  # type: ignore[arg-type]


class _Counted(http.client.HTTPConnection):
    """Counts what is handed to a connection that stands: of a receiver that cannot be reached nothing was sent."""

    count: Callable[[int], None] = staticmethod(_uncounted)
    response_class = _Response

    def send(self, data: object) -> None:
        if self.sock is None:
            self.connect()
        if isinstance(data, bytes):
            self.count(len(data))
        super().send(data)  # type: ignore[arg-type]


class _CountedTls(http.client.HTTPSConnection):
    """The same under TLS, its handshake as a round figure."""

    count: Callable[[int], None] = staticmethod(_uncounted)
    response_class = _Response

    def send(self, data: object) -> None:
        if self.sock is None:
            self.connect()
            self.count(HANDSHAKE_BYTES)
        if isinstance(data, bytes):
            self.count(len(data))
        super().send(data)  # type: ignore[arg-type]


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)
