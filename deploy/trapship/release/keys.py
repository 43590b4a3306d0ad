"""The roles' keys: made into a vault, and taken out of it to sign. The one file that makes signers.

    tuf/root-1.key … root-3.key, tuf/targets.key, tuf/snapshot.key, tuf/timestamp.key   Ed25519 seeds, 32 bytes, sealed
    tuf/root.json                                                                        public, signed by the root keys

A key that replaces another gets the next number (`tuf/targets-2.key`). Which one counts root says, not its name.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root

from trapkit.errors import SetupError
from trapkit.files import make_folder, write_atomically
from trapkit.sealing import make_sign_key
from trapship.release.roles import (
    DEFAULT_ROOTS,
    DEFAULT_THRESHOLD,
    EXPIRES,
    FIRST_ROOT,
    FOLDER,
    KEEP,
    MAX_ROOTS,
    ROLES,
    ROOT,
)
from trapship.vault import Vault

NAME_FIELD = "x-pugmark-name"  # in root's list, public: by what its owner knows a key
Signers = dict[str, CryptoSigner]  # by key id


def make(
    vault: Vault, threshold: int = DEFAULT_THRESHOLD, roots: int = DEFAULT_ROOTS, *, now: datetime | None = None
) -> list[str]:
    """Make all roles' keys and the first root metadata; a line for each. What is there already is kept.

    now: UTC, this machine's own where it is left out.  Raises: SetupError when the numbers are no threshold, or when
    some of the keys are there and root.json is not; OSError.
    """
    if not (1 <= roots <= MAX_ROOTS and 1 <= threshold <= roots):
        raise SetupError(
            f"{threshold} of {roots} root keys: allowed are 1–{MAX_ROOTS} keys, and a threshold of 1–{roots}"
        )
    public = vault.folder / FOLDER / FIRST_ROOT
    names = [name_of(ROOT, number) for number in range(1, roots + 1)] + [name_of(role) for role in ROLES[1:]]
    there = [name for name in vault.names() if name.startswith(f"{FOLDER}/")]
    if public.exists():
        return [f"{public}: kept, with {len(there)} keys"]
    if there:
        raise SetupError(f"{public}: is missing, and {vault.folder / there[0]} is there; put it back from a copy")
    make_folder(public.parent, 0o700)
    said, signers = [], {}
    for name in names:
        signers[name] = add(vault, name)
        said.append(f"{vault.folder / name}: new; {KEEP[role_of(name)].where}")
    root = Root(version=1, expires=rounded(now) + EXPIRES[ROOT], consistent_snapshot=True)
    for name, signer in signers.items():
        signer.public_key.unrecognized_fields[NAME_FIELD] = name
        root.add_key(signer.public_key, role_of(name))
    root.roles[ROOT].threshold = threshold
    signed = Metadata(root)
    for name, signer in signers.items():
        if role_of(name) == ROOT:
            signed.sign(signer, append=True)
    write_atomically(public, signed.to_bytes())
    return [*said, f"{public}: new; onto every unit and base, and no secret"]


def name_of(role: str, number: int = 1) -> str:
    """The name in a vault of a role's key."""
    return f"{FOLDER}/{role}-{number}.key" if role == ROOT or number > 1 else f"{FOLDER}/{role}.key"


def role_of(name: str) -> str:
    """The role that a key was made for."""
    return name.removeprefix(f"{FOLDER}/").removesuffix(".key").split("-")[0]


def free_name(vaults: Iterable[Vault], role: str, at_least: int) -> str:
    """A name for one more key of this role: no number is given twice, also where the earlier one is lost.

    at_least: how many this role has or had by the root's version.
    """
    names = {name for vault in vaults for name in vault.names()}
    number = at_least + 1
    while name_of(role, number) in names:
        number += 1
    return name_of(role, number)


def add(vault: Vault, name: str) -> CryptoSigner:
    """One more key in a vault."""
    seed = make_sign_key()
    vault.put(name, seed)
    return _signer(seed)


def signers(vaults: Iterable[Vault]) -> Signers:
    """Every role key that these folders hold, by its key id.  Raises: SetupError."""
    named = [signers_by_name(vault) for vault in vaults]
    return {signer.public_key.keyid: signer for own in named for signer in own.values()}


def signers_by_name(vault: Vault) -> dict[str, CryptoSigner]:
    """Every role key that this folder holds, by its file's name there.  Raises: SetupError."""
    names = [name for name in vault.names() if name.startswith(f"{FOLDER}/") and role_of(name) in ROLES]
    return {name: _signer(vault.get(name)) for name in names}


def _signer(seed: bytes) -> CryptoSigner:
    try:
        return CryptoSigner(Ed25519PrivateKey.from_private_bytes(seed))
    except ValueError as error:
        raise SetupError(f"a role's key has {len(seed)} bytes; allowed are 32") from error


def rounded(now: datetime | None = None) -> datetime:
    """UTC without parts of a second, as metadata has it.  Raises: SetupError when this machine's clock is not set."""
    moment = (now or datetime.now(UTC)).replace(microsecond=0)
    if moment.year < 2026:
        raise SetupError(f"this machine's clock says {moment:%Y-%m-%d}; set it: what is signed is dated by it")
    return moment
