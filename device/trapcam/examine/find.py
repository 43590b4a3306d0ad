"""Which files a command was given: files, folders searched in full, and patterns (names only)."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from trapcam.camera.folder import SUFFIXES
from trapkit.errors import SetupError

MAX_FILES = 1_000_000  # their names are held in memory: about 150 MB


def find_files(given: Sequence[str]) -> list[Path]:
    """The pictures and videos that PATHs stand for, each once, in the order given and in it by name.

    A file named outright is taken whatever its name ends in. What begins with a dot is left out, as by a shell: such
    files are what computers leave beside pictures (`._x.jpg` of a Mac).  Raises: SetupError for a PATH that is nothing.
    """
    files = dict.fromkeys(file for path in given for file in _found(path))
    if len(files) > MAX_FILES:
        raise SetupError(f"{len(files)} files, allowed are {MAX_FILES} at a time: give the folders one by one")
    return list(files)


def _found(given: str) -> Iterator[Path]:
    path = Path(given)
    if path.is_dir():
        yield from _searched(path)
    elif path.exists() or path.is_symlink():  # a link to nothing is an outcome: it cannot be read
        yield path
    else:
        matches = sorted(glob.glob(given, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not matches:
            raise SetupError(f"{given}: no such file, folder or match")
        # `**` matches folders and what lies in them: a folder is searched, a file of another kind is passed over.
        for match in map(Path, matches):
            if match.is_dir():
                yield from _searched(match)
            elif match.suffix.lower() in SUFFIXES:
                yield match


def _searched(folder: Path) -> Iterator[Path]:
    for parent, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith(".") and path.is_file():
                yield path


def check_apart(what: str, folder: Path, given: Sequence[str], files: Iterable[Path]) -> None:
    """Raises: SetupError when `folder`, which is to be written into, holds an input, or would be searched for some."""
    own = folder.resolve()
    for path in map(Path, given):
        if path.is_dir() and own.is_relative_to(path.resolve()):
            raise SetupError(f"{what} {folder}: lies in {path}, which is searched for pictures: name one outside of it")
    for file in files:
        if file.resolve().is_relative_to(own):
            raise SetupError(f"{what} {folder}: holds {file}, an original: name a folder without any")


def check_no_input(what: str, path: Path, files: Iterable[Path]) -> None:
    """Raises: SetupError when `path`, a file to be written, is no file in a folder that exists, or is an input."""
    if path.is_dir() or not path.parent.is_dir():
        raise SetupError(f"{what} {path}: must be a file in a folder that exists")
    try:
        own = path.stat()
    except OSError:
        return
    for file in files:
        try:
            same = os.path.samestat(own, file.stat())
        except OSError:
            continue
        if same:
            raise SetupError(f"{what} {path}: is one of the files to look at: name another")
