"""A recorder of everything that a process writes: the real process under strace, its calls as operations.

Hexadecimal throughout (`-xx`), so that no name and no byte can be taken for strace's own words; file descriptors come
with their paths (`-y`). Memory that is mapped for writing and shared would go unseen: only SQLite's `-shm` is, which it
rebuilds after a crash; any other is an error here.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

CALLS = (
    "open,openat,creat,read,pread64,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,sync_file_range,sync,syncfs,"
    "rename,renameat,renameat2,unlink,unlinkat,ftruncate,truncate,fallocate,mkdir,mkdirat,rmdir,link,linkat,symlink,"
    "symlinkat,lseek,mmap,sendfile,copy_file_range"
)
MAX_STRING = 64 * 1024 * 1024


class Op(NamedTuple):
    """One operation: `kind` is create, write, truncate, sync, rename, unlink, mkdir, rmdir, symlink (`data`: where to)
    or said (on stderr)."""

    kind: str
    path: str
    at: int = 0  # offset of a write, length of a truncate
    data: bytes = b""
    to: str = ""  # of a rename


class UnrecordedError(Exception):
    """The process wrote in a way that this recorder does not follow."""


def strace() -> str | None:
    """The program, where it is and may be used; None where there is none or tracing is forbidden."""
    cache = Path(__file__).resolve().parents[3] / ".cache" / "bin"
    found = shutil.which("strace", path=f"{os.environ.get('PATH', '')}:/usr/bin:{cache}")
    if found is None:
        return None
    tried = subprocess.run([found, "-o", os.devnull, "true"], capture_output=True, check=False)
    return found if tried.returncode == 0 else None


def run(
    command: Sequence[str],
    log: Path,
    *,
    inject: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    timeout_s: float = 120,
) -> "subprocess.CompletedProcess[str]":
    """Run `command` to its end and record it in `log`; inject: faults, as strace's `-e inject=` takes them."""
    return subprocess.run(
        tracing(log, inject) + list(command), env=env, capture_output=True, text=True, check=False, timeout=timeout_s
    )


def tracing(log: Path, inject: Sequence[str] = ()) -> list[str]:
    """The words before a command that record it in `log`."""
    program = strace()
    assert program is not None, "no strace: the test is to be skipped before"
    quick = [] if inject else ["--seccomp-bpf"]
    trace = CALLS.replace("read,pread64,", "")
    words = [program, "-f", "-y", "-xx", *quick, "-s", str(MAX_STRING), "-e", f"trace={trace}", "-o", str(log)]
    for fault in inject:
        words += ["-e", f"inject={fault}"]
    return words


