"""What a base knows of one trap, all of it bounded: keys, what is half here, what is whole, what is to be said."""

from trapwire.fragments import Reassembly
from trapwire.frame import VERSION
from trapwire.objects import PACK, ObjectKey

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

    from trapwire.linkkeys import LinkKey
    from trapwire.objects import Envelope

PACK_TIMES, PACK_SPARE = 3, 64  # so often the pieces of a pack may go, and so many more
REMEMBERED = 256  # committed objects a trap, so that repeats are answered without asking ingest


class Peer:
    """What the base knows of one trap."""

    def __init__(self, keys: "list[LinkKey]") -> None:
        self.keys = keys  # oldest first
        self.key: "LinkKey | None" = None  # under which it spoke last: in which it is answered
        self.refused: "tuple[str, int] | None" = None  # cause and time of the last refusal, until it is heard again
        self.incoming = Reassembly()
        self.version = VERSION  # that it spoke last: a trap that was not updated is answered in its own
        self.complete: "dict[int, Complete]" = {}  # by the short number of the transfer
        self.committed: "dict[ObjectKey, bytes]" = {}  # with the digest of what this link handed over
        self.pending: "dict[ObjectKey, tuple[int, bytes]]" = {}  # handed to ingest: when, and the digest
        self.acks: "list[ObjectKey]" = []
        self.reports: "list[tuple[int, int]]" = []  # transfers to report on, with their totals
        self.snrs: "list[int]" = []  # quarter dB, of its last frames at the cell's spreading factor
        self.quick: "tuple[int, int] | None" = None  # a quick turn it asked for: spreading factor and pieces
        self.reply_at: "int | None" = None
        self.down: "list[Envelope]" = []
        self.down_todo: "list[int] | None" = None
        self._pack_pieces = 0  # of the pack in hand, that were said

    def queue_down(self, envelope: "Envelope") -> None:
        """Queue an object for the trap, once; receipts go before packs, also before one that has begun."""
        if any(d.key == envelope.key for d in self.down):
            return
        at = len(self.down)
        while envelope.key.rung != PACK and at and self.down[at - 1].key.rung == PACK:
            at -= 1
        if at == 0:
            self.down_todo, self._pack_pieces = None, 0  # what the trap has of the pack it says when that goes on
        self.down.insert(at, envelope)

    def withdraw_down(self, key: ObjectKey) -> None:
        """The trap has it, or shall not have it."""
        if self.down and self.down[0].key == key:
            self.down_todo, self._pack_pieces = None, 0
        self.down = [d for d in self.down if d.key != key]

    def is_given_up(self, pieces: int, said: int) -> bool:
        """Whether the first object of the queue, of so many pieces, goes no more, before `said` of them go: a pack that
        its trap does not know, say. Who offered it does so again."""
        if self.down[0].key.rung != PACK:
            return False
        self._pack_pieces += said
        if self._pack_pieces <= PACK_TIMES * pieces + PACK_SPARE:
            return False
        self.withdraw_down(self.down[0].key)
        return True


class Complete:
    """A transfer that has come whole: its object, and a check of each piece, to know its repeats by."""

    def __init__(self, key: ObjectKey, transfer: int, digest: bytes, checks: "list[int]") -> None:
        self.key = key
        self.transfer = transfer
        self.digest = digest
        self.checks = checks


def bound(remembered: "dict[Any, Any]") -> None:
    """Forget the oldest beyond `REMEMBERED`."""
    while len(remembered) > REMEMBERED:
        del remembered[next(iter(remembered))]
