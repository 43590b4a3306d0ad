"""The list of units that an operator has shut out, signed: who, since when, and the fleet's own list (CRL) for brokers.

A list has a serial that rises by one with each unit; one with a lower serial than the one that is here is refused:
whoever kept an old one can let nobody in again.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from trapkit.errors import SetupError
from trapkit.files import give_to_owner, make_folder, write_atomically
from trapkit.operator.signedtext import read_signed, write_signed
from trapkit.sealing import read_key

KIND = "revoked"
MOST = 1000  # units on a list; more stolen than that, and it is another fleet
Number = Annotated[int, Meta(ge=1, le=65535)]


class Gone(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A unit that is shut out. `partner`: the trap at its station (0: none), which shall no longer heed its calls."""

    kind: Annotated[str, Meta(pattern="^(trap|base|repeater)$")]
    number: Number
    since: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    partner: Annotated[int, Meta(ge=0, le=65535)] = 0


class RevokedList(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`crl`: the fleet's list of certificates, PEM."""

    serial: Annotated[int, Meta(ge=0, le=1 << 31)]
    units: Annotated[list[Gone], Meta(max_length=MOST)]
    crl: Annotated[str, Meta(max_length=200_000)]

    def traps(self) -> frozenset[int]:
        """Numbers of the traps that are shut out."""
        return frozenset(unit.number for unit in self.units if unit.kind == "trap")

    def lonely(self) -> list[int]:
        """Traps whose partner is shut out, while they are not."""
        gone = self.traps()
        return sorted({u.partner for u in self.units if u.kind == "trap" and u.partner and u.partner not in gone})


def encode(listed: RevokedList, seed: bytes) -> bytes:
    """The signed file; `seed`: the operator's."""
    return write_signed(KIND, seed, msgspec.json.format(msgspec.json.encode(listed), indent=1).decode() + "\n")


def decode(data: bytes, key: bytes, name: str) -> RevokedList:
    """Raises: SetupError naming `name`."""
    text, _ = read_signed(KIND, data, key, name)
    try:
        return msgspec.json.decode(text, type=RevokedList)
    except msgspec.ValidationError as error:
        raise SetupError(f"{name}: is signed, and no list of ours: {error}") from error


def read_list(path: Path, key_path: Path) -> RevokedList | None:
    """The list in force; None where there is none yet.  Raises: SetupError naming the file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupError(f"{path}: the list of the revoked cannot be read: {error.strerror}") from error
    return decode(data, read_key(key_path, "the operator's public key"), str(path))


def take(data: bytes, path: Path, crl: Path, key: bytes, name: str) -> bool:
    """Put a list into force: `path` and the fleet's list at `crl`; whether it was new. `name`: where it came from.

    Raises: SetupError when it is not the operator's, or older than the one here; OSError.
    """
    new = decode(data, key, name)
    here = decode(path.read_bytes(), key, str(path)) if path.exists() else None
    if here is not None and new.serial < here.serial:
        raise SetupError(f"{name}: is list {new.serial}, and list {here.serial} is in force; an older one is not taken")
    _make_folder(crl.parent)
    # The broker's first: after a cut between the two the list is taken again, and a program that read ours finds both.
    if not crl.exists() or crl.read_text() != new.crl:
        write_atomically(crl, new.crl.encode())
        give_to_owner(crl)
    if here is not None and new.serial == here.serial:
        return False
    _make_folder(path.parent)
    write_atomically(path, data)
    give_to_owner(path)
    return True


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        make_folder(folder)
        give_to_owner(folder)
