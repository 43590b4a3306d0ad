"""The real trap over the simulated camera module and a supervisor in memory, with a clock in each stage."""

import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from nacl.signing import SigningKey

from trapcam.camera.pi import PiCamera
from trapcam.frames import Burst, Frame, Image, Unreadable
from trapcam.judge import Judge, Seen
from trapcam.outbox import Outbox
from trapcam.record import Outcome
from trapcam.trigger import Trigger
from trapsim.picam import Module
from trapsim.trapbudget.scenes import VARIANTS
from trapsim.trapbudget.stages import StageClock
from trapwire import serialline as kinds
from trapwire.objects import RECEIPT, Envelope, ObjectKey, decode_envelope, pack_keys
from trapwire.receipt import Receipt, statement

BACKEND = SigningKey(bytes(range(32)))


class Supervisor:
    """The trap's line, in memory: takes every object, delivers it at once, brings receipts; `wake` wakes."""

    is_open = True
    last_error = ""

    def __init__(self, outbox: Callable[[], Outbox]) -> None:
        self._outbox = outbox
        self._said: deque[tuple[int, bytes]] = deque()
        self._wakes = self._down = 0
        self.bytes_said = 0  # by the trap

    def wake(self) -> None:
        self._wakes += 1
        self._said.append((kinds.WAKE, struct.pack(">IBI", self._wakes, 0, 0)))

    def sign(self, number: int, digests: Sequence[tuple[int, bytes]]) -> None:
        """The back end has all objects of an event: (rung, SHA-256)."""
        box = self._outbox()
        objects = [(number, rung, sha256) for rung, sha256 in digests]
        signature = BACKEND.sign(statement(box.trap, box.epoch, objects)).signature
        body = Receipt(box.epoch, [(number, rung) for rung, _ in digests], signature).encode()
        self._down += 1
        self._said.append((kinds.DOWN, Envelope(ObjectKey(box.trap, box.epoch, self._down, RECEIPT), body).encode()))

    def read(self) -> list[tuple[int, bytes]]:
        said, self._said = list(self._said), deque()
        return said

    def send(self, kind: int, payload: bytes) -> bool:
        self.bytes_said += len(payload)
        if kind == kinds.PUT:
            self._said.append((kinds.DELIVERED, pack_keys([decode_envelope(payload[1:]).key])))
        elif kind == kinds.HELLO:
            self._said.append((kinds.HELLO, b""))
        return True


class Eye:
    """The simulated module's scenes, read from `folder` one kind at a time: it holds what a driver would, no more."""

    def __init__(self, folder: Path, module: Module) -> None:
        self._folder = folder
        self._module = module

    def show(self, kind: str) -> None:
        self._module.scenes[:] = []
        self._module.scenes += [np.load(self._folder / f"{kind}-{variant}.npy") for variant in range(VARIANTS)]


class ClockedCamera:
    """The camera, whose frames say when they are unpacked."""

    def __init__(self, camera: PiCamera, clock: StageClock, told: Callable[[str], None] = lambda what: None) -> None:
        self._camera = camera
        self._clock = clock
        self._told = told
        self.source, self.total, self.about = camera.source, camera.total, camera.about
        self.close = camera.close
        self.unpacked = 0

    def start(self) -> None:
        with self._clock.stage("camera"):
            self._camera.start()

    def tend(self) -> Any:
        with self._clock.stage("camera"):
            return self._camera.tend()

    def frames(self, trigger: Trigger, position: int) -> Burst | Unreadable | None:
        self._told("wake")
        with self._clock.stage("camera"):
            taken = self._camera.frames(trigger, position)
        self._told("burst")
        if not isinstance(taken, Burst):
            return taken
        return replace(taken, frames=tuple(replace(frame, pixels=self._unpacking(frame)) for frame in taken.frames))

    def _unpacking(self, frame: Frame) -> Callable[[], Image]:
        def unpack() -> Image:
            self.unpacked += 1
            with self._clock.stage("unpack"):
                return frame.image

        return unpack


class ClockedJudge:
    """The detector on the clock."""

    def __init__(self, judge: Judge, clock: StageClock, told: Callable[[str], None] = lambda what: None) -> None:
        self._judge = judge
        self._clock = clock
        self._told = told
        self.description = judge.description

    def detect(self, image: Image, moved: tuple[float, float, float, float] | None = None) -> Sequence[Seen]:
        with self._clock.stage("detect"):
            seen = self._judge.detect(image, moved)
        self._told("judged")
        return seen


def on_the_clock(owner: object, name: str, clock: StageClock, stage: str) -> None:
    """One method of one object counts for `stage`; nothing else of its class is touched."""
    method = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        with clock.stage(stage):
            return method(*args, **kwargs)

    setattr(owner, name, timed)


def watch_commits(outbox: Outbox, seen: Callable[[Any, int | None], None]) -> None:
    """`seen` is told of each outcome and its event's number, after its commit."""
    commit = outbox.commit

    def told(outcome: Any) -> int | None:
        number = commit(outcome)
        seen(outcome, number)
        return number

    setattr(outbox, "commit", told)  # noqa: B010 - one object's own, for as long as it is measured


def name_of(outcome: Any) -> str:
    """What a burst is counted under."""
    if not isinstance(outcome, Outcome):
        return "withheld"
    sampled = outcome.audited is not None and outcome.audited.sample is not None
    return "rejected, a sample" if sampled else outcome.outcome
