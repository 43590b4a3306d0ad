"""A base with further ways out, in virtual time: sightings in the store, and receivers without sockets."""

import json
import sqlite3
from collections.abc import Callable
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from tests.base.parts import BATCH, BOX, EPOCH, NOW, SIGNING, TRAPS, alert, deliver, envelope, picture
from trapbase import ingest
from trapbase.config import Settings, UploadSettings
from trapbase.ingest import Ingest
from trapbase.outlet_settings import OutletSettings
from trapbase.outlets.build import build_outlet
from trapbase.outlets.post import Post
from trapbase.store import Store
from trapkit.sealing import seal_box
from trapsim.memorybus import MemoryBroker
from trapwire.objects import ALERT, CROP

TOKEN = "a-token-that-nobody-may-read"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
Answer = tuple[int, dict[str, str], bytes]


def headers(given: dict[str, str]) -> Message:
    message = Message()
    for name, value in given.items():
        message[name] = value
    return message


class Receiver:
    """A receiver behind the real interface: notes what comes. `answer`: in place of its usual one, where it gives one;
    `count`: hears the bytes, as HTTP would."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.answer: Callable[[Post], Answer | None] = lambda post: None
        self.count: Callable[[int], None] = lambda size: None

    def send(self, post: Post) -> tuple[int, Message, bytes]:
        self.count(len(post.body))
        self.posts.append(post)
        status, given, body = self.answer(post) or self.usual(post)
        return status, headers(given), body

    def usual(self, post: Post) -> Answer:
        return 204, {}, b""

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(post.body) for post in self.posts]


class Site(Receiver):
    """An EarthRanger site as its documentation has it: a bearer token, one provider, each file name once."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, dict[str, Any]] = {}

    def usual(self, post: Post) -> Answer:
        if post.headers.get("Authorization") != f"Bearer {TOKEN}":
            return (
                401,
                {},
                b'{"data": [], "status": {"code": 401, "detail": "Authentication credentials were not provided."}}',
            )
        if post.path != "/sensors/camera-trap/generic/status/":
            return 404, {}, b'{"status": {"code": 404, "detail": "a provider with the given key does not exist"}}'
        form = read_form(post)
        name, data = form.pop("filecontent.file")
        if name in self.files:
            return 409, {}, b'{"data": null, "status": {"code": 409, "message": "Conflict"}}'
        self.files[name] = form | {"data": data}
        return 201, {}, b'{"data": {"group_id": "1"}, "status": {"code": 201, "message": "Created"}}'


def read_form(post: Post) -> dict[str, Any]:
    """A multipart form by Python's own MIME parser: text fields, and (file name, bytes) of files."""
    head = f"Content-Type: {post.headers['Content-Type']}\r\n\r\n".encode()
    parsed = BytesParser().parsebytes(head + post.body)
    found: dict[str, Any] = {}
    for part in parsed.get_payload():  # type: ignore[union-attr]
        name = part.get_param("name", header="Content-Disposition")  # type: ignore[union-attr]
        data = part.get_payload(decode=True)  # type: ignore[union-attr]
        found[str(name)] = (part.get_filename(), data) if part.get_filename() else data.decode()  # type: ignore
    return found


class Ways:
    """A base's folder, its ingest and its outlets; `now_ms` is the test's, `NOW` the beginning of its world."""

    def __init__(
        self, folder: Path, *outlets: OutletSettings, upload: UploadSettings | None = None, **more: Any
    ) -> None:
        self.folder = folder / "base"
        for name, text in (("token", TOKEN), ("secret", SECRET), ("box", bytes(BOX).hex())):
            (folder / name).write_text(text + "\n")
        (folder / "backend.pub").write_text(bytes(SIGNING.verify_key).hex())
        self.settings = Settings(
            name="north", folder=str(self.folder), box_key=str(folder / "box"), trap=tuple(TRAPS.values()), batch=BATCH,
            outlet=outlets, upload=upload or UploadSettings(public_key=str(folder / "backend.pub")), **more,
        )  # fmt: skip
        self.broker = MemoryBroker()
        self.ingest = Ingest(self.broker.connect("ingest", ingest.SUBSCRIPTIONS), Store(self.folder), group=64)
        self.now_ms = 0
        self.built: dict[str, Any] = {}

    def start(self, name: str, receiver: Any = None) -> Any:
        """The step of that outlet; a second one is a restart."""
        (outlet,) = (o for o in self.settings.outlet if o.name == name)
        self.stop(name)
        built = build_outlet(self.settings, outlet, receiver, lambda: 1.0)
        if receiver is not None:
            receiver.count = built.part._gate.count
        self.built[name] = built
        return built.part

    def stop(self, name: str) -> None:
        if name in self.built:
            self.built.pop(name).close()

    def see(self, trap: int, number: int, species: int = 1, *, crop: bool = True, sealed: bytes | None = None) -> None:
        """A sighting arrives, with its crop or without it."""
        self.bring(envelope(trap, number, ALERT, alert(NOW + self.now_ms, species=species)))
        if crop:
            self.crop(trap, number, sealed)

    def crop(self, trap: int, number: int, sealed: bytes | None = None) -> None:
        box = bytes(BOX.public_key)
        self.bring(envelope(trap, number, CROP, sealed or seal_box(box, picture(trap * 100 + number))))

    def bring(self, *envelopes: Any) -> None:
        deliver(self.broker, *envelopes)
        while self.ingest.step(self.now_ms, NOW + self.now_ms):
            pass

    def run(self, until_ms: int, every_ms: int = 500) -> None:
        """All outlets that were started, until that time."""
        while self.now_ms < until_ms:
            for built in list(self.built.values()):
                for _ in range(1000):
                    if not built.part.step(self.now_ms, NOW + self.now_ms):
                        break
            self.now_ms += every_ms

    def identify(self, result: str, number: int, *, trap: int = 1, **more: Any) -> None:
        """The back end says who it was."""
        said = {
            "result_id": result, "trap": trap, "epoch": EPOCH, "number": number, "individual": "T-12",
            "species": "Panthera tigris", "sex": "female", "life_stage": "adult", "confidence": 0.97,
            "reviewer": "A. Ranger", "decided_ms": NOW, "received_ms": NOW, "withdrawn": 0,
        } | more  # fmt: skip
        columns = ", ".join(said)
        self.sql(f"INSERT INTO identifications ({columns}) VALUES ({', '.join('?' * len(said))})", *said.values())

    def sql(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        db = sqlite3.connect(self.folder / "base.sqlite3")
        try:
            with db:
                return db.execute(text, values).fetchall()
        finally:
            db.close()

    def close(self) -> None:
        for name in list(self.built):
            self.stop(name)
        self.ingest._store.close()


def webhook(folder: Path, **more: Any) -> OutletSettings:
    given: dict[str, Any] = {
        "name": "hook", "kind": "webhook", "url": "https://hook.example/in/secret-path",
        "key_file": str(folder / "secret"), "retry_min_s": 1, "retry_max_s": 64,
    }  # fmt: skip
    return OutletSettings(**given | more)


def rangers(folder: Path, **more: Any) -> OutletSettings:
    given: dict[str, Any] = {
        "name": "rangers", "kind": "earthranger", "url": "https://park.example/api/v1.0",
        "key_file": str(folder / "token"), "retry_min_s": 1, "retry_max_s": 64,
    }  # fmt: skip
    return OutletSettings(**given | more)
