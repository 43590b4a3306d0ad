"""EarthRanger's camera-trap posts. Pure.

Its documentation, "Camera Trap API": POST `sensors/camera-trap/<provider>/status/`, multipart; the picture as
`filecontent.file`, whose file name must be unique; form fields `camera_name`, `camera_description`, `camera_version`,
`time` (ISO 8601 with its zone), `location` (JSON); `Authorization: Bearer`; 201, and 409 for a picture that has been
posted already. That is told by the file's name, so ours is the sighting's own.
"""

import hashlib
import json
from email.message import Message

from trapbase.camtrap_rows import time_text
from trapbase.eventid import sighting_id
from trapbase.outlets.facts import Facts, Picture, species_name
from trapbase.outlets.post import Outcome, Post, outcome_of
from trapbase.outlets.webhook import message_id
from trapkit.errors import SetupError

CONFLICT = 409
MAX_TOKEN_CHARS = 4096
MAX_DESCRIPTION_CHARS = 200


class EarthRanger:
    """`provider`: the key of a source provider of that site; `blank`: what is shown where there is no picture."""

    def __init__(self, provider: str, blank: Picture) -> None:
        self._path = f"/sensors/camera-trap/{provider}/status/"
        self._blank = blank

    def build(self, facts: Facts, secret: str, utc_ms: int) -> Post:
        """The request, under the token `secret`."""
        check_token(secret)
        picture = facts.picture or self._blank
        file = f"{file_name(facts)}.{picture.end}"
        kind, body = multipart(fields(facts), file, picture)
        headers = {
            "Authorization": f"Bearer {secret}",
            "Accept": "application/json",
            "Content-Type": kind,
            "User-Agent": "pugmark",
        }
        return Post(path=self._path, headers=headers, body=body)

    def meaning(self, status: int, headers: Message, body: bytes) -> Outcome:
        """As of any receiver; 409: it is there already. A 2xx that is no JSON is somebody else's: the page of a
        satellite modem, say, that wants a password."""
        if status == CONFLICT:
            return Outcome(done=True)
        outcome = outcome_of(status, headers, body)
        if outcome.done and not _is_json(body):
            return Outcome(
                words=f"it answered {status}, but not as EarthRanger does: is its url right, and who answers there?"
            )
        return outcome


def check_token(secret: str) -> None:
    """Raises: SetupError for what cannot stand in a header; its words do not hold it."""
    if not (0 < len(secret) <= MAX_TOKEN_CHARS and secret.isascii() and secret.isprintable() and " " not in secret):
        raise SetupError(f"it holds no token: allowed are 1–{MAX_TOKEN_CHARS} printable characters without a space")


def _is_json(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def file_name(facts: Facts) -> str:
    """Unique, and the same whenever the same is posted again."""
    name = f"pugmark-{sighting_id(facts.sighting)}"
    return name if facts.identified is None else f"{name}-{message_id(facts).rpartition('-')[2][:12]}"


def fields(facts: Facts) -> dict[str, str]:
    """The form's fields. A sighting's time is the alert's; without it, the time of the decision."""
    where, event = facts.where, facts.event
    decided_ms = facts.identified.decided_ms if facts.identified is not None else None
    time_ms = event.time_ms if event is not None else decided_ms or facts.queued_ms
    name = f"{where.station} {where.side}" if where.station is not None else f"trap-{facts.sighting[0]}"
    found = {
        "camera_name": name,
        "camera_description": description(facts)[:MAX_DESCRIPTION_CHARS],
        "camera_version": "pugmark",
        "time": time_text(time_ms),
    }
    if where.latitude is not None and where.longitude is not None:
        found["location"] = json.dumps({"latitude": where.latitude, "longitude": where.longitude})
    return found


def description(facts: Facts) -> str:
    """The one line that a ranger reads."""
    parts = []
    if facts.identified is not None:
        said = facts.identified
        who = said.individual or f"unknown {said.species or 'animal'}"
        named = ", ".join(filter(None, (who, said.sex, said.life_stage)))
        sure = "" if said.confidence is None else f" {said.confidence * 100:.0f} %"
        parts.append(f"{'withdrawn: ' if said.withdrawn else 'identified: '}{named}{sure}")
        if said.reviewer:
            parts.append(f"by {said.reviewer}")
    if facts.event is not None:
        many = f" x {facts.event.count}" if facts.event.count > 1 else ""
        parts.append(f"{species_name(facts.event)}{many}, {facts.event.confidence / 255 * 100:.0f} % by the trap")
        if facts.event.uncertainty_ms is None:
            parts.append("its clock is not sure")
    if facts.picture is None:
        parts.append("no picture")
    if facts.where.generalized:
        parts.append(facts.where.generalized)
    return "; ".join(parts)


def multipart(texts: dict[str, str], file: str, picture: Picture) -> tuple[str, bytes]:
    """`multipart/form-data` (RFC 7578): content type and body, the same for the same parts."""
    digest = hashlib.sha256(json.dumps(texts).encode() + picture.data).hexdigest()
    boundary = f"pugmark-{digest[:40]}"
    lines = []
    for name, text in texts.items():
        lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{name}"', "", text]
    lines += [
        f"--{boundary}",
        f'Content-Disposition: form-data; name="filecontent.file"; filename="{file}"',
        f"Content-Type: {picture.kind}",
        "",
        "",
    ]
    body = "\r\n".join(lines).encode() + picture.data + f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", body
