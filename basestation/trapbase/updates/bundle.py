"""The mirror as one tar, for the ranger's phone: the release that shall run and every permission, never made as a file.

What a trap does with it: `trapcam.service.bringing`. A phone that asks again gets what lies there then.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trapbase.updates.names import NAMES

CHUNK_BYTES = 1 << 16
BLOCK = 512
END = bytes(2 * BLOCK)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """files: names in the tar, with their places and sizes as they were found."""

    files: tuple[tuple[str, Path, int], ...]

    @property
    def size(self) -> int:
        """Bytes of the whole tar."""
        return sum(BLOCK + size + -size % BLOCK for _, _, size in self.files) + len(END)

    def read(self) -> Iterator[bytes]:
        """The tar. A file that was replaced by another meanwhile ends it short: the phone sees that it is not whole."""
        for name, path, size in self.files:
            info = tarfile.TarInfo(name)
            info.size, info.mode = size, 0o644
            yield info.tobuf(tarfile.USTAR_FORMAT)
            left = size
            with path.open("rb") as file:
                while left > 0 and (data := file.read(min(CHUNK_BYTES, left))):
                    left -= len(data)
                    yield data
            if left:
                raise OSError(f"{path}: has become shorter")
            yield bytes(-size % BLOCK)
        yield END


def bundle_of(folder: Path) -> Bundle | None:
    """What a mirror holds now; None while it holds no release. `timestamp.json` stands last, as it is written last."""
    if not (folder / "metadata" / "timestamp.json").is_file():
        return None
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if NAMES.fullmatch(name) and path.is_file() and not path.is_symlink():
            found.append((name, path, path.stat().st_size))
    found.sort(key=lambda entry: entry[0] == "metadata/timestamp.json")
    return Bundle(files=tuple(found))
