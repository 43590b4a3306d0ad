"""New firmware into the idle slot, and its trial (`boot.py` has the rules). Counters, keys, settings and the queue lie
outside the slots.

state     what ends it                                                        next
settled   `stage`: every file written and read back, its list, then /slot     on trial, from the next start on
on trial  `confirm`: the base was heard, or a modem ran long enough           settled, the new one good
          its starts are used up, it does not import, `give_up`, no flash     settled, the old one in force
          (`expired` says when to give up)
"""

import hashlib
import os
import struct
from binascii import hexlify

from trapmcu.boot import LIST, TRIAL, put_state, state

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable, Iterable


TRIAL_S = 86400


class Slots:
    """The slots under `root`, "" on a unit; `running`: the slot that this code was started from."""

    def __init__(self, root: str, running: str) -> None:
        self._root = root
        self.running = running

    def on_trial(self) -> bool:
        """Whether the running slot is one that may still be taken back."""
        good, now = state(self._root)[:2]
        return now != good and self.running == now

    def expired(self, now_s: int) -> bool:
        """Whether the running slot's trial has lasted a day: then `give_up`, and start again. Of a clock that began
        anew nothing is known: the trial's starts end it.
        """
        return self.on_trial() and now_s - struct.unpack(">I", state(self._root)[3])[0] >= TRIAL_S

    def reverted(self) -> bool:
        """Whether `boot.py` has taken new firmware back since this was asked last."""
        good, now, _, since = state(self._root)
        return now == good and since != bytes(4) and self._settle(good)

    def confirm(self) -> bool:
        """The running slot is good; True when that is in flash.  Once more where it is settled it writes nothing."""
        return not self.on_trial() or self._settle(self.running)

    def give_up(self) -> bool:
        """The old slot is in force from the next start on."""
        good, now = state(self._root)[:2]
        return now == good or self._settle(good)

    def stage(self, listing: "dict[str, str]", read: "Callable[[str], Iterable[bytes]]", now_s: int) -> None:
        """Files into the idle slot, on trial from the next start on, for a day from `now_s` (the unit's clock).

        listing: the SHA-256 of each file, in hexadecimal, by its path in the slot; read(path): its bytes, in pieces.
        Raises: ValueError naming the file; OSError. The slot in force is as it was then.
        """
        good, now = state(self._root)[:2]
        if now != good or self.running != good:
            raise ValueError("slot %s is on trial" % now)
        idle = "b" if good == "a" else "a"
        folder = self._root + "/" + idle + "/"
        _make(folder[:-1])
        if LIST[1:] in os.listdir(folder[:-1]):
            os.remove(folder + LIST[1:])  # from here on it is no slot
        _clear(folder)
        lines = ""
        for name in sorted(listing):
            parts = name.split("/")
            if len(name) > 64 or not all(part.strip(".") for part in parts):
                raise ValueError("%r is no path in a slot" % name)
            for depth in range(1, len(parts)):
                _make(folder + "/".join(parts[:depth]))
            with open(folder + name, "wb") as file:
                for piece in read(name):
                    file.write(piece)
            if _sha256(folder + name) != listing[name]:
                raise ValueError("%s has another SHA-256" % name)
            lines += "%s  %s\n" % (listing[name], name)
        with open(folder + LIST[1:], "w") as file:
            file.write(lines)
        put_state(self._root, good, idle, TRIAL, struct.pack(">I", now_s))

    def _settle(self, slot: str) -> bool:
        try:
            put_state(self._root, slot, slot)
        except OSError:
            return False
        return True


def _make(folder: str) -> None:
    try:
        os.mkdir(folder)
    except OSError:
        pass  # it is there; if it is not, the first file says so


def _clear(folder: str) -> None:
    for name in os.listdir(folder[:-1]):
        try:
            os.remove(folder + name)
        except OSError:
            _clear(folder + name + "/")
            os.rmdir(folder + name)


def _sha256(path: str) -> str:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        piece = file.read(512)
        while piece:
            found.update(piece)
            piece = file.read(512)
    return hexlify(found.digest()).decode()
