"""Rangers' cards and samples for the tests of the base: sealed, signed, in their envelopes."""

from typing import Any

from nacl.signing import SigningKey

from tests.base.note_parts import UNIT
from tests.base.parts import BOX, EPOCH, NOW
from trapbase.stays import Said
from trapkit.cards import Card, Sample, Visit, Written, encode
from trapkit.sealing import seal_box
from trapwire.notes import CARD, SAMPLE, Note, statement
from trapwire.objects import NOTE, Envelope, ObjectKey

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def card(action: str = "place", at_ms: int = NOW, **more: Any) -> Card:
    """At S9, left, unless told otherwise."""
    values: dict[str, Any] = {
        "action": action, "station": "S9", "side": "left", "who": "A. Ivanova", "at_ms": at_ms, "uncertainty_ms": 320,
        "latitude": 43.2, "longitude": 131.5, "precision_m": 1.5, "height_cm": 45, "bearing_deg": 310,
    } | more  # fmt: skip
    return Card(**values)


def sample(at_ms: int = NOW, **more: Any) -> Sample:
    values: dict[str, Any] = {
        "barcode": "PM-7", "kind": "scat", "kept": "ethanol", "station": "S9", "who": "A. Ivanova", "at_ms": at_ms,
        "uncertainty_ms": 320,
    } | more  # fmt: skip
    return Sample(**values)


def visit(at_ms: int = NOW, **more: Any) -> Visit:
    values: dict[str, Any] = {
        "who": "A. Ivanova", "at_ms": at_ms, "uncertainty_ms": 320, "done": ("battery", "lens"),
    } | more  # fmt: skip
    return Visit(**values)


def note_of(
    trap: int,
    number: int,
    said: Written | bytes,
    *,
    epoch: int = EPOCH,
    key: SigningKey = UNIT,
    kind: int | None = None,
    base: bytes = bytes(BOX.public_key),
) -> Envelope:
    """As a trap saves it; bytes are sealed as they are."""
    data = said if isinstance(said, bytes) else encode(said)
    kind = kind or (SAMPLE if isinstance(said, Sample) else CARD)
    note = Note(kind, NOW, 320, {}, sealed=seal_box(base, data))
    note.signature = key.sign(statement(trap, epoch, number, note.fields())).signature
    return Envelope(ObjectKey(trap, epoch, number, NOTE), note.encode())


def told(trap: int, number: int, said: Written | None, *, epoch: int = EPOCH, refusal: str = "") -> Said:
    """As the base has opened it."""
    return Said(trap=trap, epoch=epoch, number=number, stored_ms=NOW, said=said, refusal=refusal)
