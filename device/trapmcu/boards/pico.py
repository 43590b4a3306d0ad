"""The base's modem, or a repeater: a Raspberry Pi Pico under Waveshare's Pico-LoRa-SX1262, on USB."""

import select
import sys
import time

import micropython
from machine import Pin

from trapmcu.boards import pins_pico as pins
from trapmcu.boards.base import SLICE_MS, Board, start_cause  # noqa: F401 - start_cause for open_board
from trapmcu.boards.ticks import Ticks

MYPY = False  # pyright takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any


KNOCK = b"\x03" * 16  # no message of the line has so many in a row: its frames are encrypted, its counts small


class Pico(Board):
    """`settings`: those of the unit, complete.  Raises: as `Radio`."""

    _watchdog_ms = 8300  # the RP2040's counts to 8.388 s

    def __init__(self, settings: "dict[str, Any]") -> None:
        super().__init__()
        self._clock = Ticks(time.ticks_ms, time.ticks_diff)
        self._lamp = Pin(pins.LAMP, Pin.OUT, value=0)
        self._cs = Pin(pins.LORA_CS, Pin.OUT, value=1)
        self._reset = Pin(pins.LORA_RESET, Pin.OUT, value=1)
        micropython.kbd_intr(-1)  # a byte 3 is data
        self._in = sys.stdin.buffer
        self._poll = select.poll()
        self._poll.register(self._in, select.POLLIN)
        self._start_radio(pins, settings)

    def _pause(self, left_ms: int) -> bool:
        return bool(self._poll.poll(min(left_ms, SLICE_MS)))

    def uart_read(self) -> bytes:
        """What has come; byte by byte, as `read(n)` waits for all n."""
        data = bytearray()
        while len(data) < 512 and self._poll.poll(0):
            data += self._in.read(1)
        if KNOCK in data:
            micropython.kbd_intr(3)
            raise KeyboardInterrupt  # `trapship` wants the prompt
        return bytes(data)

    def uart_write(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)  # raw; `sys.stdout` would write two bytes for a newline

    def lamp(self, on: bool) -> None:
        self._lamp.value(on)
