"""New firmware into the idle slot, and its trial (`boot.py` has the rules). Counters, keys, settings and the queue lie
outside the slots.

state     what ends it                                                        next
settled   `stage`: every file written and read back, its list, then /slot     on trial, from the next start on
on trial  `confirm`: the base was heard, or a modem ran long enough           settled, the new one good
          its starts are used up, it does not import, `give_up`, no flash     settled, the old one in force
"""

import hashlib
import os
from binascii import hexlify

from trapmcu.boot import LIST, TRIAL, put_state, state

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable, Iterable


class Slots:
    """The slots under `root`, "" on a unit; `running`: the slot that this code was started from."""

    def __init__(self, root: str, running: str) -> None:
        self._root = root
        self.running = running

    def on_trial(self) -> bool:
        """Whether the running slot is one that may still be taken back."""
        good, now, _ = state(self._root)
        return now != good and self.running == now

    def confirm(self) -> bool:
        """The running slot is good; True when that is in flash.  Once more where it is settled it writes nothing."""
        return not self.on_trial() or self._settle(self.running)

    def give_up(self) -> bool:
        """The old slot is in force from the next start on."""
        good, now, _ = state(self._root)
        return now == good or self._settle(good)

    def stage(self, listing: "dict[str, str]", read: "Callable[[str], Iterable[bytes]]") -> None:
        """Files into the idle slot, on trial from the next start on.

        listing: the SHA-256 of each file, in hexadecimal, by its path in the slot; read(path): its bytes, in pieces.
        Raises: ValueError naming the file; OSError. The slot in force is as it was then.
        """
        good, now, _ = state(self._root)
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
        put_state(self._root, good, idle, TRIAL)

    def _settle(self, slot: str) -> bool:
        try:
            put_state(self._root, slot, slot, 0)
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
