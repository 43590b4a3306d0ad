"""A damaged outbox is set aside whole, and a new epoch begins: a unit two days away must go on working.

What lies in `outbox.damaged-N` is never touched again: its sealed files open with their keys as ever, and much of a
torn database can be read. Moving it is many renames; a mark in the new folder makes them one: what a power cut leaves
of them is done at the next start, before anything is opened.
"""

from collections.abc import Iterable
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import fsync_folder, refusal

ASIDE = "outbox.damaged-"
MAX_ASIDE = 9  # a card that tears so many is no card to go on with
_MOVING = ".moving"


def set_aside(folder: Path, names: Iterable[str]) -> Path:
    """Move `names` of `folder` into a new folder there, which is returned.

    Raises: SetupError when the card refuses, or too many lie there already.
    """
    number = len(folders(folder)) + 1
    if number > MAX_ASIDE:
        raise SetupError(
            f"{folder}: the outbox is damaged, and {MAX_ASIDE} damaged ones lie here already; replace the card, and "
            "keep this one: it may hold the only copies"
        )
    target = folder / f"{ASIDE}{number}"
    try:
        target.mkdir(mode=0o700)
        (target / _MOVING).touch()
        fsync_folder(target)
        fsync_folder(folder)
        _move(folder, target, names)
    except OSError as error:
        raise SetupError(f"the outbox is damaged and cannot be set aside: {refusal(folder, error)}") from error
    return target


def finish(folder: Path, names: Iterable[str]) -> Path | None:
    """Do what a power cut has left of `set_aside`; the folder, where there was such.  Raises: SetupError."""
    for name in folders(folder):
        if (folder / name / _MOVING).exists():
            try:
                _move(folder, folder / name, names)
            except OSError as error:
                raise SetupError(f"the outbox is damaged and cannot be set aside: {refusal(folder, error)}") from error
            return folder / name
    return None


def folders(folder: Path) -> list[str]:
    """The names of those set aside so far, in their order."""
    return sorted(path.name for path in folder.glob(f"{ASIDE}*") if path.is_dir())


def _move(folder: Path, target: Path, names: Iterable[str]) -> None:
    for name in names:
        if (folder / name).exists() and not (target / name).exists():
            (folder / name).rename(target / name)
    fsync_folder(target)
    fsync_folder(folder)
    (target / _MOVING).unlink()
    fsync_folder(target)
