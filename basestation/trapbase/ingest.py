"""From the bus into custody: commit, then acknowledge (house rule 8).

A group of messages is sorted, stored in one transaction, acknowledged to the broker, and its keys published on
`ack/<trap>`, repeats included: the first acknowledgement may have been lost. Ingest holds no secret key: what is
sealed stays sealed. Everything from the bus is hostile; what is not ours is counted and acknowledged away.

Of a large object that comes in pieces, `have/<trap>` says how much there is, durably; once it is whole it goes the way
of all others.
"""

import hashlib
import json
import re
from typing import Any

from trapbase.model import Arrival
from trapbase.partials import FOLDER, Partials
from trapbase.request_store import Entry, RequestStore
from trapbase.requests import read_answer, read_log
from trapbase.shutout import ShutOut
from trapbase.store import Store
from trapkit import topics
from trapkit.errors import SetupError, StorageError
from trapkit.files import refusal
from trapkit.pieces import Have, Mark, Piece, decode_piece
from trapkit.topics import Message, MessageBus
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
    pack_keys,
)

SUBSCRIPTIONS = tuple(map(topics.every, (topics.UP, topics.PIECE, topics.HEARD, topics.ANSWER, topics.REVOKED)))

# Bytes a rung may have: what traps send (crop ~1.5 kB, frame ~8 kB, scene ~3 kB), with room.
MAX_RUNG_BYTES = {
    ALERT: 256,
    CROP: 64 * 1024,
    FRAME: 512 * 1024,
    NOTE: MAX_CARD_BYTES,
    SCENE: 64 * 1024,
} | dict.fromkeys(FULLS, MAX_BODY_BYTES)
ROOM_BYTES = 256 * 1024 * 1024  # for objects that are not whole yet
MAX_HEARD_BYTES = 2048
MAX_HEALTH_FIELDS = 32
NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}")  # of a base, as its settings allow, and of a health field
ACK_KEYS = 1024  # the most that `unpack_keys` takes
RETRY_MS = 5000  # after the disk refused


