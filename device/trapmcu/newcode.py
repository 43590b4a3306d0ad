"""New firmware from the Pi into the idle slot, piece by piece (PROTOCOL.md section 8). Imported when it is needed.

state     what ends it                                                          next
idle      BEGIN: the idle slot is emptied                                       filling
filling   the stream's last byte, every file read back, the list written        idle, the slot whole
          a wrong digest, full flash, another BEGIN, a reset                    idle, the slot none
TURN      the slot of that digest starts next: the other one on trial, or the good one at once
"""

import struct

from trapmcu import slots
from trapmcu.boot import LIST, state
from trapwire import slotwords as sw

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from trapmcu.slots import Slots

RESET_AFTER_S = 30  # the Pi ends meanwhile: the reset takes its power


class Loader:
    """root: as of `slots`, whose idle slot is filled. `turned_s`: when another slot was told to start next."""

    def __init__(self, root: str, own: "Slots") -> None:
        self._root = root
        self._slots = own
        self.turned_s: "int | None" = None
        self._wanted = b""
        self._end()

    def _end(self) -> None:
        self._left = 0  # of the list, or of the file in hand
        self._at = 0
        self._list = b""
        self._lines: "list[str]" = []
        self._size = b""
        self._path = ""  # of the file in hand

    def on(self, payload: bytes, now_s: int) -> bytes:
        """A message of the Pi, done; the word that answers it."""
        op, outcome = payload[0] if payload else sw.ASK, sw.DONE
        try:
            if op == sw.BEGIN and len(payload) == 3 + sw.DIGEST_BYTES:
                outcome = self._begin(struct.unpack(">H", payload[1:3])[0], payload[3:])
            elif op == sw.PIECE and len(payload) > 5:
                outcome = self._piece(struct.unpack(">I", payload[1:5])[0], payload[5:])
            elif op == sw.TURN and len(payload) == 1 + sw.DIGEST_BYTES:
                outcome = self._turn(payload[1:], now_s)
            elif op != sw.ASK:
                op, outcome = sw.ASK, sw.REFUSED
        except ValueError:
            outcome = sw.REFUSED
        except OSError:
            outcome = sw.NO_ROOM
        if outcome in (sw.REFUSED, sw.NO_ROOM) and self._wanted:
            self._close()
        return self._word(op, outcome)

    def is_due(self, now_s: int) -> bool:
        """Whether the other slot was told to start next, and the Pi had its time to end."""
        return self.turned_s is not None and abs(now_s - self.turned_s) >= RESET_AFTER_S

    def _word(self, op: int, outcome: int) -> bytes:
        good, now = state(self._root)[:2]
        running = self._slots.running
        stands = sw.TURNED if now != running else sw.TRYING if now != good else sw.SETTLED
        own, other = self._slots.digest(running), self._slots.digest("b" if running == "a" else "a")
        return struct.pack(sw.WORD, op, outcome, ord(running), stands, self._at, own, other)

    def _begin(self, length: int, wanted: bytes) -> int:
        self._close()
        if not self._slots.settled():
            return sw.ON_TRIAL
        if not 0 < length <= sw.MAX_LIST_BYTES:
            return sw.REFUSED
        self._slots.clear()
        self._wanted, self._left = bytes(wanted), length
        return sw.DONE

    def _piece(self, at: int, data: bytes) -> int:
        if not self._wanted or at != self._at:
            return sw.OUT_OF_ORDER
        self._at += len(data)
        while data:
            data = self._take(data)
        return sw.DONE

    def _take(self, data: bytes) -> bytes:
        """Use up some of the stream; the rest of it.  Raises: ValueError, OSError."""
        if not self._wanted:
            raise ValueError("more than the list says")
        if not self._path and self._lines:  # a file's length
            need = 4 - len(self._size)
            self._size += data[:need]
            if len(self._size) == 4:
                self._left = struct.unpack(">I", self._size)[0]
                self._open(self._lines[0].split("  ")[1])
            return data[need:]
        taken, rest = data[: self._left], data[self._left :]
        self._left -= len(taken)
        if not self._path:
            self._list += taken
            if not self._left:
                self._read_list()
            return rest
        self._append(taken)
        return rest

    def _read_list(self) -> None:
        if sw.digest(self._list) != self._wanted:
            raise ValueError("another digest")
        lines = self._list.decode().split("\n")
        if lines.pop() or not lines:
            raise ValueError("no list")
        for line in lines:
            slots.check_name(line[66:])
            if line[64:66] != "  " or line[66:] == LIST[1:]:
                raise ValueError(line)
        self._lines = lines

    def _open(self, name: str) -> None:
        self._path = slots.make_folders(self._folder(), name)
        if not self._left:
            self._append(b"")

    def _append(self, data: bytes) -> None:
        with open(self._path, "ab") as file:  # no file stays open between two messages
            file.write(data)
        if self._left:
            return
        if slots.sha256(self._path) != self._lines.pop(0).split("  ")[0]:
            raise ValueError(self._path)
        self._path, self._size = "", b""
        if not self._lines:
            self._slots.write_list(self._list.decode())
            self._wanted = b""

    def _folder(self) -> str:
        return self._root + "/" + self._slots.idle() + "/"

    def _turn(self, wanted: bytes, now_s: int) -> int:
        if not self._slots.turn(bytes(wanted), now_s):
            return sw.REFUSED
        self.turned_s = None if state(self._root)[1] == self._slots.running else now_s
        return sw.DONE

    def _close(self) -> None:
        self._wanted = b""
        self._end()
