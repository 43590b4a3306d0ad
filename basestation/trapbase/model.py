"""What the base keeps, as plain values; the tables are in sql/001_store.sql."""

from dataclasses import dataclass
from typing import NamedTuple

from trapwire.objects import ObjectKey

Sighting = tuple[int, int, int]  # trap, epoch, number: what an alert, its crop and its frames share


class Arrival(NamedTuple):
    """An object as it came off the bus; `snr_db` and `rssi_dbm` are what the gateway said, or None. A tuple, for there
    is one of every message."""

    key: ObjectKey
    body: bytes
    sha256: bytes
    base: str
    rssi_dbm: int | None
    snr_db: float | None
    received_ms: int  # Unix ms, UTC, by the gateway's clock


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredObject:
    """A row of `objects`; `body` is there for alerts and notes only; `gone`: its bytes were given up for room."""

    id: int
    trap: int
    epoch: int
    number: int
    rung: int
    sha256: bytes
    size: int
    body: bytes | None
    received_ms: int
    stored_ms: int
    gone: bool = False

    @property
    def sighting(self) -> Sighting:
        return (self.trap, self.epoch, self.number)

    @property
    def identity(self) -> tuple[int, int, int, int, bytes]:
        """What is in custody: the key and the digest."""
        return (self.trap, self.epoch, self.number, self.rung, self.sha256)


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A stored object that no batch has yet, and when its sighting's alert and crop were stored (Unix ms), if ever.
    `urgent`: it waits for no others."""

    object: StoredObject
    alert_ms: int | None
    crop_ms: int | None
    urgent: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What an alert said: a row of `events`. `confidence` and `box` (x, y, width, height) are 0–255 for 0–1."""

    trap: int
    epoch: int
    number: int
    time_ms: int
    uncertainty_ms: int | None
    species: int
    confidence: int
    count: int
    box: tuple[int, int, int, int]
    battery: int | None
    event_id: str | None  # once published

    @property
    def sighting(self) -> Sighting:
        return (self.trap, self.epoch, self.number)


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """A row of `batches`; `cut_ms`: Unix ms."""

    batch_id: str
    state: str
    size: int
    url: str | None
    cut_ms: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenReceipt:
    """A receipt that its trap has not taken yet; `id` is its number on the air, `body` the short form."""

    id: int
    trap: int
    epoch: int
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Identification:
    """Who a sighting's cat is, by one decision of the back end (BACKEND.md): a row of `identifications`.

    `individual`: None for a new or unknown one; `confidence`: 0–1 or None; `method`: human or machine; `replaces`: the
    result_id of a decision that this one corrects; `withdrawn`: it takes that back, and says nothing in its place.
    """

    result_id: str
    trap: int
    epoch: int
    number: int
    individual: str | None
    species: str | None
    sex: str | None
    life_stage: str | None
    confidence: float | None
    method: str
    reviewer: str
    decided_ms: int
    withdrawn: bool
    replaces: str | None

    @property
    def sighting(self) -> Sighting:
        return (self.trap, self.epoch, self.number)
