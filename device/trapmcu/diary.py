"""What the supervisor writes into its event log: which codes, with which values (EVENTS.md). It decides nothing."""

import struct

from trapmcu import pipower
from trapmcu.battery import CRITICAL, LOW
from trapmcu.eventlog import EventLog
from trapmcu.retained import WATCHDOG
from trapwire import events as ev
from trapwire.alert import TIME_BASE_UNIX_MS
from trapwire.unitstates import ARMED, SAFE, SERVICE

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

    from trapmcu.clock import Clock
    from trapmcu.pipower import PiPower

DAY_MS = 86400000
# Why the Pi was switched on; 1, the partner, is the cause of its trigger; others of these are 4 and above
MOVED, HOURS, SERVES, OTHERS = 0, 2, 3, 2
CUTS = {pipower.SILENT: 0, pipower.NO_HALT: 1, pipower.BATTERY: 3}
_KEPT = ">QHQ"
_KEPT_BYTES = 18


class Diary:
    """kept: what `keep` gave before a deep sleep, or nothing. `log`: the ring itself."""

    def __init__(self, board: "Any", clock: "Clock", kept: bytes, now: int) -> None:
        self._board = board
        self._clock = clock
        self.heard = self._clock_at = now  # ms at which the base was; from the first start on
        self._days = 0  # without a word of the base
        if kept:
            self.heard, self._days, self._clock_at = struct.unpack(_KEPT, kept[:_KEPT_BYTES])
        self.log = EventLog(board.flash, board.random, kept[_KEPT_BYTES:])
        self._pi_was = pipower.OFF
        self._pi_at = now
        self._state_at = now

    def keep(self) -> bytes:
        """For a deep sleep that follows at once."""
        return struct.pack(_KEPT, self.heard, self._days, self._clock_at) + self.log.retain()

    def note(self, code: int, value: int = 0) -> None:
        """One entry: with true time, where that is known."""
        self.log.add(code, value, *self._time(self._board.now_ms()))

    def fault(self, now: int) -> int:
        """The code of the last fault within a day, 0 for none."""
        return self.log.fault(self._time(now)[0])

    def start(self, resets: int) -> None:
        """A start that was no wake from sleep."""
        cause = self._board.reset_cause()
        self.note(ev.WATCHDOG, resets) if cause == WATCHDOG else self.note(ev.START, cause)
        if not self._board.clock_kept():
            self.note(ev.CLOCK_LOST)

    def state(self, before: int, after: int, resets: int, now: int) -> None:
        """The unit has gone from one state to another."""
        self.note(ev.STATE, before << 8 | after)
        lasted_s = (now - self._state_at) // 1000
        self._state_at = now
        if before == SERVICE:
            self.note(ev.SERVICE_LEFT, lasted_s)
        elif before == SAFE:
            self.note(ev.SAFE_LEFT, resets)
        if after == SERVICE:
            self.note(ev.SERVICE_ENTERED)
        elif after == SAFE:
            self.note(ev.SAFE_ENTERED, resets)

    def pi(self, power: "PiPower", state: int, cause: int, now: int) -> None:
        """What has become of the Pi; `cause`: of the trigger that waits for it, `state`: the unit's."""
        if power.state == self._pi_was:
            return
        lasted_s = (now - self._pi_at) // 1000
        self._pi_was, self._pi_at = power.state, now
        if power.state == pipower.BOOTING:
            if cause > 1:
                cause += OTHERS
            self.note(ev.PI_ON, SERVES if state == SERVICE else HOURS if state == ARMED else cause)
        elif power.state == pipower.UP:
            self.note(ev.PI_UP, lasted_s)
        elif power.state == pipower.LEAVING:
            self.note(ev.PI_LEAVE, state)
        else:
            self.note(ev.PI_HALTED, lasted_s)

    def cut(self, why: int, faults: int) -> None:
        """The Pi's power was cut."""
        self._pi_was = pipower.OFF
        if why == pipower.NO_START:
            self.note(ev.PI_NO_SHOW, faults)
        else:
            self.note(ev.PI_CUT, CUTS[why])

    def battery(self, level: int, mv: "int | None") -> None:
        code = ev.BATTERY_CRITICAL if level == CRITICAL else ev.BATTERY_LOW if level == LOW else ev.BATTERY_OK
        self.note(code, mv or 0)

    def link(self, event: str, now: int) -> None:
        """The base was heard, or it has set the clock."""
        if event == "heard":
            if self._days:
                self.note(ev.BASE_HEARD, self._days)
            self.heard, self._days = now, 0
        elif event == "time" and now - self._clock_at >= DAY_MS:
            self._clock_at = now
            self.note(ev.CLOCK_SET)

    def step(self, now: int) -> None:
        """A day without the base is said, and each further one; and that the base has another time than we."""
        if self._clock.off_s:
            self.note(ev.CLOCK_DOUBTFUL, self._clock.off_s)
            self._clock.off_s = 0
        days = (now - self.heard) // DAY_MS
        if days > self._days:
            self._days = min(days, 0xFFFF)
            self.note(ev.BASE_LOST, self._days)

    def _time(self, now: int) -> "tuple[int, bool]":
        """Seconds since 2020, or where the time is not known of the unit's clock; which of the two."""
        time = self._clock.read(now)
        return (now // 1000, False) if time is None else ((time[0] - TIME_BASE_UNIX_MS) // 1000, True)
