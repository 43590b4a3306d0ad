"""What of a unit outlives its firmware's lives: the chips on the carrier board, the Pi, the battery, the enclosure.

`Unit` starts the real `trapmcu.main` again and again in a thread of its own: power on, deep sleep, watchdog, `reset()`.
At every end its heap is discarded: the mount is dropped, the board and all firmware modules (with `fresh_every`) are
made anew, so that nothing but `retained` memory, flash and the clock chip is left.
"""

import gc

from trapsim.unitsim.antenna import Aether, Chip
from trapsim.unitsim.battery import (
    BROWN_OUT_MV,
    EFFICIENCY,
    MCU_ASLEEP_W,
    MCU_AWAKE_W,
    PI_START_W,
    PI_W,
    Battery,
    Weather,
)
from trapsim.unitsim.endings import BUTTON, PIR, POWER, RADIO, SLEEP, TIMER, WATCHDOG, Ended
from trapsim.unitsim.firmware import forget_firmware, run_firmware
from trapsim.unitsim.flashdisk import BLOCKS, Flash
from trapsim.unitsim.simpi import BOOTING, SimPi
from trapsim.unitsim.uart import Buffer
from trapsim.unitsim.vboard import VirtualBoard

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

    from trapsim.unitsim.world import World

WATCHDOG_MS = 60000
START_MS = 400  # from the reset until the main program runs; an estimate for an ESP32-S3
UART_BYTES = 4096  # of the receiver's buffer
LISTED = 200  # starts that are remembered one by one
COLLECT_EVERY = 8  # what is dropped is out of reach at once; collecting it costs more than a start
PULSE_MS = 2000  # of the PIR, for each edge
NEVER = 1 << 60


