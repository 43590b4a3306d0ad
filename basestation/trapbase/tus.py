"""How a back end is spoken to: tus 1.0 (core and creation), receipts, identifications (BACKEND.md).

Not by tuspy, which (1.1) sets no timeout, so that a silent back end would stop the base for ever, and creates an upload
without looking at the answer's status.
"""

import json
from base64 import b64encode
from collections.abc import Callable
from email.message import Message
from urllib.parse import SplitResult, urlencode, urljoin

from trapbase.httpline import Answer, HttpLine
from trapbase.outlet import OutletError, refusal_by

VERSION = {"Tus-Resumable": "1.0.0"}
MAX_URL_CHARS = 1000
SIGNATURE = "Pugmark-Signature"  # over a page of identifications


class TusOutlet:
    """The back end at `url` (http or https); `timeout_s` bounds every wait for it; `count`: hears how many bytes went
    either way."""

    def __init__(self, url: str, timeout_s: float, count: Callable[[int], None] = lambda size: None) -> None:
        self._url = url.rstrip("/") + "/"
        self._line = HttpLine(self._url, timeout_s, count=count)

    def create(self, batch_id: str, size: int) -> str:
        metadata = f"batch_id {b64encode(batch_id.encode()).decode()}"
        headers = {"Upload-Length": str(size), "Upload-Metadata": metadata}
        status, answer, body = self._ask("POST", urljoin(self._url, "files"), VERSION | headers)
        place = answer.get("Location", "")
        if status != 201 or not place:
            raise refusal_by("creating an upload", status, _said(body), answer)
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
            raise refusal_by("asking for the offset", status, "", answer)
        return _offset(answer)

    def send(self, url: str, offset: int, data: bytes) -> int:
        headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        status, answer, body = self._ask("PATCH", url, VERSION | headers, data)
        if status != 204:
            raise refusal_by("sending a piece", status, _said(body), answer)
        return _offset(answer)

    def receipts(self, batch_id: str) -> bytes | None:
        status, answer, body = self._ask("GET", urljoin(self._url, f"v1/receipts/{batch_id}"), {})
        if status == 404:
            return None
        if status != 200:
            raise refusal_by("asking for receipts", status, _said(body), answer)
        return body

    def batches(self, after: str) -> tuple[list[str], str | None]:
        query = f"?{urlencode({'after': after})}" if after else ""
        status, answer, body = self._ask("GET", urljoin(self._url, f"v1/batches{query}"), {})
        if status != 200:
            raise refusal_by("asking for its batches", status, _said(body), answer)
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
            raise refusal_by("asking for identifications", status, _said(body), answer, todo="it is asked again later")
        return body, answer.get(SIGNATURE, "")

    def _ask(self, method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> Answer:
        return self._line.ask(method, url, headers, body)

    def _check(self, url: str) -> SplitResult:
        return self._line.check(url)

    def close(self) -> None:
        self._line.close()


def _said(body: bytes) -> str:
    """A back end's own words: the `error` of a JSON object, or the text."""
    text = body[:4096].decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return text


def _offset(answer: Message) -> int:
    text = answer.get("Upload-Offset", "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise OutletError(f"back end: {text[:40]!r} is no offset")
    return int(text)
