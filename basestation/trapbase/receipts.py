"""Receipts: verified, stored, and taken down to the traps until they say that they have them.

The back end signs for objects by their full digests; only what names exactly the batch's objects, under a valid
signature, ends their custody here and lets a trap delete them.
"""

import json
import re
from collections import deque
from collections.abc import Callable
from typing import Any

from trapbase.config import UploadSettings
from trapbase.model import Batch, StoredObject
from trapbase.outlet import Outlet, OutletError
from trapbase.store import Store
from trapbase.upload import Uploader
from trapbase.whole_receipts import WholeReceipts
from trapkit import topics
from trapkit.sealing import signature_is_valid
from trapkit.topics import Message, MessageBus
from trapwire.errors import WireError
from trapwire.objects import PACK, RECEIPT, Envelope, ObjectKey, unpack_keys
from trapwire.receipt import Receipt, statement

SUBSCRIPTIONS = (topics.every(topics.DOWNACK),)
MAX_DOWN = 256  # receipts published in one round
MAX_UPLOADED = 1024  # unsigned batches that are asked for in turn
LATE_MS = 600_000  # a back end checks a batch within seconds; after this a person should know
TAKE = 64  # messages a step
Identity = tuple[int, int, int, int, bytes]  # trap, epoch, number, rung, digest
Signed = tuple[list[Identity], tuple[int, int, bytes]]
LOOK_EVERY_MS = 100  # for what has been uploaded, and for receipts to take down
HEX_DIGEST = re.compile(r"[0-9a-f]{64}")


class BadReceiptError(Exception):
    """What the back end answered is not a receipt for this batch; nothing is stored, and it is asked again later."""


def check_receipts(data: bytes, batch_id: str, objects: list[StoredObject], key: bytes) -> list[tuple[int, int, bytes]]:
    """The back end's answer as (trap, epoch, short form), one for each outbox in the batch.

    `objects`: those of the batch; `key`: the back end's Ed25519 public key.  Raises: BadReceiptError.
    """
    signed = read_receipts(data, batch_id, key)
    named = sorted(identity for identities, _ in signed for identity in identities)
    # A rung is named by number in receipts, as on the wire.
    if named != sorted(o.identity for o in objects):
        raise BadReceiptError(f"it names {len(named)} objects that are not the {len(objects)} of the batch")
    return [short for _, short in signed]


