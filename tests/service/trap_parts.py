"""A trap behind the page, for tests of the page alone: it does what it is asked, in a loop of its own."""

import asyncio
import hashlib
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import httpx
import uvicorn
from PIL import Image as Pictures
from starlette.applications import Starlette

from trapcam.service.desk import Desk
from trapcam.service.download import Listed, Parcel
from trapcam.service.unit import Look, Step, Unit, Walk
from trapkit.cards import Card, Written
from trapwire.objects import Envelope, ObjectKey

NOW = 1_800_000_000_000
TRAP, EPOCH = 7, 0xC0FFEE01


def stored_objects(sizes: list[tuple[int, int, int]]) -> dict[tuple[int, int], Envelope]:
    """Envelopes by number and rung, with bodies of these sizes."""
    return {
        (number, rung): Envelope(
            ObjectKey(TRAP, EPOCH, number, rung), bytes([number, rung]) * (size // 2) + b"." * (size % 2)
        )
        for number, rung, size in sizes
    }


UNIT = Unit(
    trap=7, time_ms=NOW, uncertainty_ms=1_500, battery=82, days_left=140, margin_db=12, partner_db=20, heard_s=40,
    picture_s=14, deployed=False, standing=None, triggers=214, sightings=9, unreceipted=31, full_frames=9,
    blind_days=2, faults=(),
)  # fmt: skip


@dataclass
class ScriptedTrap:
    """Holds what was saved; `fail`: what the card says to the next save."""

    now: Unit = UNIT
    saved: list[Written] = field(default_factory=list)
    states: dict[int, str] = field(default_factory=dict)
    steps: list[Step] | None = None  # of a walk test, the last one's too
    walking: bool = False
    fail: Exception | None = None
    picture: bytes = b""
    objects: dict[tuple[int, int], Envelope] = field(default_factory=dict)

    def unit(self) -> Unit:
        return self.now

    def look(self) -> Look | None:
        if not self.picture:
            out = io.BytesIO()
            Pictures.new("RGB", (640, 360), (90, 110, 80)).save(out, "JPEG")
            self.picture = out.getvalue()
        return Look(jpeg=self.picture, seen=(), sharp=True)

    def save(self, said: Written) -> int:
        if self.fail:
            raise self.fail
        self.saved.append(said)
        if isinstance(said, Card):
            ended = said.action == "end"
            self.now = replace(self.now, deployed=not ended, standing=None if ended else said)
        return len(self.saved)

    def progress(self, number: int) -> str:
        return self.states.get(number, "waiting")

    def parcel(self) -> Parcel:
        listed = [
            Listed(number=e.key.number, rung=e.key.rung, size=len(e.body), sha256=hashlib.sha256(e.body).digest())
            for e in self.objects.values()
        ]
        return Parcel(TRAP, EPOCH, listed, NOW, self._envelope)

    def _envelope(self, number: int, rung: int) -> bytes | None:
        found = self.objects.get((number, rung))
        return found.encode() if found else None

    def begin_walk(self) -> None:
        self.steps, self.walking = [], True

    def walk(self) -> Walk | None:
        if self.steps is None:
            return None
        return Walk(steps=tuple(self.steps), running=self.walking, lasted_s=8, at_ms=NOW)

    def end_walk(self) -> None:
        self.walking = False


@contextmanager
def looping(desk: Desk) -> Iterator[None]:
    """The trap's loop, in a thread: it does what waits at the desk."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            desk.step()
            stop.wait(0.001)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def served(app: Starlette, port: int = 0) -> Iterator[str]:
    """The page on a real port of this machine, any that is free where none is said; its address."""
    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def phone(address: str) -> httpx.Client:
    """A phone that keeps its cookies and follows where it is led."""
    return httpx.Client(base_url=address, follow_redirects=True, trust_env=False)
