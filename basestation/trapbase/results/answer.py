"""The back end's answer: a page of results, signed as a whole (BACKEND.md, "Identifications"). Pure.

What is wrong with the page itself (signature, cursor, form) changes nothing at all. A result that cannot be read costs
that result alone: one that a newer back end writes must not hold up all that come after it.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from trapbase.model import Identification
from trapkit.sealing import signature_is_valid

PREFIX = b"pugmark-identifications-1\x00"
MOST = 200  # results a page: with the longest words that are allowed some 600 kB, below what an answer may have
MAX_SHOWN = 120  # characters of what is wrong with a result
SIGHTING = re.compile(r"([1-9][0-9]{0,4})-([0-9a-f]{8})-(0|[1-9][0-9]{0,9})")
SIGNATURE = re.compile(r"[0-9a-f]{128}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", re.ASCII)

Cursor = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.~-]{1,256}\Z")]
ResultId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}\Z")]
Text = Annotated[str, Meta(min_length=1, max_length=64)]


class BadAnswerError(Exception):
    """What the back end answered is no page of its results; nothing is taken from it, and it is asked again later."""


class _Page(Struct, frozen=True):
    after: Annotated[str, Meta(max_length=256)]
    next: Cursor
    more: bool
    results: Annotated[list[Raw], Meta(max_length=MOST)]


class Result(Struct, frozen=True, kw_only=True):
    """Names are Camtrap DP's where it has one."""

    result_id: ResultId
    observationID: Annotated[str, Meta(max_length=32)]  # noqa: N815
    individualID: Text | None = None  # noqa: N815
    scientificName: Text | None = None  # noqa: N815
    sex: Literal["female", "male"] | None = None
    lifeStage: Literal["adult", "subadult", "juvenile"] | None = None  # noqa: N815
    classificationMethod: Literal["human", "machine"]  # noqa: N815
    classifiedBy: Annotated[str, Meta(min_length=1, max_length=128)]  # noqa: N815
    classificationTimestamp: Annotated[str, Meta(max_length=24)]  # noqa: N815
    classificationProbability: Annotated[float, Meta(ge=0, le=1)] | None = None  # noqa: N815
    replaces: ResultId | None = None
    withdrawn: bool = False


class Page(Struct, frozen=True, kw_only=True):
    """A page that is the back end's; `bad`: what was wrong with results that could not be read."""

    results: list[Identification]
    bad: list[str]
    next: str
    more: bool


def read_page(body: bytes, signature: str, after: str, key: bytes) -> Page:
    """The page that follows the cursor `after`; `key`: the back end's Ed25519 public key, `signature` in hexadecimal.

    Raises: BadAnswerError.
    """
    if not SIGNATURE.fullmatch(signature) or not signature_is_valid(key, PREFIX + body, bytes.fromhex(signature)):
        raise BadAnswerError("the signature is not the back end's")
    try:
        page = msgspec.json.decode(body, type=_Page)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise BadAnswerError(f"it is malformed: {error}") from error
    if page.after != after:
        raise BadAnswerError(f"it follows {page.after[:40]!r}, and {after[:40]!r} was asked for")
    if page.next == after and (page.results or page.more):
        raise BadAnswerError("its cursor stands still")
    results, bad = [], []
    for raw in page.results:
        try:
            results.append(_read(msgspec.json.decode(raw, type=Result)))
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            bad.append(str(error)[:MAX_SHOWN])
    return Page(results=results, bad=bad, next=page.next, more=page.more)


def _read(said: Result) -> Identification:
    """Raises: ValueError."""
    found = SIGHTING.fullmatch(said.observationID)
    if found is None:
        raise ValueError(f"{said.observationID!r} is no observationID of a trap")
    trap, epoch, number = int(found[1]), int(found[2], 16), int(found[3])
    if trap > 0xFFFF or number > 0xFFFFFFFF:
        raise ValueError(f"{said.observationID!r} is no observationID of a trap")
    _check_text(filter(None, (said.individualID, said.scientificName, said.classifiedBy)))
    return Identification(
        result_id=said.result_id,
        trap=trap,
        epoch=epoch,
        number=number,
        individual=said.individualID,
        species=said.scientificName,
        sex=said.sex,
        life_stage=said.lifeStage,
        confidence=said.classificationProbability,
        method=said.classificationMethod,
        reviewer=said.classifiedBy,
        decided_ms=_unix_ms(said.classificationTimestamp),
        withdrawn=said.withdrawn,
        replaces=said.replaces,
    )


def _check_text(words: Iterable[str]) -> None:
    # It stands on screens and in tables: no line of its own, no control, no lone surrogate, no mere blank.
    for text in words:
        if not text.isprintable() or text != text.strip():
            raise ValueError(f"{text!a} is not one line of text")


def _unix_ms(text: str) -> int:
    if not TIME.fullmatch(text):
        raise ValueError(f"{text!r} is no time like 2026-11-22T03:04:05Z")
    time = datetime.fromisoformat(text)
    if time < datetime(1970, 1, 1, tzinfo=UTC):
        raise ValueError(f"{text!r} is before 1970")
    return round((time - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
