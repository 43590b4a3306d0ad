"""What a role holds after its start: `micropython heap.py ROLE`, with the unit's .mpy files in the path. Bytes.

The hardware in software is made first, and is not counted; what its chips take down while the board starts is.
"""

import gc
import sys

from tests.mcu.bench import make_folder, remove_folder
from tests.mcu.sim.boards import pico, start, xiao

PLAN = "eu868"
KEYS = {"link_key": "00" * 16}
ROLES = {
    "supervisor": ("XiaoS3", KEYS),
    "pair": ("XiaoS3", {"link_key": "00" * 16, "station_key": "11" * 16, "wake_khz": 868300, "freq_khz": 868100}),
    "hop": ("XiaoS3", {"link_key": "00" * 16, "hop_key": "11" * 16}),
    "modem": ("Pico", {}),
    "repeater": ("Pico", {"hops": {"7": "11" * 16}}),
}


def measure(role):
    name, more = ROLES[role]
    machine = xiao() if name == "XiaoS3" else pico()
    folder = make_folder()
    given = {"role": role if role in ("modem", "repeater") else "supervisor", "plan": PLAN}
    if given["role"] == "supervisor":
        given["trap"] = 7
    given.update(more)
    gc.collect()
    before = gc.mem_alloc()

    from trapmcu import main
    from trapmcu.settings import complete

    settings = complete(given)
    board = start(machine, name, folder, settings)
    unit = main.build(board, settings)
    gc.collect()
    used = gc.mem_alloc() - before
    unit.step(board.now_ms())
    remove_folder(folder)
    return used


print(sys.maxsize > 1 << 32 and 64 or 32, measure(sys.argv[1]))
