"""Several modems as one radio: a frame that two of them hear is one frame, and its answer goes by the better of them.

A *cell* is the modems of one spreading factor, which speak one link; a base has one cell for each that its modems have.
Links of several cells have the traps' keys, the frame counter and what each trap was told in common, and each its own
half-finished transfers: a trap that changes its spreading factor sends the rest of an object anew.

Of a frame's copies the loudest decides. What only looks like a frame of a trap (it does not open) moves no answer.
"""

import struct
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from trapkit.errors import StorageError
from trapwire.basewords import BaseWords
from trapwire.frame import QUICK
from trapwire.objects import Envelope, ObjectKey
from trapwire.relay import overheard
from trapwire.serialline import HEARD, TRANSMIT, TUNE

COPY_MS = 3000  # a frame's copies come within the length of two serial lines; a trap never says the same frame again
GATHER_MS = 25  # an answer waits so long for another modem's copy: the length of a frame on its serial line
MAX_COPIES = 256  # frames known again: more than all modems of a base can hear in that time
HEARD_HEAD_BYTES = 3
MAX_FRAME_BYTES = 255  # of a LoRa packet: what a modem says to have heard beyond it was never on the air

Events = list[tuple[Any, ...]]


class Link(Protocol):
    """The base's end of the radio link (`trapwire.baselink.BaseLink`)."""

    def on_frame(self, frame: bytes, rssi_dbm: int, snr_quarters: int, now: int) -> Events: ...
    def committed(self, key: ObjectKey, now: int) -> None: ...
    def forget(self, key: ObjectKey) -> None: ...
    def offer_down(self, envelope: Envelope) -> bool: ...
    def withdraw_down(self, key: ObjectKey) -> None: ...
    def frames_due(self, now: int) -> list[bytes]: ...
    def take_tuning(self) -> tuple[int, int] | None: ...
    def deadline(self) -> int | None: ...
    def partials(self) -> list[tuple[int, int, bytes]]: ...
    def recall(self, trap: int, kind: int, payload: bytes, now: int) -> Events: ...
    def refusals(self, now: int, within_ms: int) -> list[tuple[int, str]]: ...


class Line(Protocol):
    """A modem's serial line (`trapbase.modem.ModemLine`, `trapkit.serialport.SerialPort`)."""

    def read(self) -> list[tuple[int, bytes]]: ...
    def send(self, kind: int, payload: bytes) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One link and the modems that speak it; `words`: the link's."""

    link: Link
    words: BaseWords
    lines: Sequence[Line]


class Heard(NamedTuple):
    """What one frame brought, and how the modem heard it that heard it best; `margin_db` above what its spreading
    factor needs, None where that is not known."""

    events: Events
    rssi_dbm: int
    snr_quarters: int
    margin_db: float | None


@dataclass
class _Copy:
    heard_ms: int
    snr_quarters: int
    trap: int | None  # None for a frame that does not open


