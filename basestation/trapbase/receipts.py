"""Receipts: verified, stored, and taken down to the traps until they say that they have them.

The back end signs for objects by their full digests; only what names exactly the batch's objects, under a valid
signature, ends their custody here and lets a trap delete them.
"""

import json
import re
from typing import Any

from trapbase.config import UploadSettings
from trapbase.model import Batch, StoredObject
from trapbase.outlet import Outlet, OutletError
from trapbase.store import Store
from trapbase.upload import Uploader
from trapkit import topics
from trapkit.sealing import signature_is_valid
from trapkit.topics import MessageBus
from trapwire.errors import WireError
from trapwire.objects import RECEIPT, Envelope, ObjectKey, unpack_keys
from trapwire.receipt import Receipt, statement

SUBSCRIPTIONS = (topics.every(topics.DOWNACK),)
MAX_DOWN = 256  # receipts published in one round
TAKE = 64  # messages a step
HEX_DIGEST = re.compile(r"[0-9a-f]{64}")


class BadReceiptError(Exception):
    """What the back end answered is not a receipt for this batch; nothing is stored, and it is asked again later."""


def check_receipts(data: bytes, batch_id: str, objects: list[StoredObject], key: bytes) -> list[tuple[int, int, bytes]]:
    """The back end's answer as (trap, epoch, short form), one for each outbox in the batch.

    `objects`: those of the batch; `key`: the back end's Ed25519 public key.  Raises: BadReceiptError.
    """
    try:
        answer = json.loads(data)
        if answer["batch_id"] != batch_id:
            raise BadReceiptError(f"it names batch {str(answer['batch_id'])[:80]!r}")
        signed = [_check_one(receipt, key) for receipt in answer["receipts"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, WireError) as error:
        raise BadReceiptError(f"it is malformed: {type(error).__name__}: {error}") from error
    named = sorted(identity for identities, _ in signed for identity in identities)
    # A rung is named by number in receipts, as on the wire.
    if named != sorted(o.identity for o in objects):
        raise BadReceiptError(f"it names {len(named)} objects that are not the {len(objects)} of the batch")
    return [short for _, short in signed]


def _check_one(
    receipt: dict[str, Any], key: bytes
) -> tuple[list[tuple[int, int, int, int, bytes]], tuple[int, int, bytes]]:
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


def _whole(value: object) -> int:
    if type(value) is not int:
        raise BadReceiptError(f"{str(value)[:40]!r} is not a whole number")
    return value


class Receipts:
    """The step from the back end's receipts to the store and down to the traps."""

    def __init__(
        self, store: Store, uploader: Uploader, outlet: Outlet, bus: MessageBus, key: bytes, settings: UploadSettings
    ) -> None:
        self._store = store
        self._uploader = uploader
        self._outlet = outlet
        self._bus = bus
        self._key = key
        self._poll_ms = round(settings.receipt_poll_s * 1000)
        self._republish_ms = settings.down_republish_ms
        self._asked: dict[str, int] = {}
        self._published: dict[int, int] = {}
        self.garbage = 0
        self.last_error = ""

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """One round: downacks in, one batch's receipts fetched, receipts out. `now_ms` must never go back."""
        moved = self._take(utc_ms)
        moved |= self._fetch(now_ms, utc_ms)
        self._publish(now_ms)
        return moved

    def _take(self, utc_ms: int) -> bool:
        messages = self._bus.take(TAKE)
        for message in messages:
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
            message.acknowledge()
        return bool(messages)

    def _fetch(self, now_ms: int, utc_ms: int) -> bool:
        uploaded = [b for b in self._store.batches(MAX_DOWN) if b.state == "uploaded"]
        for batch in uploaded:
            asked = self._asked.get(batch.batch_id)
            if asked is not None and now_ms - asked < self._poll_ms:
                continue
            self._asked[batch.batch_id] = now_ms
            try:
                return self._ask(batch, now_ms, utc_ms)
            except OutletError as error:
                self.last_error = str(error)
                return False
            except BadReceiptError as error:
                self.last_error = f"back end's receipt: {error}"
                self._store.set_batch_error(batch.batch_id, self.last_error, "bad_receipts")
                return False
        return False

    def _ask(self, batch: Batch, now_ms: int, utc_ms: int) -> bool:
        data = self._outlet.receipts(batch.batch_id)
        if data is None:
            offset = self._outlet.offset(batch.url) if batch.url else None
            if offset is None or offset < batch.size:
                self._uploader.lost(batch, now_ms)
            return False
        receipts = check_receipts(data, batch.batch_id, self._store.objects_of(batch.batch_id), self._key)
        self._store.add_receipts(batch.batch_id, receipts, utc_ms)
        del self._asked[batch.batch_id]
        self._uploader.done(batch.batch_id)
        self.last_error = ""
        return True

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
