"""What was found on a card, before any key is tried (pure)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from trapship.opencard.pages import Row, Value
from trapwire.objects import RUNG_NAMES

DELETED = "deleted"
STATES = ("held", "waiting", "stored", "delivered", DELETED)
NOTE_KINDS = ("day", "opened", "moved", "scene")
SAMPLE_STATES = ("held", "exported")
_FIRST_MS, _LAST_MS = 1_577_836_800_000, 4_102_444_800_000  # 2020–2100: what a time in a row may be
Read = Callable[[], bytes]


class Unit(NamedTuple):
    """Whose card it is; `created_ms` 0 where only the objects are left to tell."""

    trap: int
    epoch: int
    created_ms: int


class Named(NamedTuple):
    """An object as a row names it: `body` where it lay in the row, else it is a file by its digest."""

    number: int
    rung: int
    state: str
    size: int
    sha256: bytes
    body: bytes | None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the row of an event says of it; `category` as the trap's detector has it, or "unjudged"."""

    taken_ms: int
    uncertainty_ms: int | None
    category: str
    species: int
    confidence: float
    count: int
    box: tuple[float, float, float, float]


@dataclass(kw_only=True)
class Outbox:
    """One outbox: its unit, its objects by number and rung, its samples' digests; `trouble`: why not all of it.

    events, notes: by number, what their rows say; of a note and of a scene that is their kind and when (Unix ms).
    """

    unit: Unit | None = None
    objects: dict[tuple[int, int], Named] = field(default_factory=dict)
    samples: dict[bytes, int] = field(default_factory=dict)  # size by digest
    events: dict[int, Seen] = field(default_factory=dict)
    notes: dict[int, tuple[str, int]] = field(default_factory=dict)
    trouble: str = ""

    def add(self, named: Named) -> None:
        """Of several versions of a row the one with a body counts, then the later state."""
        key = (named.number, named.rung)
        old = self.objects.get(key)
        if old is None or (named.body is not None) > (old.body is not None) or _later(named, old):
            self.objects[key] = named

    def add_rows(self, rows: Iterable[Row], proven: Callable[[bytes, bytes], bool]) -> int:
        """What rows of any table say, told by their shape; how many were ours. `proven(body, sha256)`."""
        taken = 0
        for row in rows:
            named, unit, sample = as_object(row.values), as_unit(row), as_sample(row)
            event, note = as_event(row), as_note(row)
            if named is not None and (named.body is None or proven(named.body, named.sha256)):
                self.add(named)
            elif unit is not None and self.unit is None:
                self.unit = unit
            elif sample is not None:
                self.samples[sample[0]] = sample[1]
            elif event is not None:
                self.events[row.rowid] = event
            elif note is not None:
                self.notes[row.rowid] = note
            else:
                continue
            taken += 1
        return taken


def _later(new: Named, old: Named) -> bool:
    return (new.body is None) == (old.body is None) and STATES.index(new.state) > STATES.index(old.state)


def as_object(values: tuple[Value, ...]) -> Named | None:
    """A row of `objects`: number, rung, priority, state, bytes, sha256, body, file, and what later versions add."""
    if len(values) < 8:
        return None
    number, rung, _, state, size, sha256, body, file = values[:8]
    if not (isinstance(number, int) and isinstance(rung, int) and isinstance(size, int) and isinstance(state, str)):
        return None
    if not isinstance(sha256, bytes) or len(sha256) != 32 or state not in STATES or rung not in RUNG_NAMES:
        return None
    if not (0 < number < 1 << 24 and 0 <= size < 1 << 25):
        return None
    if (body is None or isinstance(body, bytes)) and (file is None or isinstance(file, str)):
        return Named(number, rung, state, size, sha256, body)
    return None


def as_unit(row: Row) -> Unit | None:
    """The row of `outbox`: id 1, trap, epoch, created_ms, and what later versions add."""
    if row.rowid != 1 or len(row.values) < 4 or row.values[0] is not None:
        return None
    trap, epoch, created_ms = row.values[1:4]
    if not (isinstance(trap, int) and isinstance(epoch, int) and isinstance(created_ms, int)):
        return None
    if 0 < trap <= 0xFFFF and 0 <= epoch < 1 << 32 and _FIRST_MS <= created_ms <= _LAST_MS:
        return Unit(trap, epoch, created_ms)
    return None


def as_sample(row: Row) -> tuple[bytes, int] | None:
    """Of a row of `audit` the digest and size: burst_no, cell, draw, state, bytes, sha256, file."""
    if len(row.values) < 7 or row.values[0] is not None:
        return None
    state, size, sha256 = row.values[3:6]
    if state in SAMPLE_STATES and isinstance(size, int) and isinstance(sha256, bytes) and len(sha256) == 32:
        return sha256, size
    return None


def as_event(row: Row) -> Seen | None:
    """A row of `events`: number, burst_no, taken_ms, uncertainty_ms, category, species, confidence, count, box, …"""
    if len(row.values) < 12 or row.values[0] is not None or not 0 < row.rowid < 1 << 24:
        return None
    burst_no, taken_ms, uncertainty_ms, category, species, confidence, count = row.values[1:8]
    box = tuple(value for value in row.values[8:12] if isinstance(value, int | float))
    if not (isinstance(burst_no, int) and isinstance(taken_ms, int) and _FIRST_MS <= taken_ms <= _LAST_MS):
        return None
    if not (isinstance(category, str) and isinstance(species, int) and isinstance(count, int) and len(box) == 4):
        return None
    if isinstance(confidence, int | float) and (uncertainty_ms is None or isinstance(uncertainty_ms, int)):
        return Seen(
            taken_ms=taken_ms, uncertainty_ms=uncertainty_ms, category=category, species=species,
            confidence=confidence, count=count, box=(box[0], box[1], box[2], box[3]),
        )  # fmt: skip
    return None


def as_note(row: Row) -> tuple[str, int] | None:
    """A row of `notes`: number, kind, at_ms."""
    if len(row.values) < 3 or row.values[0] is not None or not 0 < row.rowid < 1 << 24:
        return None
    kind, at_ms = row.values[1:3]
    return (kind, at_ms) if kind in NOTE_KINDS and isinstance(kind, str) and isinstance(at_ms, int) else None
