"""The trap's board: a XIAO ESP32-S3 with the Wio-SX1262 kit on its carrier.

What a sleep needs is here: which pins end it, which keep their level in it, and whose edges it swallows. All that ends
a sleep is active high: the chip's ext1 has one level for all of its pins. A pin that is high already would end the
sleep at once; it is left out, and the sleep made short, so that its next edge is seen.
"""

import select
import time

import esp32
import machine
from machine import Pin
from micropython import const

from trapmcu.boards import pins_xiao_s3 as pins
from trapmcu.boards.base import POWER, SLEEP, SLICE_MS, Board, start_cause  # noqa: F401 - start_cause for open_board
from trapmcu.boards.ina226 import Ina226
from trapmcu.boards.rv3032 import Rv3032
from trapmcu.boards.tca9534 import Tca9534
from trapmcu.boards.ticks import Ticks

MYPY = False  # pyright takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

TIMER, PIR, RADIO, BUTTON = 1, 2, 4, 8  # woke_by(), wakes

_BAUD = const(115200)
_RETAINED = const(2048)
_SAME_MS = const(200)  # edges of the PIR sensor that are closer are one
_PRESS_MS = const(30)  # a shorter one is a bounce
_BOOT_MS = const(300)  # from a wake until we run: of a press that woke us, nobody has seen so much
_HIGH_MS = const(100)  # of light sleep while a source is high
_RECHECK_MS = const(5000)  # of deep sleep while the PIR sensor is high
_LIGHT_MS = const(10)  # a shorter wait is not worth a light sleep
# RTC_CNTL_EXT_WAKEUP1_STATUS, 0xE4 of the RTC controller: a bit a pin (MicroPython issue 6981). MicroPython itself says
# it only from 1.29 on.
_WOKEN_PINS = const(0x600080E4)


