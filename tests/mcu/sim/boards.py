"""The board files themselves on hardware in software. MicroPython only, and with micropython-lib's `lora` in the path.

`skip_reason` is None where both are there.
"""

import os
import sys


def _has_driver():
    for folder in sys.path:
        try:
            os.stat((folder or ".") + "/lora/sx126x.py")
            return True
        except OSError:
            pass
    return False


skip_reason = None
if sys.implementation.name != "micropython":
    skip_reason = "tests/run-micropython runs it: the board files need MicroPython"
elif not _has_driver():
    skip_reason = "no .cache/lib/lora: `trapship bundle` brings micropython-lib's driver there"


def xiao(**chips):
    """The trap's board: its Machine with all chips; `start(machine)` runs its constructor."""
    from tests.mcu.sim.i2c import Bus, ClockChip, Expander, Monitor
    from tests.mcu.sim.machine import Machine
    from tests.mcu.sim.sx1262 import Sx1262
    from trapmcu.boards import pins_xiao_s3 as pins

    machine = Machine(**chips)
    machine.names = pins.__dict__
    world = machine.world
    machine.spi = Sx1262(world, pins.LORA_CS, pins.LORA_BUSY, pins.LORA_DIO1, pins.LORA_RESET, pins.LORA_DIO1_WAKE)
    machine.clock = ClockChip(world)
    machine.expander = Expander()
    machine.monitor = Monitor(world)
    machine.i2c = Bus(world, {0x51: machine.clock, 0x20: machine.expander, 0x40: machine.monitor})
    return machine


def pico():
    """The modem's."""
    from tests.mcu.sim.machine import Machine
    from tests.mcu.sim.sx1262 import Sx1262
    from trapmcu.boards import pins_pico as pins

    machine = Machine()
    machine.spi = Sx1262(machine.world, pins.LORA_CS, pins.LORA_BUSY, pins.LORA_DIO1, pins.LORA_RESET)
    machine.names = pins.__dict__
    for name in ("DEEPSLEEP_RESET", "HARD_RESET", "SOFT_RESET", "lightsleep", "deepsleep", "RTC", "UART"):
        delattr(machine.modules["machine"], name)  # the RP2040's has none of these, or not so
    del machine.modules["esp32"]
    return machine


def start(machine, name, folder, settings):
    """The class `name` of its board file, made anew as after a reset."""
    with machine.installed():
        if name == "XiaoS3":
            from trapmcu.boards.xiao_s3 import XiaoS3 as Unit
        else:
            from trapmcu.boards.pico import Pico as Unit
    Unit.flash = folder
    return Unit(settings)
