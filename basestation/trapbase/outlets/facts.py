"""What an outlet may say of a sighting or of an identification: facts as its settings allow them. Pure.

Positions of wild cats are withheld or made coarser here, once, for every kind of outlet (`coarser`).
"""

from dataclasses import dataclass
from typing import Any

from trapbase.camtrap_rows import OF_A_NEWER_TRAP, TAXA
from trapbase.coarser import EXACT, rounded
from trapbase.config import TrapSettings
from trapbase.model import Event, Sighting
from trapwire.alert import SPECIES

STATION, NONE = "station", "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Where:
    """Where it was, as far as it may be said. `uncertainty_m` holds what rounding adds; `withheld`, `generalized`: what
    Darwin Core calls informationWithheld and dataGeneralizations."""

    station: str | None
    side: str | None
    latitude: float | None
    longitude: float | None
    uncertainty_m: int | None
    withheld: str
    generalized: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """An opened picture: `kind` is its media type, `end` of its file's name, `sha256` of its bytes."""

    kind: str
    end: str
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Identified:
    """A row of `identifications`; `replaces`: the result that it corrects or takes back."""

    result_id: str
    replaces: str | None
    individual: str | None
    species: str | None
    sex: str | None
    life_stage: str | None
    confidence: float | None
    reviewer: str | None
    decided_ms: int | None
    withdrawn: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """One message. `event`: what the alert said, None where only the back end knows this sighting; `queued_ms`: since
    when it is to be said (Unix ms); `identified`: None for a sighting."""

    base: str
    sighting: Sighting
    event: Event | None
    event_id: str | None
    where: Where
    picture: Picture | None
    identified: Identified | None
    queued_ms: int


def where_of(trap: TrapSettings | None, rule: str) -> Where:
    """Where `trap` stood, as `rule` (key `coordinates`) allows; None: nobody knows."""
    if trap is None or rule in (STATION, NONE):
        named = trap is not None and rule == STATION
        return Where(
            station=trap.station if trap is not None and named else None,
            side=trap.side if trap is not None else None,
            latitude=None,
            longitude=None,
            uncertainty_m=None,
            withheld="coordinates" if named else "coordinates, station",
            generalized="",
        )
    latitude, longitude, uncertainty_m = rounded(trap.latitude, trap.longitude, trap.uncertainty_m, rule)
    return Where(
        station=trap.station, side=trap.side, latitude=latitude, longitude=longitude, uncertainty_m=uncertainty_m,
        withheld="", generalized="" if rule == EXACT else f"coordinates rounded to {rule} degree",
    )  # fmt: skip


def species_name(event: Event) -> str:
    """The alert's likely species, as people say it."""
    return SPECIES.get(event.species, "animal")


def taxon(event: Event) -> str:
    """Its scientific name."""
    return TAXA.get(event.species, OF_A_NEWER_TRAP)[0]


def names_of(code: int) -> set[str]:
    """Everything by which a species may be called, in small letters."""
    scientific, rank, english = TAXA.get(code, OF_A_NEWER_TRAP)
    called = {SPECIES.get(code, "")}
    return {name.lower() for name in (called | {scientific, english} if rank == "species" else called)}


def identified(row: dict[str, Any]) -> Identified:
    """A row of `identifications` as a value."""
    names = ("result_id", "individual", "species", "sex", "life_stage", "confidence", "reviewer", "decided_ms")
    withdrawn, replaces = bool(row["withdrawn"]), row.get("replaces")
    return Identified(withdrawn=withdrawn, replaces=replaces, **{name: row[name] for name in names})


CODES = {name: code for code, name in SPECIES.items()}


def priority(
    species: tuple[str, ...], least_percent: int, code: int | None, confidence: int | None, named: str | None
) -> int | None:
    """How urgent it is: its place in the list `species`, 0 the first; None when it is not wanted.

    `code`, `confidence` (0–255): of the alert, None where that is not here; `named`: the species that an identification
    names. An identification goes where the alert went, or would go by what it is now: a tiger that turns out to be a
    leopard must be told to whoever heard of the tiger.
    """
    places = []
    sure = confidence is not None and confidence / 255 * 100 >= least_percent
    if code is not None and sure and SPECIES.get(code) in species:
        places.append(species.index(SPECIES[code]))
    if named:
        places += [i for i, name in enumerate(species) if named.strip().lower() in names_of(CODES[name])]
    return min(places, default=None)
