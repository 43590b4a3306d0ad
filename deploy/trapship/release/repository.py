"""A TUF repository as a folder: read and proved, and the next metadata written (python-tuf's own layout).

    metadata/N.root.json, N.targets.json, N.snapshot.json, timestamp.json     public; copied as it is by every mirror
    targets/DIR/SHA256.NAME                                                   the files themselves
    staged/root.json, staged/targets.json                                     signed, not yet published

`timestamp.json` is replaced last: whoever copies at any moment finds the old release whole or the new one whole. What
is on this disk is proved before anything is signed on top of it: a stranger's hand in the folder signs nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, T, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from trapkit.errors import SetupError
from trapkit.files import make_folder, write_atomically
from trapship.release.keys import NAME_FIELD, Signers
from trapship.release.roles import EXPIRES, ROLES, ROOT, SNAPSHOT, TARGETS, TIMESTAMP

MAX_METADATA_BYTES = 1 << 20  # units take no more
STAGED = "staged"


@dataclass(frozen=True, kw_only=True)
class Published:
    """What a repository holds, proved by its roots. Without a publication, timestamp and all it names are None."""

    root: Metadata[Root]
    targets: Metadata[Targets] | None
    snapshot: Metadata[Snapshot] | None
    timestamp: Metadata[Timestamp] | None
    trusted: tuple[str, ...]  # roles whose metadata today's root still vouches for

    def versions(self) -> dict[str, int]:
        """Role -> version, 0 where nothing is published."""
        return {
            ROOT: self.root.signed.version,
            TARGETS: self.targets.signed.version if self.targets else 0,
            SNAPSHOT: self.snapshot.signed.version if self.snapshot else 0,
            TIMESTAMP: self.timestamp.signed.version if self.timestamp else 0,
        }

    def expires(self) -> dict[str, datetime]:
        """Role -> until when its word stands."""
        dates = {ROOT: self.root.signed.expires}
        dates |= {TARGETS: self.targets.signed.expires} if self.targets else {}
        dates |= {SNAPSHOT: self.snapshot.signed.expires} if self.snapshot else {}
        return dates | ({TIMESTAMP: self.timestamp.signed.expires} if self.timestamp else {})


class Repository:
    """One folder; nothing is read or written before it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metadata = folder / "metadata"
        self.targets = folder / "targets"
        self.staged = folder / STAGED

    def begin(self, first_root: bytes) -> bool:
        """Lay the first root down where there is none; whether it was.  Raises: SetupError when another is there."""
        path = self.metadata / "1.root.json"
        if path.exists():
            if path.read_bytes() != first_root:
                raise SetupError(f"{path}: is another fleet's; name its own repository, or a new folder")
            return False
        root = parse(path, first_root, Root)
        _proved(path, root, root)
        make_folder(self.metadata)
        make_folder(self.targets)
        write_atomically(path, first_root)
        return True

    def read(self) -> Published:
        """Everything published, each signature proved; dates are not looked at.  Raises: SetupError naming the file."""
        root = self._root()
        trusted = []
        timestamp = self._load("timestamp.json", Timestamp)
        if timestamp is None:
            return Published(root=root, targets=None, snapshot=None, timestamp=None, trusted=())
        snapshot = self._load(f"{timestamp.signed.snapshot_meta.version}.snapshot.json", Snapshot, needed=True)
        assert snapshot is not None
        targets = self._load(f"{snapshot.signed.meta['targets.json'].version}.targets.json", Targets, needed=True)
        assert targets is not None
        roots = self._roots()
        for role, judged in (
            (TARGETS, [vouches(each, TARGETS, targets) for each in roots]),
            (SNAPSHOT, [vouches(each, SNAPSHOT, snapshot) for each in roots]),
            (TIMESTAMP, [vouches(each, TIMESTAMP, timestamp) for each in roots]),
        ):
            if not any(judged):
                raise SetupError(f"{self.metadata}: {role} is signed by no key that root ever named: was it changed?")
            if judged[-1]:
                trusted.append(role)
        if TARGETS not in trusted and not self._is_being_replaced(root):
            raise SetupError(f"{self.metadata}: targets is signed by a key that root has replaced: was it changed?")
        return Published(root=root, targets=targets, snapshot=snapshot, timestamp=timestamp, trusted=tuple(trusted))

    def _is_being_replaced(self, root: Metadata[Root]) -> bool:
        """Whether a publication was cut short between the root that replaces the targets key and the new targets."""
        staged = self.staged_targets()
        return staged is not None and vouches(root, TARGETS, staged)

    def roots(self) -> list[Root]:
        """The root in force, and the one that waits where one does.  Raises: SetupError."""
        staged = self.staged_root()
        return [self.read().root.signed, *([staged.signed] if staged is not None else [])]

    def staged_root(self) -> Metadata[Root] | None:
        """The next root, whose signatures may not be complete yet."""
        return _load(self.staged / "root.json", Root)

    def staged_targets(self) -> Metadata[Targets] | None:
        """The next targets, as `sign` left them."""
        return _load(self.staged / "targets.json", Targets)

    def stage(self, role: str, metadata: "Metadata[Root] | Metadata[Targets]") -> Path:
        """Lay signed metadata down for `publish`; where."""
        path = self.staged / f"{role}.json"
        make_folder(self.staged)
        write_atomically(path, metadata.to_bytes())
        return path

    def unstage(self, role: str) -> None:
        (self.staged / f"{role}.json").unlink(missing_ok=True)

    def write(self, role: str, metadata: "Metadata[T]") -> Path:
        """Lay metadata down where units look; `timestamp` is the moment of publication."""
        name = "timestamp.json" if role == TIMESTAMP else f"{metadata.signed.version}.{role}.json"
        data = metadata.to_bytes()
        if len(data) > MAX_METADATA_BYTES:
            raise SetupError(f"{role}: {len(data)} bytes; units take {MAX_METADATA_BYTES}: keep fewer releases")
        write_atomically(self.metadata / name, data)
        return self.metadata / name

    def _roots(self) -> list[Metadata[Root]]:
        """Every root, oldest first, each signed by itself and by the one before.  Raises: SetupError."""
        roots: list[Metadata[Root]] = []
        while (found := self._load(f"{len(roots) + 1}.root.json", Root)) is not None:
            path = self.metadata / f"{len(roots) + 1}.root.json"
            for judge in (found, *roots[-1:]):
                _proved(path, found, judge)
            if found.signed.version != len(roots) + 1:
                raise SetupError(f"{path}: says version {found.signed.version}")
            roots.append(found)
        if not roots:
            raise SetupError(
                f"{self.metadata / '1.root.json'}: is missing: this is no repository yet; `sign` begins one"
            )
        return roots

    def _root(self) -> Metadata[Root]:
        return self._roots()[-1]

    def _load(self, name: str, kind: type[T], *, needed: bool = False) -> "Metadata[T] | None":
        found = _load(self.metadata / name, kind)
        if found is None and needed:
            raise SetupError(f"{self.metadata / name}: is missing; copy the repository again")
        return found


