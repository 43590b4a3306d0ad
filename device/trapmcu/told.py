"""What the base's words do on a trap: the time to the clock and the Pi, wishes to the Pi, settings to their trial."""

from trapmcu.clock import Clock
from trapmcu.trial import Trial
from trapwire import serialline as line
from trapwire.objects import ObjectKey, pack_keys
from trapwire.unitstates import UNKNOWN_DB
from trapwire.words import encode_time

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Any

MAX_WANTED = 8  # the base says it again


class Told:
    """Takes the link's events. say(kind, payload): to the Pi; remember(): what was heard is durable, or False: a word
    is done once, also after a reset, so that comes first.
    """

    def __init__(
        self,
        clock: Clock,
        trial: Trial,
        say: "Callable[[int, bytes], None]",
        remember: "Callable[[], bool]",
    ) -> None:
        self._clock = clock
        self._trial = trial
        self._say = say
        self._remember = remember
        self.wanted: "list[ObjectKey]" = []  # that the Pi has not handed over since
        self._replied: "int | None" = None
        self.margin_db = UNKNOWN_DB  # at which the base hears this trap

    def on_event(self, event: "tuple[Any, ...]", now: int) -> None:
        """One event of the link, in the order in which they came."""
        if event[0] == "heard":
            self._trial.on_heard()
        elif event[0] == "replied":
            self._replied = event[1]
        elif event[0] == "margin":
            self.margin_db = event[1]
        elif event[0] in ("time", "wanted", "setting") and self._remember():
            if event[0] == "time":
                self._clock.hear(now, event[1], event[2])
            elif event[0] == "wanted":
                self.wanted = ([key for key in self.wanted if key != event[1]] + [event[1]])[-MAX_WANTED:]
                self._say(line.WANTED, pack_keys([event[1]]))
            else:
                self._trial.on_setting(event[1], event[2], event[3])

    def step(self, now: int) -> "int | None":
        """What waits for a silent antenna; when to call again at the latest."""
        replied, self._replied = self._replied, None
        if replied is not None:
            self._trial.on_replied(replied, now)
        return self._trial.step(now)

    def on_wake(self, now: int) -> None:
        """The Pi is about to look: it should know when."""
        time = self._clock.read(now)
        if time is not None:
            self._say(line.TIME, encode_time(time[0], time[1]))

    def on_hello(self, now: int) -> None:
        """The Pi has started: it hears the time, and what was asked for while it slept."""
        self.on_wake(now)
        for key in self.wanted:
            self._say(line.WANTED, pack_keys([key]))

    def on_put(self, key: ObjectKey) -> bool:
        """The Pi has handed this over; whether the base had asked for it, and so does not have it, or no more."""
        asked = key in self.wanted
        if asked:
            self.wanted.remove(key)
        return asked
