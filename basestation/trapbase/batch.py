"""Which stored objects make the next batch: pure decisions over stored rows and `now`.

A note or a scene is ready at once; a sighting when its alert and its crop are stored, or when what is there has waited
`max_wait_ms`: nothing waits for ever for something that may never come. A batch is cut when `max_events` sightings are
ready, or the oldest of them has waited `max_age_ms`. What comes later (a crop after its alert) goes in a later batch.

What is urgent (a species of `batch.urgent_species`, a trap's alarm) goes first and waits for no others: a batch is cut
as soon as it is ready, and the others that are ready go with it. Its alert waits `URGENT_WAIT_MS` for its crop.
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from trapbase.model import Sighting, StoredObject, Waiting
from trapwire.objects import NOTE, SCENE
from trapwire.receipt import MAX_OBJECTS

URGENT_WAIT_MS = 120_000  # a crop by radio takes less, where there is no queue
CLOCK_SLACK_MS = 60_000  # ingest stamps a row a moment after the cut took its `now`


@dataclass(frozen=True, kw_only=True, slots=True)
class CutRules:
    """`max_events` sightings and `max_bytes` sealed bytes a batch; ages in ms."""

    max_events: int
    max_bytes: int
    max_age_ms: int
    max_wait_ms: int


def cut(waiting: Iterable[Waiting], now_ms: int, rules: CutRules) -> list[StoredObject]:
    """The objects of the next batch, the urgent first, then in order of arrival; empty when it is not time yet.
    `now_ms`: Unix ms."""
    sightings: dict[Sighting, list[Waiting]] = {}
    for item in waiting:
        sightings.setdefault(item.object.sighting, []).append(item)
    ready = [items for items in sightings.values() if _is_ready(items, now_ms, rules)]
    urgent = [items for items in ready if _is_urgent(items)]
    full = len(ready) >= rules.max_events
    if not full and not urgent and not any(_is_over(_ready_ms(items), now_ms, rules.max_age_ms) for items in ready):
        return []
    ready = urgent + [items for items in ready if not _is_urgent(items)]
    chosen: list[StoredObject] = []
    per_outbox: dict[tuple[int, int], int] = {}
    size = 0
    for items in ready[: rules.max_events]:
        for item in items:
            o = item.object
            outbox = (o.trap, o.epoch)
            # One receipt a trap and epoch must be able to name them all.
            if per_outbox.get(outbox, 0) >= MAX_OBJECTS or (chosen and size + o.size > rules.max_bytes):
                continue
            per_outbox[outbox] = per_outbox.get(outbox, 0) + 1
            size += o.size
            chosen.append(o)
    return chosen


def _is_ready(items: list[Waiting], now_ms: int, rules: CutRules) -> bool:
    # Notes and scenes belong to no sighting: there is nothing that they could wait for.
    alone = all(i.object.rung in (NOTE, SCENE) for i in items)
    complete = alone or (items[0].alert_ms is not None and items[0].crop_ms is not None)
    wait_ms = min(rules.max_wait_ms, URGENT_WAIT_MS) if _is_urgent(items) else rules.max_wait_ms
    return complete or _is_over(min(i.object.stored_ms for i in items), now_ms, wait_ms)


def _is_urgent(items: list[Waiting]) -> bool:
    return any(i.urgent for i in items)


def _is_over(since_ms: int, now_ms: int, limit_ms: int) -> bool:
    # A row from the future: the clock was set back since, and nobody knows how long the row has waited.
    return now_ms - since_ms >= limit_ms or since_ms - now_ms > CLOCK_SLACK_MS


def _ready_ms(items: list[Waiting]) -> int:
    """When the last of what is here was stored."""
    return max(i.object.stored_ms for i in items)


def halves(objects: Iterable[StoredObject]) -> list[list[StoredObject]]:
    """A batch's objects as two smaller ones, sightings whole where there are several; nothing for a single object."""
    sightings: dict[Sighting, list[StoredObject]] = {}
    for o in objects:
        sightings.setdefault(o.sighting, []).append(o)
    groups = list(sightings.values())
    if len(groups) == 1:
        groups = [[o] for o in groups[0]]
    if len(groups) < 2:
        return []
    middle = len(groups) // 2
    return [[o for group in part for o in group] for part in (groups[:middle], groups[middle:])]


def batch_id(objects: Iterable[StoredObject]) -> str:
    """The name of a batch: SHA-256 over the sorted identities of its objects, 64 hexadecimal digits."""
    return id_of(o.identity for o in objects)


def id_of(identities: Iterable[tuple[int, int, int, int, bytes]]) -> str:
    """The same, over identities."""
    digest = hashlib.sha256(b"pugmark-batch-1\x00")
    for trap, epoch, number, rung, sha256 in sorted(identities):
        digest.update(struct.pack(">HIIB", trap, epoch, number, rung) + sha256)
    return digest.hexdigest()
