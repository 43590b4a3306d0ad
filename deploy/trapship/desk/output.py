"""Where a provisioned unit's files go: a card's boot partition or a stick, as a signed folder `pugmark/`."""

from datetime import UTC, datetime
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import fsync_folder, make_folder, write_atomically
from trapkit.operator.identity import FILES, FOLDER, MANIFEST, TAKEN, Given, decode, describe, encode
from trapkit.sealing import public_of


def utc_words(utc_s: float) -> str:
    return datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_target(out: Path, kind: str, number: int) -> None:
    """Whether this card or stick may be written.  Raises: SetupError where another unit's files lie on it."""
    path = out / FOLDER / MANIFEST
    if not path.exists():
        return
    try:
        there, _ = decode(path.read_bytes(), None, str(path))
    except SetupError as error:
        raise SetupError(f"{error}; take {path.parent} away if nobody needs it") from error
    if (there.kind, there.number) != (kind, number):
        raise SetupError(f"--out {out}: {path.parent} is for {there.unit}; take it away, or name another card or stick")


def check_out(out: Path | None) -> None:
    """Whether there is somewhere to write, before a passphrase is asked for.  Raises: SetupError."""
    if out is not None and not out.is_dir():
        raise SetupError(f"--out {out}: there is no such folder; mount the card or stick first")
    if out is not None and out.name == FOLDER:
        raise SetupError(f"--out {out}: name what holds {FOLDER}/: the card's boot partition, or the stick")


def write_tree(
    out: Path, kind: str, number: int, issue: int, utc: str, files: dict[str, Given], remove: list[str], seed: bytes
) -> Path:
    """Write `out/pugmark`, its manifest last: a folder that has one is whole. Where it lies.  Raises: OSError."""
    folder = out / FOLDER
    data = encode(describe(kind, number, issue, utc, files, remove), seed)
    make_folder(folder / FILES, 0o700)
    (folder / MANIFEST).unlink(missing_ok=True)
    (folder / TAKEN).unlink(missing_ok=True)
    _sweep(folder / FILES, set(files))
    for name, given in files.items():
        path = folder / FILES / name
        make_folder(path.parent, 0o700)
        write_atomically(path, given.data, mode=0o600 if given.secret else 0o644)
    write_atomically(folder / MANIFEST, data)
    decode(data, public_of(seed), str(folder / MANIFEST))  # what a unit would refuse is said at the desk
    return folder


def _sweep(folder: Path, wanted: set[str]) -> None:
    """Take away what an earlier issue left there: nothing lies on a card that was not signed."""
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in wanted:
            path.unlink()
            fsync_folder(path.parent)
