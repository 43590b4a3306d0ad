"""New firmware into the idle slot, and its trial (`boot.py` has the rules). Counters, keys, settings and the queue lie
outside the slots.

state     what ends it                                                        next
settled   `turn` to the idle slot, which `newcode` has filled: /slot          on trial, from the next start on
on trial  `confirm`: the base was heard, or a modem ran long enough           settled, the new one good
          its starts are used up, it does not import, no flash,
          `give_up`, `turn` to the old one                                    settled, the old one in force
          (`expired` says when to give up)
"""

import hashlib
import os
import struct
from binascii import hexlify

from trapmcu.boot import LIST, TRIAL, put_state, state
from trapwire.slotwords import NONE, digest

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    pass


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

    def settled(self) -> bool:
        """Whether nothing is on trial, and the slot that runs is the one in force."""
        good, now = state(self._root)[:2]
        return now == good == self.running

    def idle(self) -> str:
        """The slot that does not run."""
        return "b" if self.running == "a" else "a"

    def clear(self) -> None:
        """Empty the idle slot; from the first moment on it is none.  Raises: OSError."""
        folder = self._root + "/" + self.idle() + "/"
        _make(folder[:-1])
        if LIST[1:] in os.listdir(folder[:-1]):
            os.remove(folder + LIST[1:])
        _clear(folder)

    def write_list(self, lines: str) -> None:
        """The idle slot is whole: its list, a line a file.  Raises: OSError."""
        with open(self._root + "/" + self.idle() + LIST + ".new", "w") as file:
            file.write(lines)
        os.rename(self._root + "/" + self.idle() + LIST + ".new", self._root + "/" + self.idle() + LIST)

    def digest(self, slot: str) -> bytes:
        """What names the firmware in a slot (`trapwire.slotwords`); zeros where none is whole."""
        try:
            with open(self._root + "/" + slot + LIST, "rb") as file:
                return digest(file.read())
        except OSError:
            return NONE

    def turn(self, wanted: bytes, now_s: int) -> bool:
        """The slot of that digest starts next: the idle one on trial for a day, or the old one back; True when that is
        in flash, or nothing is to be done."""
        good, now = state(self._root)[:2]
        if wanted == NONE:
            return False
        if self.digest(now) == wanted:
            return True
        if now != good:
            return self.digest(good) == wanted and self._settle(good)
        if self.digest(self.idle()) != wanted or self.running != good:
            return False
        try:
            put_state(self._root, good, self.idle(), TRIAL, struct.pack(">I", now_s))
        except OSError:
            return False
        return True

    def _settle(self, slot: str) -> bool:
        try:
            put_state(self._root, slot, slot)
        except OSError:
            return False
        return True


def check_name(name: str) -> None:
    """Raises: ValueError when it is no path in a slot."""
    if not 0 < len(name) <= 64 or not all(part.strip(".") for part in name.split("/")):
        raise ValueError("%r is no path in a slot" % name)


def make_folders(folder: str, name: str) -> str:
    """The folders that a file in a slot lies in; its whole path.  Raises: OSError."""
    parts = name.split("/")
    for depth in range(1, len(parts)):
        _make(folder + "/".join(parts[:depth]))
    return folder + name


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


def sha256(path: str) -> str:
    """Of a file, in hexadecimal.  Raises: OSError."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        piece = file.read(512)
        while piece:
            found.update(piece)
            piece = file.read(512)
    return hexlify(found.digest()).decode()