def read_receipts(data: bytes, batch_id: str, key: bytes) -> list[Signed]:
    """What the back end signed for in a batch, whoever holds it: of each outbox the objects' identities, and (trap,
    epoch, short form).  Raises: BadReceiptError."""
    try:
        answer = json.loads(data)
        if answer["batch_id"] != batch_id:
            raise BadReceiptError(f"it names batch {str(answer['batch_id'])[:80]!r}")
        return [_check_one(receipt, key) for receipt in answer["receipts"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, WireError) as error:
        raise BadReceiptError(f"it is malformed: {type(error).__name__}: {error}") from error


def _check_one(receipt: dict[str, Any], key: bytes) -> Signed:
    trap, epoch = _whole(receipt["trap"]), _whole(receipt["epoch"])
    objects = []
    for row in receipt["objects"]:
        if not HEX_DIGEST.fullmatch(row["sha256"]):
            raise BadReceiptError("a digest is not 64 hexadecimal digits")
        known = ObjectKey(trap, epoch, _whole(row["number"]), _whole(row["rung"]))
        objects.append((known.number, known.rung, bytes.fromhex(row["sha256"])))
    signature = bytes.fromhex(receipt["signature"])
    if not signature_is_valid(key, statement(trap, epoch, objects), signature):
        raise BadReceiptError(f"the signature for trap {trap} is not the back end's")
    objects.sort()
    short = Receipt(epoch, [(number, rung) for number, rung, _ in objects], signature).encode()
    return [(trap, epoch, *o) for o in objects], (trap, epoch, short)


def accept(store: Store, batch_id: str, data: bytes, key: bytes, utc_ms: int) -> None:
    """Take the back end's answer for a batch, by whichever way it came: custody ends here, and its traps may delete.

    Raises: BadReceiptError with nothing changed.
    """
    store.add_receipts(batch_id, check_receipts(data, batch_id, store.objects_of(batch_id), key), utc_ms)


def _whole(value: object) -> int:
    if type(value) is not int:
        raise BadReceiptError(f"{str(value)[:40]!r} is not a whole number")
    return value


class Receipts:
    """The step from the back end's receipts to the store and down to the traps. `whole`: makes those whole that were no
    use to their traps; None: nobody does; `packs`: is told of settings packs that their traps have, and when."""

    def __init__(
        self,
        store: Store,
        uploader: Uploader,
        outlet: Outlet,
        bus: MessageBus,
        key: bytes,
        settings: UploadSettings,
        whole: WholeReceipts | None = None,
        packs: Callable[[ObjectKey, int], None] = lambda key, utc_ms: None,
    ) -> None:
        self._packs = packs
        self._store = store
        self._whole = whole
        self._uploader = uploader
        self._outlet = outlet
        self._bus = bus
        self._key = key
        self._key_path = settings.public_key
        self._poll_ms = round(settings.receipt_poll_s * 1000)
        self._republish_ms = settings.down_republish_ms
        self._held: deque[Message] = deque()  # taken from the bus, and not yet in the store
        self._asked: dict[str, int] = {}
        self._since: dict[str, int] = {}  # when the batch was first asked for
        self._late: set[str] = set()
        self._published: dict[int, int] = {}
        self._fetch_ms = self._publish_ms = 0  # not before: an upload of many pieces asks for nothing at each of them
        self.garbage = 0
        self._error = ""

    @property
    def last_error(self) -> str:
        """What is wrong now, for people; batches that nobody signs for are trouble though every request is answered."""
        late = f"back end: {len(self._late)} batches are not signed for {LATE_MS // 60_000} minutes after their upload"
        return self._error or (late if self._late else "")

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """One round: downacks in, one batch's receipts fetched, receipts out. `now_ms` must never go back."""
        moved = self._take(utc_ms)
        moved |= self._fetch(now_ms, utc_ms)
        if moved or now_ms >= self._publish_ms:
            self._publish_ms = now_ms + LOOK_EVERY_MS
            self._publish(now_ms)
        return moved

    def _take(self, utc_ms: int) -> bool:
        if not self._held:
            self._held = deque(self._bus.take(TAKE))
        moved = bool(self._held)
        while self._held:
            # It goes when it is acknowledged and not before: when the disk refuses, it and the rest are tried again.
            message = self._held[0]
            try:
                address = topics.parse(message.topic)
                keys = unpack_keys(message.payload)
                if address is None or address.kind != topics.DOWNACK or any(k.trap != address.trap for k in keys):
                    raise WireError(f"not a downack: {message.topic!r}")
            except WireError:
                self.garbage += 1
            else:
                for key in keys:
                    if key.rung == RECEIPT:
                        self._store.set_delivered(key.number, key.trap, key.epoch, utc_ms)
                        self._published.pop(key.number, None)
                    elif key.rung == PACK:
                        self._packs(key, utc_ms)
                    elif self._whole is not None:
                        self._whole.want(key)
            self._held.popleft().acknowledge()
        return moved

    def _fetch(self, now_ms: int, utc_ms: int) -> bool:
        gate = self._uploader.gate
        if not gate.may_try(now_ms, utc_ms):
            if gate.is_shut(utc_ms):
                self._since.clear()  # we are the ones who do not ask
            return False
        if now_ms < self._fetch_ms:
            return False
        uploaded = self._store.batches_in(("uploaded",), MAX_UPLOADED)
        if self._late:
            self._late.intersection_update(b.batch_id for b in uploaded)  # a stick may have brought what was late
        due = [b for b in uploaded if now_ms - self._asked.get(b.batch_id, now_ms - self._poll_ms) >= self._poll_ms]
        if not due:
            self._fetch_ms = now_ms + LOOK_EVERY_MS
            return False
        # The one asked longest ago: with many unsigned ones each still has its turn.
        batch = min(due, key=lambda b: self._asked.get(b.batch_id, -1))
        self._asked[batch.batch_id] = now_ms
        self._watch(batch.batch_id, now_ms)
        try:
            return self._ask(batch, now_ms, utc_ms)
        except OutletError as error:
            self._error = str(error)
            if not error.refused:
                gate.failed(now_ms, self._error, error.wait_ms)
        except BadReceiptError as error:
            self._error = f"back end's receipt: {error}; nothing is let go. Is {self._key_path} this back end's key?"
            self._store.set_batch_error(batch.batch_id, self._error, "bad_receipts")
        finally:
            gate.settle(now_ms, utc_ms)
        return False

    def _watch(self, name: str, now_ms: int) -> None:
        """Say once of a batch that it waits too long."""
        if name not in self._late and now_ms - self._since.setdefault(name, now_ms) >= LATE_MS:
            self._store.note_late(name, f"back end: not signed {LATE_MS // 60_000} minutes after the upload")
            self._late.add(name)

    def _ask(self, batch: Batch, now_ms: int, utc_ms: int) -> bool:
        name = batch.batch_id
        data = self._outlet.receipts(name)
        self._uploader.gate.worked()
        if data is None:
            offset = self._outlet.offset(batch.url) if batch.url else None
            if offset is None or offset < batch.size:
                self._uploader.lost(batch, now_ms)
                self._forget(name)
            self._error = ""
            return False
        accept(self._store, name, data, self._key, utc_ms)
        self._forget(name)
        self._uploader.done(name)
        self._error = ""
        return True

    def _forget(self, name: str) -> None:
        self._asked.pop(name, None)
        self._since.pop(name, None)
        self._late.discard(name)

    def _publish(self, now_ms: int) -> None:
        if not self._bus.connected:
            return
        for receipt in self._store.open_receipts(MAX_DOWN):
            published = self._published.get(receipt.id)
            if published is not None and now_ms - published < self._republish_ms:
                continue
            key = ObjectKey(receipt.trap, receipt.epoch, receipt.id, RECEIPT)
            if not self._bus.publish(topics.down(receipt.trap), Envelope(key, receipt.body).encode()):
                return
            self._published[receipt.id] = now_ms
