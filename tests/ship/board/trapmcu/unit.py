"""The firmware's entry on the tests' board, which has no radio: its real settings file, then a sign of life, then a loop.

It stands where `trapmcu/unit.py` stands in a slot. Everything around it is real: boot.py, main.py, the slot, the settings.
"""

import _board
from trapmcu.boot import state
from trapmcu.settings import complete
from trapmcu.settingsfile import SettingsFile


def main(slot):
    settings = SettingsFile("/settings", complete).load(False, 1000)
    print("pugmark: %s runs from slot %s, %s" % (settings["role"], slot, "/".join(map(str, state("")))))
    data = ""
    while True:
        key = _board.key(50)
        if key == 3:
            raise KeyboardInterrupt
