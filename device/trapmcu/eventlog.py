"""What happened to this unit: a ring of entries in flash, two files in turn, that survives power loss at any byte.

A file holds `RECORDS` records of 13 bytes: sequence u32 | entry | CRC u16, where an entry is seconds u32 | code u8, its
bit 7 for true time (since 2020; else the unit's own clock) | value u16. A record's sequence says its file and its
place: what is torn or damaged there is skipped, and the next one written takes the torn one's place.

Wear. An entry from `IMPORTANT` on is durable when `add` returns. What happens every day waits in memory until eight
wait, or an important one comes: that is what a loss of power costs. Over deep sleep and resets they lie in what
`retain()` gives. Of one code at most four an hour are written, counted from the ring itself, so over resets too; the
rest are counted in one entry that waits. Each write costs littlefs a block or two, wherever it likes.

A new log begins at a random sequence: a base that has entries of the old one takes none for a repeat.
"""

import struct
from binascii import crc32

from trapwire.events import FAULT, IMPORTANT, REPEATED

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

ENTRY = ">IBH"
ENTRY_BYTES = 7
RECORD_BYTES = 13
RECORDS = 315  # of a file: 4,095 bytes, a block of flash
MAX_WAITING = 8
AN_HOUR = 4
DAY_S = 86400
TRUE = 0x80


class EventLog:
    """The ring in `folder`. random(n): a whole number below n; kept: what `retain()` gave before the reset.

    No method raises: a log that flash refuses forgets the oldest of what waits.
    """

    def __init__(self, folder: str, random: "Callable[[int], int]", kept: bytes = b"") -> None:
        self._path = folder + "/log%d"
        self._random = random
        self._next = 0  # sequence of the next record; 0 until the files were looked at
        self._hours: "dict[int, int]" = {}  # by code: the hour of its last entry << 8 | entries in that hour
        self._fault = (0, 0)  # seconds and code
        self._waiting = [kept[at : at + ENTRY_BYTES] for at in range(0, len(kept) - 6, ENTRY_BYTES)]

    def retain(self) -> bytes:
        """What waits, for the time without power to the heap: 56 bytes at most."""
        return b"".join(self._waiting[-MAX_WAITING:])

    def add(self, code: int, value: int, time_s: int, is_true: bool = False) -> None:
        """An entry. time_s: seconds since 2020 where `is_true`, else of the unit's own clock."""
        self._open()
        if not self._note(code, time_s):
            value, code = code << 8 | 1, REPEATED
            for i, entry in enumerate(self._waiting):
                if entry[4] & ~TRUE == REPEATED and entry[5] == value >> 8:
                    value += min(entry[6], 254)
                    del self._waiting[i]
                    break
        entry = struct.pack(ENTRY, time_s, code | (TRUE if is_true else 0), min(max(value, 0), 0xFFFF))
        self._waiting.append(entry)
        if code >= IMPORTANT or len(self._waiting) >= MAX_WAITING:
            self.flush()

    def flush(self) -> None:
        """Make durable what waits."""
        self._open()
        try:
            while self._waiting:
                self._write()
        except OSError:
            self._waiting = self._waiting[-MAX_WAITING:]

    def fault(self, time_s: int) -> int:
        """The code of the last fault within a day, 0 for none."""
        self._open()
        return self._fault[1] if abs(time_s - self._fault[0]) < DAY_S else 0

    def find(self, first: int, count: int) -> "tuple[int, int]":
        """The sequences [from, to) of at most `count` entries from `first` on, or the newest where that is not here."""
        self.flush()
        if not self._next - 2 * RECORDS <= first < self._next:
            first = max(0, self._next - count)
        return first, min(first + count, self._next)

    def read(self, first: int, count: int) -> "tuple[int, bytes]":
        """At most `count` entries in a row, from the first one that is there: its sequence, and 7 bytes each."""
        data = b""
        while len(data) < count * ENTRY_BYTES:
            sequence = first + len(data) // ENTRY_BYTES
            if sequence >= self._next:
                break
            entry = self._entry(sequence)
            if entry:
                data += entry
            elif data:
                break
            else:
                first += 1
        return first, data

    def _note(self, code: int, time_s: int) -> bool:
        """Count an entry; whether it is to be written."""
        hour = time_s // 3600 << 8
        count = self._hours.get(code, 0) - hour
        if count == AN_HOUR:
            return False
        self._hours[code] = hour + (count + 1 if 0 <= count < AN_HOUR else 1)
        if code >= FAULT:
            self._fault = (time_s, code)
        return True

    def _open(self) -> None:
        if self._next:
            return
        self._scan(0)
        self._scan(1)
        if not self._next:
            self._next = (1 + self._random(1 << 20)) * 2 * RECORDS
        if not (self._next - 1) // RECORDS & 1:
            self._hours = {}
            self._scan(0)  # the newer one: what it says of hours and faults counts
        for entry in self._waiting:  # flash has not taken these before the sleep
            time_s, code, _ = struct.unpack(ENTRY, entry)
            self._note(code & ~TRUE, time_s)

    def _scan(self, number: int) -> None:
        try:
            with open(self._path % number, "rb") as file:
                for _ in range(RECORDS):
                    record = file.read(RECORD_BYTES)
                    if _is_whole(record):
                        sequence, time_s, code, _ = struct.unpack(">IIBH", record[:11])
                        self._next = max(self._next, sequence + 1)
                        self._note(code & ~TRUE, time_s)
        except OSError:
            pass

    def _entry(self, sequence: int) -> bytes:
        """One entry; empty where it is not here."""
        try:
            with open(self._path % (sequence // RECORDS & 1), "rb") as file:
                file.seek(sequence % RECORDS * RECORD_BYTES)
                record = file.read(RECORD_BYTES)
        except OSError:
            return b""
        return record[4:11] if _is_whole(record) and record[:4] == struct.pack(">I", sequence) else b""

    def _write(self) -> None:
        place = self._next % RECORDS
        data = b""
        written = self._waiting[: RECORDS - place]
        for i, entry in enumerate(written):
            record = struct.pack(">I", self._next + i) + entry
            data += record + struct.pack(">H", crc32(record) & 0xFFFF)
        with open(self._path % (self._next // RECORDS & 1), "r+b" if place else "wb") as file:
            file.seek(place * RECORD_BYTES)
            file.write(data)
        self._next += len(written)
        self._waiting = self._waiting[len(written) :]


def _is_whole(record: bytes) -> bool:
    return len(record) == RECORD_BYTES and struct.pack(">H", crc32(record[:11]) & 0xFFFF) == record[11:]
