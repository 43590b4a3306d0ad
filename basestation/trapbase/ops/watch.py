"""The main thread's watch over the parts: systemd told, hanging parts said, each part's state written down.

Parts call `starts`, `beat` and `says` from their own threads; `step` is the main thread's.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from trapbase.ops import log as levels
from trapbase.ops.log import Log
from trapbase.ops.partfile import HANGS, RUNS, STOPPED, PartState, write_state
from trapbase.ops.pulse import Pulse
from trapkit import notify
from trapkit.notify import Notifier

WRITE_EVERY_MS = 30_000
AGAIN_MS = 1000  # a trouble that comes and goes is written, and told to systemd, at most this often
ALL_IS_WELL = "all is well"


class Watch:
    """`names`: the parts of this process; `folder`: of the base; `log`: hears of parts that hang."""

    def __init__(
        self, names: Iterable[str], folder: Path, notifier: Notifier, log: Log, write: Callable[..., bool] = write_state
    ) -> None:
        self._names = tuple(names)
        self._folder = folder
        self._notifier = notifier
        self._log = log
        self._write = write
        self._pulse = Pulse(self._names)
        self._troubles = dict.fromkeys(self._names, "")
        self._since_ms = dict.fromkeys(self._names, 0)
        self._figures: dict[str, Mapping[str, int]] = {name: {} for name in self._names}
        self._written: dict[str, tuple[str, str]] = {}
        self._due_ms = dict.fromkeys(self._names, 0)
        self._hanging: set[str] = set()
        self._ready = False
        self._told = ""
        self._tell_ms = self._keepalive_ms = 0

    def starts(self, name: str, patience_ms: int, now_ms: int) -> None:
        """A part is built, and its loop begins; a turn may take `patience_ms`."""
        self._pulse.starts(name, patience_ms)
        self._pulse.beat(name, now_ms)

    def beat(self, name: str, now_ms: int) -> None:
        """A part's loop has turned."""
        self._pulse.beat(name, now_ms)

    def says(self, name: str, trouble: str, figures: Mapping[str, int], utc_ms: int) -> None:
        """What is wrong with a part, or nothing, and its counts."""
        if trouble != self._troubles[name]:
            self._since_ms[name] = utc_ms
        self._troubles[name], self._figures[name] = trouble, dict(figures)

    def step(self, now_ms: int, utc_ms: int) -> None:
        """To be called a few times a second. `now_ms` must never go back."""
        hanging = self._pulse.hanging(now_ms)
        self._say_hanging(hanging)
        if self._pulse.all_run and not self._ready:
            self._ready = True
            self._notifier.tell(notify.READY)
        words = self._words()
        if words != self._told and now_ms >= self._tell_ms:
            self._told, self._tell_ms = words, now_ms + AGAIN_MS
            self._notifier.tell(notify.status(words))
        every_ms = self._notifier.keepalive_ms
        # Before all of them run systemd waits for READY=1, and for nothing else.
        if every_ms is not None and self._ready and not hanging and now_ms >= self._keepalive_ms:
            self._keepalive_ms = now_ms + every_ms
            self._notifier.tell(notify.WATCHDOG)
        for name in self._names:
            if self._pulse.turned_ms(name) is not None:
                self._write_down(name, HANGS if name in hanging else RUNS, now_ms, utc_ms)

    def stopping(self) -> None:
        """The parts have been asked to end."""
        self._notifier.tell(notify.STOPPING, notify.status("ending"))

    def stopped(self, utc_ms: int) -> None:
        """They have ended: nobody need look for them."""
        for name in self._names:
            if self._pulse.turned_ms(name) is not None:
                self._write(self._folder, self._state(name, STOPPED, utc_ms))

    def _say_hanging(self, hanging: dict[str, int]) -> None:
        for name in hanging.keys() - self._hanging:
            seconds = hanging[name] // 1000
            watched = "systemd gets no keepalive until it does, and starts this process again"
            if self._notifier.keepalive_ms is None:
                watched = "nobody watches this process: start it again"
            self._log.say(levels.ERROR, name, "hangs", f"its loop has not turned for {seconds} s; {watched}")
        for name in self._hanging - hanging.keys():
            self._log.say(levels.INFO, name, "turns", "its loop turns again")
        self._hanging = set(hanging)

    def _words(self) -> str:
        wrong = [f"{name}: {text}" for name, text in self._troubles.items() if text]
        wrong = [f"{name}: hangs" for name in sorted(self._hanging)] + wrong
        return "; ".join(wrong) or f"{', '.join(self._names)}: {ALL_IS_WELL}"

    def _write_down(self, name: str, state: str, now_ms: int, utc_ms: int) -> None:
        is_new = self._written.get(name) != (state, self._troubles[name])
        if now_ms < self._due_ms[name] and not (is_new and now_ms >= self._due_ms[name] - WRITE_EVERY_MS + AGAIN_MS):
            return
        self._due_ms[name] = now_ms + WRITE_EVERY_MS
        self._written[name] = (state, self._troubles[name])
        self._write(self._folder, self._state(name, state, utc_ms))

    def _state(self, name: str, state: str, utc_ms: int) -> PartState:
        return PartState(
            part=name,
            written_ms=utc_ms,
            state=state,
            trouble=self._troubles[name],
            since_ms=self._since_ms[name],
            figures=dict(self._figures[name]),
        )
