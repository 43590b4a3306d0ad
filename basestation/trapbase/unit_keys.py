"""Is a note by its trap? The public keys of traps lie in a folder, `N.sign.pub`, as `trapship keys` writes them."""

from pathlib import Path

from trapkit.errors import SetupError
from trapkit.sealing import read_key, signature_is_valid
from trapwire.errors import WireError
from trapwire.notes import split, statement

VERIFIED, UNKNOWN, FORGED = "verified", "unknown", "forged"


def read_unit_key(folder: Path | None, trap: int) -> bytes | None:
    """A trap's public key (32 bytes), None where there is none.  Raises: SetupError for a file that holds none."""
    path = None if folder is None else folder / f"{trap}.sign.pub"
    return read_key(path, "the key that a trap signs with") if path is not None and path.exists() else None


def proof_of(folder: Path | None, trap: int, epoch: int, number: int, body: bytes) -> str:
    """Whether a note's signature holds. A key that cannot be read counts as none: the note is kept all the same."""
    try:
        key = read_unit_key(folder, trap)
        fields, signature = split(body)
    except (SetupError, WireError):
        return UNKNOWN
    if key is None:
        return UNKNOWN
    return VERIFIED if signature_is_valid(key, statement(trap, epoch, number, fields), signature) else FORGED
