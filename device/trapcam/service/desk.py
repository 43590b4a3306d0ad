"""Between the page's thread and the trap's loop: what the page wants is done in the loop, one thing at a time."""

import queue
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
MAX_WAITING = 32  # two phones ask for a few things at once; more is a flood
PATIENCE_S = 20.0  # a burst that is being judged takes a few seconds on a slow board


class BusyError(Exception):
    """The trap did not get to it in time; asking again is harmless."""


class Desk:
    """`ask` is called by the page's threads, `step` by the loop."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._waiting: queue.Queue[tuple[Callable[[], Any], Future[Any]]] = queue.Queue(MAX_WAITING)
        self._patience_s = patience_s

    def ask(self, work: Callable[[], T]) -> T:
        """What `work` returns, done by the loop.  Raises: BusyError; what `work` raises."""
        answer: Future[T] = Future()
        try:
            self._waiting.put_nowait((work, answer))
            return answer.result(self._patience_s)
        except (queue.Full, TimeoutError):
            answer.cancel()  # what nobody waits for any more is not done behind his back
            raise BusyError from None

    def step(self) -> bool:
        """Do what waits; whether there was anything."""
        moved = False
        while not self._waiting.empty():
            work, answer = self._waiting.get_nowait()
            if answer.set_running_or_notify_cancel():
                moved = True
                try:
                    answer.set_result(work())
                except Exception as error:  # it belongs to whoever asked
                    answer.set_exception(error)
        return moved
