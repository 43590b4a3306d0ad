"""Runs the worker of trapcam's Pi camera in virtual time, on the thread that asks (`trapcam.camera.feed.Drive`)."""

import threading
from collections.abc import Callable

from trapsim.picam import VirtualTime


class VirtualDrive:
    """Turns are taken when they are due by the virtual clock; a capture that takes time moves that clock itself."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time
        self._turns: list[tuple[float, Callable[[], float | None]]] = []  # when due (s), what

    def launch(self, turn: Callable[[], float | None]) -> None:
        self._turns.append((self._time.now_s, turn))

    def hurry(self) -> None:
        self._turns = [(self._time.now_s, turn) for _, turn in self._turns]

    def catch_up(self) -> None:
        """One turn of each that is due."""
        for at_s, turn in list(self._turns):
            if at_s <= self._time.now_s:
                self._turns.remove((at_s, turn))
                pause_s = turn()
                if pause_s is not None:
                    self._turns.append((self._time.now_s + pause_s, turn))

    def wait(self, changed: threading.Condition, ready: Callable[[], bool], timeout_s: float) -> None:
        end_s = self._time.now_s + timeout_s
        while not ready() and self._time.now_s < end_s:
            due_s = min((at_s for at_s, _ in self._turns), default=end_s)
            if due_s > self._time.now_s:
                self._time.sleep(min(due_s, end_s) - self._time.now_s)
            self.catch_up()
