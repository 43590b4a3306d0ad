"""Deployment cards, service visits and field samples: what a ranger writes down, as it travels to the base (pure).

JSON in UTF-8, sealed to the operator's bases before it is stored: it holds the exact position and a name. The trap
writes it, the base reads it; both by this one definition. An unknown field of a newer trap is skipped.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

MAX_BYTES = 1_200  # before sealing: with its note four to six frames by radio
FIRST_MS, LAST_MS = 1_577_836_800_000, 4_102_444_800_000  # 2020–2100
Name = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[\w][\w .-]*$")]
Person = Annotated[str, Meta(min_length=1, max_length=40)]
Text = Annotated[str, Meta(max_length=200)]
TimeMs = Annotated[int, Meta(ge=FIRST_MS, le=LAST_MS)]


# What was done at a service visit, as it travels; of a newer trap's words the base shows all.
BATTERY, MEMORY_CARD, DESICCANT, LENS, STRAIGHTENED = "battery", "memory card", "desiccant", "lens", "straightened"
Done = Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^[a-z][a-z ]*$")]


class CardError(ValueError):
    """Bytes that are no card, visit or sample of ours."""


class Card(Struct, frozen=True, kw_only=True, tag="card", omit_defaults=True):
    """One word on a deployment: it begins, another unit takes its place over, or it ends.

    Degrees in WGS 84; `precision_m`: what the last digit typed is worth; `at_ms`: the trap's time (Unix ms) with its
    uncertainty, None where unknown; `phone_ms`: what the phone said, a hint and no more.
    """

    action: Literal["place", "take over", "end"]
    station: Name
    side: Literal["left", "right"]
    who: Person
    at_ms: TimeMs
    uncertainty_ms: Annotated[int, Meta(ge=0, le=1 << 40)] | None = None
    phone_ms: TimeMs | None = None
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    precision_m: Annotated[float, Meta(ge=0, le=20_000_000)] | None = None
    height_cm: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    bearing_deg: Annotated[int, Meta(ge=0, le=359)] | None = None
    trail_m: Annotated[float, Meta(ge=0, le=100)] | None = None
    bait: Literal["none", "scent", "food", "visual", "acoustic", "other"] = "none"
    note: Text = ""


class Visit(Struct, frozen=True, kw_only=True, tag="visit", omit_defaults=True):
    """Somebody was at the trap: what was changed (`done`; nothing: only looked at), by whom, and when, as in a card.

    It names no station: which deployment it belongs to follows from trap and time.
    """

    who: Person
    at_ms: TimeMs
    done: Annotated[tuple[Done, ...], Meta(max_length=16)] = ()
    uncertainty_ms: Annotated[int, Meta(ge=0, le=1 << 40)] | None = None
    phone_ms: TimeMs | None = None
    note: Text = ""


class Sample(Struct, frozen=True, kw_only=True, tag="sample", omit_defaults=True):
    """Something found near the trap: its barcode, what it is, where and when, how it is kept, and by whom."""

    barcode: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9._/-]+$")]
    kind: Literal["scat", "hair", "urine", "saliva", "other"]
    kept: Literal["dry", "frozen", "ethanol", "silica", "buffer", "other"]
    station: Name
    who: Person
    at_ms: TimeMs
    uncertainty_ms: Annotated[int, Meta(ge=0, le=1 << 40)] | None = None
    sighting: Annotated[int, Meta(ge=1, lt=1 << 24)] | None = None
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    precision_m: Annotated[float, Meta(ge=0, le=20_000_000)] | None = None
    note: Text = ""


Written = Card | Visit | Sample  # what a ranger saves at a trap


def encode(said: Written) -> bytes:
    """At most `MAX_BYTES`.  Raises: CardError when its texts take more."""
    data = msgspec.json.encode(said)
    if len(data) > MAX_BYTES:
        raise CardError(f"{len(data)} bytes, allowed are {MAX_BYTES}: shorten the note")
    return data


def decode(data: bytes) -> Written:
    """The card, visit or sample in `data`.  Raises: CardError: anybody can seal to a public key."""
    if len(data) > MAX_BYTES:
        raise CardError(f"{len(data)} bytes, allowed are {MAX_BYTES}")
    try:
        found: Written = msgspec.json.decode(data, type=Card | Visit | Sample)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CardError(f"no card, visit or sample: {error}") from error
    if isinstance(found, Card) and found.action != "end" and None in (found.latitude, found.longitude):
        raise CardError("a deployment that begins has no position")
    return found
