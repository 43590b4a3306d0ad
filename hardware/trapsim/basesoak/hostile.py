"""A hostile bus: messages that are doubled, late, of other times, forged, too large or nonsense, among a night's own.

What a stolen certificate may write goes out in the name of trap `THIEF`, which the base knows; a cloned card speaks in
the name of another. Neither may cost the others an object, nor the base its room.
"""

import random
import struct
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from trapbase.store import MAX_CONFLICTS
from trapkit import topics
from trapkit.pieces import MAX_DATA_BYTES, Mark, Piece
from trapsim.basesoak.books import BASE, reading
from trapsim.basesoak.life import Life
from trapsim.basesoak.things import EPOCH
from trapsim.crash import Fuse
from trapsim.soakplan import draws_of
from trapwire.alert import TIME_LAST_UNIX_MS, Alert
from trapwire.objects import ALERT, CROP, RUNG_NAMES, Envelope, ObjectKey, pack_keys

THIEF = 4  # one more than are played: whatever comes of it is not its own
WAYS = ("doubled", "reordered", "old", "of the future", "forged", "oversized", "cut short", "flipped bits", "noise")
ROUND = 5_000  # messages in one life
AT_ONCE = 40
SETTLE_MS = 300_000
KEPT = 400  # real messages to play again
Sent = tuple[str, bytes, dict[str, str]]


class Stranger:
    """Makes hostile messages; `heard`: real ones, to be played again."""

    def __init__(self, life: Life, draws: random.Random) -> None:
        self._life = life
        self._draws = draws
        self.heard: list[Sent] = []
        self._held: list[Sent] = []
        self.counts: Counter[str] = Counter()
        self._deliver = life.broker.deliver
        life.broker.deliver = self._listen  # type: ignore[method-assign]

    def _listen(self, topic: str, payload: bytes, properties: dict[str, str]) -> None:
        self._deliver(topic, payload, properties)
        if len(self.heard) < KEPT:
            self.heard.append((topic, payload, properties))
        else:
            self.heard[self._draws.randrange(KEPT)] = (topic, payload, properties)

    def strike(self) -> None:
        """One hostile message."""
        way = self._draws.choice(WAYS)
        self.counts[f"messages, {way}"] += 1
        self._deliver(*self._make(way))

    def _make(self, way: str) -> Sent:
        dice = self._draws
        if way in ("doubled", "reordered", "cut short", "flipped bits") and self.heard:
            topic, payload, said = dice.choice(self.heard)
            if way == "reordered":
                # Held back, and let go with the newest first.
                self._held.append((topic, payload, said))
                return self._held.pop() if len(self._held) % 2 else self._held.pop(dice.randrange(len(self._held)))
            if way == "cut short":
                payload = payload[: dice.randrange(len(payload) + 1)]
            elif way == "flipped bits" and payload:
                at = dice.randrange(len(payload))
                payload = payload[:at] + bytes((payload[at] ^ 1 << dice.randrange(8),)) + payload[at + 1 :]
                if not topic.startswith((topics.up(1, "")[:13], topics.piece(1, "")[:16])):
                    topic = topics.up(THIEF, "alert")  # acknowledgements are ingest's: no trap may write them
            return topic, payload, said
        if way == "old":
            return self._object(ObjectKey(THIEF, dice.randrange(1 << 32), dice.randrange(1 << 24), ALERT), 1)
        if way == "of the future":
            if dice.random() < 0.5:
                word = b'{"base": "north", "received_ms": 9999999999999, "rssi_dbm": -97, "snr_db": 1, "health": {}}'
                return topics.heard(THIEF), word, {}
            return self._object(ObjectKey(THIEF, EPOCH, dice.randrange(1 << 24), ALERT), TIME_LAST_UNIX_MS)
        if way == "forged":
            return self._forged()
        if way == "oversized":
            return self._oversized()
        name = dice.choice(("up/%d/alert", "up/%d/full", "piece/%d/full", "heard/%d", "downack/%d", "answer/%d"))
        return f"{topics.ROOT}/{name % THIEF}", dice.randbytes(dice.randrange(200)), {}

    def _object(self, key: ObjectKey, time_ms: int) -> Sent:
        body = Alert(max(time_ms, 1_577_836_800_000), 200, 1, 200, 1, (1, 2, 3, 4), 50).encode()
        said = {"received_ms": str(self._draws.choice((-1, 0, 1 << 60))), "rssi_dbm": "loud", "base": "x" * 99}
        return topics.up(key.trap, RUNG_NAMES[key.rung]), Envelope(key, body).encode(), said

    def _forged(self) -> Sent:
        """In another's name: by the thief's own topic, by a cloned card, or a receipt's acknowledgement."""
        dice = self._draws
        kind = dice.randrange(3)
        known = [key for trap in self._life.traps for key in trap.digests]
        if kind == 0 or not known:
            other = Envelope(ObjectKey(1, EPOCH, dice.randrange(99), CROP), dice.randbytes(40))
            return topics.up(THIEF, "crop"), other.encode(), {}
        if kind == 1:
            key = dice.choice(known)
            if key.as_tuple() not in self._life.books.told:
                self._life.books.contested.add(key.as_tuple())
            return topics.up(key.trap, RUNG_NAMES[key.rung]), Envelope(key, dice.randbytes(30)).encode(), {}
        keys = [ObjectKey(dice.choice((1, 2, THIEF)), EPOCH, dice.randrange(1 << 24), 8) for _ in range(9)]
        return topics.downack(THIEF), pack_keys(keys), {}

    def _oversized(self) -> Sent:
        dice = self._draws
        kind = dice.randrange(4)
        if kind == 0:
            body = dice.randbytes(dice.choice((257, 70_000)))
            return topics.up(THIEF, "alert"), Envelope(ObjectKey(THIEF, 1, 1, ALERT), body).encode(), {}
        mark = Mark(ObjectKey(THIEF, 1, dice.randrange(1 << 24), 3), dice.randbytes(32), 16 * 1024 * 1024)
        if kind == 1:
            return topics.piece(THIEF, "full"), Piece(mark, 0, bytes(MAX_DATA_BYTES + 1)).encode(), {}
        if kind == 2:
            return topics.piece(THIEF, "full"), Piece(mark, 0, dice.randbytes(2000)).encode(), {}
        return topics.downack(THIEF), struct.pack(">HIIB", THIEF, 1, 1, 8) * 1025, {}


