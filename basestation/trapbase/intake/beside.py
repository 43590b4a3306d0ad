"""A thread beside another: it does one job while that one waits for the disk.

Python's lock is free only while its holder waits in a call that needs none. A job that is begun right before such
a call runs during it; one that is begun earlier would take turns with whatever comes before.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Beside(Generic[T]):
    """Does jobs, one after the other, in a thread that the first one starts; what a job raises, its result raises."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[tuple[Future[T], Callable[[], T]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def begin(self, job: Callable[[], T]) -> Future[T]:
        if self._thread is None:
            # A daemon, as the parts' own threads: none of them keeps the process from ending.
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        promised: Future[T] = Future()
        self._jobs.put((promised, job))
        return promised

    def close(self) -> None:
        """What was begun is done when this returns."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (given := self._jobs.get()) is not None:
            promised, job = given
            try:
                promised.set_result(job())
            except BaseException as error:  # whoever asks for the result meets it, in its own thread
                promised.set_exception(error)
