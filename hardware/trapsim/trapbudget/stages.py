"""A clock for the stages of a burst: CPU seconds of the whole process, each counted in the innermost stage only."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STAGES = ("camera", "unpack", "detect", "choose", "rungs", "seal", "commit", "other")


class StageClock:
    """`seconds`: by stage since the start or the last `take`; what is in none is `other`."""

    def __init__(self, cpu_s: Callable[[], float] = time.process_time) -> None:
        self._cpu_s = cpu_s
        self._inside = ["other"]
        self._since_s = cpu_s()
        self.seconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """What happens within counts for `name`, but for stages within that."""
        self._turn()
        self._inside.append(name)
        try:
            yield
        finally:
            self._turn()
            self._inside.pop()

    def take(self) -> dict[str, float]:
        """The seconds so far; begins again."""
        self._turn()
        taken, self.seconds = self.seconds, dict.fromkeys(STAGES, 0.0)
        return taken

    def _turn(self) -> None:
        now_s = self._cpu_s()
        self.seconds[self._inside[-1]] += now_s - self._since_s
        self._since_s = now_s
