"""The one place that speaks HTTP to a back end: tus 1.0 (core and creation), receipts, identifications.

On http.client and not on tuspy, which (1.1) sets no timeout, so that a silent back end would stop the base for
ever, and creates an upload without looking at the answer's status.
"""

import http.client
import json
import ssl
from base64 import b64encode
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from trapbase.outlet import OutletError, refusal_by

VERSION = {"Tus-Resumable": "1.0.0"}
MAX_ANSWER_BYTES = 1 << 20  # a receipt of 1,000 objects has ~120 kB
MAX_URL_CHARS = 1000
SIGNATURE = "Pugmark-Signature"  # over a page of identifications
DEFAULT_PORTS = {"http": 80, "https": 443}


class TusOutlet:
    """The back end at `url` (http or https); `timeout_s` bounds every wait for it."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url.rstrip("/") + "/"
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self._host = ("", "")

    def create(self, batch_id: str, size: int) -> str:
        metadata = f"batch_id {b64encode(batch_id.encode()).decode()}"
        headers = {"Upload-Length": str(size), "Upload-Metadata": metadata}
        status, answer, body = self._ask("POST", urljoin(self._url, "files"), VERSION | headers)
        place = answer.get("Location", "")
        if status != 201 or not place:
            raise refusal_by("creating an upload", status, _said(body))
        try:
            url = urljoin(urljoin(self._url, "files"), place)
        except ValueError as error:
            raise OutletError(f"back end: {place[:100]!r} is no address", refused=True) from error
        self._check(url)
        if len(url) > MAX_URL_CHARS:
            raise OutletError("back end: the address that it gave is too long", refused=True)
        return url

    def offset(self, url: str) -> int | None:
        status, answer, _ = self._ask("HEAD", url, VERSION)
        if status in (403, 404, 410):
            return None
        if status not in (200, 204):
            raise refusal_by("asking for the offset", status, "")
        return _offset(answer)

    def send(self, url: str, offset: int, data: bytes) -> int:
        headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        status, answer, body = self._ask("PATCH", url, VERSION | headers, data)
        if status != 204:
            raise refusal_by("sending a piece", status, _said(body))
        return _offset(answer)

    def receipts(self, batch_id: str) -> bytes | None:
        status, _, body = self._ask("GET", urljoin(self._url, f"v1/receipts/{batch_id}"), {})
        if status == 404:
            return None
        if status != 200:
            raise refusal_by("asking for receipts", status, _said(body))
        return body

    def batches(self, after: str) -> tuple[list[str], str | None]:
        query = f"?{urlencode({'after': after})}" if after else ""
        status, _, body = self._ask("GET", urljoin(self._url, f"v1/batches{query}"), {})
        if status != 200:
            raise refusal_by("asking for its batches", status, _said(body))
        try:
            said = json.loads(body)
            ids, following = said["batches"], said.get("next")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise OutletError(f"back end: its list of batches is malformed: {type(error).__name__}") from error
        if not isinstance(ids, list) or not isinstance(following, str | None):
            raise OutletError("back end: its list of batches is malformed")
        return [each for each in ids if isinstance(each, str)], following

    def identifications(self, after: str, limit: int) -> tuple[bytes, str] | None:
        query = f"limit={limit}" + (f"&after={after}" if after else "")
        status, answer, body = self._ask("GET", urljoin(self._url, f"v1/identifications?{query}"), {})
        if status == 204:
            return None
        if status != 200:
            raise refusal_by("asking for identifications", status, _said(body), todo="it is asked again later")
        return body, answer.get(SIGNATURE, "")

    def _ask(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        parts = self._check(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        reused = self._connection is not None and self._host == (parts.scheme, parts.netloc)
        for again in (reused and body is None, False):
            try:
                connection = self._connect(parts.scheme, parts.netloc)
                connection.request(method, target, body, headers)
                response = connection.getresponse()
                data = response.read(MAX_ANSWER_BYTES + 1)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.close()
                # A kept connection may have been closed by the other side meanwhile; that is no failure.
                if not again:
                    raise OutletError(f"back end: {method}: {self._words(error)}") from error
                continue
            if len(data) > MAX_ANSWER_BYTES:
                self.close()
                raise OutletError(f"back end: its answer is over {MAX_ANSWER_BYTES} bytes", refused=True)
            return response.status, response.headers, data
        raise AssertionError("unreachable")

    def _words(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"timed out: no answer within {self._timeout_s:g} s (upload.timeout_s); it is tried again"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the certificate of {self._url} is not trusted ({error.verify_message}); is upload.url right?"
        if isinstance(error, OSError):
            return f"no connection to {self._url} ({error.strerror or error}); is it running, and upload.url right?"
        return f"{self._url} did not answer as a back end does ({error or type(error).__name__}); is upload.url right?"

    def _check(self, url: str) -> SplitResult:
        """Pictures and positions go only to the host of the settings, wherever a `Location` points."""
        try:
            same = _origin(url) == _origin(self._url)
        except ValueError as error:
            raise OutletError(f"back end: {url[:100]!r} is no address", refused=True) from error
        if not same:
            raise OutletError(f"back end: the address {url[:100]!r} is not at {self._url}", refused=True)
        # Spelt as in the settings: `user@` or a port that goes without saying is no other host.
        return urlsplit(url)._replace(netloc=urlsplit(self._url).netloc)

    def _connect(self, scheme: str, host: str) -> http.client.HTTPConnection:
        if self._connection is None or self._host != (scheme, host):
            self.close()
            if scheme == "https":
                context = ssl.create_default_context()
                self._connection = http.client.HTTPSConnection(host, timeout=self._timeout_s, context=context)
            elif scheme == "http":
                self._connection = http.client.HTTPConnection(host, timeout=self._timeout_s)
            else:
                raise OutletError(f"back end: cannot speak {scheme!r}, http and https are possible", refused=True)
            self._host = (scheme, host)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def _said(body: bytes) -> str:
    """A back end's own words: the `error` of a JSON object, or the text."""
    text = body[:4096].decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return text


def _offset(answer: http.client.HTTPMessage) -> int:
    text = answer.get("Upload-Offset", "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise OutletError(f"back end: {text[:40]!r} is no offset")
    return int(text)
