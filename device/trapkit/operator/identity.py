"""What makes a card or a machine *this* unit: a folder `pugmark/` that provisioning wrote and its operator signed.

    pugmark/identity      signed: kind, number, issue, and each file with its SHA-256
    pugmark/files/…       settings, keys, certificates, as they shall lie below /etc/pugmark or /var/lib/pugmark

It is taken over whole or not at all: everything is checked first, each file takes its place atomically, `identity`
last. A cut at any point is mended by taking it over again. A unit that belongs to an operator takes no other's.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from trapkit.errors import SetupError
from trapkit.operator.signedtext import MAX_BYTES, read_signed, write_signed

KIND = "identity"
MANIFEST, FILES, TAKEN = "identity", "files", "TAKEN.txt"
OPERATOR_KEY = "operator.pub"
FOLDER = "pugmark"
MAX_FILES = 4000  # a base with a thousand traps has 3 a trap
MAX_FILE_BYTES = 512 * 1024
# No dot in front, so never `..`; the manifest's own name is not among them.
Name = Annotated[str, Meta(pattern=r"^(?!identity$)[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*){0,3}$")]


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file. `rule`: replace what is there; once, so that what people changed stays; or a list of the revoked, which
    only a newer one replaces, with the fleet's own list at `crl`."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    secret: bool = False
    rule: Literal["replace", "once", "revoked"] = "replace"
    crl: str = ""


class Identity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`issue` rises by one each time that this unit is provisioned; `remove`: what an earlier issue had brought."""

    kind: Annotated[str, Meta(pattern="^(trap|base)$")]
    number: Annotated[int, Meta(ge=1, le=65535)]
    issue: Annotated[int, Meta(ge=1, le=1 << 31)]
    made_utc: Annotated[str, Meta(max_length=20)]
    files: Annotated[dict[Name, Entry], Meta(max_length=MAX_FILES)]
    remove: Annotated[list[Name], Meta(max_length=MAX_FILES)] = msgspec.field(default_factory=list)

    @property
    def unit(self) -> str:
        return f"{self.kind} {self.number}"


class Given(Struct, frozen=True, kw_only=True):
    """A file that a unit gets."""

    data: bytes
    secret: bool = False
    rule: Literal["replace", "once", "revoked"] = "replace"
    crl: str = ""


def describe(kind: str, number: int, issue: int, made_utc: str, files: dict[str, Given], remove: list[str]) -> Identity:
    """The manifest of these files."""
    entries = {
        name: Entry(sha256=hashlib.sha256(f.data).hexdigest(), secret=f.secret, rule=f.rule, crl=f.crl)
        for name, f in sorted(files.items())
    }
    return Identity(kind=kind, number=number, issue=issue, made_utc=made_utc, files=entries, remove=sorted(remove))


def encode(identity: Identity, seed: bytes) -> bytes:
    """The manifest as a signed file.  Raises: SetupError where it is larger than a unit takes."""
    data = write_signed(KIND, seed, msgspec.json.format(msgspec.json.encode(identity), indent=0).decode())
    if len(data) > MAX_BYTES:
        raise SetupError(f"{identity.unit}: its list of files has {len(data)} bytes; allowed are {MAX_BYTES}")
    return data


def decode(data: bytes, key: bytes | None, name: str) -> tuple[Identity, bytes]:
    """The manifest, and the key that signed it; `key`: who must have.  Raises: SetupError naming `name`."""
    text, by = read_signed(KIND, data, key, name)
    try:
        identity = msgspec.json.decode(text, type=Identity)
    except msgspec.ValidationError as error:
        raise SetupError(f"{name}: is signed, and no identity of ours: {error}") from error
    return identity, by


def check_same_unit(new: Identity, here: Identity | None, kind: str, name: str) -> None:
    """Whether a unit that is `here` may become `new`; `kind`: what this machine is.  Raises: SetupError."""
    if new.kind != kind:
        raise SetupError(f"{name}: is for {new.unit}, and this machine is a {kind}: it is another unit's card or stick")
    if here is None:
        return
    if (new.kind, new.number) != (here.kind, here.number):
        raise SetupError(
            f"{name}: is for {new.unit}, and this is {here.unit}; if it shall become the other: --other-unit"
        )
    if new.issue < here.issue:
        raise SetupError(
            f"{name}: is issue {new.issue} of {new.unit}, and issue {here.issue} is in force; an older one is not taken"
        )


def check_files(identity: Identity, folder: Path, *, some: bool) -> dict[str, bytes]:
    """The files' bytes by name, each compared with the manifest; `some`: those that are not there may be missing.

    Raises: SetupError naming the first that is not what was signed.
    """
    found = {}
    for name, entry in identity.files.items():
        path = folder / FILES / name
        try:
            if path.is_symlink() or path.stat().st_size > MAX_FILE_BYTES:
                raise SetupError(f"{path}: is a link, or has over {MAX_FILE_BYTES} bytes; provision this unit again")
            data = path.read_bytes()
        except FileNotFoundError as error:
            if some:
                continue
            raise SetupError(f"{path}: is missing; copy the whole folder again") from error
        except OSError as error:
            raise SetupError(f"{path}: cannot be read: {error.strerror}; copy the whole folder again") from error
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise SetupError(f"{path}: is not what was signed; copy the whole folder again")
        found[name] = data
    return found
