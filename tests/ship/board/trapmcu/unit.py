"""The firmware's entry on the tests' board, which has no radio: real settings, a sign of life, a loop.

It stands where `trapmcu/unit.py` stands in a slot. What is around it is real: boot.py, main.py, slot, settings.
"""

import _board

from trapmcu.boot import state
from trapmcu.settings import complete
from trapmcu.settingsfile import SettingsFile


def main(slot):
    settings = SettingsFile("/settings", complete).load(False, 1000)
    print("pugmark: %s runs from slot %s, %s" % (settings["role"], slot, "/".join(map(str, state("")[:3]))))
    while True:
        key = _board.key(50)
        if key == 3:
            raise KeyboardInterrupt
