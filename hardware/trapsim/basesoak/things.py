"""What traps have seen, in the same bytes for the same draws: replayed by its seed, a life has the same files."""

import hashlib
import io
import random
from functools import cache

from nacl.bindings import crypto_box
from nacl.public import PrivateKey
from nacl.signing import SigningKey
from PIL import Image

from trapkit.pieces import OVER_BYTES
from trapwire.alert import Alert
from trapwire.objects import ALERT, CROP, FRAME, FULL, Envelope, ObjectKey

UTC_MS = 1_763_686_800_000  # where the world's clock starts: November 2025
BOX_KEY = PrivateKey(bytes(range(32)))
BACKEND_KEY = SigningKey(bytes(range(32, 64)))
EPOCH = 0xC0FFEE01
BY_RADIO = (ALERT, CROP)
BY_NETWORK = (ALERT, CROP, FRAME, FULL)
SPECIES = (0, 1, 2, 3, 4)


def sighting(draws: random.Random, key: tuple[int, int, int], at_ms: int, rungs: tuple[int, ...]) -> list[Envelope]:
    """One sighting's objects; key: trap, epoch, number; at_ms: Unix ms."""
    made = []
    for rung in rungs:
        if rung == ALERT:
            box = (draws.randrange(100), draws.randrange(100), 90, 80)
            body = Alert(at_ms, 200, draws.choice(SPECIES), draws.randint(128, 255), 1, box, 88).encode()
        elif rung == CROP:
            body = sealed(draws, _picture(draws.randrange(64)))
        elif rung == FRAME:
            body = sealed(draws, draws.randbytes(draws.randint(500, 3000)))
        else:
            # Now and then one that goes in pieces.
            body = draws.randbytes(draws.choice((4_000, 9_000, OVER_BYTES + draws.randint(1, 40_000))))
        made.append(Envelope(ObjectKey(*key, rung), body))
    return made


def sealed(draws: random.Random, data: bytes) -> bytes:
    """A sealed box (libsodium's format) to the base, whose passing key is drawn too."""
    passing = PrivateKey(draws.randbytes(32))
    own, base = bytes(passing.public_key), bytes(BOX_KEY.public_key)
    nonce = hashlib.blake2b(own + base, digest_size=24).digest()
    return own + crypto_box(data, nonce, base, bytes(passing))


@cache
def _picture(number: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 24), (number * 7 % 256, number * 13 % 256, 90)).save(out, "WEBP", lossless=True)
    return out.getvalue()