class Ingest:
    """The step from `bus` to `store`; `group` is the most messages in one transaction; `requests`: where answers of
    traps go, None for nowhere; `room_bytes`: for objects that are not whole yet; `shut`: who is shut out, and where a
    list of them from the bus goes; `base`: this base's name."""

    def __init__(
        self,
        bus: MessageBus,
        store: Store,
        *,
        group: int = 64,
        requests: RequestStore | None = None,
        room_bytes: int = ROOM_BYTES,
        shut: ShutOut | None = None,
        base: str = "base",
    ) -> None:
        self._base = base
        self._shut = shut
        self._partials = Partials(store.folder / FOLDER, room_bytes)
        self._requests = requests
        self._bus = bus
        self._store = store
        self._group = group
        self._ready = False
        self._held: list[Message] = []
        self._retry_ms = 0
        self.last_error = ""

    def step(self, now_ms: int, utc_ms: int | None = None) -> bool:
        """Take and store one group; whether there was one. `now_ms` must never go back, `utc_ms` is Unix time.

        When the disk refuses, the group is held, unacknowledged, and tried again.
        """
        if self._held and now_ms < self._retry_ms:
            return False
        if not self._ready:
            self._store.media.recover()
            self._store.verify_notes()
            self._ready = True
        messages = self._held or self._bus.take(self._group)
        if not messages:
            return False
        utc_ms = now_ms if utc_ms is None else utc_ms
        arrivals: list[Arrival] = []
        heard: dict[int, dict[str, Any]] = {}
        answers: list[tuple[int, int, str, int]] = []
        logs: list[tuple[int, int | None, int, int, list[Entry]]] = []
        pieces: list[Piece] = []
        garbage = 0
        try:
            garbage += self._take_lists(messages)
        except OSError as error:
            self._held, self._retry_ms = messages, now_ms + RETRY_MS
            self.last_error = refusal(self._store.folder, error)
            return False
        gone = self._shut.traps if self._shut is not None else frozenset()
        for message in messages:
            try:
                address = topics.parse(message.topic)
                if address is not None and address.kind == topics.REVOKED:
                    continue
                if address is not None and address.trap in gone:
                    garbage += 1  # in the name of a stolen unit: not kept, and never acknowledged to it
                elif address is not None and address.kind == topics.UP:
                    arrivals.append(_arrival(address, message, utc_ms))
                elif address is not None and address.kind == topics.PIECE:
                    pieces.append(_piece(address, message.payload))
                elif address is not None and address.kind == topics.HEARD:
                    heard[address.trap] = _last_word(message.payload, utc_ms)
                elif address is not None and address.kind == topics.ANSWER:
                    log = read_log(message.payload)
                    if log is not None:
                        logs.append((address.trap, *log))
                    else:
                        answers.append((address.trap, *read_answer(message.payload)))
                else:
                    garbage += 1
            except WireError:
                garbage += 1
        try:
            here = self._in_custody(pieces)
            taken = self._partials.take((piece for piece in pieces if piece.mark not in here), utc_ms)
            arrivals += [_whole(each.mark, each.body, utc_ms) for each in taken.whole]
            kept = self._store.add(arrivals, heard.items(), garbage, utc_ms, let_go=taken.let_go)
            if self._requests is not None:
                for answer in answers:
                    self._requests.answered(*answer, utc_ms)
                for entries in logs:
                    self._requests.add_entries(*entries, utc_ms)
        except StorageError as error:
            self._held, self._retry_ms, self.last_error = messages, now_ms + RETRY_MS, str(error)
            return False
        self._held = []
        self.last_error = ""
        for message in messages:
            message.acknowledge()
        whole = {(each.mark.key, each.mark.sha256): each.mark for each in taken.whole}
        self._partials.forget([*here, *(mark for a in kept if (mark := whole.get((a.key, a.sha256))))])
        self._publish([*(mark.key for mark in here), *(a.key for a in kept)])
        self._answer(taken.have)
        return True

    def _take_lists(self, messages: list[Message]) -> int:
        """Lists of the revoked among these, put into force; how many are none of our operator's.  Raises: OSError."""
        garbage = 0
        for message in messages:
            address = topics.parse(message.topic)
            if address is None or address.kind != topics.REVOKED:
                continue
            try:
                if self._shut is None:
                    raise SetupError("nobody takes lists here")
                self._shut.take(message.payload)
                in_force = {"base": self._base, "serial": self._shut.serial}
                self._bus.publish(topics.shut(address.trap), json.dumps(in_force).encode())
            except SetupError:
                garbage += 1
        return garbage

    def _in_custody(self, pieces: list[Piece]) -> list[Mark]:
        """Those named objects that are here already, whole: a trap asks again when an acknowledgement was lost."""
        return [mark for mark in dict.fromkeys(p.mark for p in pieces) if self._store.holds(mark.key, mark.sha256)]

    def _answer(self, have: list[Have]) -> None:
        for each in have:
            self._bus.publish(topics.have(each.mark.key.trap), each.encode())  # a lost one is asked for again

    def _publish(self, keys: list[ObjectKey]) -> None:
        by_trap: dict[int, list[ObjectKey]] = {}
        for key in dict.fromkeys(keys):
            by_trap.setdefault(key.trap, []).append(key)
        for trap, own in by_trap.items():
            for i in range(0, len(own), ACK_KEYS):
                # If the bus is gone the acknowledgement is lost; the object comes again and gets another.
                self._bus.publish(topics.ack(trap), pack_keys(own[i : i + ACK_KEYS]))


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


def _whole(mark: Mark, body: bytes, utc_ms: int) -> Arrival:
    """An object that came in pieces: a trap sent it by itself, and nobody heard it on the air."""
    return Arrival(
        key=mark.key, body=body, sha256=mark.sha256, base="", rssi_dbm=None, snr_db=None, received_ms=utc_ms
    )  # fmt: skip


def _name(text: object) -> str | None:
    # JSON may hold text that no database or page can: a lone surrogate (RFC 8259, section 8.2).
    return text if isinstance(text, str) and NAME.fullmatch(text) else None


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
