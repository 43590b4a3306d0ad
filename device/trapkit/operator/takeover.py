"""A unit's folder from its card or stick to where its programs look for it; the secrets on the card go then."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import fsync_folder, make_folder, write_atomically
from trapkit.operator import revoked
from trapkit.operator.identity import (
    FILES,
    FOLDER,
    MANIFEST,
    OPERATOR_KEY,
    TAKEN,
    Entry,
    Identity,
    check_files,
    check_same_unit,
    decode,
)
from trapkit.operator.signedtext import MAX_BYTES
from trapkit.sealing import read_key


@dataclass(frozen=True, kw_only=True)
class TakeOver:
    """`kind`: what this machine is, trap or base; `owner`: the user whom the files shall belong to, "" for whoever
    runs this; `other_unit`: it may become another unit; `keep`: leave the secrets where they came from."""

    kind: str
    owner: str = ""
    other_unit: bool = False
    keep: bool = False

    def run(self, source: Path, into: Path) -> list[str]:
        """Take over `source` (a folder `pugmark/`, or what holds one); a line for each file that is new or another.

        Raises: SetupError when anything is not as its operator signed it, and then nothing was changed; OSError.
        """
        folder = source if (source / MANIFEST).is_file() else source / FOLDER
        data = _bounded(folder / MANIFEST)
        own_key = into / OPERATOR_KEY
        key = read_key(own_key, "the operator's public key") if own_key.exists() else None
        new, by = decode(data, key, str(folder / MANIFEST))
        here = _here(into, by)
        check_same_unit(new, None if self.other_unit else here, self.kind, str(folder / MANIFEST))
        again = (into / MANIFEST).exists() and (into / MANIFEST).read_bytes() == data
        files = check_files(new, folder, some=again)
        make_folder(into, 0o755)
        said = []
        for name, body in files.items():
            said += self._put(into, name, new.files[name], body, by)
        said += _removed(into, new)
        if key is None and OPERATOR_KEY not in new.files:
            self._write(own_key, f"{by.hex()}\n".encode(), secret=False)
            said.append(f"{own_key}: new; from now on only this operator's card is taken")
        if not again:
            self._write(into / MANIFEST, data, secret=False)
            said.append(f"{into / MANIFEST}: this is {new.unit}, issue {new.issue}")
        if not self.keep:
            said += _wipe(folder, new)
        return said

    def _put(self, into: Path, name: str, entry: Entry, body: bytes, key: bytes) -> list[str]:
        path = into / name
        if entry.rule == "revoked":
            make_folder(path.parent, 0o755)
            if not revoked.take(body, path, into / (entry.crl or "ca.crl"), key, name):
                return []
            self._own(path, into / (entry.crl or "ca.crl"))
            return [f"{path}: in force"]
        there = path.exists()
        if there and (entry.rule == "once" or path.read_bytes() == body):
            return []
        self._write(path, body, secret=entry.secret)
        return [f"{path}: {'replaced' if there else 'new'}"]

    def _write(self, path: Path, data: bytes, *, secret: bool) -> None:
        fresh = [each for each in (path.parent, *path.parent.parents) if not each.exists()]
        make_folder(path.parent, 0o755)
        write_atomically(path, data, mode=0o600 if secret else 0o644)
        self._own(path, *fresh)

    def _own(self, *paths: Path) -> None:
        if not self.owner:
            return
        for path in paths:
            try:
                shutil.chown(path, self.owner, self.owner)
            except LookupError as error:
                raise SetupError(f"--owner {self.owner}: there is no such user here") from error


def _bounded(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}; `trapship provision` writes it") from error


def _here(into: Path, key: bytes) -> Identity | None:
    """Which unit this is already; one that cannot be read counts as none, or its card could never be mended."""
    if not (into / MANIFEST).exists():
        return None
    try:
        return decode(_bounded(into / MANIFEST), key, str(into / MANIFEST))[0]
    except SetupError:
        return None


def _removed(into: Path, identity: Identity) -> list[str]:
    said = []
    for name in identity.remove:
        if (into / name).exists():
            (into / name).unlink()
            fsync_folder((into / name).parent)
            said.append(f"{into / name}: gone")
    return said


def _wipe(folder: Path, identity: Identity) -> list[str]:
    """Take the files off the card. Flash keeps what was on it for a while: whoever steals the card has more tools."""
    note = f"{identity.unit}, issue {identity.issue}: taken over; keys and settings are no longer on this card.\n"
    write_atomically(folder / TAKEN, note.encode())
    for name in identity.files:
        with suppress(FileNotFoundError):
            (folder / FILES / name).unlink()
    shutil.rmtree(folder / FILES, ignore_errors=True)
    (folder / MANIFEST).unlink()
    fsync_folder(folder)
    return [f"{folder}: taken over, its secrets are gone from here"]
