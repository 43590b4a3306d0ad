"""Receipts: does the back end really hold these bytes?  (pure)

The short form names numbers and rungs; the statement that was signed is rebuilt from the outbox's own digests, so a
valid signature proves that the back end holds exactly the bytes that are about to be deleted.

Where somebody else has spoken in this trap's name, a receipt names what never was here, or other bytes: its statement
cannot be rebuilt. The answer to it says so, and the base sends it once more in the whole form, with its digests: these
prove the signature, what lies here under the same digest is let go, and the rest is a stranger's and is counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from trapkit.sealing import signature_is_valid
from trapwire.errors import WireError
from trapwire.objects import RECEIPT, Envelope, ObjectKey
from trapwire.receipt import Receipt, decode_receipt, statement


class ReceiptOutcome(Enum):
    """What became of a receipt; each is final, so the supervisor may drop its copy. PARTLY: of a whole one that names
    strangers' objects too."""

    APPLIED = "applied"
    PARTLY = "partly"
    REPEATED = "repeated"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Proved:
    """What the back end has signed for: `objects` of this outbox (number, rung), and how many `strangers` beside."""

    objects: list[tuple[int, int]]
    strangers: int
    signature: bytes


def check_receipt(
    envelope: Envelope, trap: int, epoch: int, digest: Callable[[int, int], bytes | None], public_key: bytes
) -> Proved | None:
    """What the receipt in `envelope` proves, or None when it is not a valid one for this trap and epoch.

    digest: the SHA-256 of an object by number and rung, None for an unknown one; public_key: the back end's, 32 bytes.
    """
    receipt = _decoded(envelope, trap, epoch)
    if receipt is None:
        return None
    own = [digest(number, rung) for number, rung in receipt.objects]
    named = own if receipt.digests is None else receipt.digests
    rows = [(*key, found) for key, found in zip(receipt.objects, named, strict=True) if found is not None]
    if len(rows) < len(receipt.objects):
        return None
    try:
        signed = statement(trap, epoch, rows)
    except WireError:
        return None
    if not signature_is_valid(public_key, signed, receipt.signature):
        return None
    held = [key for key, said, found in zip(receipt.objects, named, own, strict=True) if said == found]
    return Proved(objects=held, strangers=len(rows) - len(held), signature=receipt.signature)


def answer(envelope: Envelope, outcome: ReceiptOutcome, trap: int, epoch: int) -> list[ObjectKey]:
    """The keys that say to the base what became of a receipt: its own, and behind it, of a short one that was no use
    here, an object that it names. So the base sends it whole; of a whole one nothing more can be asked."""
    receipt = _decoded(envelope, trap, epoch) if outcome is ReceiptOutcome.REFUSED else None
    if receipt is None or receipt.digests is not None:
        return [envelope.key]
    try:
        return [envelope.key, ObjectKey(trap, epoch, *receipt.objects[0])]
    except WireError:
        return [envelope.key]


def signature_of(envelope: Envelope, trap: int, epoch: int) -> bytes:
    """The signature that a receipt of this trap and epoch carries, proved or not; empty where it is none."""
    receipt = _decoded(envelope, trap, epoch)
    return b"" if receipt is None else receipt.signature


def _decoded(envelope: Envelope, trap: int, epoch: int) -> Receipt | None:
    if envelope.key.rung != RECEIPT or envelope.key.trap != trap:
        return None
    try:
        receipt = decode_receipt(envelope.body)
    except WireError:
        return None
    return receipt if receipt.epoch == epoch else None
