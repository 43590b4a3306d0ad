"""An operator's own keys: what opens crops and frames at the base, and full frames on a desk.

| file | who has it |
|---|---|
| `base.key` | the base: `box_key` |
| `base.pub` | every trap: `keys.base` |
| `review.key` | the operator alone, off the base: opens full frames (`age`) |
| `recipients.txt` | every trap: `keys.recipients`; the back end's `age1…` line goes below |
| `permit.key` | the base: `updates.permit_key`, says which trap may take an update when |
| `permit.pub` | every trap: `update.permit_key` |

The back end's signing key is its own; of that pair an operator gets only the public half.
"""

from pathlib import Path

from nacl.public import PrivateKey
from pyrage import IdentityError, x25519

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapkit.sealing import make_sign_key, public_of, read_key


def make_keys(folder: Path) -> list[str]:
    """Write the pairs into `folder`; a line for each file, written or kept.

    A secret that is there is kept, and its public half written again where it is missing.  Raises: SetupError when a
    public half has no secret, or is another's: what traps seal to it nobody here could open.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    box = _base_secret(folder)
    review = _review_secret(folder)
    permit = _permit_secret(folder)
    files = [("base.key", box.encode().hex(), 0o600), ("base.pub", bytes(box.public_key).hex(), 0o644)]
    if review is not None:
        files += [("review.key", str(review), 0o600), ("recipients.txt", str(review.to_public()), 0o644)]
    files += [("permit.key", permit.hex(), 0o600), ("permit.pub", public_of(permit).hex(), 0o644)]
    said = []
    for name, text, mode in files:
        path = folder / name
        if path.exists():
            said.append(f"{path}: kept")
        else:
            write_atomically(path, (text + "\n").encode(), mode=mode)
            said.append(f"{path}: new")
    return said if review is not None else [*said, f"{folder / 'recipients.txt'}: kept, so no review.key is made"]


def _base_secret(folder: Path) -> PrivateKey:
    secret, public = folder / "base.key", folder / "base.pub"
    if secret.exists():
        key = PrivateKey(read_key(secret, "the key that opens crops"))
        if public.exists() and read_key(public, "the key that crops are sealed to") != bytes(key.public_key):
            raise SetupError(f"{public}: does not belong to {secret}; move one of them away")
        return key
    if public.exists():
        raise SetupError(f"{public}: is there, {secret} is not; traps may seal to it: put its secret there, or move it")
    return PrivateKey.generate()


def _permit_secret(folder: Path) -> bytes:
    secret, public = folder / "permit.key", folder / "permit.pub"
    if secret.exists():
        key = read_key(secret, "the key that signs permissions")
        if public.exists() and read_key(public, "the key that permissions are proved with") != public_of(key):
            raise SetupError(f"{public}: does not belong to {secret}; move one of them away")
        return key
    if public.exists():
        raise SetupError(f"{public}: is there, {secret} is not; traps believe it: put its secret there, or move it")
    return make_sign_key()


def _review_secret(folder: Path) -> x25519.Identity | None:
    """The secret that opens full frames; None where the operator names recipients of their own."""
    secret = folder / "review.key"
    if not secret.exists():
        return None if (folder / "recipients.txt").exists() else x25519.Identity.generate()
    try:
        return x25519.Identity.from_str(secret.read_text().strip())
    except OSError as error:
        raise SetupError(f"{secret}: cannot be read: {error.strerror}") from error
    except (ValueError, IdentityError) as error:
        raise SetupError(f"{secret}: is no age key: {error}") from error


def new_secrets() -> tuple[str, str]:
    """The secrets of two new pairs: what opens crops (64 hexadecimal digits), and what opens full frames (`age`)."""
    return PrivateKey.generate().encode().hex(), str(x25519.Identity.generate())


def public_halves(box: str, review: str) -> tuple[str, str]:
    """What belongs to them on every trap: `base.pub` and a line of `recipients.txt`.  Raises: SetupError."""
    try:
        return bytes(PrivateKey(bytes.fromhex(box)).public_key).hex(), str(x25519.Identity.from_str(review).to_public())
    except (ValueError, IdentityError) as error:
        raise SetupError(f"keys/base.key, keys/review.key: are no keys of ours: {error}") from error
