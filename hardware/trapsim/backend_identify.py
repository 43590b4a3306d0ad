"""What the reference back end says of the cats. **Invented, and every name says so**: nobody looks at a picture.

The demo's one cat is the cat of scikit-image's photograph, so every cat is called Chelsea. The first sighting of all is
taken for a stranger, and a "person" corrects that with the second: so that a correction is seen too. Pure, and without
a clock: a decision is dated a minute after its sighting, the correction an hour.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

CHELSEA = {"individualID": "Chelsea (simulated)", "sex": "female", "lifeStage": "adult"}
STRANGER = {"individualID": None, "sex": None, "lifeStage": "adult"}
MACHINE = {"classificationMethod": "machine", "classifiedBy": "trapsim backend (simulated)"}
PERSON = {"classificationMethod": "human", "classifiedBy": "reviewer (simulated)"}
Said = dict[str, Any]


def can_be_identified(row: Mapping[str, str]) -> bool:
    """Whether a row of `observations.csv` shows an animal in a picture."""
    return row.get("observationType") == "animal" and bool(row.get("mediaID")) and _time(row) is not None


def decide(row: Mapping[str, str], count: int, first: Said | None) -> list[Said]:
    """What is said of a sighting, when `count` results were given before, of which `first` was the first."""
    found = [_first_look(row, count)]
    if count == 1 and first is not None:
        found.append(_correction(first))
    return [said | {"result_id": f"sim-{count + n:06}"} for n, said in enumerate(found, start=1)]


def _first_look(row: Mapping[str, str], count: int) -> Said:
    # Of the sighting and not of chance: a restart says the same again.
    share = hashlib.sha256(row["observationID"].encode()).digest()[0] / 255
    sure = 0.41 if count == 0 else round(0.90 + 0.09 * share, 3)
    when = (_time(row) or datetime(1970, 1, 1, tzinfo=UTC)) + timedelta(minutes=1)
    return (
        {"observationID": row["observationID"], "scientificName": row.get("scientificName") or None}
        | (STRANGER if count == 0 else CHELSEA)
        | MACHINE
        | {"classificationTimestamp": _text(when), "classificationProbability": sure}
        | {"replaces": None, "withdrawn": False}
    )


def _correction(first: Said) -> Said:
    when = datetime.fromisoformat(first["classificationTimestamp"]) + timedelta(hours=1)
    said = {"classificationTimestamp": _text(when), "classificationProbability": None, "replaces": first["result_id"]}
    return first | CHELSEA | PERSON | said


def _time(row: Mapping[str, str]) -> datetime | None:
    try:
        time = datetime.strptime(row.get("eventStart", ""), "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return None
    return time if time.year < 9999 else None


def _text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
