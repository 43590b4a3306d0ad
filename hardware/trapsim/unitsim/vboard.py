"""The board that the firmware sees, BOARD INTERFACE version 2: one object for one life, in virtual time."""

from trapsim.unitsim.antenna import Driver
from trapsim.unitsim.dice import Dice, aes
from trapsim.unitsim.endings import SLEEP, SOFT, WATCHDOG, Ended

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

    from trapsim.unitsim.carrier import Unit

PIR, BUTTON = 2, 8  # of what ends a sleep
RECHECK_MS = 5000  # of deep sleep while one of these is high: it ends no sleep then
RETAINED_BYTES = 2048
NEVER = 1 << 60
SPINS = 20000  # calls without a wait: a loop that hangs, which the watchdog ends
TICKS_MASK = (1 << 30) - 1


def _ticks_diff(a: int, b: int) -> int:
    """As `time.ticks_diff`: signed, within half the period."""
    return ((a - b + (1 << 29)) & TICKS_MASK) - (1 << 29)


class VirtualBoard:
    """One life of `unit`'s firmware. cause: why it began."""

    def __init__(self, unit: "Unit", cause: int) -> None:
        self._unit = unit
        self._world = unit.world
        self._cause = cause
        self._woken = unit.woken
        self._kept = unit.clock_kept
        unit.clock_kept = True
        self._dice = Dice(unit.world.dice.below(1 << 30))
        self._spins = 0
        self._started = unit.world.now
        from trapmcu.boards.ticks import Ticks  # here: it may have been forgotten since the last life

        self._clock = Ticks(self._ticks_ms, _ticks_diff, unit.clock)
        self._lamp = self._beep = False
        self.flash = unit.flash.path
        self.radio: "Driver | None" = None
        self._make_radio()

    def _check(self) -> None:
        """Raises: Ended when this life is over, whatever the firmware was doing."""
        if self._unit.ended is not None:
            raise Ended(self._unit.ended)
        self._spins += 1
        if self._spins > SPINS:
            raise Ended(WATCHDOG)

    def now_ms(self) -> int:
        self._check()
        return self._clock.now_ms()

    def _ticks_ms(self) -> int:
        """The interpreter's, which begin at each reset, and anew every 12.4 days."""
        return (self._unit.ticks_at_start + self._world.now - self._started) & TICKS_MASK

    def clock_kept(self) -> bool:
        return self._kept

    def reset_cause(self) -> int:
        return self._cause

    def woke_by(self) -> int:
        return self._woken

    def wait(self, ms: int) -> None:
        """Until then, or until there is something to look at; never less than 1 ms, a round of the loop."""
        self._check()
        self._spins = 0
        unit = self._unit
        until = self._world.now + max(1, ms)
        if unit.hangs and unit.pi.on_since is not None:
            unit.thread.hold(NEVER, lambda: unit.ended is not None)
        if unit.chip.sends_until is not None and not unit.chip.stuck:
            until = min(until, max(unit.chip.sends_until, self._world.now + 1))
        before = unit.happened()
        unit.thread.hold(until, lambda: unit.happened() != before)
        unit.count()
        self._check()

    def running(self) -> bool:
        return True

    def random(self, below: int) -> int:
        return self._dice.below(below)

    def aes(self, key: bytes) -> "Any":
        return aes(key)

    def retained(self) -> bytes:
        return self._unit.retained

    def retain(self, data: bytes) -> None:
        """Raises: ValueError over 2,048 bytes."""
        self._check()
        if len(data) > RETAINED_BYTES:
            raise ValueError("%d bytes to retain, allowed are %d" % (len(data), RETAINED_BYTES))
        self._unit.retained = bytes(data)

    def feed(self) -> None:
        self._check()
        self._unit.fed_at = self._world.now

    def sleep(self, ms: "int | None", wakes: int) -> None:
        self._check()
        unit = self._unit
        high = unit.high() & wakes
        if high:
            ms = RECHECK_MS if ms is None else min(ms, RECHECK_MS)
        unit.wakes = wakes & ~high
        unit.wake_at = NEVER if ms is None else self._world.now + max(1, ms)
        raise Ended(SLEEP)

    def reset(self) -> None:
        self._check()
        raise Ended(SOFT)

    def pi_power(self, on: bool) -> None:
        self._check()
        if on != (self._unit.pi.on_since is not None):
            self._unit.switch_pi(on)

    def high(self) -> int:
        self._check()
        return self._unit.high()

    def lid_open(self) -> "bool | None":
        self._check()
        return self._unit.lid_open

    def start_radio(self) -> None:
        self._check()
        if not self._unit.chip.dead:
            self._unit.chip.reset()
        self._make_radio()

    def _make_radio(self) -> None:
        self._unit.radio_starts += 1
        self.radio = None if self._unit.chip.dead else Driver(self._unit.chip, self._check)

    def pi_halted(self) -> "bool | None":
        self._check()
        return self._unit.pi.halted()

    def battery_mv(self) -> "int | None":
        self._check()
        return self._unit.millivolts()

    def temperature_c(self) -> "int | None":
        self._check()
        return self._unit.battery.weather.now_c()

    def button(self) -> int:
        self._check()
        presses = self._unit.presses
        return presses.pop(0) if presses else 0

    def lamp(self, on: bool) -> None:
        self._lamp = self._tell(on, self._lamp, "lamp")

    def beep(self, on: bool) -> None:
        self._beep = self._tell(on, self._beep, "beep")

    def _tell(self, on: bool, was: bool, what: str) -> bool:
        self._check()
        if on != was:
            self._unit.trace.append((self._world.now, what + (" on" if on else " off")))
        return on

    def uart_read(self) -> bytes:
        self._check()
        return self._unit.uart.take()

    def uart_write(self, data: bytes) -> None:
        self._check()
        self._unit.pi.from_mcu.send(data, self._world.now)

    def pir_edges(self) -> int:
        self._check()
        edges, self._unit.edges = self._unit.edges, 0
        return edges

    def battery_percent(self) -> "int | None":
        """Of version 1, for as long as the firmware asks for it."""
        return None
