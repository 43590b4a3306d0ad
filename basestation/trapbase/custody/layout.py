"""What lies in a folder of backups, and what a backup says of itself. The format:

    media/ab/ab…        sealed bodies by SHA-256, shared by all backups beside it: each is copied once
    20261122T025400Z/   one backup, named by its time, UTC
        base.sqlite3    the database at one moment
        radio-heard     what was heard of the traps, where the base had it
        backup.json     what it is; written last, so that a folder without it is no backup

A name with a point before it is one that is being made, or broke off. Not in a backup: keys, certificates, settings
(they lie elsewhere, and are secret), batches (they are made again), pieces (traps send them again).
"""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from trapkit.errors import SetupError
from trapwire.errors import WireError

MANIFEST = "backup.json"
MEDIA = "media"
VERSION = 1
MAX_MANIFEST_BYTES = 64 * 1024
NAME = re.compile(r"\d{8}T\d{6}Z(-\d{1,3})?")
Bytes = msgspec.Meta(ge=0, le=1 << 62)


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backup says of itself: whose it is, made when (Unix ms), of which schema; `sha256`: of its database,
    hexadecimal; `media`: how many bodies its database needs, and `missing`: of these the base had lost; `counter`: the
    base's frame counter at that moment."""

    version: int
    base: str
    made_ms: int
    schema: int
    sha256: str
    objects: int
    media: int
    media_bytes: int
    missing: int
    counter: int


def name_for(utc_ms: int) -> str:
    """The name of a backup made at that time."""
    return datetime.fromtimestamp(utc_ms // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def backups_in(folder: Path) -> list[Path]:
    """The whole backups of a folder, the oldest first; what broke off is none.  Raises: OSError."""
    if not folder.is_dir():
        return []
    return sorted((p for p in folder.iterdir() if NAME.fullmatch(p.name) and (p / MANIFEST).is_file()), key=_age)


def _age(path: Path) -> tuple[str, int]:
    stamp, _, again = path.name.partition("-")
    return stamp, int(again or 0)


def read_manifest(backup: Path) -> Manifest:
    """Raises: SetupError naming what is wrong with it."""
    path = backup / MANIFEST
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
        if len(data) > MAX_MANIFEST_BYTES:
            raise WireError(f"is over {MAX_MANIFEST_BYTES} bytes")
        found = msgspec.json.decode(data, type=Manifest)
        if found.version != VERSION:
            raise WireError(f"has version {found.version}, this program reads {VERSION}; update the program")
    except FileNotFoundError as error:
        words = "is not there: this is no whole backup; one is a folder named like 20261122T025400Z that has it"
        raise SetupError(f"{path}: {words}") from error
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except (WireError, msgspec.DecodeError) as error:
        raise SetupError(f"{path}: is no word of a backup: {error}") from error
    return found