class Unit:
    """One trap's hardware with its firmware. settings: for `trapmcu.main.run`; folder: for flash on CPython.

    ppm: how fast the clock chip runs, in millionths. fresh_every: firmware is loaded anew at every such start.
    `starts`: the last ones, (when, cause, woken by); `causes`: how many by cause; `slept_ms`; `power_cuts`;
    `brown_outs`; `trace`: what the lamp and beeper did.
    """

    def __init__(
        self,
        world: "World",
        air: Aether,
        settings: "dict[str, Any]",
        folder: "str | None" = None,
        feline_permille: int = 300,
        battery: "Battery | None" = None,
        ppm: float = 0.0,
        fresh_every: int = 1,
        blocks: int = BLOCKS,
    ) -> None:
        self.world = world
        self.settings = settings
        self.trap: int = settings["trap"]
        self.flash = Flash(self.trap, folder, blocks)
        self.chip = Chip(air, self.trap, settings.get("sf", 9))
        self.pi = SimPi(world, self.trap, feline_permille)
        self.battery = battery or Battery(Weather(world))
        self.ppm = ppm
        self.fresh_every = fresh_every
        self.retained = b""
        self.pir_at: "list[int]" = []  # edges to come
        self.edges = 0  # that came while the unit was awake, and nobody has taken: an interrupt counts them
        self.pir_high_until = 0  # the level, which ends a deep sleep
        self.pir_seen: "list[int]" = []
        self.down_since: "int | None" = None  # the button
        self.lid_open: "bool | None" = False
        self.radio_starts = 0
        self.presses: "list[int]" = []
        self.pressed_at: "list[int]" = []
        self.uart = Buffer()
        self.starts: "list[tuple[int, int, int]]" = []
        self.causes = [0, 0, 0, 0]
        self.trace: "list[tuple[int, str]]" = []
        self._slept_ms = 0
        self._asleep_since: "int | None" = None
        self.power_cuts = 0
        self.brown_outs = 0
        self.awake = False
        self.has_power = True
        self.fed_at = 0
        self.ended: "int | None" = None  # why this life has to end, set from outside of it
        self.wakes = 0
        self.wake_at = NEVER
        self.woken = 0
        self._clock_ms = 0
        self._clock_since = 0
        self.clock_kept = False  # a chip that is new
        self._counted_at = 0
        self._events = 0
        self._blackout = False
        self.watchdog_ms = WATCHDOG_MS
        self.ticks_at_start = 0  # of the interpreter, which wrap
        self.hangs = False  # a fault in a driver: while the Pi is on, `wait` does not return
        self.chip.on_send = self._feel_load
        if self.flash.disk is not None:
            self.flash.disk.on_cut = self._lose_power
        world.add(self)
        world.add(self.pi)
        self.thread = world.thread(self._lives)

    @property
    def slept_ms(self) -> int:
        """In deep sleep, since the story began."""
        return self._slept_ms + (0 if self._asleep_since is None else self.world.now - self._asleep_since)

    # The clock chip

    def clock(self) -> int:
        passed = self.world.now - self._clock_since
        return self._clock_ms + passed + int(passed * self.ppm / 1000000)

    def lose_clock(self) -> None:
        """Its backup supply is empty: it begins anew."""
        self._clock_ms = 0
        self._clock_since = self.world.now
        self.clock_kept = False

    def skip_clock(self, ms: int) -> None:
        """A fault: it goes ahead by so much at once."""
        self._clock_ms += ms

    # Power

    def load_w(self) -> float:
        load = MCU_AWAKE_W if self.awake else MCU_ASLEEP_W
        load += self.chip.power_w()
        if self.pi.on_since is not None:
            load += (PI_START_W if self.pi.state == BOOTING else PI_W) / EFFICIENCY
        return load

    def millivolts(self) -> int:
        return self.battery.under_load_mv(self.load_w())

    def count(self) -> None:
        """Charge the battery for the time since the last call, under the load as it was."""
        now = self.world.now
        if now > self._counted_at and self.has_power:
            self.battery.spend(self.load_w(), now - self._counted_at)
        self._counted_at = now

    def switch_pi(self, on: bool) -> None:
        self.count()
        self.pi.temperature_c = self.battery.weather.now_c()
        self.pi.power(on)
        self.trace.append((self.world.now, "pi on" if on else "pi off"))
        if on:
            self._feel_load()

    def _feel_load(self) -> None:
        """Raises: Ended when the pack cannot bear the load that has just begun."""
        if self.millivolts() < BROWN_OUT_MV:
            self.brown_outs += 1
            self._lose_power()
            raise Ended(POWER)

    def cut_power(self, ms: int, clock_too: bool = False) -> None:
        """The battery is out for so long; its clock chip goes on from its own supply unless `clock_too`."""
        self.has_power = False
        self._lose_power()
        if clock_too:
            self.lose_clock()
        self.world.after(ms, self._power_back)

    def _power_back(self) -> None:
        self.has_power = True
        self._counted_at = self.world.now

    def _lose_power(self) -> None:
        self.count()
        self.power_cuts += 1
        self.retained = b""
        self.edges = 0
        self.chip.reset()
        self._outputs_fall()
        self._events += 1
        if self.awake:
            self.ended = POWER
        else:
            self._blackout = True

    def _outputs_fall(self) -> None:
        """At every reset and in deep sleep pins float, and the load switch's gate has a resistor to off."""
        if self.pi.on_since is not None:
            self.pi.power(False)
            self.trace.append((self.world.now, "pi cut"))

    # As an actor: edges, bytes, watchdog

    def due(self) -> "int | None":
        times = [self.pir_at[0] if self.pir_at else NEVER, self.pi.to_mcu.due() or NEVER]
        if self.awake:
            times.append(self.fed_at + self.watchdog_ms)
        return min(times)

    def act(self) -> None:
        now = self.world.now
        while self.pir_at and self.pir_at[0] <= now:
            self.pir_seen.append(self.pir_at.pop(0))
            self.pir_high_until = max(self.pir_high_until, now + PULSE_MS)
            if self.awake:
                self.edges += 1
                self._events += 1
        data = self.pi.to_mcu.take(now)
        if self.awake and data:
            self.uart.add(data, UART_BYTES)
            self._events += 1
        if self.awake and now >= self.fed_at + self.watchdog_ms:
            self.ended = WATCHDOG
            self._events += 1
            self.fed_at = now

    def edge(self, after_ms: int = 0) -> None:
        """The PIR sees something."""
        self.pir_at.append(self.world.now + after_ms)
        self.pir_at.sort()

    def press(self, held_ms: int, after_ms: int = 0) -> None:
        """Somebody holds the button, or a magnet to the lid, for so long."""
        self.world.after(after_ms, self._press)
        self.world.after(after_ms + held_ms, self._let_go)

    def _press(self) -> None:
        self.down_since = self.world.now

    def _let_go(self) -> None:
        """In deep sleep nobody sees it: the level that would have ended the sleep is gone."""
        if self.awake and self.down_since is not None:
            self.presses.append(self.world.now - self.down_since)
            self.pressed_at.append(self.world.now)
            self._events += 1
        self.down_since = None

    def high(self) -> int:
        """The inputs that are high now, as wake sources."""
        return (self.world.now < self.pir_high_until) * PIR | (self.down_since is not None) * BUTTON

    # Lives

    def happened(self) -> int:
        """Counts everything for which a unit that is awake stops waiting."""
        return self._events + self.chip.received

    def _is_woken(self) -> bool:
        """Whether a source that was armed ends the deep sleep; without power nothing does."""
        if not self.has_power or self._blackout:
            return self.has_power
        woken = (TIMER if self.world.now >= self.wake_at else 0) | self.high()
        if self.chip.heard:
            woken |= RADIO
        self.woken = woken & (self.wakes | TIMER)
        return bool(self.woken)

    def _lives(self) -> None:
        cause = POWER
        while True:
            cause = self._live(cause)
            if cause == SLEEP:
                self._asleep_since = self.world.now
                self.thread.hold(self.wake_at, self._is_woken)
                self._is_woken()
                self._slept_ms, self._asleep_since = self.slept_ms, None
                if self._blackout or not self.has_power:
                    cause = POWER
            while not self.has_power:
                self.thread.hold(NEVER, self._powered)
            self._blackout = False

    def _why(self) -> "int | None":
        return self.ended

    def _is_dark(self) -> bool:
        return self._blackout or not self.has_power

    def _powered(self) -> bool:
        return self.has_power

    def _live(self, cause: int) -> int:
        """One life; the cause of the next."""
        self.count()
        self.ended = None
        if cause != SLEEP:
            self.woken = 0
            self.chip.reset()
        self.thread.hold(self.world.now + START_MS, lambda: self.ended is not None)
        if self._is_dark():
            return POWER
        self.awake = True
        self.fed_at = self.world.now
        self.uart.take()
        self.edges = 1 if self.woken & PIR else 0
        if self.woken & BUTTON and self.down_since is None:
            self.presses.append(START_MS)  # let go while it started
            self.pressed_at.append(self.world.now)
        self.starts = self.starts[-LISTED:] + [(self.world.now, cause, self.woken)]
        self.causes[cause] += 1
        if sum(self.causes) % self.fresh_every == 0:
            forget_firmware()
        self.flash.mount()
        board: "VirtualBoard | None" = VirtualBoard(self, cause)
        try:
            run_firmware(board, self.settings)
            raise RuntimeError("the firmware's main program has returned")
        except Ended as end:
            cause = end.cause
        except Exception as error:
            ended = self._why()
            if ended is None:
                raise error
            cause = ended  # power went while flash was written, and the file's own end hid that  # type: ignore[unreachable]
        finally:
            self.count()
            self.awake = False
            board = None
            self.flash.unmount()
            self._outputs_fall()
            if sum(self.causes) % COLLECT_EVERY == 0:
                gc.collect()
        return cause