def vouches(root: Metadata[Root], role: str, metadata: "Metadata[T]") -> bool:
    """Whether enough of the keys that `root` names for `role` have signed this."""
    return bool(root.signed.get_verification_result(role, metadata.signed_bytes, metadata.signatures))


def signed_by(metadata: "Metadata[T]", root: Metadata[Root], role: str, signers: Signers) -> "Metadata[T]":
    """`metadata` with the signatures that these keys can give.  Raises: SetupError when they are too few."""
    for keyid in root.signed.roles[role].keyids:
        if keyid in signers:
            metadata.sign(signers[keyid], append=True)
    if not vouches(root, role, metadata):
        have = sum(keyid in signers for keyid in root.signed.roles[role].keyids)
        raise SetupError(f"{role}: {have} of its keys are in these folders, {root.signed.roles[role].threshold} needed")
    return metadata


def named(root: Root, keyid: str) -> str:
    """By what its owner knows a key."""
    return str(root.keys[keyid].unrecognized_fields.get(NAME_FIELD, "unnamed"))


def next_snapshot(before: Published, targets: Metadata[Targets], now: datetime) -> Metadata[Snapshot]:
    """The snapshot after `before` that names exactly these targets, not signed yet."""
    meta = {"targets.json": MetaFile.from_data(targets.signed.version, targets.to_bytes(), ["sha256"])}
    version = before.versions()[SNAPSHOT] + 1
    return Metadata(Snapshot(version=version, expires=now + EXPIRES[SNAPSHOT], meta=meta))


def next_timestamp(before: Published, snapshot: Metadata[Snapshot], now: datetime) -> Metadata[Timestamp]:
    """The timestamp after `before` that names exactly this snapshot, not signed yet."""
    meta = MetaFile.from_data(snapshot.signed.version, snapshot.to_bytes(), ["sha256"])
    version = before.versions()[TIMESTAMP] + 1
    return Metadata(Timestamp(version=version, expires=now + EXPIRES[TIMESTAMP], snapshot_meta=meta))


def parse(path: Path, data: bytes, kind: type[T]) -> "Metadata[T]":
    """Metadata of this kind.  Raises: SetupError naming the file."""
    try:
        found: Metadata[T] = Metadata.from_bytes(data)
    except (DeserializationError, RepositoryError) as error:
        raise SetupError(f"{path}: is no metadata: {error}") from error
    if not isinstance(found.signed, kind) or found.signed.type not in ROLES:
        raise SetupError(f"{path}: is {found.signed.type} metadata; here lies {kind.type}")
    return found


def _load(path: Path, kind: type[T]) -> "Metadata[T] | None":
    try:
        with path.open("rb") as file:
            return parse(path, file.read(MAX_METADATA_BYTES + 1), kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error


def _proved(path: Path, root: Metadata[Root], judge: Metadata[Root]) -> None:
    if not vouches(judge, ROOT, root):
        raise SetupError(f"{path}: has not the signatures that root {judge.signed.version} wants: was it changed?")
