"""A source of updates over HTTP: the base's mirror, or the operator's own. The one place of the kit that speaks HTTP.

Every wait and every size is bounded, no redirect is followed, and what broke off goes on where it stopped. What comes
is proved by whoever asked: nothing here is trusted.
"""

import http.client
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

CHUNK_BYTES = 64 * 1024
TRIES = 5  # in a row that bring not a byte
SLOWEST_BYTES_PER_S = 500  # an answer that is slower all in all is given up
PORTS = {"http": 80, "https": 443}
FAULTS = (OSError, http.client.HTTPException)


class HttpSource:
    """url: http or https, with the path under which `metadata/` and `targets/` lie; context: for https, None: the
    system's authorities; timeout_s: for each wait.  Raises: ValueError where the address is none."""

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext | None = None,
        *,
        timeout_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname or parts.username is not None or parts.query:
            raise ValueError(f"{url!r} is no address of an update source; allowed is https://HOST[:PORT]/PATH")
        self._tls = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port or PORTS[parts.scheme]
        self._path = parts.path.rstrip("/")
        self._context = context
        self._timeout_s = timeout_s
        self._clock = clock
        self._connection: http.client.HTTPConnection | None = None

    def fetch(self, name: str, max_bytes: int, start: int = 0) -> Iterator[bytes]:
        """The bytes of `name` ("metadata/3.root.json") from `start` on.

        Raises, also between two pieces: FileNotFoundError where there is none; OSError where nobody answers, it breaks
        off again and again, is larger than `max_bytes`, or comes too slowly.
        """
        held, tries, begun_s, tag = start, 0, self._clock(), ""
        while True:
            before = held
            try:
                answer = self._ask(name, held, tag)
                size, begins = _bounds(answer, name)
                tag = answer.headers.get("ETag", "")
                if size > max_bytes:
                    raise TooLargeError(f"{name}: {size} bytes, allowed are {max_bytes}")
                skip = held - begins if begins <= held else _raise(f"{name}: the answer begins behind what is here")
                while data := answer.read(CHUNK_BYTES):
                    new, skip = data[skip:], max(0, skip - len(data))
                    if held + len(new) > size:
                        raise TooLargeError(f"{name}: more than the {size} bytes that were said")
                    self._check_pace(name, held - start, begun_s)
                    held += len(new)
                    if new:
                        yield new
                if held == size:
                    return
            except (FileNotFoundError, TooLargeError, TooSlowError):
                self.close()
                raise
            except FAULTS as error:
                self.close()
                tries = 0 if held > before else tries + 1
                if tries >= TRIES:
                    raise OSError(
                        f"{self._host}, port {self._port}: {name}: {error or type(error).__name__}"
                    ) from error
            else:  # it ended before its end
                self.close()
                tries = 0 if held > before else tries + 1
                if tries >= TRIES:
                    raise OSError(f"{self._host}, port {self._port}: {name}: breaks off after {held} of {size} bytes")

    def _check_pace(self, name: str, held: int, begun_s: float) -> None:
        spent_s = self._clock() - begun_s
        if spent_s > 4 * self._timeout_s and held < SLOWEST_BYTES_PER_S * spent_s:
            raise TooSlowError(f"{self._host}, port {self._port}: {name}: {held} bytes in {spent_s:.0f} s are too few")

    def _ask(self, name: str, held: int, tag: str) -> http.client.HTTPResponse:
        headers = {"Accept-Encoding": "identity"}
        if held:
            headers["Range"] = f"bytes={held}-"
            if tag:
                headers["If-Range"] = tag
        connection = self._connection or self._connect()
        self._connection = connection
        connection.request("GET", quote(f"{self._path}/{name}"), headers=headers)
        return connection.getresponse()

    def _connect(self) -> http.client.HTTPConnection:
        if not self._tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        context = self._context or ssl.create_default_context()
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=context)

    def close(self) -> None:
        """The connection, where there is one; the next fetch makes another."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None


class TooLargeError(OSError):
    """More bytes than are allowed, or than were said."""


class TooSlowError(OSError):
    """Fewer bytes than an honest source has, for longer than it may take."""


def _raise(text: str) -> int:
    raise OSError(text)


def _bounds(answer: http.client.HTTPResponse, name: str) -> tuple[int, int]:
    """The size of the whole, and where this answer begins.  Raises: OSError."""
    if answer.status == 404:
        answer.read(CHUNK_BYTES)
        raise FileNotFoundError(f"{name}: is not there")
    if answer.status == 200:
        size = answer.headers.get("Content-Length", "")
        if size.isascii() and size.isdigit() and len(size) < 16:
            return int(size), 0
    elif answer.status == 206:
        span, _, whole = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        first = span.partition("-")[0]
        if all(part.isascii() and part.isdigit() and len(part) < 16 for part in (first, whole)):
            return int(whole), int(first)
    raise OSError(f"{name}: answered with {answer.status}, and not with a whole size")


def fleet_context(folder: Path, name: str) -> ssl.SSLContext:
    """TLS to the base as `name` of the fleet (ca.crt, NAME.crt, NAME.key in `folder`).  Raises: OSError."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
