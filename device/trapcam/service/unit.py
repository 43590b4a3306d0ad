"""What the page knows of the trap it is served by: values, and what may be asked of it (pure)."""

from dataclasses import dataclass
from typing import Protocol

from trapcam.service.download import Parcel
from trapkit.cards import Card, Written

MOST_HDOP = 5.0  # above it a fix may be off by 25 m and more
WALK_S = 120  # a walk test of two minutes; then it ends by itself, and what it saw stays on the page
LEAST_SATELLITES = 4  # with three it guesses the height


@dataclass(frozen=True, kw_only=True)
class Gnss:
    """What a GNSS module says: nothing (`heard` is false), how many satellites it has, or where it is (degrees,
    WGS 84), how exactly (HDOP) and how long ago (s)."""

    heard: bool
    satellites: int = 0
    latitude: float | None = None
    longitude: float | None = None
    hdop: float = 0.0
    age_s: int = 0

    @property
    def text(self) -> str:
        """The position as it is put into the form: five decimals, about a metre; empty where there is none."""
        return "" if self.latitude is None or self.longitude is None else f"{self.latitude:.5f}, {self.longitude:.5f}"

    @property
    def exact(self) -> bool:
        """Good enough for a card: some tens of metres."""
        return bool(self.text) and self.hdop <= MOST_HDOP and self.satellites >= LEAST_SATELLITES


@dataclass(frozen=True, kw_only=True)
class Unit:
    """The trap now. None: not known. Margins in dB; `heard_s`: since the base was heard."""

    trap: int
    time_ms: int
    uncertainty_ms: int | None
    battery: int | None
    days_left: int | None
    margin_db: int | None
    partner_db: int | None
    heard_s: int | None
    picture_s: int | None  # how long a picture takes to the base from here
    deployed: bool
    standing: Card | None  # that deployment's card, as long as this trap's memory lasts: on its own card it is sealed
    triggers: int
    sightings: int
    unreceipted: int
    full_frames: int
    blind_days: int
    faults: tuple[str, ...]  # messages of the catalogues
    needs: tuple[str, ...] = ()  # what is to be changed now, likewise
    since_ms: int | None = None  # triggers, sightings and blind days are counted from here; None: all of the card's
    gnss: Gnss | None = None  # None: this trap has no module


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the camera sees: a JPEG with the detector's boxes, what they are, and whether it is sharp."""

    jpeg: bytes
    seen: tuple[tuple[str, float], ...]
    sharp: bool


@dataclass(frozen=True, kw_only=True)
class Step:
    """One moment of a walk test: since its beginning (s), what saw the walker, and whether the picture was sharp."""

    at_s: float
    pir: bool
    seen: str  # the detector's class, or nothing
    confidence: float
    sharp: bool


@dataclass(frozen=True, kw_only=True)
class Walk:
    """A walk test of this visit: all its steps, whether it runs still, and how long it ran (s)."""

    steps: tuple[Step, ...]
    running: bool
    lasted_s: int
    at_ms: int | None = None  # when it began, Unix ms

    @property
    def left_s(self) -> int:
        """Until it ends by itself."""
        return max(0, WALK_S - self.lasted_s) if self.running else 0

    @property
    def noticed(self) -> int:
        """How often the movement sensor noticed the walker."""
        return sum(step.pir for step in self.steps)

    @property
    def seen(self) -> int:
        """How often the camera recognised the walker."""
        return sum(bool(step.seen) for step in self.steps)

    @property
    def sharp(self) -> int:
        """How many of these pictures were sharp."""
        return sum(bool(step.seen) and step.sharp for step in self.steps)

    @property
    def passed(self) -> bool:
        return bool(self.noticed and self.seen and self.sharp)


class Trap(Protocol):
    """Called in the trap's loop only."""

    def unit(self) -> Unit: ...

    def look(self) -> Look | None: ...

    def save(self, said: Written) -> int:
        """Its number: from now on it is not lost.  Raises: StorageError."""

    def progress(self, number: int) -> str:
        """waiting, stored or delivered."""

    def parcel(self) -> Parcel:
        """Everything that has no receipt. Its objects are read in any thread."""

    def begin_walk(self) -> None: ...

    def walk(self) -> Walk | None:
        """The test that runs, or else the last one of this visit; None where there was none."""

    def end_walk(self) -> None:
        """It runs no longer, and what it saw stays; harmless when repeated."""
