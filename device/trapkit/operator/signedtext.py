"""A text that an operator signed, as one file: a line that says who signed it and how, then the text as it was. Pure.

    pugmark-KIND 1 KEY SIGNATURE        64 and 128 hexadecimal digits, Ed25519
    the text, UTF-8

The kind is signed too: a settings pack can never be taken for a list of the revoked.
"""

from trapkit.errors import SetupError
from trapkit.sealing import public_of, sign, signature_is_valid

MAX_BYTES = 256 * 1024  # a thousand revoked units take 100 kB, a base's identity with a thousand traps 250 kB
_KEY_DIGITS, _SIGNATURE_DIGITS = 64, 128


def write_signed(kind: str, seed: bytes, text: str) -> bytes:
    """The file's bytes; `seed`: the operator's, 32 bytes."""
    body = text.encode()
    signature = sign(seed, _statement(kind, body))
    return f"{_head(kind)} {public_of(seed).hex()} {signature.hex()}\n".encode() + body


def read_signed(kind: str, data: bytes, key: bytes | None, name: str) -> tuple[str, bytes]:
    """The text, and the key (32 bytes) that signed it; `key`: who must have, None: whoever the first line names.

    Raises: SetupError naming the file `name` and what is wrong with it.
    """
    if len(data) > MAX_BYTES:
        raise SetupError(f"{name}: has {len(data)} bytes; allowed are {MAX_BYTES}")
    head, _, body = data.partition(b"\n")
    words = head.decode("ascii", "replace").split(" ")
    if " ".join(words[:2]) != _head(kind) or len(words) != 4:
        raise SetupError(f"{name}: is no file of ours; its first line has to begin with {_head(kind)!r}")
    by, signature = _digits(words[2], _KEY_DIGITS), _digits(words[3], _SIGNATURE_DIGITS)
    if not by or not signature:
        raise SetupError(f"{name}: its first line holds no key and signature of ours")
    if key is not None and by != key:
        raise SetupError(
            f"{name}: is signed by {by.hex()[:16]}…; allowed is {key.hex()[:16]}…, the operator's key here"
        )
    if not signature_is_valid(by, _statement(kind, body), signature):
        raise SetupError(f"{name}: its signature does not hold: it was changed, or broke off on its way; copy it again")
    try:
        return body.decode(), by
    except UnicodeDecodeError as error:
        raise SetupError(f"{name}: is signed, and no UTF-8: {error}") from error


def _head(kind: str) -> str:
    return f"pugmark-{kind} 1"


def _statement(kind: str, body: bytes) -> bytes:
    return _head(kind).encode() + b"\n" + body


def _digits(text: str, count: int) -> bytes:
    good = len(text) == count and not set(text) - set("0123456789abcdef")
    return bytes.fromhex(text) if good else b""
