"""Another key for a role: the next root, which says so, signed by enough of the root keys before and of its own.

The root keys may lie in several places: `rotate` signs with those at hand, `countersign` adds others', and `publish`
takes it when there are enough. Until then nothing changes for anybody.
"""

from datetime import datetime

from tuf.api.metadata import Metadata, Root

from trapkit.errors import SetupError
from trapship.release.keys import NAME_FIELD, Signers, add, free_name
from trapship.release.publish import missing_signatures
from trapship.release.repository import Repository, named
from trapship.release.roles import EXPIRES, ROOT, TARGETS
from trapship.release.sign import sign_again
from trapship.vault import Vault

CHAIN = "units go from root to root by it"


def rotate(
    repository: Repository, role: str, vaults: list[Vault], signers: Signers, now: datetime, *, replace: str = ""
) -> list[str]:
    """Make a new key in the first vault, and stage a root in which it takes a role's key's place; a line for each.

    replace: for the role root, which of its keys: its name (`root-2`) or the beginning of its id.
    Raises: SetupError when `replace` names none, or when something is staged already; OSError.
    """
    published = repository.read()
    if repository.staged_root() is not None:
        raise SetupError(f"{repository.staged / 'root.json'}: a root waits already: countersign and publish it first")
    if role == TARGETS and repository.staged_targets() is not None:
        raise SetupError(f"{repository.staged / 'targets.json'}: a release waits: publish it first, or take it away")
    root = Metadata.from_bytes(published.root.to_bytes()).signed
    assert isinstance(root, Root)
    gone = _replaced(root, role, replace)
    name = free_name(vaults, role, root.version - 1 + len(root.roles[role].keyids))
    signer = add(vaults[0], name)
    signer.public_key.unrecognized_fields[NAME_FIELD] = name
    signers = {**signers, signer.public_key.keyid: signer}
    for keyid in gone:
        root.revoke_key(keyid, role)
    root.add_key(signer.public_key, role)
    root.version += 1
    root.expires = now + EXPIRES[ROOT]
    staged = Metadata(root)
    added = _sign(staged, published.root, signers)
    repository.stage(ROOT, staged)
    said = [f"{vaults[0].folder / name}: new, takes the place of {' '.join(keyid[:8] for keyid in gone)}"]
    if role == TARGETS and published.targets is not None:
        said += sign_again(repository, signers, now)
    said.append(f"no copy of {vaults[0].folder} has that key yet: copy the folder again, today")
    return [*said, *_told(published.root, staged, added)]


def countersign(repository: Repository, signers: Signers) -> list[str]:
    """Add these keys' signatures to the root that waits.  Raises: SetupError when none waits, or none counts."""
    published, staged = repository.read(), repository.staged_root()
    if staged is None:
        raise SetupError(f"{repository.staged}: no root waits there")
    added = _sign(staged, published.root, signers)
    if not added:
        raise SetupError("none of the keys in these folders is a root key, or they have signed already")
    repository.stage(ROOT, staged)
    return _told(published.root, staged, added)


def renew_root(repository: Repository, signers: Signers, now: datetime) -> list[str]:
    """Stage the same root with a new date: once in five years.  Raises: SetupError."""
    published = repository.read()
    if repository.staged_root() is not None:
        raise SetupError(f"{repository.staged / 'root.json'}: a root waits already: countersign and publish it first")
    staged = Metadata.from_bytes(published.root.to_bytes())
    assert isinstance(staged.signed, Root)
    staged.signed.version += 1
    staged.signed.expires = now + EXPIRES[ROOT]
    staged.signatures.clear()
    added = _sign(staged, published.root, signers)
    repository.stage(ROOT, staged)
    return [*_told(published.root, staged, added), f"once it is published, copy {repository.folder} again: {CHAIN}"]


def _sign(staged: Metadata[Root], before: Metadata[Root], signers: Signers) -> int:
    wanted = {*staged.signed.roles[ROOT].keyids, *before.signed.roles[ROOT].keyids} - set(staged.signatures)
    for keyid in sorted(wanted & set(signers)):
        staged.sign(signers[keyid], append=True)
    return len(wanted & set(signers))


def _replaced(root: Root, role: str, replace: str) -> list[str]:
    keyids = root.roles[role].keyids
    if role != ROOT:
        return list(keyids)
    found = [k for k in keyids if replace and (named(root, k) == f"tuf/{replace}.key" or k.startswith(replace))]
    if len(found) != 1:
        names = ", ".join(f"{named(root, k)} ({k[:8]})" for k in keyids)
        raise SetupError(f"--replace {replace or '(nothing)'}: names no one root key; they are {names}")
    return found


def _told(before: Metadata[Root], staged: Metadata[Root], added: int) -> list[str]:
    missing = missing_signatures(before, staged)
    then = f"waits for {missing}: trapship countersign" if missing else "is complete: trapship publish"
    return [f"root {staged.signed.version}: {added} signatures added; {then}"]
