"""What a message from the bus holds, every value checked: objects, pieces, last words, answers. Pure.

Everything from the bus is hostile: what is not ours is garbage, and only counted.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from trapbase.model import Arrival
from trapbase.request_store import Entry
from trapbase.requests import read_answer, read_log
from trapkit import topics
from trapkit.pieces import Mark, Piece, decode_piece
from trapkit.topics import Message
from trapwire.alert import UNKNOWN
from trapwire.errors import WireError
from trapwire.notes import MAX_CARD_BYTES, max_bytes
from trapwire.objects import (
    ALERT,
    CROP,
    FRAME,
    FULLS,
    MAX_BODY_BYTES,
    NOTE,
    SCENE,
    ObjectKey,
    decode_envelope,
)

# Bytes a rung may have: what traps send (crop ~1.5 kB, frame ~8 kB, scene ~3 kB), with room.
MAX_RUNG_BYTES = {
    ALERT: 256,
    CROP: 64 * 1024,
    FRAME: 512 * 1024,
    NOTE: MAX_CARD_BYTES,
    SCENE: 64 * 1024,
} | dict.fromkeys(FULLS, MAX_BODY_BYTES)
MAX_HEARD_BYTES = 2048
MAX_HEALTH_FIELDS = 32
NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}")  # of a base, as its settings allow, and of a health field


@dataclass(kw_only=True, slots=True)
class Group:
    """Some messages by what they hold; `heard`: the last word of each trap; `lists`: of the revoked, as they came, with
    the trap by whose topic; `garbage`: how many hold nothing."""

    arrivals: list[Arrival] = field(default_factory=list)
    heard: dict[int, dict[str, Any]] = field(default_factory=dict)
    answers: list[tuple[int, int, str, int]] = field(default_factory=list)
    logs: list[tuple[int, int | None, int, int, list[Entry]]] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    lists: list[tuple[int, bytes]] = field(default_factory=list)
    garbage: int = 0

    def without(self, gone: Collection[int]) -> "Group":
        """The same but what came in the name of these traps: not kept, and never acknowledged to them."""
        named = [*(a.key.trap for a in self.arrivals), *self.heard, *(p.mark.key.trap for p in self.pieces)]
        named += [*(answer[0] for answer in self.answers), *(log[0] for log in self.logs)]
        lost = sum(trap in gone for trap in named)
        if not lost:
            return self
        return Group(
            arrivals=[a for a in self.arrivals if a.key.trap not in gone],
            heard={trap: word for trap, word in self.heard.items() if trap not in gone},
            answers=[answer for answer in self.answers if answer[0] not in gone],
            logs=[log for log in self.logs if log[0] not in gone],
            pieces=[piece for piece in self.pieces if piece.mark.key.trap not in gone],
            garbage=self.garbage + lost,
        )


def read_group(messages: Iterable[Message], utc_ms: int) -> Group:
    """What these messages hold; `utc_ms` (Unix time): when what does not say it was received."""
    found = Group()
    for message in messages:
        try:
            address = topics.parse(message.topic)
            if address is not None and address.kind == topics.REVOKED:
                found.lists.append((address.trap, message.payload))
            elif address is not None and address.kind == topics.UP:
                found.arrivals.append(_arrival(address, message, utc_ms))
            elif address is not None and address.kind == topics.PIECE:
                found.pieces.append(_piece(address, message.payload))
            elif address is not None and address.kind == topics.HEARD:
                found.heard[address.trap] = _last_word(message.payload, utc_ms)
            elif address is not None and address.kind == topics.ANSWER:
                log = read_log(message.payload)
                if log is not None:
                    found.logs.append((address.trap, *log))
                else:
                    found.answers.append((address.trap, *read_answer(message.payload)))
            else:
                found.garbage += 1
        except WireError:
            found.garbage += 1
    return found


def _arrival(address: topics.Address, message: Message, utc_ms: int) -> Arrival:
    """The object in a message.  Raises: WireError."""
    envelope = decode_envelope(message.payload)
    key = envelope.key
    if key.trap != address.trap or key.rung != address.rung:
        raise WireError(f"{key!r} on the topic of trap {address.trap}, rung {address.rung}")
    check_size(key, envelope.body)
    said = message.properties
    received = _number(said.get("received_ms"), 0, 1 << 42)
    rssi = _number(said.get("rssi_dbm"), -200, 50)
    return Arrival(
        key=key,
        body=envelope.body,
        sha256=envelope.sha256 or hashlib.sha256(envelope.body).digest(),
        # Custody of the object matters more than who heard it: like the numbers below, a name that is none is left out.
        base=_name(said.get("base")) or "",
        rssi_dbm=None if rssi is None else int(rssi),
        snr_db=_number(said.get("snr_db"), -64, 64),
        received_ms=utc_ms if received is None else int(received),
    )


def check_size(key: ObjectKey, body: bytes) -> None:
    """Whether an object may have so many bytes.  Raises: WireError."""
    most = min(MAX_RUNG_BYTES.get(key.rung, 0), max_bytes(body[0]) if key.rung == NOTE and body else MAX_BODY_BYTES)
    if not 0 < len(body) <= most:
        raise WireError(f"{key!r} has {len(body)} bytes")


def _piece(address: topics.Address, payload: bytes) -> Piece:
    """The piece in a message.  Raises: WireError."""
    piece = decode_piece(payload)
    key = piece.mark.key
    if key.trap != address.trap or key.rung != address.rung:
        raise WireError(f"piece of {key!r} on the topic of trap {address.trap}, rung {address.rung}")
    if piece.mark.total > MAX_RUNG_BYTES.get(key.rung, 0):
        raise WireError(f"{key!r} has {piece.mark.total} bytes")
    return piece


def whole(mark: Mark, body: bytes, utc_ms: int) -> Arrival:
    """An object that came in pieces: a trap sent it by itself, and nobody heard it on the air."""
    return Arrival(
        key=mark.key, body=body, sha256=mark.sha256, base="", rssi_dbm=None, snr_db=None, received_ms=utc_ms
    )  # fmt: skip


def _name(text: object) -> str | None:
    return text if isinstance(text, str) and _is_name(text) else None


@lru_cache(maxsize=256)  # the same few come with every message
def _is_name(text: str) -> bool:
    # JSON may hold text that no database or page can: a lone surrogate (RFC 8259, section 8.2).
    return NAME.fullmatch(text) is not None


def _number(text: object, low: float, high: float) -> float | None:
    try:
        value = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return value if low <= value <= high else None


def _last_word(payload: bytes, utc_ms: int) -> dict[str, Any]:
    """What a gateway says of a trap, every value checked.  Raises: WireError."""
    if len(payload) > MAX_HEARD_BYTES:
        raise WireError(f"last word of {len(payload)} bytes")
    try:
        word = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise WireError("last word is not JSON") from error
    health = word.get("health", {}) if isinstance(word, dict) else None
    if not isinstance(health, dict) or len(health) > MAX_HEALTH_FIELDS:
        raise WireError("last word is not an object with its health")
    base = _name(word.get("base"))
    if base is None:
        raise WireError("last word does not name its base")
    rssi = _number(word.get("rssi_dbm"), -200, 50)
    return {
        "received_ms": utc_ms,  # our own clock: a future-dated word would hide every later one
        "base": base,
        "rssi_dbm": None if rssi is None else int(rssi),
        "snr_db": _number(word.get("snr_db"), -64, 64),
        "health": {k: v for k, v in health.items() if _name(k) and _is_health(k, v)},
    }


def _is_health(name: str, value: object) -> bool:
    if type(value) is not int or not (0 <= value < 1 << 32 or (name == "temperature_c" and -128 <= value < 0)):
        return False
    return name != "battery" or value <= 100 or value == UNKNOWN
