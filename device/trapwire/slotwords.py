"""New firmware on the serial line between Pi and supervisor: what both sides know of its codec (PROTOCOL.md section 8).

The Pi asks, and the supervisor answers each message with one word of how its slots are. A slot is named by its digest:
the first 16 bytes of the SHA-256 of its list of files (`files.sha256`).
"""

import hashlib

# What the Pi says: op u8, and behind it
ASK = 0  # nothing: how are your slots?
BEGIN = 1  # bytes of the list u16, its digest: new firmware for the idle slot
PIECE = 2  # offset u32 in the stream, bytes of it
TURN = 3  # digest: start the slot with this one from the next start on, on trial if it is new

# What became of it
DONE = 0
ON_TRIAL = 1  # a slot is on trial: not now
REFUSED = 2  # what came is no firmware of that digest
NO_ROOM = 3  # flash refused
OUT_OF_ORDER = 4  # the stream goes on at `at`

# How the slots stand
SETTLED = 0
TRYING = 1  # the slot that runs is on trial
TURNED = 2  # the other one starts next

DIGEST_BYTES = 16
NONE = bytes(DIGEST_BYTES)  # the digest of no whole slot
MAX_LIST_BYTES = 16384
PIECE_BYTES = 1024
WORD = ">BBBBI16s16s"  # op, outcome, running, how they stand, place in the stream, its digest, the other's


def digest(listing: bytes) -> bytes:
    """The name of the firmware that a list of files is of."""
    return hashlib.sha256(listing).digest()[:DIGEST_BYTES]
