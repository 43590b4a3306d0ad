"""What was signed is made known: root, targets, snapshot, and last the timestamp, which is the moment of it.

Called with nothing new it says again that all stands: a new timestamp, and whatever is past half of its time.
"""

from datetime import datetime

from tuf.api.metadata import Metadata, Root, Snapshot, Targets

from trapkit.errors import SetupError
from trapship.release.keys import Signers
from trapship.release.repository import (
    Published,
    Repository,
    next_snapshot,
    next_timestamp,
    signed_by,
    vouches,
)
from trapship.release.roles import EXPIRES, RENEW_WITHIN, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from trapship.release.sign import releases, sign_again

OLD_METADATA = 3  # versions of targets and snapshot that stay: whoever is copying now finishes


def publish(repository: Repository, signers: Signers, now: datetime) -> list[str]:
    """Publish what is staged, and renew what needs it; a line for each thing done.

    Raises: SetupError when a key or a signature is missing, or this machine's clock is behind what was signed; OSError.
    """
    published = repository.read()
    _check_clock(published, now)
    said = []
    root = _root(repository, published)
    targets, lines = _targets(repository, published, root, signers, now)
    said += lines
    snapshot, is_new = _snapshot(repository, published, root, targets, signers, now)
    timestamp = signed_by(next_timestamp(published, snapshot, now), root, TIMESTAMP, signers)
    # All is signed: from here on only files are written, and units notice nothing before the last one.
    if targets is not published.targets:
        repository.write(TARGETS, targets)
        said.append(f"targets {targets.signed.version}: until {targets.signed.expires:%Y-%m-%d}")
    if is_new:
        repository.write(SNAPSHOT, snapshot)
        said.append(f"snapshot {snapshot.signed.version}: until {snapshot.signed.expires:%Y-%m-%d}")
    if root is not published.root:
        repository.write(ROOT, root)
        said.append(f"root {root.signed.version}: until {root.signed.expires:%Y-%m-%d}")
    repository.write(TIMESTAMP, timestamp)
    said.append(f"timestamp {timestamp.signed.version}: until {timestamp.signed.expires:%Y-%m-%d}")
    repository.unstage(ROOT)
    repository.unstage(TARGETS)
    current = releases(repository, targets).current
    if current:
        said.append(f"{current.release}: is what shall run (serial {current.serial})")
    return said + _prune(repository, targets)


def _check_clock(published: Published, now: datetime) -> None:
    for role, until in published.expires().items():
        if role != ROOT and until - EXPIRES[role] > now:
            signed = until - EXPIRES[role]
            raise SetupError(
                f"{role} was signed at {signed:%Y-%m-%d %H:%M}, this machine says {now:%Y-%m-%d}: set its clock"
            )


def _root(repository: Repository, published: Published) -> Metadata[Root]:
    staged = repository.staged_root()
    if staged is None or staged.signed.version <= published.root.signed.version:
        return published.root  # the second: published already, and the power went before it was unstaged
    if missing := missing_signatures(published.root, staged):
        raise SetupError(f"root {staged.signed.version}: waits for {missing}: `trapship countersign` where they are")
    return staged


def missing_signatures(before: Metadata[Root], staged: Metadata[Root]) -> str:
    """In words, how many of the earlier and of its own root keys still have to sign; "" when it is complete."""
    words = []
    for whose, root in (("the keys before", before), ("its own keys", staged)):
        result = root.signed.get_verification_result(ROOT, staged.signed_bytes, staged.signatures)
        if result.missing:
            words.append(f"{result.missing} of {whose}")
    return " and ".join(words)


def _targets(
    repository: Repository, published: Published, root: Metadata[Root], signers: Signers, now: datetime
) -> tuple[Metadata[Targets], list[str]]:
    """Those that were staged, or those that are published, with a new date where they need one."""
    staged = repository.staged_targets()
    if staged is not None and staged.signed.version > published.versions()[TARGETS]:
        if not vouches(root, TARGETS, staged):
            raise SetupError(
                f"{repository.staged / 'targets.json'}: is not signed by today's targets key; sign it again"
            )
        return staged, []
    if published.targets is None:
        raise SetupError(f"{repository.folder}: nothing is signed yet: trapship sign BUILD {repository.folder}")
    until = published.targets.signed.expires
    if until - now >= RENEW_WITHIN[TARGETS]:
        return published.targets, []
    if not set(root.signed.roles[TARGETS].keyids) & set(signers):
        return published.targets, [f"targets: until {until:%Y-%m-%d} alone; publish with its key before that"]
    said = sign_again(repository, signers, now)
    again = repository.staged_targets()
    assert again is not None
    return again, said


def _snapshot(
    repository: Repository,
    published: Published,
    root: Metadata[Root],
    targets: Metadata[Targets],
    signers: Signers,
    now: datetime,
) -> tuple[Metadata[Snapshot], bool]:
    before = published.snapshot
    if before is not None and targets is published.targets and vouches(root, SNAPSHOT, before):
        is_fresh = before.signed.expires - now >= RENEW_WITHIN[SNAPSHOT]
        if is_fresh:
            return before, False
    return signed_by(next_snapshot(published, targets, now), root, SNAPSHOT, signers), True


def _prune(repository: Repository, targets: Metadata[Targets]) -> list[str]:
    """Take away what no list names any more: metadata before the last few, files of releases that are gone."""
    for role in (TARGETS, SNAPSHOT):
        found = sorted(repository.metadata.glob(f"*.{role}.json"), key=lambda path: int(path.name.split(".")[0]))
        for path in found[:-OLD_METADATA]:
            path.unlink()
    named = {target.get_prefixed_paths()[0] for target in targets.signed.targets.values()}
    for path in repository.metadata.glob("*.targets.json"):
        listed = Metadata[Targets].from_file(str(path)).signed.targets
        named |= {target.get_prefixed_paths()[0] for target in listed.values()}
    gone = [p for p in sorted(repository.targets.rglob("*")) if p.is_file()]
    gone = [path for path in gone if path.relative_to(repository.targets).as_posix() not in named]
    for path in gone:
        path.unlink()
    return [f"{path}: gone, no release names it any more" for path in gone]
