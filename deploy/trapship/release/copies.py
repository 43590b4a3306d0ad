"""Which release keys lie where: those that sign nothing any more, and what a copy in a safe lacks or has too many of.

The desk's own secrets never change, but `rotate` makes a key that no earlier copy has. And a copy that was made before
the root keys went to other people still has enough of them to replace every key.
"""

from collections.abc import Iterable
from pathlib import Path

from trapkit.errors import SetupError
from trapship.release.keys import signers_by_name
from trapship.release.repository import Repository, named
from trapship.release.roles import ROLES, ROOT
from trapship.vault import Vault


def idle_keys(repository: Repository, vaults: Iterable[Vault]) -> list[str]:
    """A line for each key in these folders that the root in force no longer names.  Raises: SetupError."""
    counts = {keyid for root in repository.roots() for role in ROLES for keyid in root.roles[role].keyids}
    return [
        f"{vault.folder / name}: was replaced and signs nothing any more; it may be destroyed"
        for vault in vaults
        for name, signer in signers_by_name(vault).items()
        if signer.public_key.keyid not in counts
    ]


def copy_troubles(repository: Repository, vault: Vault, backup: Path) -> list[str]:
    """What is wrong with `backup` as the copy of this operator's folder, each with what to do; none where it is good.

    Raises: SetupError when the repository is not whole, or the folder itself does not open.
    """
    roots = repository.roots()
    counts = {keyid: named(root, keyid) for root in roots for role in ROLES for keyid in root.roles[role].keyids}
    own = {signer.public_key.keyid: name for name, signer in signers_by_name(vault).items()}
    try:
        there = {signer.public_key.keyid for signer in signers_by_name(vault.elsewhere(backup)).values()}
    except (SetupError, OSError) as error:
        return [f"{backup}: its release keys do not open ({error}); copy {vault.folder} again"]
    troubles = [
        f"{backup / name}: is not there, or is an older key; copy {vault.folder} again"
        for keyid, name in sorted(own.items(), key=lambda item: item[1])
        if keyid in counts and keyid not in there
    ]
    of_root = {keyid for root in roots for keyid in root.roles[ROOT].keyids}
    least = min(root.roles[ROOT].threshold for root in roots)
    for folder, has in ((vault.folder, set(own)), (backup, there)):
        together = sorted(counts[keyid] for keyid in has & of_root)
        # A fleet whose root wants one signature alone keeps that one somewhere.
        if len(together) >= max(2, least):
            troubles.append(
                f"{folder}: has {', '.join(together)}: together they replace every other key. Move all but one to "
                f"other people (`trapship move-key`)" + (f", and copy {vault.folder} again" if folder == backup else "")
            )
    try:
        if (backup / "units.json").read_bytes() != (vault.folder / "units.json").read_bytes():
            troubles.append(f"{backup / 'units.json'}: is older than this desk's; copy it after each day's work")
    except OSError as error:
        troubles.append(f"{backup / 'units.json'}: cannot be read: {error.strerror}; copy {vault.folder} again")
    return troubles
