"""A receiver of the base's signed webhook (basestation/OUTLETS.md), as somebody's alarm or chat would have one.

Takes what is signed under the shared secret and drops repeats by their id; a line each in `messages.jsonl`, and the
picture beside it. It looks at the signature by the standard's own words (Standard Webhooks), not by the base's code.
"""

import hashlib
import hmac
import json
import threading
import time
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError

PATH = "/pugmark"
MESSAGES = "messages.jsonl"
MAX_BYTES = 1 << 20  # of one message: a crop has some kB
MAX_NAME_CHARS = 100
SLACK_S = 300  # that the clocks may differ: an older message may be somebody's repeat
SECRET = "whsec_"  # noqa: S105 - what every such secret begins with
ENDS = {"image/webp": "webp", "image/avif": "avif", "image/jpeg": "jpg"}


class HookReceiver:
    """On 127.0.0.1:`port`, into `folder`. `told`: messages that came, by type; `again`: repeats that were dropped;
    `refused`: what was not signed, or is none."""

    def __init__(self, folder: Path, secret: str, port: int) -> None:
        self._folder = folder
        self._key = b64decode(secret.removeprefix(SECRET))
        self._port = port
        self._server: ThreadingHTTPServer | None = None
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self.told: Counter[str] = Counter()
        self.again = self.refused = 0

    def start(self) -> None:
        """Listen, in a thread.  Raises: SetupError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        hook = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 30

            def do_POST(self) -> None:
                size = self.headers.get("Content-Length", "")
                status = 413
                if size.isascii() and size.isdigit() and int(size) <= MAX_BYTES:
                    body = self.rfile.read(int(size))
                    status = hook.take(self.path, dict(self.headers.items()), body, time.time())
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """The demo has its own words."""

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        except OSError as error:
            raise SetupError(f"port {self._port} for the webhook's receiver: {error.strerror or error}") from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="hook", daemon=True).start()

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def take(self, path: str, headers: Mapping[str, str], body: bytes, now_s: float) -> int:
        """The status of the answer to one POST; `now_s`: Unix s."""
        said = {name.lower(): value for name, value in headers.items()}
        name, seconds = said.get("webhook-id", ""), said.get("webhook-timestamp", "")
        with self._lock:
            if path != PATH or not self._is_signed(name, seconds, said.get("webhook-signature", ""), body, now_s):
                self.refused += 1
                return 401
            if name in self._known:
                self.again += 1
                return 204
            try:
                kind = self._keep(name, json.loads(body))
            except (ValueError, KeyError, TypeError, RecursionError):
                self.refused += 1
                return 422
            self._known.add(name)
            self.told[kind] += 1
            return 204

    def _is_signed(self, name: str, seconds: str, signatures: str, body: bytes, now_s: float) -> bool:
        if not (0 < len(name) <= MAX_NAME_CHARS and seconds.isascii() and seconds.isdigit() and len(seconds) < 12):
            return False
        signed = b".".join((name.encode(), seconds.encode(), body))
        wanted = "v1," + b64encode(hmac.new(self._key, signed, hashlib.sha256).digest()).decode()
        fits = any(hmac.compare_digest(wanted.encode(), each.encode()) for each in signatures.split())
        return fits and abs(now_s - int(seconds)) <= SLACK_S

    def _keep(self, name: str, message: dict[str, Any]) -> str:
        """Write a message; its type."""
        kind = message["type"]
        if not isinstance(kind, str):
            raise TypeError("a type that is no text")
        picture = message["data"].pop("picture", None)
        if picture is not None:
            file = f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.{ENDS.get(picture['fileMediatype'], 'bin')}"
            (self._folder / file).write_bytes(b64decode(picture["base64"]))
            message["data"]["picture"] = file
        with (self._folder / MESSAGES).open("a") as lines:
            lines.write(json.dumps({"id": name} | message) + "\n")
        return kind
