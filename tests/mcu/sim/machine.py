"""`machine`, `esp32`, `time` and `select` of a board in software, for the board files themselves. MicroPython only.

Deep sleep raises `Asleep`: the unit's program has ended. `Machine.wake()` says what ended it, and the test starts the
program again, with an empty heap of its own and the chips as they were.
"""

import sys

from tests.mcu.sim.world import Time, World

BOOT_US = 300000  # until the program runs; handlers are not there yet


class Asleep(Exception):  # noqa: N818
    """Deep sleep has begun."""


class Restarted(Exception):  # noqa: N818
    """machine.reset(), or the watchdog."""


class Machine:
    """The chip and what hangs on it. Modules are its attributes `modules`; put them in place with `installed()`."""

    def __init__(self, ticks_us=0):
        self.world = World(ticks_us)
        self.spi = None  # the radio: .transfer(bytes)
        self.i2c = None
        self.cause = 1
        self.wake_reason = 0
        self.woken_pins = 0
        self.memory = b""
        self.fed_us = None
        self.timeout_us = None
        self.ext1 = []
        self.held = {}  # pins that keep their level: number: level
        self.pads_held = False
        self.directions = {}
        self.uart_in = b""
        self.uart_out = b""
        self.uart_open = False
        self.light_sleeps_us = 0
        self.slept_ms = None
        self.stdin = b""
        self.stdout = b""
        self.ctrl_c = 3
        self.modules = _modules(self)

    def restart(self, cause, pins_too=True):
        """A new run of the program begins. A short loss of power (cause 1) leaves what it leaves in the memory."""
        self.cause = cause
        self.world.handlers.clear()
        self.timeout_us = None
        self.uart_open = False
        for number in list(self.directions):
            if number not in self.held:
                del self.directions[number]

    def sleep_through(self):
        """From deep sleep to what ends it: the reason, 3 for ext1 and 4 for the timer."""
        pins = [pin.number for pin in self.ext1]
        end = self.world.us + (10**15 if self.slept_ms is None else self.slept_ms * 1000)
        woken = self.world.run_until(end, lambda: any(self.world.level(n) for n in pins))
        self.wake_reason = 3 if woken else 4
        self.woken_pins = sum(1 << n for n in pins if self.world.level(n))
        self.restart(4)
        self.world.run(BOOT_US)
        return self.wake_reason

    def check_watchdog(self):
        if self.timeout_us is not None and self.world.us - self.fed_us > self.timeout_us:
            raise Restarted("watchdog")

    def installed(self, *names):
        return _Installed(self.modules)


class _Installed:
    """For the time of an import: the board files keep what they have imported."""

    def __init__(self, modules):
        self._modules = modules

    def __enter__(self):
        self._before = {name: sys.modules.get(name) for name in self._modules}
        for name in list(sys.modules):
            if name.startswith(("trapmcu.boards", "lora")):
                del sys.modules[name]
        sys.modules.update(self._modules)

    def __exit__(self, *_):
        for name in self._before:
            if self._before[name] is None:
                del sys.modules[name]
            else:
                sys.modules[name] = self._before[name]


class _Module:
    """A bag of names."""


