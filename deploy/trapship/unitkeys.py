"""What a trap signs its notes with: `FOLDER/units/N.sign` (Ed25519 seed) for trap N alone, `N.sign.pub` for the base.

Not beside the link keys, which trap and base both have: a base that had the seeds could write its traps' ledgers
itself.
"""

from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapkit.sealing import make_sign_key, public_of, read_key

UNITS = "units"
MAX_TRAP = 65535


def make_unit_keys(folder: Path, traps: list[int]) -> list[str]:
    """Write the pairs that are missing, and a public half that is; a line for each file.

    Raises: SetupError when a number is no trap's, or a public half has no seed or is another's.
    """
    said = []
    for trap in traps:
        if not 0 < trap <= MAX_TRAP:
            raise SetupError(f"trap {trap} is no trap's number; allowed is 1–{MAX_TRAP}")
        said += _make(folder / UNITS / f"{trap}.sign", folder / UNITS / f"{trap}.sign.pub", trap)
    return said


def _make(secret: Path, public: Path, trap: int) -> list[str]:
    if public.exists() and not secret.exists():
        raise SetupError(f"{public}: is there, {secret} is not; the trap may have it: put it there, or move this away")
    said = []
    if secret.exists():
        seed = read_key(secret, "what the trap signs with")
        said.append(f"{secret}: kept")
    else:
        seed = make_sign_key()
        secret.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(secret, f"{seed.hex()}\n".encode(), mode=0o600)
        said.append(f"{secret}: new; it goes onto trap {trap} as keys.sign, and onto no other machine")
    if not public.exists():
        write_atomically(public, f"{public_of(seed).hex()}\n".encode())
        return [*said, f"{public}: new; it goes into the base's unit_keys"]
    if read_key(public, "a trap's public key") != public_of(seed):
        raise SetupError(f"{public}: does not belong to {secret}; move one of them away")
    return [*said, f"{public}: kept"]
