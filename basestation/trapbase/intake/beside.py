"""Where a commit waits for the disk: where it is asked for, or in a thread of its own while the next group is read.

In virtual time everything is done at once, and in one thread.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Protocol, TypeVar

T = TypeVar("T")


class Doer(Protocol):
    """Does one job after the other; what a job raises, its result raises."""

    def begin(self, job: Callable[[], T]) -> Future[T]: ...

    def close(self) -> None:
        """Nothing more comes; what was begun is done when this returns."""


class AtOnce:
    """Does a job while its giver waits."""

    def begin(self, job: Callable[[], T]) -> Future[T]:
        return _done(Future(), job)

    def close(self) -> None:
        pass


class Beside:
    """Does jobs in a thread of its own, which the first one starts.

    A job has begun when `begin` returns: whoever goes on at once would keep Python's lock for all that he does, and the
    other thread from the one call that needs no lock.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._begun = threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    def begin(self, job: Callable[[], T]) -> Future[T]:
        if self._thread is None:
            # A daemon: a disk that never answers must not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        promised: Future[T] = Future()
        self._jobs.put(lambda: _done(promised, job))
        self._begun.acquire()
        return promised

    def close(self) -> None:
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._begun.release()
            job()


def _done(promised: Future[T], job: Callable[[], T]) -> Future[T]:
    try:
        promised.set_result(job())
    except BaseException as error:  # whoever asks for the result meets it, in its own thread
        promised.set_exception(error)
    return promised
