"""The results so far of a run of `trapcam detect`, kept beside its output until that is whole.

`.OUT.part`: a line that says what the run depends on, then a line a file: its entry as in the output, its size and
time of change. Lines are written as they come, and synced every few seconds. What a crash left of a last line is cut
off: that file is looked at again.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from trapkit.errors import SetupError
from trapkit.files import fsync_folder

SYNC_S = 2.0  # at most this much work is done again after a power cut
Stamp = tuple[int, int]  # size (bytes), time of change (ns): another file under the same name is looked at again


class Journal:
    """Open it with `open_journal`; held by one process at a time."""

    def __init__(self, path: Path, file: BinaryIO, places: dict[str, tuple[int, Stamp]]) -> None:
        self.path = path
        self._file, self._places = file, places
        self._synced = time.monotonic()

    def __contains__(self, stamped: tuple[str, Stamp]) -> bool:
        """Whether a file, as it is now, has its entry."""
        name, stamp = stamped
        return name in self._places and self._places[name][1] == stamp

    def entry(self, name: str) -> dict[str, Any]:
        """The entry of a file that has one."""
        self._file.seek(self._places[name][0])
        content: dict[str, Any] = json.loads(self._file.readline())["entry"]
        return content

    def add(self, entry: Mapping[str, Any], stamp: Stamp) -> None:
        """Keep one more.  Raises: OSError."""
        line = json.dumps({"entry": entry, "stamp": stamp}, ensure_ascii=False, separators=(",", ":"))
        place = self._file.seek(0, os.SEEK_END)
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        self._places[str(entry["file"])] = (place, stamp)
        if time.monotonic() - self._synced >= SYNC_S:
            self.sync()

    def sync(self) -> None:
        """Make all of it durable.  Raises: OSError."""
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def close(self) -> None:
        self._file.close()

    def remove(self) -> None:
        """The output is whole."""
        self.path.unlink(missing_ok=True)


def open_journal(out: Path, depends: Mapping[str, Any], *, resume: bool) -> Journal:
    """The journal beside `out`; `depends`: what a run must have in common with the one that it goes on with.

    Raises:
        SetupError: another process writes it; without `resume` an interrupted run lies there; with it, that run had
            something else to go by, which is named.
        OSError: it cannot be written.
    """
    path = out.with_name(f".{out.name}.part")
    head = json.dumps({"depends": depends}, ensure_ascii=False).encode() + b"\n"
    file = path.open("a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        places = dict(_read(file))
        if places and not resume:
            raise SetupError(
                f"{path} has the results of an interrupted run, {len(places)} files: go on with --resume, or delete it"
            )
        if places:
            file.seek(0)
            _compare(path, json.loads(file.readline())["depends"], depends)
        else:
            file.truncate(0)
            file.write(head)
            file.flush()
            os.fsync(file.fileno())
            fsync_folder(path.parent)
    except BlockingIOError as error:
        file.close()
        raise SetupError(
            f"{path}: another trapcam detect is writing {out}; wait for it, or name another --out"
        ) from error
    except BaseException:
        file.close()
        raise
    return Journal(path, file, places)


def _read(file: BinaryIO) -> Iterator[tuple[str, tuple[int, Stamp]]]:
    """Each entry's name, place and stamp, up to the first line that is not whole; the file is cut there."""
    file.seek(0)
    place = 0
    for number, line in enumerate(file):
        try:
            content = json.loads(line)
            if not line.endswith(b"\n"):
                break
            if number == 0:
                content["depends"].items()
            else:
                size, changed = content["stamp"]
                yield str(content["entry"]["file"]), (place, (int(size), int(changed)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            break
        place += len(line)
    file.truncate(place)


def _compare(path: Path, begun: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for key in begun.keys() | now.keys():
        if begun.get(key) != now.get(key):
            raise SetupError(
                f"--resume: {path} was begun with {key} {begun.get(key)!r}, and this is {now.get(key)!r}: "
                f"use the same, or delete that file to begin again"
            )
