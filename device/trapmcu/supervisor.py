"""The supervisor of a trap: PIR, button, battery, the Pi's power and the unit's sleep. What it decides by stands in
`states`, `pipower` and `policy`; what is carried, `courier` carries.
"""

import struct

from trapmcu import lights, pipower, states
from trapmcu.battery import CRITICAL, OK
from trapmcu.clock import Clock
from trapmcu.courier import REST_MS, Courier
from trapmcu.diary import Diary
from trapmcu.gauge import Gauge
from trapmcu.inputs import Inputs
from trapmcu.lights import Lights
from trapmcu.pipower import PiPower
from trapmcu.policy import Policy
from trapmcu.resets import SAFE_MS, STEADY_MS, Resets
from trapmcu.retained import BUTTON, PIR, RADIO, SLEEP, TIMER, keep, take
from trapwire import events as ev
from trapwire import serialline as line
from trapwire.objects import NOTE
from trapwire.unitstates import PARKED, SAFE, SAVING, SERVICE, SHOOTING, UNKNOWN_C, UNKNOWN_DAYS, UNKNOWN_S
from trapwire.wake import PIR as BY_PIR

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

# Pieces of memory that outlive a deep sleep; the courier's are below 16
UNIT, POLICY, CLOCK, BATTERY, LOG, INPUTS = 16, 17, 18, 19, 20, 21
_UNIT = ">BBIIQQQQQ"
DAY_MS = 86400000
LONGEST_REST_MS = 3600000  # then the battery is looked at
PRESS_MS = 2000  # of the button, or the magnet: held longer it means service
DAILY, LID = 2, 3  # of the causes in a WAKE message
VISIT_OVER = 2  # of what DONE says: the ranger leaves
_MODE = ">BBbbBBHHbH"
MODE_MS = 5000  # in service the Pi is told so often how the unit is
# What the courier says is full or broken, for the log
TROUBLES = {"full": ev.QUEUE_FULL, "flash": ev.FLASH_FULL, "radio": ev.RADIO_FAULT}
MAX_PENDING = 8  # triggers that wait for a Pi that boots; more of them mean the same animal
STALE_MS = 60000  # a Pi that has started again is not told of older ones: what moved is gone
PROMISE_MS = 120000  # so long the base is asked after, before the lamp says that it did not answer
HUSH_MS = 900000  # after repeated resets nothing is sent for so long: it may be that which pulls the battery down


