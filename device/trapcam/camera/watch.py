"""When a camera that misbehaves is closed and opened again, and when that is no use any more (pure; `now_s` monotonic).

              first shot            a failure, or a renewal              closed, or left behind
    OPENING ─────────────► SHOOTING ────────────────────────► CLOSING ───────────────────────────► DOWN
     ▲    └──────────────────────────── a failure ──────────────┘                                   │
     └──────────────────────────────────────── after a pause ───────────────────────────────────────┘
From CLOSING to LOST after `in_a_row` failures; from each of the three, nothing within its bound leaves its thread
behind, and too many of these are LOST too. Nothing leads out of LOST.

Bounds come from what is known of picamera2 on a Pi Zero 2 W: memory that is gone after some starts (#1130),
captures that hang for over 100 s (#1086), an error every 1,500 captures or so.
"""

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What is waited for, and how often.

    start_s: from the opening to the first shot; shot_s: between two shots; close_s: for its closing; pause_s: before
    it is opened again, twice as long each time up to `longest_pause_s`; renew_shots: after so many it is opened anew
    before it fails (0: never); in_a_row: failures without `good_shots` between them, after which the process ends;
    hung: threads that may be left behind in calls that never return, before it does so at once.
    """

    start_s: float = 20.0
    shot_s: float = 6.0
    close_s: float = 8.0
    pause_s: float = 0.5
    longest_pause_s: float = 8.0
    renew_shots: int = 1_200
    in_a_row: int = 6
    good_shots: int = 20
    hung: int = 1


class State(Enum):
    OPENING = auto()  # configured and started, which may take seconds
    SHOOTING = auto()
    CLOSING = auto()
    DOWN = auto()  # closed, or left behind; opened again after a pause
    LOST = auto()  # for good


class Act(Enum):
    """What is to be done now."""

    NOTHING = auto()
    OPEN = auto()
    RENEW = auto()  # close it, nothing is wrong
    LEAVE = auto()  # its thread hangs: go on without it


class Watch:
    """The state of one camera over all of its devices. `restarts`, `renewals`: counts; `reason`: the last failure's."""

    def __init__(self, bounds: Bounds, now_s: float) -> None:
        self._bounds = bounds
        self.state = State.DOWN
        self.reason = ""
        self.restarts = self.renewals = self.hung = 0
        self._since_s = now_s  # when the state was entered, or the last shot came
        self._pause_s = 0.0
        self._shots = 0
        self._failures = 0  # in a row
        self._planned = False  # what closes it

    def opening(self, now_s: float) -> None:
        """A device is being opened."""
        self._enter(State.OPENING, now_s)
        self._shots = 0

    def shot(self, now_s: float) -> None:
        """A picture came."""
        if self.state in (State.OPENING, State.SHOOTING):
            self._enter(State.SHOOTING, now_s)
            self._shots += 1
            if self._shots >= self._bounds.good_shots:
                self._failures = 0

    def renewing(self, now_s: float) -> None:
        """It is being closed, with nothing wrong."""
        self.renewals += 1
        self._planned = True
        self._enter(State.CLOSING, now_s)

    def failed(self, reason: str, now_s: float) -> None:
        """It said that it failed; its thread goes on to close it."""
        self._failed(reason)
        self._enter(State.CLOSING, now_s)

    def closed(self, now_s: float) -> None:
        """It is closed, after a failure or a renewal."""
        bounds = self._bounds
        if self._failures >= bounds.in_a_row:
            self._enter(State.LOST, now_s)
            return
        self._pause_s = (
            min(bounds.pause_s * 2 ** (self._failures - 1), bounds.longest_pause_s) if self._failures else 0.0
        )
        self._enter(State.DOWN, now_s)

    def left(self, now_s: float) -> None:
        """Its thread was left behind in a call that does not return."""
        what = {State.OPENING: "did not start", State.CLOSING: "did not close"}.get(self.state, "gave no picture")
        reason = f"{what} within {self._bound_s():g} s and does not answer"
        if self.state is State.CLOSING and not self._planned:
            self.reason = reason  # counted when it failed
        else:
            self._failed(reason)
        self.hung += 1
        if self.hung > self._bounds.hung:
            self._enter(State.LOST, now_s)
        else:
            self.closed(now_s)

    def act(self, now_s: float, *, idle: bool) -> Act:
        """What is to be done at `now_s`; `idle`: nobody waits for pictures."""
        passed_s = now_s - self._since_s
        if self.state is State.DOWN:
            return Act.OPEN if passed_s >= self._pause_s else Act.NOTHING
        if self.state is State.LOST:
            return Act.NOTHING
        if passed_s > self._bound_s():
            return Act.LEAVE
        renew = self._bounds.renew_shots
        if idle and self.state is State.SHOOTING and renew and self._shots >= renew:
            return Act.RENEW
        return Act.NOTHING

    def _failed(self, reason: str) -> None:
        self.restarts += 1
        self._failures += 1
        self._planned = False
        self.reason = reason

    def _bound_s(self) -> float:
        bounds = self._bounds
        return {State.OPENING: bounds.start_s, State.CLOSING: bounds.close_s}.get(self.state, bounds.shot_s)

    def _enter(self, state: State, now_s: float) -> None:
        self.state = state
        self._since_s = now_s