def run_hostile(seed: int, number: int, folder: Path, messages: int = ROUND) -> dict[str, Any]:
    """One life among so many hostile messages: its counts and violations."""
    draws = draws_of(seed, number, "hostile")
    life = Life(folder, draws, Fuse(), radio=1, network=THIEF - 2, unheard=1)
    real = life.traps
    stranger = Stranger(life, draws_of(seed, number, "stranger"))
    sent = seen = 0

    def watch() -> bool:
        nonlocal sent, seen
        for _ in range(min(AT_ONCE, messages - sent)):
            stranger.strike()
            sent += 1
        if sent % 400 == 0:
            seen += 1
            life.see(draws.choice(real), (100 + seen,), draws)
        return sent >= messages

    with life.seams.in_place():
        for trap in real:
            life.see(trap, (1, 2), draws)
        life.run(watch)
        # What a cloned card said first is in its place: the real one is kept aside, and stays on its trap. All else is
        # at the back end, and let go: what a receipt names beside a stranger's object too.
        contested = life.books.contested
        life.run(lambda: life.books.is_all_there() and not any(
            trap.waiting or any(key.as_tuple() not in contested for key in trap.card) for trap in life.traps
        ), SETTLE_MS)  # fmt: skip
        for trap in life.traps:
            trap.card = {key for key in trap.card if key.as_tuple() not in contested}
        life.finish()
    _check_room(life)
    counts = dict(life.books.counts) | dict(stranger.counts) | {
        "hostile messages": sent,
        "keys that a cloned card claimed first": len(life.books.contested),
        "ended by itself": sum(life.base.ended.values()),
    }  # fmt: skip
    return {"counts": counts, "violations": life.books.violations, "ended": dict(life.base.ended)}


def _check_room(life: Life) -> None:
    with closing(reading(life.folder / BASE)) as db:
        (aside,) = db.execute("SELECT count(*) FROM conflicts").fetchone()
    if aside > MAX_CONFLICTS:
        life.books.violation(f"wrong: {aside} objects were kept aside, allowed are {MAX_CONFLICTS}")
    room = life.settings.ingest.pieces_mb << 20
    held = sum(path.stat().st_size for path in (life.folder / "base" / "pieces").iterdir())
    if held > room:
        life.books.violation(f"wrong: {held} bytes of pieces are held, allowed are {room}")
