"""What the boards have in common: watchdog, radio, waiting. Of the firmware only the boards import `machine`."""

import os
import time

import machine
from machine import Pin
from micropython import const

from trapmcu.aes import Aes
from trapmcu.boards.sx126x_radio import Radio

MYPY = False  # pyright takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

    from trapmcu.boards.ticks import Ticks

POWER, SLEEP, WATCHDOG, SOFT = range(4)  # reset_cause()

SLICE_MS = 5  # between two looks at what interrupts have said
_MOST_MS = const(2000)  # of one wait: the watchdog is fed once a round


def start_cause() -> int:
    """Why the unit has started."""
    causes = {machine.PWRON_RESET: POWER, machine.WDT_RESET: WATCHDOG}
    if hasattr(machine, "DEEPSLEEP_RESET"):
        causes[machine.DEEPSLEEP_RESET] = SLEEP
        causes[machine.HARD_RESET] = POWER  # the reset pin
    return causes.get(machine.reset_cause(), SOFT)


class Board:
    """Interrupt handlers only count: under an interrupt nothing may be allocated."""

    flash = "/state"
    _watchdog_ms = 60000
    _clock: "Ticks"
    _cs: Pin
    _reset: Pin

    def __init__(self) -> None:
        self._cause = start_cause()
        self._attach = self._cause == SLEEP  # the radio has gone on; it is reset at any other start
        self._event = False
        self._wdt = machine.WDT(timeout=self._watchdog_ms)
        try:
            os.mkdir(self.flash)
        except OSError:
            pass  # it is there already

    def _start_radio(self, pins: "Any", settings: "dict[str, Any]", rf_switch: "Pin | None" = None) -> None:
        attach, self._attach = self._attach, False
        self.radio: "Radio | None" = None
        radio = Radio(
            machine.SPI(
                1,
                baudrate=4000000,
                sck=Pin(pins.LORA_SCK),
                mosi=Pin(pins.LORA_MOSI),
                miso=Pin(pins.LORA_MISO),
            ),
            self._cs,
            Pin(pins.LORA_BUSY, Pin.IN),
            Pin(pins.LORA_DIO1, Pin.IN),
            self._reset,
            settings["plan"],
            settings["sf"],
            settings["freq_khz"],
            rf_switch,
            attach,
        )
        radio.set_irq_callback(self._on_radio)
        self.radio = radio

    def _on_radio(self) -> None:
        self._event = True

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def running(self) -> bool:
        return True

    def random(self, below: int) -> int:
        """From the chip's own noise."""
        return int.from_bytes(os.urandom(8), "big") % below if below > 0 else 0

    def aes(self, key: bytes) -> Aes:
        return Aes(key)

    def feed(self) -> None:
        self._wdt.feed()

    def reset_cause(self) -> int:
        return self._cause

    def reset(self) -> None:
        machine.reset()

    def wait(self, ms: int) -> None:
        """Return after `ms`, or when the line, the radio, PIR or button have something; after 2 s at the latest."""
        until = time.ticks_add(time.ticks_ms(), min(ms, _MOST_MS))
        while not self._event:
            left = time.ticks_diff(until, time.ticks_ms())
            if left <= 0 or self._pause(left):
                break
        self._event = False

    def _pause(self, left_ms: int) -> bool:
        """Let a moment pass, at most that long; whether the line has something."""
        raise NotImplementedError

    # What a modem's or repeater's board has not; the trap's has.

    def clock_kept(self) -> bool:
        return False

    def woke_by(self) -> int:
        return 0

    def retained(self) -> bytes:
        return b""

    def retain(self, data: bytes) -> None:
        pass

    def sleep(self, ms: "int | None", wakes: int) -> None:
        machine.reset()  # it has none; begins anew

    def pir_edges(self) -> int:
        return 0

    def button(self) -> int:
        return 0

    def pi_power(self, on: bool) -> None:
        pass

    def pi_halted(self) -> "bool | None":
        return None

    def battery_mv(self) -> "int | None":
        return None

    def temperature_c(self) -> "int | None":
        return None

    def beep(self, on: bool) -> None:
        pass