class Radio:
    """The base's modems together. `listens_only(trap)`: whether another base answers that trap.

    `counters`: `copies` are frames that were here already; `noise`: what a modem cannot have heard; `unsent`: answers
    that no modem's line took.
    """

    def __init__(self, cells: Sequence[Cell], listens_only: Callable[[int], bool] = lambda trap: False) -> None:
        self._cells = tuple(cells)
        self._copies: OrderedDict[bytes, _Copy] = OrderedDict()
        self._heard_ms: dict[tuple[int, int], int] = {}  # by cell and trap; traps of ours only, so it is bounded
        self._hold_ms: dict[int, int] = {}  # by cell: until when its answers wait for copies
        self.listens_only = listens_only
        self.counters = {"copies": 0, "noise": 0, "unsent": 0}

    @classmethod
    def single(cls, link: Link, line: Line, words: BaseWords | None = None) -> "Radio":
        """Of one modem."""
        return cls([Cell(link=link, words=words or BaseWords(), lines=[line])])

    @property
    def words(self) -> BaseWords:
        """What traps are told and asked; the same for all cells."""
        return self._cells[0].words

    def clock(self, now_ms: int, utc_ms: int, uncertainty_ms: int | None) -> None:
        for cell in self._cells:
            cell.words.clock(now_ms, utc_ms, uncertainty_ms)

    # What comes

    def hear(self, now_ms: int) -> list[Heard]:
        """What all modems have heard, in the order of the lines; each frame once."""
        found = []
        for number, cell in enumerate(self._cells):
            frames: dict[bytes, list[tuple[int, int, int]]] = {}
            for modem, line in enumerate(cell.lines):
                for kind, payload in line.read():
                    if kind != HEARD:
                        continue
                    if not 0 < len(payload) - HEARD_HEAD_BYTES <= MAX_FRAME_BYTES:
                        self.counters["noise"] += 1
                    else:
                        rssi, snr = struct.unpack(">hb", payload[:HEARD_HEAD_BYTES])
                        frames.setdefault(payload[HEARD_HEAD_BYTES:], []).append((snr, rssi, modem))
            for frame, heard in frames.items():
                self.counters["copies"] += len(heard) - 1
                found += self._on_frame(number, frame, max(heard), now_ms)
        return found

    def _on_frame(self, number: int, frame: bytes, best: tuple[int, int, int], now_ms: int) -> list[Heard]:
        snr, rssi, modem = best
        cell = self._cells[number]
        copy = self._copies.get(frame)
        if copy is not None and now_ms - copy.heard_ms < COPY_MS:
            self.counters["copies"] += 1
            if copy.trap is not None and snr > copy.snr_quarters:
                copy.snr_quarters = snr
                cell.words.modem_of[copy.trap] = modem
            return []
        if len(cell.lines) > 1 and now_ms >= self._hold_ms.get(number, 0):
            self._hold_ms[number] = now_ms + GATHER_MS
        events = cell.link.on_frame(frame, rssi, snr, now_ms)
        head = overheard(frame)
        trap = head[1] << 8 | head[2] if len(head) > HEARD_HEAD_BYTES else 0
        opened = not any(event[0] == "dropped" for event in events) and not head[0] & 0x20
        self._copies[frame] = _Copy(now_ms, snr, trap if opened else None)
        self._copies.move_to_end(frame)
        if len(self._copies) > MAX_COPIES:
            self._copies.popitem(last=False)
        if opened:
            cell.words.modem_of[trap] = modem
            self._heard_ms[number, trap] = now_ms
        return [Heard(events, rssi, snr, cell.words.margin_db(snr))]

    def recall(self, trap: int, kind: int, payload: bytes, now_ms: int) -> Events:
        """Take back a piece that an earlier run remembered, which did not say of which cell it was."""
        return [event for cell in self._cells for event in cell.link.recall(trap, kind, payload, now_ms)]

    def partials(self) -> list[tuple[int, int, bytes]]:
        """All pieces of objects that are not whole, for `recall`."""
        return [record for cell in self._cells for record in cell.link.partials()]

    def refusals(self, now_ms: int, within_ms: int) -> list[tuple[int, str]]:
        """Traps of which a frame was refused lately and none taken since, in any cell; with the cause."""
        found: dict[int, str] = {}
        for number, cell in enumerate(self._cells):
            for trap, cause in cell.link.refusals(now_ms, within_ms):
                others = (self._heard_ms.get((n, trap)) for n in range(len(self._cells)) if n != number)
                if all(at is None or now_ms - at > within_ms for at in others):
                    found[trap] = cause
        return list(found.items())

    # What goes out

    def committed(self, key: ObjectKey, now_ms: int) -> None:
        for cell in self._cells:
            cell.link.committed(key, now_ms)

    def forget(self, key: ObjectKey) -> None:
        for cell in self._cells:
            cell.link.forget(key)

    def offer_down(self, envelope: Envelope) -> None:
        """For its trap, in whichever cell it is heard next; nothing for one that another base answers."""
        if not self.listens_only(envelope.key.trap):
            for cell in self._cells:
                cell.link.offer_down(envelope)

    def withdraw_down(self, key: ObjectKey) -> None:
        for cell in self._cells:
            cell.link.withdraw_down(key)

    def answer(self, now_ms: int) -> bool:
        """Send what is due, by the modem that heard each trap best; whether there was anything.

        Raises: StorageError when a cell's frame counter cannot be kept; the others' answers have gone.
        """
        busy, refused = False, None
        for number, cell in enumerate(self._cells):
            if now_ms < self._hold_ms.get(number, 0):
                continue
            try:
                frames = cell.link.frames_due(now_ms)
            except StorageError as error:
                refused = error
                continue
            tuned = 0
            for frame in frames:
                modem = self._send(cell, frame)
                if overheard(frame)[0] & 0x0F == QUICK:
                    tuned = modem
            busy |= bool(frames)
            turn = cell.link.take_tuning()
            if turn is not None:
                cell.lines[tuned].send(TUNE, struct.pack(">BH", *turn))
        if refused is not None:
            raise refused
        return busy

    def _send(self, cell: Cell, frame: bytes) -> int:
        """The modem that took the frame: the trap's, or while that is gone another of the cell.

        A frame that no line took is a frame lost on the air: the link repeats it.
        """
        head = overheard(frame)
        best = cell.words.modem_of.get(head[1] << 8 | head[2], 0)
        for modem in (best, *(n for n in range(len(cell.lines)) if n != best)):
            if cell.lines[modem].send(TRANSMIT, frame):
                return modem
        self.counters["unsent"] += 1
        return best

    def deadline(self) -> int | None:
        """When something is to be sent at the latest (ms), or None while only a trap can change that."""
        found = ((self._hold_ms.get(number, 0), cell.link.deadline()) for number, cell in enumerate(self._cells))
        return min((max(hold_ms, at_ms) for hold_ms, at_ms in found if at_ms is not None), default=None)
