"""What a role holds after its start, in bytes: `micropython heap.py ROLE FOLDER`, with the unit's .mpy in the path.

The hardware in software is made first, and is not counted; what the firmware needs of it is.
"""

import gc
import sys


def allocated():
    gc.collect()
    return gc.mem_alloc()


before = allocated()
import trapwire.airtime  # noqa: E402, F401 - the simulated radio needs it too, and would take it from the count

shared = allocated() - before

from tests.mcu.sim.boards import pico, start, xiao  # noqa: E402

ROLES = {
    "supervisor": {"link_key": "00" * 16},
    "pair": {"link_key": "00" * 16, "station_key": "11" * 16, "freq_khz": 868100, "wake_khz": 868300},
    "hop": {"link_key": "00" * 16, "hop_key": "11" * 16},
    "modem": {"role": "modem"},
    "repeater": {"role": "repeater", "hops": {"7": "11" * 16}},
}


def measure(role, folder):
    on_pico = role in ("modem", "repeater")
    machine = pico() if on_pico else xiao()
    given = {"plan": "eu868"} if on_pico else {"plan": "eu868", "trap": 7}
    given.update(ROLES[role])
    began = allocated()

    from trapmcu import main
    from trapmcu.settings import complete

    settings = complete(given)
    board = start(machine, "Pico" if on_pico else "XiaoS3", folder, settings)
    unit = main.build(board, settings)
    used = allocated() - began
    unit.step(board.now_ms())
    return used


print(64 if sys.maxsize > 1 << 32 else 32, shared + measure(sys.argv[1], sys.argv[2]))
