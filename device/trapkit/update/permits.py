"""Who may take an update now: a permission, signed by the unit's base and for that unit alone (pure).

A release is signed by the operator and the same for all; *when* a unit takes it is its base's to say, so that never
both cameras of a station change at once. A permission travels beside the release by whatever carries that (the base's
network, a stick, the ranger's phone), as `permits/TRAP.permit`:

    version u8 = 1 | trap u16 | number u32 | issued u48 | until u48 | length u8 | release, ASCII | signature, 64 bytes

Times are Unix ms. The signature is the base's Ed25519 over `LABEL` and everything before it. An empty release is a
hold: take nothing. Numbers rise, so that an older permission that somebody kept is known as such.
"""

import struct
from dataclasses import dataclass

from trapkit.sealing import sign, signature_is_valid
from trapkit.update.offer import RELEASE

LABEL = b"pugmark-permit-1\x00"
VERSION = 1
MAX_BYTES = 160  # of a permission: head, the longest release and the signature have 95
_HEAD = struct.Struct(">BHIHIHIB")  # a time of 48 bits is its upper 16 and its lower 32
_SIGNATURE_BYTES = 64

NO_PERMIT = "no-permit"
FORGED = "permit-forged"
OLD = "permit-old"
OTHER = "permit-other"
OVER = "permit-over"
HELD = "held"


class PermitError(ValueError):
    """Bytes that are no permission of this base's for this unit."""


@dataclass(frozen=True, kw_only=True)
class Permit:
    """`trap` may take `release` from `issued_ms` until `until_ms` (Unix ms); "": nothing. `number` rises, 32 bits."""

    trap: int
    number: int
    release: str
    issued_ms: int
    until_ms: int

    def fields(self) -> bytes:
        """What is signed, after the label.  Raises: PermitError."""
        text = self.release.encode("ascii", "replace")
        if self.release and not RELEASE.fullmatch(self.release):
            raise PermitError(f"release {self.release[:40]!r}: allowed is YEAR.MONTH.NUMBER")
        times = (self.issued_ms, self.until_ms)
        if not (0 < self.trap < 1 << 16 and 0 <= self.number < 1 << 32 and all(0 <= t < 1 << 48 for t in times)):
            raise PermitError(f"trap {self.trap}, number {self.number} or times {times}: out of bounds")
        split = [part for t in times for part in (t >> 32, t & 0xFFFFFFFF)]
        return _HEAD.pack(VERSION, self.trap, self.number, *split, len(text)) + text

    def signed(self, seed: bytes) -> bytes:
        """The bytes that travel, under the base's key (32 bytes).  Raises: PermitError."""
        fields = self.fields()
        return fields + sign(seed, LABEL + fields)


def read(data: bytes, key: bytes) -> Permit:
    """The permission in `data`, its signature checked with the base's public key (32 bytes).  Raises: PermitError."""
    if not _HEAD.size + _SIGNATURE_BYTES <= len(data) <= MAX_BYTES:
        raise PermitError(f"permission of {len(data)} bytes")
    fields, signature = data[:-_SIGNATURE_BYTES], data[-_SIGNATURE_BYTES:]
    if not signature_is_valid(key, LABEL + fields, signature):
        raise PermitError("the permission's signature is not this unit's base's")
    version, trap, number, issued_high, issued, until_high, until, length = _HEAD.unpack(fields[: _HEAD.size])
    text = fields[_HEAD.size :]
    if version != VERSION or length != len(text):
        raise PermitError(f"permission of version {version} with {len(text)} of {length} characters")
    permit = Permit(
        trap=trap, number=number, release=text.decode("ascii", "replace"),
        issued_ms=issued_high << 32 | issued, until_ms=until_high << 32 | until,
    )  # fmt: skip
    permit.fields()  # what a base signed by mistake is none either
    return permit


def refusal(
    data: bytes | None, key: bytes, trap: int, release: str, last_number: int, now_ms: int | None
) -> tuple[str, Permit | None]:
    """Why unit `trap` may not take `release` now: a code, "" where it may; and the permission that was read, if any.

    `data`: the file as it came, None without one; `last_number`: the highest that this unit has seen: it keeps that of
    the permission returned. `now_ms`: Unix ms where the time is known, else None: updates wait for a known time anyway.
    """
    if data is None:
        return NO_PERMIT, None
    try:
        permit = read(data, key)
    except PermitError:
        return FORGED, None
    if permit.trap != trap:
        return NO_PERMIT, None
    if permit.number < last_number:
        return OLD, None
    if not permit.release:
        return HELD, permit
    if permit.release != release:
        return OTHER, permit
    if now_ms is not None and now_ms >= permit.until_ms:
        return OVER, permit
    return "", permit
