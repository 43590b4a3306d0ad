"""Virtual time, and whose turn it is.

Every unit's firmware runs in a thread of its own, and only one thread of all runs at any moment: a baton goes round.
So the real main loops may block in `board.wait()`, several at once, and a story may stop the time, look, and go on.
Time is true time in ms since the story began; it passes only here, and only while every unit waits.

Actors have `due()` (ms, or None for never) and `act()`, which must move `due()` on.
"""

import _thread

from trapsim.unitsim.dice import Dice
from trapsim.unitsim.endings import Over
from trapsim.unitsim.firmware import loaded_firmware, restore_firmware

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Protocol

    class Actor(Protocol):
        def due(self) -> "int | None": ...

        def act(self) -> None: ...


SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START_UNIX_MS = 1793491200000  # 2026-11-01T00:00:00Z: the story's first moment, before winter
STACK_BYTES = 512 * 1024
NEVER = 1 << 60


class Thread:
    """One unit's thread of control. `body` runs in it until it returns or raises; it may wait by `hold`."""

    def __init__(self, world: "World", body: "Callable[[], None]") -> None:
        self._world = world
        self._body = body
        self._go = _thread.allocate_lock()
        self._back = _thread.allocate_lock()
        self._go.acquire()
        self._back.acquire()
        self._started = False
        self.done = False
        self.until = 0
        self.ready: "Callable[[], bool] | None" = None

    def is_ready(self) -> bool:
        if self.done:
            return False
        return self._world.now >= self.until or (self.ready is not None and self.ready())

    def resume(self) -> None:
        """Let it run until it waits or ends."""
        if not self._started:
            self._started = True
            _thread.start_new_thread(self._run, ())
        else:
            self._go.release()
        self._back.acquire()

    def hold(self, until: int, ready: "Callable[[], bool] | None" = None) -> None:
        """Called in the thread: wait until then, or until `ready()`.  Raises: Over."""
        self.until, self.ready = until, ready
        while True:
            # Where there is one unit its own thread drives the world: handing the baton over costs more than a step.
            if not self._world.alone or not self._drive():
                self._back.release()
                self._go.acquire()
            if self._world.over:
                raise Over()
            if self.is_ready():
                return

    def _drive(self) -> bool:
        """Let time pass until this unit is ready; False when the story wants to look first."""
        try:
            while not self.is_ready():
                if not self._world.step():
                    return False
        except BaseException as error:
            self._world.failure = error
            return False
        return True

    def _run(self) -> None:
        try:
            self._body()
        except Over:
            pass
        except BaseException as error:
            self._world.failure = error
        self.done = True
        self._back.release()


class World:
    """The scheduler. `seed`: of all chance; `now`: ms since the story began; `unix_ms()`: the true time of day."""

    def __init__(self, seed: int = 1) -> None:
        self.dice = Dice(seed)
        self.now = 0
        self.over = False
        self.failure: "BaseException | None" = None
        self._actors: "list[Actor]" = []
        self._threads: "list[Thread]" = []
        self._calls: "list[tuple[int, int, Callable[[], None]]]" = []
        self._firmware = loaded_firmware()  # as its surroundings have it: lives load their own
        self._count = 0
        self._end = 0
        self._until: "Callable[[], bool] | None" = None
        self.alone = True

    def unix_ms(self) -> int:
        return START_UNIX_MS + self.now

    def add(self, actor: "Actor") -> None:
        self._actors.append(actor)

    def thread(self, body: "Callable[[], None]") -> Thread:
        """A new thread of control for a unit."""
        if hasattr(_thread, "stack_size"):
            _thread.stack_size(STACK_BYTES)
        self._threads.append(Thread(self, body))
        return self._threads[-1]

    def at(self, when: int, call: "Callable[[], None]") -> None:
        """Call it at `when` (ms of this world)."""
        self._count += 1
        self._calls.append((max(when, self.now), self._count, call))
        self._calls.sort(key=_when)

    def after(self, ms: int, call: "Callable[[], None]") -> None:
        self.at(self.now + ms, call)

    def run(self, ms: int, until: "Callable[[], bool] | None" = None) -> bool:
        """Let `ms` pass, or less where `until()` comes true; whether it did.

        Raises: what a unit's firmware raised and did not catch.
        """
        self._end, self._until = self.now + ms, until
        self.alone = len(self._threads) == 1
        self._settle()
        while self.step():
            self._settle()
        return until is not None and until()

    def step(self) -> bool:
        """Let time pass until the next thing happens; False at the end of the run, or when `until()` is true."""
        if self.now >= self._end or (self._until is not None and self._until()):
            return False
        self.now = max(self.now, min(self._end, self._next()))
        while self._calls and self._calls[0][0] <= self.now:
            self._calls.pop(0)[2]()
        for actor in self._actors:
            due = actor.due()
            if due is not None and due <= self.now:
                actor.act()
        return True

    def close(self) -> None:
        """End every unit's thread, and put back the modules that were loaded when the world began."""
        self.over = True
        for thread in self._threads:
            if not thread.done and thread._started:
                thread.resume()
        self._threads = []
        self._actors = []
        self._calls = []
        restore_firmware(self._firmware)

    def _settle(self) -> None:
        """Every unit runs until it waits for something that is not here yet."""
        moved = True
        while moved:
            moved = False
            for thread in self._threads:
                if thread.is_ready():
                    thread.resume()
                    moved = True
                if self.failure is not None:
                    failure, self.failure = self.failure, None
                    raise failure

    def _next(self) -> int:
        when = self._calls[0][0] if self._calls else NEVER
        for thread in self._threads:
            if not thread.done:
                when = min(when, thread.until)
        for actor in self._actors:
            due = actor.due()
            if due is not None:
                when = min(when, due)
        return when


def _when(call: "tuple[int, int, Callable[[], None]]") -> "tuple[int, int]":
    return call[:2]