def _modules(board):
    world = board.world
    time = Time(world)
    machine = _Module()
    esp32 = _Module()
    select = _Module()
    fake_sys = _Module()

    class Pin:
        IN, OUT, IRQ_RISING, IRQ_FALLING = 0, 1, 1, 2

        def __init__(self, number, mode=-1, value=None, hold=None):
            self.number = number
            self.init(mode, value, hold)

        def init(self, mode=-1, value=None, hold=None):
            if hold is False:
                board.held.pop(self.number, None)
            if value is not None:
                self.value(value)
            if mode != -1:
                board.directions[self.number] = mode
            if hold:
                board.held[self.number] = world.level(self.number)

        def value(self, level=None):
            if level is None:
                return world.level(self.number)
            if self.number not in board.held:
                world.set(self.number, int(bool(level)))
            return None

        def __call__(self, level=None):
            return self.value(level)

        def on(self):
            self.value(1)

        def off(self):
            self.value(0)

        def irq(self, handler, trigger):
            world.handlers[self.number] = (handler, trigger, self)

    class SPI:
        def __init__(self, number, baudrate, sck, mosi, miso):
            assert baudrate <= 16000000

        def write_readinto(self, out, into):
            into[:] = board.spi.transfer(bytes(out))

        def write(self, data):
            board.spi.transfer(bytes(data))

        def readinto(self, into, fill):
            into[:] = board.spi.transfer(bytes([fill]) * len(into))

    class UART:
        def __init__(self, number, baudrate, tx, rx, rxbuf, txbuf, timeout):
            board.uart_open = True
            board.uart_in = b""

        def any(self):
            return len(board.uart_in)

        def read(self):
            data, board.uart_in = board.uart_in, b""
            return data or None

        def write(self, data):
            board.uart_out += bytes(data)

        def deinit(self):
            board.uart_open = False

    class WDT:
        def __init__(self, timeout):
            board.timeout_us = timeout * 1000
            board.fed_us = world.us

        def feed(self):
            board.check_watchdog()
            board.fed_us = world.us

    class RTC:
        def memory(self, data=None):
            if data is None:
                return board.memory
            if len(data) > 2048:
                raise ValueError("buffer too long")
            board.memory = bytes(data)
            return None

    class Mem32:
        def __getitem__(self, address):
            assert address == 0x600080E4
            return board.woken_pins

    def I2C(number, sda, scl, freq):
        return board.i2c

    def reset():
        raise Restarted("reset")

    def lightsleep(ms):
        assert not board.uart_open, "the line loses bytes in light sleep"
        began = world.us
        world.edges_lost = True
        pins = [pin.number for pin in board.ext1]
        world.run_until(world.us + ms * 1000, lambda: any(world.level(n) for n in pins))
        world.run(500)  # until it runs again
        world.edges_lost = False
        board.light_sleeps_us += world.us - began
        for pin in board.ext1:  # perhaps the interrupt comes as well, late
            if world.level(pin.number) and pin.number in world.handlers:
                handler, _, source = world.handlers[pin.number]
                world.at(world.us + 3000, lambda handler=handler, source=source: handler(source))
        world._ticks_us -= (world.us - began) * 3 // 100  # the clock it sleeps by is a poor one

    def deepsleep(ms=None):
        for name in ("LORA_CS", "LORA_RESET"):
            assert board.held.get(board.names[name]) == 1, name + " floats"
        assert board.pads_held
        board.slept_ms = ms
        raise Asleep(ms)

    def wake_on_ext1(pins, level):
        assert level is True
        board.ext1 = list(pins)

    def hold(on):
        board.pads_held = on

    class Poll:
        def register(self, stream, _events):
            self._stream = stream

        def poll(self, ms):
            def there():
                return board.stdin if self._stream is fake_sys.stdin.buffer else board.uart_in

            world.run_until(world.us + ms * 1000, lambda: len(there()) > 0)
            return [(self._stream, 1)] if there() else []

    class Stdin:
        def read(self, count):
            assert len(board.stdin) >= count, "it would wait"
            data, board.stdin = board.stdin[:count], board.stdin[count:]
            if board.ctrl_c in data:
                raise KeyboardInterrupt
            return data

    class Stdout:
        def write(self, data):
            board.stdout += bytes(data)

    for thing in (Pin, SPI, UART, WDT, RTC):
        setattr(machine, thing.__name__, thing)
    machine.mem32 = Mem32()
    machine.I2C, machine.reset, machine.lightsleep, machine.deepsleep = I2C, reset, lightsleep, deepsleep
    machine.PWRON_RESET, machine.HARD_RESET, machine.WDT_RESET, machine.DEEPSLEEP_RESET, machine.SOFT_RESET = range(
        1, 6
    )
    machine.EXT1_WAKE, machine.TIMER_WAKE = 3, 4
    machine.reset_cause = lambda: board.cause
    machine.wake_reason = lambda: board.wake_reason
    esp32.wake_on_ext1, esp32.gpio_deep_sleep_hold, esp32.WAKEUP_ANY_HIGH = wake_on_ext1, hold, True
    select.poll, select.POLLIN = Poll, 1
    fake_sys.stdin, fake_sys.stdout = _Module(), _Module()
    fake_sys.stdin.buffer, fake_sys.stdout.buffer = Stdin(), Stdout()
    fake_sys.modules = sys.modules

    import micropython  # the real one, but for the one call that would reach the test's own terminal

    fake_micropython = _Module()
    for name in ("const", "schedule", "heap_lock", "heap_unlock"):
        setattr(fake_micropython, name, getattr(micropython, name))

    def kbd_intr(byte):
        board.ctrl_c = byte

    fake_micropython.kbd_intr = kbd_intr
    return {
        "machine": machine,
        "esp32": esp32,
        "time": time,
        "select": select,
        "sys": fake_sys,
        "micropython": fake_micropython,
    }