class Supervisor:
    """One trap's supervisor on `board`; `step(now)` does what is due. Times are ms of the board's clock.

    `state`: of `trapwire.unitstates`; `courier`: what it carries, and its counts.
    """

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        now = board.now_ms()
        slept = board.reset_cause() == SLEEP
        kept = take(board)
        self._board = board
        self._service_ms = settings["service_min"] * 60000
        self._busy_ms = settings["pi_busy_ms"]
        self._many = settings["safe_resets"]
        self.state = PARKED
        self._since = self._started = now
        self._steady_at = now + STEADY_MS
        self._over_at = 0  # service, or safe
        self._events = 0  # levels of what has happened, until decided on
        self._triggers = self._day_triggers = 0
        self._day_at = now
        self._high = 0  # inputs that are high, as wake sources
        self._pending: "list[tuple[int, int, int]]" = []  # what the Pi has not seen to: number, cause, ms
        self._told = 0  # the last of these that it was told
        self._was_heard = False
        self._idle = False
        self._missed = False  # the Pi has said DONE of less than it was told
        self._mode: "int | None" = None  # the state that it was told
        self._mode_at = self._walked = 0  # in service: when it is told that again, and the PIR's edges
        self._promise_at: "int | None" = None  # until then the base is asked after, for somebody who waits here
        self._card_fault = False
        self._resets = Resets(board.flash + "/resets", not slept)
        self._policy = Policy(settings, now)
        self._inputs = Inputs()
        self._gauge = Gauge(board, settings, now, kept.get(BATTERY))
        self._clock = Clock(settings["drift_ppm"], board.flash + "/clock", board.clock_kept())
        self._diary = Diary(board, self._clock, kept.get(LOG, b""), now)
        self._lights = Lights(board.lamp, board.beep)
        self._pi = PiPower(settings, now, board.pi_power, self._ask, self._cut)
        woke = board.woke_by() if slept else 0
        by_radio = bool(woke & RADIO) and UNIT in kept
        low = self._gauge.level != OK
        self.courier = Courier(
            board, settings, self._clock, kept, by_radio, self._notice, self._health, self._diary.log, low
        )
        if UNIT in kept:
            self._resume(kept)
        else:
            board.pi_power(False)
            self._diary.start(self._resets.total)
            if self._resets.in_row >= self._many:
                self.courier.hush(now + HUSH_MS)
            elif not slept:
                self._promise(now)  # somebody has just put it up, or nobody is there to see the lamp
        if woke & PIR:
            board.pir_edges()  # that edge is among them
            self._trigger(BY_PIR, now)

    def step(self, now: int) -> int:
        """Do what is due; when to call again at the latest, in ms, unless UART, PIR, button or radio wake us."""
        edges = self._board.pir_edges()
        for _ in range(edges):
            self._trigger(BY_PIR, now)
        self._press(self._board.button(), now)
        self._walked += edges
        self._look(edges, now)
        deadlines = [self.courier.step(now)]
        self._measure(now)
        self._decide(now)
        wanted = bool(states.WANTS[self.state] & states.PI)
        halted = self._board.pi_halted() if self._pi.state == pipower.LEAVING else None
        deadlines.append(self._pi.step(now, wanted, halted))
        self._diary.pi(self._pi, self.state, self._pending[-1][1] if self._pending else 0, now)
        self._diary.step(now)
        if self._pi.state == pipower.UP:
            self._tell_pi(now)
            if self.state == SERVICE:
                deadlines.append(self._mode_at)
        elif self._pi.state == pipower.OFF and not wanted:
            self._pending = []  # a Pi that could not be had, or left without a word: nothing keeps the unit awake
        if self._promise_at is not None and now >= self._promise_at:
            self._promise_at = None
            self._lights.show(lights.NOT_HEARD, now)
        deadlines += [self._lights.step(now), self._promise_at]
        if self.state in (SERVICE, SAFE):
            deadlines.append(self._over_at)
        if self.state == SHOOTING:
            deadlines.append(self._since + self._busy_ms)
        deadlines.append(self._gauge.deadline())
        return min([d for d in deadlines if d is not None])

    def works(self, now: int) -> bool:
        """Whether new firmware or settings have shown that they serve: the base was heard."""
        return self._was_heard

    def rest(self, now: int) -> "tuple[int, int] | None":
        """ms and wake sources of a deep sleep that may follow at once, else None. All is kept for it."""
        if not states.WANTS[self.state] & states.SLEEP or self._pi.state != pipower.OFF:
            return None
        shown = self._lights.showing or self._promise_at is not None
        held = self._high & BUTTON & ~self._inputs.stuck  # a press ends no sleep that began meanwhile
        if held or shown or self._pending or self._events:
            return None
        rest = self.courier.rest_ms(now)
        if rest is None:
            return None
        rest = min(rest, LONGEST_REST_MS, self._policy.change_ms(self._utc_ms(now)), self._inputs.pause_ms(now))
        rest = min(rest, self._policy.picture_ms(now, self._utc_ms(now)) or rest)
        if self.state == SAFE:
            rest = min(rest, self._over_at - now)
        wakes = TIMER | BUTTON
        if (
            states.WANTS[self.state] & states.WATCH
            and self._gauge.level != CRITICAL
            and self._policy.watches(self._utc_ms(now))
        ):
            gap = self._policy.wait_ms(now)
            if gap:
                rest = min(rest, gap)
            else:
                wakes |= PIR
        if rest < REST_MS:
            return None
        if self.courier.doze(now):
            wakes |= RADIO
        self._keep(now)
        return rest, wakes & ~self._inputs.stuck

    # What happens

    def _trigger(self, cause: int, now: int) -> None:
        if not states.WANTS[self.state] & states.WATCH or self._gauge.level == CRITICAL:
            return
        if self.state != SERVICE:  # a walk test is seen whole
            accepted = self._policy.accept(now, self._utc_ms(now), self.state == SAVING)
            held_back = self._policy.news(now)
            if held_back is not None:
                self._diary.note(ev.BUDGET_SPENT, held_back)
            if not accepted:
                return
        if cause == BY_PIR:
            self.courier.call_partner(now)
        self._wake(cause, now)

    def _wake(self, cause: int, now: int) -> bool:
        """The Pi is to look, whatever the budget says; whether it will."""
        if not states.WANTS[self.state] & states.WATCH or self._gauge.level == CRITICAL:
            return False
        if self._pi.state == pipower.OFF and self._pi.not_before - now > REST_MS:
            return False  # it pauses after a fault: what moves now is gone by the time it could look; the partner may
        self._triggers += 1
        self._pending = (self._pending + [(self._triggers, cause, now)])[-MAX_PENDING:]
        self._idle = False
        self._events |= states.TRIGGER
        return True

    def _look(self, edges: int, now: int) -> None:
        """What stands on the inputs, and whether the day's picture is due."""
        self._high = self._board.high()
        for bit, minutes in self._inputs.look(self._high & ~PIR if edges else self._high, now):
            self._diary.note(ev.PIR_STUCK if bit == PIR else ev.BUTTON_STUCK, minutes)
        opened = self._inputs.opened(self._board.lid_open(), now)
        if opened and (self.state == SERVICE or self._events & states.BUTTON):
            self._diary.note(ev.LID_OPENED)
        elif opened:
            self._diary.note(ev.LID_ALARM, opened)
            self.courier.beat()
            self._wake(LID, now)
        if self.state in (SERVICE, SAVING) or self._gauge.level != OK:
            return
        if self._policy.picture_ms(now, self._utc_ms(now)) == 0 and self._wake(DAILY, now):
            self._policy.pictured_at = now

    def _press(self, held_ms: int, now: int) -> None:
        if held_ms >= PRESS_MS:
            self._resets.forgive()
            self._events |= states.BUTTON
        elif held_ms:
            self._promise(now)

    def _notice(self, what: str, value: "Any", now: int) -> None:
        """What the courier has met."""
        if what == "partner":
            self._trigger(value, now)
        elif what == "heard" or (what == "delivered" and value == NOTE and self.state == SERVICE):
            self._was_heard = True
            if self._promise_at is not None or what != "heard":  # what the ranger has written is at the base
                self._promise_at = None
                self._lights.show(self._trouble() or lights.LEAVE, now)
        elif what == "pi":
            self._on_pi(value[0], value[1], now)
        elif what in TROUBLES:
            self._diary.note(TROUBLES[what], value)
        self._diary.link(what, now)

    def _on_pi(self, kind: int, payload: bytes, now: int) -> None:
        self._pi.heard(now)
        if kind == line.HELLO:
            self._mode = None
            self._told = 0
            self._pending = [p for p in self._pending if now - p[2] < STALE_MS]
        elif kind == line.DONE and len(payload) == 5:
            what, number = struct.unpack(">BI", payload)
            self._pending = [p for p in self._pending if p[0] > number]
            if what == VISIT_OVER:
                self._mode = None  # said by the Pi until it hears of another state
                self._events |= states.BUTTON if self.state == SERVICE else 0
            elif what:
                self._pi.halting(now)
            elif self._pending and self._missed:
                self._told, self._missed = number, False  # twice: the WAKE was lost on the line
            else:
                self._missed = bool(self._pending)
            self._idle = not self._pending
        elif kind == line.FAULT and len(payload) == 1:
            if payload[0] and not self._card_fault:
                self._diary.note(ev.CARD_FAULT, payload[0])
            self._card_fault = bool(payload[0])

    def _trouble(self) -> int:
        if self._card_fault:
            return lights.CARD
        if self.state == SAFE or self._pi.faults:
            return lights.FAULT
        return lights.NONE if self._gauge.level == OK else lights.BATTERY

    def _promise(self, now: int) -> None:
        """Somebody waits for a word: ask the base now, and show what comes of it."""
        self.courier.beat()
        self._promise_at = now + PROMISE_MS
        self._lights.show(lights.WAIT, now)

    # What follows from it

    def _decide(self, now: int) -> None:
        if now >= self._steady_at and self.state != SAFE:
            self._resets.forgive()
        low = self._gauge.level != OK
        levels = self._events | (states.LOW if low else states.WELL)
        if self.state == SAFE and now >= self._over_at:
            self._resets.forgive()
        levels |= states.RESETS if self._resets.in_row >= self._many else states.CALM
        if self.state == SERVICE and now >= self._over_at:
            levels |= states.OVER
        if self.state == SHOOTING and self._pi_has_done(now):
            levels |= states.DONE
        levels |= states.HOURS if self._policy.armed(self._utc_ms(now)) else states.NO_HOURS
        levels |= states.QUEUE if self.courier.queued() else states.EMPTY
        self._events = 0
        state = states.settle(self.state, levels)
        if state != self.state:
            self._enter(state, now)
        self.courier.alerts_only = low

    def _pi_has_done(self, now: int) -> bool:
        if now - self._since >= self._busy_ms:
            return True
        return self._idle or (self._pi.state == pipower.OFF and not self._pending)

    def _enter(self, state: int, now: int) -> None:
        before, self.state, self._since = self.state, state, now
        resets = self._resets.in_row if state == SAFE else self._resets.total
        self._diary.state(before, state, resets, now)
        if state == SERVICE:
            self._over_at = now + self._service_ms
            self._walked = 0
            self.courier.beat()  # the page says how the base hears this trap
            self._lights.show(lights.SERVICE, now)
        elif state == SAFE:
            self._over_at = now + SAFE_MS
        if before == SERVICE:
            self._pending = []  # the walk test's are none to be looked at
            self._promise(now)

    def _tell_pi(self, now: int) -> None:
        if self._mode != self.state or (self.state == SERVICE and now >= self._mode_at):
            self._mode, self._mode_at = self.state, now + MODE_MS
            heard_s, days, celsius = (now - self._diary.heard) // 1000, self._gauge.days_left, self._gauge.celsius
            self.courier.say(line.MODE, struct.pack(
                _MODE, self.state, self._percent(), *self.courier.reach(),
                UNKNOWN_S if self._diary.heard == self._started else min(heard_s, UNKNOWN_S),
                UNKNOWN_DAYS if days is None else min(days, UNKNOWN_DAYS),
                UNKNOWN_C if celsius is None else celsius, self._walked & 0xFFFF,
            ))  # fmt: skip
        for number, cause, at in self._pending:
            if number > self._told:
                self._told, self._missed = number, False
                self.courier.wake(number, cause, now - at, now)

    def _ask(self) -> None:
        self.courier.say(line.LEAVE, b"")

    def _cut(self, why: int) -> None:
        self._diary.cut(why, self._pi.faults)
        self._pending = []  # what moved is gone by the time it could look

    def _measure(self, now: int) -> None:
        before = self._gauge.level
        if self._gauge.step(now, self._pi.state != pipower.OFF, self._pi.state == pipower.BOOTING):
            self._diary.note(ev.BROWN_OUT, self._gauge.mv or 0)
            self._pi.battery_gave_way(now)
        if self._gauge.level != before:
            self._diary.battery(self._gauge.level, self._gauge.mv)

    def note(self, code: int, value: int) -> None:
        """An entry in the log, for `main`."""
        self._diary.note(code, value)

    def _percent(self) -> int:
        percent = self._gauge.percent
        return 255 if percent is None else percent

    def _utc_ms(self, now: int) -> "int | None":
        time = self._clock.read(now)
        return None if time is None else time[0]

    def _health(self) -> "dict[str, int]":
        now = self._board.now_ms()
        values: "dict[str, Any]" = {
            "state": self.state,
            "resets": self._resets.total,
            "triggers": self._triggers - self._day_triggers,
        }
        values["uptime_s"] = (now - self._started) // 1000
        values["fault"] = self._diary.fault(now)
        if now - self._day_at >= DAY_MS:
            self._day_at, self._day_triggers = now, self._triggers
        values.update({"battery_mv": self._gauge.mv, "battery": self._gauge.percent})
        values.update({"days_left": self._gauge.days_left, "temperature_c": self._gauge.celsius})
        return {name: values[name] for name in values if values[name] is not None}

    # Over a sleep

    def _keep(self, now: int) -> None:
        kept = self.courier.keep(now)
        kept[UNIT] = struct.pack(
            _UNIT, self.state, min(self._pi.faults, 255), self._triggers, self._day_triggers, self._day_at,
            self._started, self._steady_at, self._over_at, self._pi.not_before,
        )  # fmt: skip
        kept[POLICY] = self._policy.pack()
        kept[INPUTS] = self._inputs.pack()
        kept[CLOCK] = self._clock.keep()
        kept[BATTERY] = self._gauge.keep(now)
        kept[LOG] = self._diary.keep()
        keep(self._board, kept)

    def _resume(self, kept: "dict[int, bytes]") -> None:
        numbers = struct.unpack(_UNIT, kept[UNIT])
        self.state, self._pi.faults, self._triggers, self._day_triggers, self._day_at = numbers[:5]
        self._started, self._steady_at, self._over_at, self._pi.not_before = numbers[5:]
        self._told = self._triggers
        self._policy.unpack(kept[POLICY])
        self._inputs.unpack(kept[INPUTS])
        self._clock.resume(kept[CLOCK])
