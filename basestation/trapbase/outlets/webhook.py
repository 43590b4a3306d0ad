"""A signed webhook (OUTLETS.md): JSON by POST under the headers of Standard Webhooks. Pure.

The signature is over `id.timestamp.body`; `v1` is HMAC-SHA256 under a shared secret, `v1a` is Ed25519. The id is the
same whenever the same message is sent again, so that a receiver can drop repeats.
"""

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from datetime import UTC, datetime
from email.message import Message
from typing import Any

from trapbase.camtrap_rows import frame_box
from trapbase.eventid import sighting_id
from trapbase.outlets.facts import Facts, Identified, species_name, taxon
from trapbase.outlets.post import Outcome, Post, outcome_of
from trapkit.errors import SetupError
from trapkit.sealing import public_of, sign

SECRET, PUBLIC = "whsec_", "whpk_"
SECRET_BYTES = (24, 64)  # of a shared secret, as Standard Webhooks has them
SEED_HEX_DIGITS = 64


class Webhook:
    """`classified_by`: what judged the sightings, as in batches."""

    def __init__(self, classified_by: str) -> None:
        self._classified_by = classified_by

    def build(self, facts: Facts, secret: str, utc_ms: int) -> Post:
        """The request, signed now."""
        body = json.dumps(message(facts, self._classified_by), ensure_ascii=False, separators=(",", ":")).encode()
        name, seconds = message_id(facts), str(utc_ms // 1000)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": seconds,
            "webhook-signature": signature(secret, b".".join((name.encode(), seconds.encode(), body))),
            "User-Agent": "pugmark",
        }
        return Post(path="", headers=headers, body=body)

    def meaning(self, status: int, headers: Message, body: bytes) -> Outcome:
        return outcome_of(status, headers, body)


def signature(secret: str, signed: bytes) -> str:
    """The header's value.  Raises: SetupError when `secret` is none; its words do not hold it."""
    if secret.startswith(SECRET):
        return "v1," + b64encode(hmac.new(_shared(secret), signed, hashlib.sha256).digest()).decode()
    return "v1a," + b64encode(sign(_seed(secret), signed)).decode()


def public_key(secret: str) -> str:
    """What a receiver checks `v1a` with, or nothing for a shared secret.  Raises: SetupError."""
    return "" if secret.startswith(SECRET) else PUBLIC + b64encode(public_of(_seed(secret))).decode()


def _shared(secret: str) -> bytes:
    try:
        key = b64decode(secret[len(SECRET) :], validate=True)
    except (Base64Error, ValueError) as error:
        raise SetupError(f"what stands after {SECRET} is not base64") from error
    if not SECRET_BYTES[0] <= len(key) <= SECRET_BYTES[1]:
        raise SetupError(f"the secret has {len(key)} bytes; allowed are {SECRET_BYTES[0]}–{SECRET_BYTES[1]}")
    return key


def _seed(secret: str) -> bytes:
    try:
        seed = bytes.fromhex(secret)
    except ValueError:
        seed = b""
    if len(seed) * 2 != SEED_HEX_DIGITS:
        raise SetupError(f"it holds neither {SECRET}… nor {SEED_HEX_DIGITS} hexadecimal digits")
    return seed


def message_id(facts: Facts) -> str:
    """The same for the same message, however often it is sent; another for every other."""
    if facts.identified is None:
        return f"sighting-{sighting_id(facts.sighting)}"
    # A back end's own id may be anything; a withdrawal is another message than what it withdraws.
    known = f"{facts.identified.result_id}\0{int(facts.identified.withdrawn)}".encode()
    return f"identification-{hashlib.sha256(known).hexdigest()[:32]}"


def message(facts: Facts, classified_by: str) -> dict[str, Any]:
    """The body: `type`, `timestamp` (since when it is to be said), `data`."""
    kind = "sighting"
    data: dict[str, Any] = {"base": facts.base, "observationID": sighting_id(facts.sighting), "trap": facts.sighting[0]}
    if facts.identified is not None:
        kind = "identification.withdrawn" if facts.identified.withdrawn else "identification"
        data["identification"] = _identified(facts.identified)
    data |= _where(facts)
    if facts.event is not None:
        data |= _event(facts, classified_by)
    if facts.picture is not None:
        data["picture"] = {
            "fileMediatype": facts.picture.kind,
            "sha256": hashlib.sha256(facts.picture.data).hexdigest(),
            "base64": b64encode(facts.picture.data).decode(),
        }
    return {"type": kind, "timestamp": _time(facts.queued_ms), "data": data}


def _time(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _event(facts: Facts, classified_by: str) -> dict[str, Any]:
    event = facts.event
    assert event is not None
    box = frame_box(event.box)
    return {
        "eventID": facts.event_id,
        "eventStart": _time(event.time_ms),
        "uncertaintyMs": event.uncertainty_ms,
        "species": species_name(event),
        "scientificName": taxon(event),
        "count": event.count,
        "classificationProbability": round(event.confidence / 255, 4),
        "classifiedBy": classified_by,
        "frameBox": None if box is None else [round(v, 4) for v in box],
    }


def _where(facts: Facts) -> dict[str, Any]:
    where = facts.where
    said = {
        "locationID": where.station, "side": where.side, "latitude": where.latitude, "longitude": where.longitude,
        "coordinateUncertainty": where.uncertainty_m, "informationWithheld": where.withheld or None,
        "dataGeneralizations": where.generalized or None,
    }  # fmt: skip
    return {key: value for key, value in said.items() if value is not None}


def _identified(said: Identified) -> dict[str, Any]:
    return {
        "resultID": said.result_id,
        "replaces": said.replaces,
        "individualID": said.individual,
        "scientificName": said.species,
        "sex": said.sex,
        "lifeStage": said.life_stage,
        "classificationProbability": said.confidence,
        "classifiedBy": said.reviewer,
        "classificationTimestamp": None if said.decided_ms is None else _time(said.decided_ms),
    }
