"""What a base knows of one trap, all of it bounded: keys, what is half here, what is whole, what is to be said."""

from trapwire.fragments import Reassembly
from trapwire.frame import VERSION
from trapwire.objects import ObjectKey

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

    from trapwire.linkkeys import LinkKey
    from trapwire.objects import Envelope

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
        self.pack_pieces = 0  # of the pack in hand, that were said


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
