"""A PIN as it lies on a trap's card: salted and slow to try. Written by `trapcam pin` and by provisioning. Pure."""

import hashlib
import secrets
import tomllib

from trapkit.errors import SetupError

DIGITS = (6, 12)
SALT_BYTES = 16
MOST_OPERATORS = 32
_SCRYPT = {"n": 1 << 14, "r": 8, "p": 1}  # 16 MB and a third of a second on a Zero 2 W (estimate)


def hashed(pin: str) -> str:
    """A PIN as it lies on the card.  Raises: SetupError."""
    if not (pin.isascii() and pin.isdigit() and DIGITS[0] <= len(pin) <= DIGITS[1]):
        raise SetupError(f"a PIN has {DIGITS[0]}–{DIGITS[1]} digits and nothing else")
    if len(set(pin)) < 3 or pin in "01234567890123456789" or pin in "98765432109876543210":
        raise SetupError("this PIN is among the first that a thief tries; take another")
    salt = secrets.token_bytes(SALT_BYTES)
    return f"{salt.hex()}:{digest_of(pin, salt).hex()}"


def digest_of(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, dklen=32, **_SCRYPT)


def read_operators(data: bytes, name: str) -> dict[str, str]:
    """Hashed PINs by operator, from `name` (TOML, a line each: `name = "salt:hash"`).  Raises: SetupError."""
    try:
        found = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"{name}: is no TOML: {error}") from error
    for operator, value in found.items():
        salt, _, digest = value.partition(":") if isinstance(value, str) else ("", "", "")
        if len(salt) != 2 * SALT_BYTES or len(digest) != 64 or not _is_hex(salt + digest):
            raise SetupError(f"{name}: {operator!r} has no PIN of ours; make it with `trapcam pin {operator}`")
    if not found:
        raise SetupError(f"{name}: names no operator; make one with `trapcam pin NAME`")
    return dict(found)


def _is_hex(text: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in text)


def write_operators(known: dict[str, str]) -> bytes:
    """The file of hashed PINs by operator, as `read_operators` takes it."""
    return "".join(f'"{name}" = "{value}"\n' for name, value in sorted(known.items())).encode()


def check_operator(name: str) -> str:
    """The name.  Raises: SetupError where it is none."""
    if not (name.isprintable() and 0 < len(name) <= 40 and '"' not in name and "\\" not in name):
        raise SetupError(f"{name!r}: is no operator's name; allowed are 1–40 letters without quotes")
    return name
