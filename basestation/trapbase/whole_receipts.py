"""Receipts in their whole form, for a trap to which the short one was no use (`trapwire.receipt`).

Somebody has brought objects in the trap's name, and the back end signed for them together with its own: without their
digests the trap cannot prove the signature, keeps everything, and its card fills. It names an object of such a receipt,
and the receipt goes down once more, with its digests, under a new number: the old one is settled, on the bus and on the
air. Once: to a whole receipt there is nothing to add.
"""

from pathlib import Path

from trapbase.store import DATABASE
from trapkit.database import load_queries, open_database, transaction
from trapwire.errors import WireError
from trapwire.objects import ObjectKey
from trapwire.receipt import Receipt, decode_receipt

LAST_NUMBER = (1 << 24) - 1  # of a receipt, on the air


class WholeReceipts:
    """The receipts' table in the base's `folder`.  Raises: SetupError from the constructor."""

    def __init__(self, folder: Path) -> None:
        self._db = open_database(folder / DATABASE, "trapbase")
        self._sql = load_queries("trapbase", "whole.sql")

    def close(self) -> None:
        self._db.close()

    def want(self, key: ObjectKey) -> bool:
        """A trap keeps the object `key`, which a receipt named: whether that goes down again, whole.

        Raises: StorageError.
        """
        with transaction(self._db) as db:
            row = db.execute(self._sql["receipt_over"], key.as_tuple()).fetchone()
            body = None if row is None else self._whole(row["body"], (row["batch_id"], row["trap"], row["epoch"]))
            if body is None:
                return False
            number = db.execute(self._sql["next_number"], (LAST_NUMBER,)).fetchall()
            if not number:
                return False  # they are used up: 16 million were enough for everything else
            db.execute(self._sql["make_whole"], (number[0]["seq"], body, row["id"]))
            db.execute(self._sql["count_whole"])
        return True

    def _whole(self, short: bytes, outbox: tuple[str, int, int]) -> bytes | None:
        """None: it is whole already, or not every digest is known."""
        try:
            receipt = decode_receipt(short)
        except WireError:
            return None
        rows = self._db.execute(self._sql["digests"], outbox).fetchall()
        known = {(r["number"], r["rung"]): r["sha256"] for r in rows}
        if receipt.digests is not None or any(named not in known for named in receipt.objects):
            return None
        return Receipt(
            receipt.epoch, receipt.objects, receipt.signature, [known[named] for named in receipt.objects]
        ).encode()