class XiaoS3(Board):
    """`settings`: those of the unit, complete. What is missing is done without.  Raises: WireError, as `Radio`."""

    def __init__(self, settings: "dict[str, Any]") -> None:
        super().__init__()
        self._settings = settings
        self._cs = _output(pins.LORA_CS, 1)
        self._reset = _output(pins.LORA_RESET, 1)
        self._rf_switch = _output(pins.LORA_RF_SWITCH, 0)
        self._power = _output(pins.PI_POWER, 0)
        esp32.gpio_deep_sleep_hold(False)
        self._uart: "machine.UART | None" = None
        self.pi_power(False)
        self._rtc = machine.RTC()
        self._woken = self._wakes()
        self._edges = 0
        self._edge_at = time.ticks_add(time.ticks_ms(), -_SAME_MS)
        self._down_at = 0
        self._down = False
        self._held_ms = 0
        self._pir = Pin(pins.PIR, Pin.IN)
        self._button = Pin(pins.BUTTON, Pin.IN)
        self._dio1 = Pin(pins.LORA_DIO1_WAKE, Pin.IN)
        self._pir.irq(self._on_pir, Pin.IRQ_RISING)
        self._button.irq(self._on_button, Pin.IRQ_RISING | Pin.IRQ_FALLING)
        if self._woken & PIR:
            self._on_pir(None)
        if self._button.value():
            self._on_button(self._button)
        if self._woken & BUTTON:
            if self._down:
                self._down_at = time.ticks_add(self._down_at, -_BOOT_MS)
            else:
                self._held_ms = _BOOT_MS
        self._start_slow()
        self.start_radio()

    def start_radio(self) -> None:
        """Start the radio, the second time with a reset; `radio` is None where it does not answer."""
        try:
            self._start_radio(pins, self._settings, self._rf_switch)
        except (OSError, RuntimeError):
            pass

    def _start_slow(self) -> None:
        """The three on I2C: each may be missing."""
        bus = machine.I2C(0, sda=Pin(pins.I2C_SDA), scl=Pin(pins.I2C_SCL), freq=400000)
        self._chip: "Rv3032 | None" = None
        self._expander: "Tca9534 | None" = None
        try:
            self._chip = Rv3032(bus, time.sleep_ms)
        except OSError:
            pass
        try:
            self._expander = Tca9534(bus, 1 << pins.LAMP | 1 << pins.BEEPER)
        except OSError:
            pass
        self._monitor = Ina226(bus, time.sleep_ms)
        self._clock = Ticks(time.ticks_ms, time.ticks_diff, self._chip and self._chip.read_ms)

    def _wakes(self) -> int:
        if self._cause != SLEEP:
            return 0
        if machine.wake_reason() == machine.TIMER_WAKE:
            return TIMER
        woken = machine.mem32[_WOKEN_PINS]
        return (
            (woken >> pins.PIR & 1) * PIR
            | (woken >> pins.LORA_DIO1_WAKE & 1) * RADIO
            | (woken >> pins.BUTTON & 1) * BUTTON
        )

    def _on_pir(self, _pin: "Pin | None") -> None:
        now = time.ticks_ms()
        if time.ticks_diff(now, self._edge_at) >= _SAME_MS:
            self._edges += 1
            self._event = True
        self._edge_at = now

    def _on_button(self, pin: Pin) -> None:
        now = time.ticks_ms()
        if pin.value():
            if not self._down:
                self._down = True
                self._down_at = now
        elif self._down:
            self._down = False
            held_ms = time.ticks_diff(now, self._down_at)
            if held_ms >= _PRESS_MS:
                self._held_ms = held_ms
                self._event = True

    def _pause(self, left_ms: int) -> bool:
        """Light sleep where nobody can be talking on the line: it loses what comes in."""
        if self._uart is not None:
            return bool(self._poll.poll(min(left_ms, SLICE_MS)))
        if self._down or left_ms < _LIGHT_MS:  # a button that is let go ends no sleep
            time.sleep_ms(min(left_ms, SLICE_MS))
            return False
        low = [pin for pin in (self._pir, self._dio1, self._button) if not pin.value()]
        esp32.wake_on_ext1(low, esp32.WAKEUP_ANY_HIGH)
        machine.lightsleep(min(left_ms, _HIGH_MS) if len(low) < 3 else left_ms)
        self._clock.look()
        for pin in low:
            pin.init(Pin.IN)  # ext1 takes the pin from the side that reads it and interrupts
            if pin.value():
                self._event = True
                if pin is self._pir:
                    self._on_pir(pin)
                elif pin is self._button:
                    self._on_button(pin)
        return False

    def clock_kept(self) -> bool:
        return self._chip is not None and self._chip.kept

    def woke_by(self) -> int:
        return self._woken

    def retained(self) -> bytes:
        return b"" if self._cause == POWER else self._rtc.memory()

    def retain(self, data: bytes) -> None:
        """Raises: ValueError above 2,048 bytes."""
        self._rtc.memory(data)

    def sleep(self, ms: "int | None", wakes: int) -> None:
        """Does not return. Where the PIR sensor is high it ends after 5 s, by TIMER, to look again."""
        self.pi_power(False)
        sources = []
        for bit, pin in ((PIR, self._pir), (RADIO, self._dio1), (BUTTON, self._button)):
            if not wakes & bit:
                continue
            if bit != RADIO and pin.value():
                ms = _RECHECK_MS if ms is None else min(ms, _RECHECK_MS)
            else:
                sources.append(pin)
        esp32.wake_on_ext1(sources, esp32.WAKEUP_ANY_HIGH)
        for pin in (self._cs, self._reset, self._rf_switch, self._power):
            # One that floats would wake or reset the radio, or switch the Pi on.
            pin.init(hold=True)  # pyright: ignore[reportCallIssue]
        esp32.gpio_deep_sleep_hold(True)
        if ms is None:
            machine.deepsleep()
        machine.deepsleep(max(1, ms))

    def pir_edges(self) -> int:
        edges, self._edges = self._edges, 0
        return edges

    def button(self) -> int:
        held_ms, self._held_ms = self._held_ms, 0
        return held_ms

    def high(self) -> int:
        """The inputs that are high now, as wake sources."""
        return self._pir.value() * PIR | self._button.value() * BUTTON

    def lid_open(self) -> "bool | None":
        return self._expand(pins.LID)

    def uart_read(self) -> bytes:
        return (self._uart.read() or b"") if self._uart is not None and self._uart.any() else b""

    def uart_write(self, data: bytes) -> None:
        if self._uart is not None:
            self._uart.write(data)

    def pi_power(self, on: bool) -> None:
        if on and self._uart is None:
            self._power.value(1)
            self._uart = machine.UART(
                1, _BAUD, tx=Pin(pins.PI_TX), rx=Pin(pins.PI_RX), rxbuf=4096, txbuf=4096, timeout=0
            )
            self._poll = select.poll()
            self._poll.register(self._uart, select.POLLIN)
        elif not on:
            if self._uart is not None:
                self._uart.deinit()
                self._uart = None
            self._power.value(0)
            Pin(pins.PI_TX, Pin.IN)  # or the Pi would be fed through its pin

    def pi_halted(self) -> "bool | None":
        return self._expand(pins.PI_HALTED)

    def battery_mv(self) -> "int | None":
        return self._monitor.read_mv()

    def temperature_c(self) -> "int | None":
        try:
            return None if self._chip is None else self._chip.read_temperature_c()
        except OSError:
            return None

    def lamp(self, on: bool) -> None:
        self._expand(pins.LAMP, on)

    def beep(self, on: bool) -> None:
        self._expand(pins.BEEPER, on)

    def _expand(self, bit: int, on: "bool | None" = None) -> "bool | None":
        """A bit of the expander, read or set; None where that does not answer."""
        if self._expander is None:
            return None
        try:
            return self._expander.get(bit) if on is None else self._expander.set(bit, on)
        except OSError:
            return None


def _output(number: int, level: int) -> Pin:
    """A pin that a deep sleep may have held: its level first, then it is let go. The stubs do not know `hold`."""
    return Pin(number, Pin.OUT, value=level, hold=False)  # pyright: ignore[reportCallIssue]
