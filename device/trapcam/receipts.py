"""Receipts: does the back end really hold these bytes?  (pure)

The short form names numbers and rungs; the statement that was signed is rebuilt from the outbox's own digests, so a
valid signature proves that the back end holds exactly the bytes that are about to be deleted.
"""

from collections.abc import Callable
from enum import Enum

from trapkit.sealing import signature_is_valid
from trapwire.errors import WireError
from trapwire.objects import RECEIPT, Envelope
from trapwire.receipt import Receipt, decode_receipt, statement


class ReceiptOutcome(Enum):
    """What became of a receipt; each is final, so the supervisor may drop its copy."""

    APPLIED = "applied"
    REPEATED = "repeated"
    REFUSED = "refused"


def check_receipt(
    envelope: Envelope, trap: int, epoch: int, digest: Callable[[int, int], bytes | None], public_key: bytes
) -> Receipt | None:
    """The receipt in `envelope`, or None when it is not a valid one for objects of this trap and epoch.

    digest: the SHA-256 of an object by number and rung, None for an unknown one; public_key: the back end's, 32 bytes.
    """
    if envelope.key.rung != RECEIPT or envelope.key.trap != trap:
        return None
    try:
        receipt = decode_receipt(envelope.body)
        if receipt.epoch != epoch:
            return None
        objects = []
        for number, rung in receipt.objects:
            found = digest(number, rung)
            if found is None:
                return None
            objects.append((number, rung, found))
        signed = statement(trap, epoch, objects)
    except WireError:
        return None
    return receipt if signature_is_valid(public_key, signed, receipt.signature) else None
