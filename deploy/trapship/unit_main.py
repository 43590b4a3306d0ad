"""/main.py of a unit: sent by `trapship flash`, never imported here. `boot.py` beside it says what happens.

What falls out of the firmware ends in a reset: a slot on trial then gives way, and a fault of one night is over. First
half a minute passes, in which somebody at the USB socket reads it, or stops this by Ctrl-C.
"""

import sys
import time

import boot
import machine

try:
    boot.start("", machine.reset_cause() == getattr(machine, "DEEPSLEEP_RESET", -1))
except Exception as error:
    sys.print_exception(error)
    time.sleep(30)
    machine.reset()
