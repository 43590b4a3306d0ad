"""Cards, visits and samples in the outbox: sealed to the bases, signed by the trap, before every alert everywhere.

On the trap's card they are shut as pictures are: where it stands and who put it up is for the bases alone.
"""

from trapcam.outbox import Outbox
from trapcam.seal import Sealer
from trapcam.states import ALARM_PRIORITY, DELETED, DELIVERED, HELD, WAITING
from trapkit.cards import Sample, Written, encode
from trapkit.sealing import sign
from trapwire.alert import TIME_BASE_UNIX_MS, TIME_LAST_UNIX_MS
from trapwire.notes import CARD, SAMPLE, Note, statement

SHOWN = {HELD: WAITING, DELETED: DELIVERED}  # a ranger asks whether the base has it


class CardNotes:
    """What a ranger saves. seed: what the trap signs with (32 bytes)."""

    def __init__(self, outbox: Outbox, sealer: Sealer, seed: bytes) -> None:
        self._outbox = outbox
        self._sealer = sealer
        self._seed = seed

    def save(self, said: Written, now: tuple[int, int | None]) -> int:
        """Keep it, waiting for every carrier; its number. now: Unix ms and how far that may be off (`Clock.now()`).

        Raises: CardError when its texts are too long; StorageError: the disk refuses, and nothing is kept.
        """
        kind = SAMPLE if isinstance(said, Sample) else CARD  # a visit is one more word on a deployment
        at_ms = min(max(now[0], TIME_BASE_UNIX_MS), TIME_LAST_UNIX_MS)
        sealed = self._sealer.seal_note(encode(said))
        note = Note(kind, at_ms, now[1] if at_ms == now[0] else None, {}, sealed=sealed)

        def make(number: int) -> bytes:
            key = (self._outbox.trap, self._outbox.epoch, number)
            note.signature = sign(self._seed, statement(*key, note.fields()))
            return note.encode()

        return self._outbox.notes.add_note(kind, at_ms, make, ALARM_PRIORITY)

    def progress(self, number: int) -> str:
        """waiting, stored (the supervisor has it) or delivered (a base has committed it).

        Raises: KeyError when no note has that number; StorageError.
        """
        state = self._outbox.notes.state(number)
        return SHOWN.get(state, state)
