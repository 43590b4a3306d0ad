"""The step that hands settings packs down to units by radio: the mirror's file behind a unit's permission, as an object
on the bus, until the unit has it. `updates-radio.json` in the base's folder says what is on its way, for people and for
the next start.
"""

import json
from binascii import crc32
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from trapbase.updates.air import Sent, Wish, said_of, to_send
from trapbase.updates.kept import GOING, MIRROR, RELEASES, TRAPS, WORDS, UpdateStore
from trapbase.updates.steward import PERMITS
from trapbase.updates.units import by_trap
from trapkit import topics
from trapkit.errors import StorageError
from trapkit.files import refusal, write_atomically
from trapkit.topics import MessageBus
from trapkit.update.permits import MAX_BYTES as MAX_PERMIT_BYTES
from trapkit.update.radiopack import MAX_BODY_BYTES, MAX_BYTES, with_permit
from trapwire.errors import WireError
from trapwire.objects import PACK, Envelope, ObjectKey, unpack_keys

EVERY_MS = 10_000
FILE = "updates-radio.json"
MAX_FILE_BYTES = 1 << 20  # a thousand units of 150 bytes
TAKE = 64  # messages a step


def read_sent(folder: Path) -> dict[int, Sent]:
    """What is on its way, by unit; of a file that cannot be read nothing: it is sent once more."""
    try:
        with (folder / FILE).open("rb") as file:
            told = json.loads(file.read(MAX_FILE_BYTES))
        return {int(trap): Sent(**_checked(each)) for trap, each in told.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _checked(told: object) -> dict[str, Any]:
    kinds = {"release": str, "number": int, "size": int, "sent_ms": int, "tries": int, "taken_ms": int}
    if not isinstance(told, dict) or {name: type(value) for name, value in told.items()} != kinds:
        raise ValueError(told)
    return told


class RadioPacks:
    """base: the base's folder; drains: whether nobody else takes what comes on `bus`."""

    def __init__(self, base: Path, bus: MessageBus, *, drains: bool) -> None:
        self._base = base
        self._bus = bus
        self._drains = drains
        self._kept = UpdateStore(base)
        self._sent = read_sent(base)
        self._at_ms: int | None = None
        self.trouble = ""

    def close(self) -> None:
        self._kept.close()

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """Say what is due; whether anything was. `now_ms` must never go back."""
        for message in self._bus.take(TAKE) if self._drains else ():
            self._read(message.topic, message.payload, utc_ms)
            message.acknowledge()
        if not self._bus.connected or (self._at_ms is not None and now_ms - self._at_ms < EVERY_MS):
            return False
        self._at_ms = now_ms
        try:
            moved = self._send(utc_ms)
        except StorageError as error:
            self.trouble = str(error)
            return False
        except OSError as error:
            self.trouble = refusal(self._base / FILE, error)
            return False
        self.trouble = ""
        return moved

    def taken(self, key: ObjectKey, utc_ms: int) -> None:
        """Its unit has this object."""
        last = self._sent.get(key.trap)
        if last is not None and last.number == key.number and not last.taken_ms:
            self._sent[key.trap] = replace(last, taken_ms=utc_ms)
            self._at_ms = None
            try:
                self._write()
            except OSError as error:
                self.trouble = refusal(self._base / FILE, error)

    def _read(self, topic: str, payload: bytes, utc_ms: int) -> None:
        address = topics.parse(topic)
        try:
            keys = unpack_keys(payload) if address is not None and address.kind == topics.DOWNACK else []
        except WireError:
            return
        for key in keys:
            if address is not None and key.trap == address.trap and key.rung == PACK:
                self.taken(key, utc_ms)

    def _send(self, utc_ms: int) -> bool:
        row = self._kept.current()
        file = self._file(row["release"]) if row is not None and row["state"] == GOING else b""
        if row is None or not file:
            return False
        bodies = self._bodies(row["release"], file)
        rows = {each["release"]: each for each in self._kept.rows("releases", RELEASES)}
        parts = {release: json.loads(each["parts"]) for release, each in rows.items()}
        due = to_send(self._wishes(row["release"], bodies), self._sent, parts, utc_ms)
        for wish in due:
            body = bodies[wish.trap]
            key = ObjectKey(wish.trap, rows[wish.release]["serial"], wish.number, PACK)
            if not self._bus.publish(topics.down(wish.trap), Envelope(key, body).encode()):
                return False
            self._sent[wish.trap] = said_of(self._sent.get(wish.trap), wish, len(body), utc_ms)
        if due:
            self._write()
        return bool(due)

    def _bodies(self, release: str, file: bytes) -> dict[int, bytes]:
        """Of each unit that may take the release now, the object that would bring it its settings."""
        found = {}
        for row in self._kept.rows("permits", TRAPS):
            path = self._base / MIRROR / PERMITS / f"{row['trap']}.permit"
            if row["release"] != release or not path.is_file():
                continue
            with path.open("rb") as each:
                permit = each.read(MAX_PERMIT_BYTES + 1)
            body = with_permit(permit, file) if len(permit) <= MAX_PERMIT_BYTES else b""
            if 0 < len(body) <= MAX_BODY_BYTES:
                found[row["trap"]] = body
        return found

    def _wishes(self, release: str, bodies: Mapping[int, bytes]) -> list[Wish]:
        traps = json.dumps(sorted(bodies))
        notes = by_trap(self._kept.rows("update_notes", traps, WORDS - 1, TRAPS * WORDS))
        wishes = []
        for trap, body in sorted(bodies.items()):
            said = notes[trap][-1][0] if notes.get(trap) else None
            wishes.append(
                Wish(
                    trap=trap, release=release, number=crc32(body) & 0xFFFFFF, running=said.running if said else None,
                    tried=said.tried if said else "", phase=said.phase if said else "",
                )
            )  # fmt: skip
        return wishes

    def _file(self, release: str) -> bytes:
        """The mirror's file for the radio; no bytes where the release has none."""
        found = sorted((self._base / MIRROR / "targets" / "radio").glob(f"*.{release}.pack"))
        if not found:
            return b""
        with found[-1].open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        return data if len(data) <= MAX_BYTES else b""

    def _write(self) -> None:
        told = {str(trap): asdict(each) for trap, each in sorted(self._sent.items())}
        write_atomically(self._base / FILE, json.dumps(told).encode())
