"""Sealing at capture: no key that opens a stored picture is on the trap (PROTOCOL.md section 2).

crop and frame: a libsodium sealed box to the operator's bases; full frames and audit samples: the `age` format to one
or more recipients. `open_reader` opens these on the operator's machine. The only importer of `pyrage`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyrage

from trapkit.errors import SetupError
from trapkit.sealing import read_key, seal_box
from trapwire.objects import ALERT, CROP, FRAME, FULLS, SCENE

MAX_RECIPIENTS = 8  # the back end, the review key, spares: each adds about 100 B to every full frame


@dataclass(frozen=True, kw_only=True)
class SealedObject:
    """An object's body as every carrier moves it, its rung and the body's SHA-256 (32 bytes)."""

    rung: int
    body: bytes
    sha256: bytes


class Sealer:
    """Seals to `base_key` (32-byte X25519 public key) and to `recipients` (age1… keys)."""

    def __init__(self, base_key: bytes, recipients: list[pyrage.x25519.Recipient]) -> None:
        self._base_key = base_key
        self._recipients = recipients

    def seal(self, rung: int, data: bytes) -> SealedObject:
        """The object of one rung; an alert stays open here, the link's key seals it on the air."""
        if rung == ALERT:
            body = data
        elif rung in (CROP, FRAME, SCENE):
            body = seal_box(self._base_key, data)
        elif rung in FULLS:
            body = self.seal_file(data)
        else:
            raise ValueError(f"rung {rung} is not one that a trap makes")
        return SealedObject(rung=rung, body=body, sha256=hashlib.sha256(body).digest())

    def seal_file(self, data: bytes) -> bytes:
        """An `age` file to the recipients."""
        return bytes(pyrage.encrypt(data, self._recipients))


def open_sealer(base_key: Path, recipients: Path) -> Sealer:
    """A sealer with the keys in two files: 64 hexadecimal digits, and lines of age1….

    Raises: SetupError naming the file and, for a recipient, its line.
    """
    key = read_key(base_key, "the bases' public key")
    try:
        lines = recipients.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{recipients}: the recipients of full frames cannot be read: {error}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        text = line.split("#", 1)[0].strip()
        if not text:
            continue
        try:
            found.append(pyrage.x25519.Recipient.from_str(text))
        except pyrage.RecipientError as error:
            # The line is not repeated: it may be a secret key, put here by mistake.
            raise SetupError(f"{recipients}: line {number} is not an age1… public key") from error
    if not 0 < len(found) <= MAX_RECIPIENTS:
        raise SetupError(f"{recipients}: {len(found)} recipients, allowed are 1–{MAX_RECIPIENTS} (one age1… a line)")
    return Sealer(key, found)


def open_reader(identity: Path) -> Callable[[bytes], bytes]:
    """What opens `age` files with the secret key in a file as `age-keygen` writes it; on no trap is there one.

    The reader raises ValueError for what was not sealed to that key.  Raises: SetupError naming the file.
    """
    try:
        lines = [line.strip() for line in identity.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{identity}: the review key cannot be read: {error}") from error
    secret = [line for line in lines if line and not line.startswith("#")]
    try:
        if len(secret) != 1:
            raise SetupError(f"{identity}: {len(secret)} keys, allowed is one (a line AGE-SECRET-KEY-1…)")
        key = pyrage.x25519.Identity.from_str(secret[0])
    except pyrage.IdentityError as error:
        # The line is not repeated: it may be a secret that was mistyped.
        raise SetupError(f"{identity}: holds no secret key (a line AGE-SECRET-KEY-1…)") from error

    def read(data: bytes) -> bytes:
        try:
            return bytes(pyrage.decrypt(data, [key]))
        except pyrage.DecryptError as error:
            raise ValueError(f"it does not open with this key: {error}") from error

    return read