_LINE = re.compile(r"^(\d+) +(.*)$")
_CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+|\?)")
_FD = re.compile(r"^(-?\d+|AT_FDCWD)(?:<((?:\\x[0-9a-f]{2})*)>)?(\(deleted\))?")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_STRING_ONLY = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_BASE = re.compile(r'\{iov_base="((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _calls(log: Path) -> Iterator[tuple[str, str, int, str]]:
    """(name, arguments, result, process) of every call that succeeded, in the order in which they ended."""
    begun: dict[str, str] = {}
    with log.open(encoding="ascii") as file:
        for line in file:
            found = _LINE.match(line.rstrip("\n"))
            if not found:
                continue
            process, text = found.groups()
            if text.endswith("<unfinished ...>"):
                begun[process] = text.removesuffix("<unfinished ...>").rstrip()
                continue
            resumed = re.match(r"^<\.\.\. \w+ resumed>(.*)$", text)
            if resumed:
                text = begun.pop(process, "") + resumed[1]
            call = _CALL.match(text)
            if call and call[3] != "?" and int(call[3]) >= 0:
                yield call[1], call[2], int(call[3]), process


def operations(log: Path, roots: Iterable[Path]) -> list[Op]:
    """What was done below `roots`, and what was said on stderr, in order.  Raises: UnrecordedError."""
    return Reader(roots).operations(log)


class Reader:
    """Reads records of processes that ran one after the other on the same `roots`, which were empty at first."""

    def __init__(self, roots: Iterable[Path]) -> None:
        self._roots = [str(root) for root in roots]
        self._at: dict[int, int] = {}  # where the next plain write of a descriptor goes
        self._appends: set[int] = set()
        self._sizes: dict[str, int] = {}
        self._there: set[str] = set()

    def operations(self, log: Path) -> list[Op]:
        """The next record, as `operations` gives it.  Raises: UnrecordedError."""
        return [op for call in _calls(log) for op in self._take(*call[:3])]

    def _mine(self, path: str) -> bool:
        return any(path == root or path.startswith(root + "/") for root in self._roots)

    def _take(self, name: str, text: str, result: int) -> Iterator[Op]:
        if name in ("open", "openat", "creat"):
            yield from self._open(text, result)
        elif name in ("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"):
            yield from self._name(name, text)
        elif name in ("symlink", "symlinkat"):
            yield from self._symlink(text)
        elif name in ("link", "linkat", "truncate", "sync", "syncfs"):
            if any(self._mine(path) for path in _paths(text)):
                raise UnrecordedError(f"{name}({text[:200]}")
        elif name == "mmap":
            descriptor = re.search(r", (\d+)<((?:\\x[0-9a-f]{2})*)>", text)
            path = os.fsdecode(_bytes(descriptor[2])) if descriptor else ""
            if "PROT_WRITE" in text and "MAP_SHARED" in text and self._mine(path) and not path.endswith("-shm"):
                raise UnrecordedError(f"{path} is written through memory")
        else:
            yield from self._on_file(name, text, result)

    def _open(self, text: str, fd: int) -> Iterator[Op]:
        (path, *_) = _paths(text)
        self._at[fd] = 0
        self._appends.discard(fd)
        if not self._mine(path):
            return
        if "O_CREAT" in text and path not in self._there:
            self._there.add(path)
            self._sizes[path] = 0
            yield Op("create", path)
        if "O_TRUNC" in text and self._sizes.get(path):
            self._sizes[path] = 0
            yield Op("truncate", path)
        if "O_APPEND" in text:
            self._appends.add(fd)

    def _symlink(self, text: str) -> Iterator[Op]:
        (where, *_) = [_bytes(part) for part in _STRING_ONLY.findall(text)]
        path = _paths(text)[-1]
        if self._mine(path):
            self._there.add(path)
            yield Op("symlink", path, data=where)

    def _name(self, name: str, text: str) -> Iterator[Op]:
        paths = _paths(text)
        if not any(self._mine(path) for path in paths):
            return
        if name.startswith("rename"):
            for known in [path for path in self._there if path == paths[0] or path.startswith(paths[0] + "/")]:
                moved = paths[1] + known[len(paths[0]) :]
                self._there.discard(known)
                self._there.add(moved)
                self._sizes[moved] = self._sizes.pop(known, 0)
            yield Op("rename", paths[0], to=paths[1])
        elif name.startswith("mkdir"):
            self._there.add(paths[0])
            yield Op("mkdir", paths[0])
        else:
            self._there.discard(paths[0])
            yield Op("rmdir" if name == "rmdir" or "AT_REMOVEDIR" in text else "unlink", paths[0])

    def _on_file(self, name: str, text: str, result: int) -> Iterator[Op]:
        found = _FD.match(text)
        if not found or found[1] == "AT_FDCWD":
            return
        fd, path = int(found[1]), os.fsdecode(_bytes(found[2] or ""))
        if name == "lseek":
            self._at[fd] = result
            return
        if fd == 2 and name in ("write", "writev"):
            yield Op("said", "", data=_written(text, result))
            return
        if found[3] or not self._mine(path):
            return
        if name in ("write", "writev", "pwrite64", "pwritev", "pwritev2"):
            data = _written(text, result)
            if name.startswith("p"):
                at = int(re.findall(r", (\d+)", text)[-1])
            else:
                at = self._sizes.get(path, 0) if fd in self._appends else self._at.get(fd, 0)
                self._at[fd] = at + result
            self._sizes[path] = max(self._sizes.get(path, 0), at + result)
            yield Op("write", path, at, data)
        elif name == "ftruncate":
            length = int(text.rsplit(", ", 1)[1])
            self._sizes[path] = length
            yield Op("truncate", path, length)
        elif name in ("fsync", "fdatasync"):
            yield Op("sync", path)
        elif name in ("fallocate", "sendfile", "copy_file_range"):
            raise UnrecordedError(f"{name} on {path}")


def _written(text: str, result: int) -> bytes:
    """The bytes that a call wrote: as many as it said."""
    found = _BASE.findall(text) or _STRING.findall(text)[-1:]
    if any(cut for _, cut in found):
        raise UnrecordedError("more bytes at once than are recorded")
    return b"".join(_bytes(data) for data, _ in found)[:result]


def _paths(text: str) -> list[str]:
    """The paths of a call's strings, those beside a folder's descriptor joined to it."""
    paths, folder = [], ""
    for part in re.finditer(r'(?:AT_FDCWD|\d+)<((?:\\x[0-9a-f]{2})*)>|"((?:\\x[0-9a-f]{2})*)"', text):
        if part[2] is None:
            folder = os.fsdecode(_bytes(part[1]))
        else:
            paths.append(os.path.normpath(Path(folder or Path.cwd()) / os.fsdecode(_bytes(part[2]))))
    return paths
