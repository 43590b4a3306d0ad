"""The bytes of the slots' record: JSON behind a line with its SHA-256, so that half of one is none (pure).

Fields that a later version has are skipped and missing ones have their defaults: launcher and application may differ.
"""

import hashlib
import json
from dataclasses import asdict, fields
from typing import Any, TypeVar

from trapkit.update.install import SLOTS, Gone, Record, Trial
from trapkit.update.states import UpdateState

T = TypeVar("T")


def check(value: Any) -> bytes:
    """The bytes of a file that holds `value`."""
    body = json.dumps(value, sort_keys=True, indent=1).encode() + b"\n"
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def checked(data: bytes) -> Any:
    """What `check` was given.  Raises: ValueError."""
    digest, _, body = data.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ValueError("damaged: its check does not fit")
    return json.loads(body)


def encode(record: Record) -> bytes:
    """A record's file."""
    return check(asdict(record))


def decode(data: bytes) -> Record:
    """The record in a file.  Raises: ValueError."""
    told = checked(data)
    try:
        trial = None if told.get("trial") is None else _made(Trial, told["trial"])
        gone = tuple(_made(Gone, each) for each in told.get("gone", []))
        said = _made(UpdateState, told["said"]) if "said" in told else UpdateState("", "", "running", "", 0)
        record = _made(Record, {**told, "trial": trial, "gone": gone, "said": said})
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"damaged: {error}") from error
    if record.good not in ("", *SLOTS) or (trial is not None and trial.slot not in SLOTS):
        raise ValueError(f"slots {record.good!r} and {trial!r}; allowed are a and b")
    return record


def _made(made: type[T], told: dict[str, Any]) -> T:
    known = {each.name for each in fields(made)}  # type: ignore[arg-type]
    return made(**{name: value for name, value in told.items() if name in known})
