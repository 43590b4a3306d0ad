"""Objects in flash: what the Pi handed over, and what came down for it. One file an object, named by its key.

A file is written under a temporary name and renamed, so that power lost at any byte leaves the old state or the
new one. Names carry key and priority: after a reset the folder's listing alone is the queue.
"""

import os

from trapwire.linkkeys import NEVER
from trapwire.objects import ObjectKey

_PARTIAL = "partial"


def write_file(path: str, data: bytes) -> None:
    """`data` under `path`, whole or not at all.  Raises: OSError."""
    folder = path[: path.rfind("/")]
    temporary = folder + "/" + _PARTIAL
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        # littlefs commits at close and has no fsync; a host file system needs it.
        if hasattr(os, "fsync"):
            os.fsync(file.fileno())
    os.rename(temporary, path)


def read_file(path: str) -> "bytes | None":
    """What is under `path`; None where there is nothing; no bytes where it cannot be read."""
    if not _exists(path):
        return None
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _exists(path: str) -> bool:
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def _remove(path: str) -> None:
    try:
        os.remove(path)
    except OSError:
        pass


def _make_folder(path: str) -> None:
    if not _exists(path):
        os.mkdir(path)


class FlashStore:
    """A bounded folder of envelopes.

    `max_bytes`: all envelopes together; `put` refuses what would go beyond it.
    """

    def __init__(self, folder: str, max_bytes: int) -> None:
        _make_folder(folder)
        self._folder = folder
        self._max_bytes = max_bytes
        self._names: "dict[ObjectKey, str]" = {}
        self._sizes: "dict[ObjectKey, int]" = {}
        for name in sorted(os.listdir(folder)):
            key = _key_of(name)
            if key is None:
                _remove(folder + "/" + name)  # half a write that power loss cut short
            else:
                self._names[key] = name
                self._sizes[key] = os.stat(folder + "/" + name)[6]

    def put(self, key: ObjectKey, envelope: bytes, priority: int) -> bool:
        """Keep an envelope; True when it is durable, False when there is no room, or other bytes have its key.

        Raises: OSError.
        """
        if key in self._names:
            return self.get(key) == envelope
        if self.size() + len(envelope) > self._max_bytes:
            return False
        trap, epoch, number, rung = key.as_tuple()
        name = "%d-%04x-%08x-%06x-%d" % (priority, trap, epoch, number, rung)
        write_file(self._folder + "/" + name, envelope)
        self._names[key] = name
        self._sizes[key] = len(envelope)
        return True

    def get(self, key: ObjectKey) -> "bytes | None":
        """The envelope, or None when it is not here; no bytes where it cannot be read."""
        name = self._names.get(key)
        if name is None:
            return None
        return read_file(self._folder + "/" + name) or b""

    def remove(self, key: ObjectKey) -> None:
        """Forget an envelope, if it is here; where flash refuses, until the next start."""
        name = self._names.pop(key, None)
        if name is not None:
            del self._sizes[key]
            _remove(self._folder + "/" + name)

    def __len__(self) -> int:
        return len(self._names)

    def ordered(self) -> "list[tuple[ObjectKey, int]]":
        """Keys with their priorities, most urgent and oldest first."""
        named = sorted((name, key) for key, name in self._names.items())
        return [(key, int(name[0])) for name, key in named]

    def size(self) -> int:
        """Bytes of all envelopes."""
        return sum(self._sizes.values())


def _key_of(name: str) -> "ObjectKey | None":
    parts = name.split("-")
    try:
        return ObjectKey(int(parts[1], 16), int(parts[2], 16), int(parts[3], 16), int(parts[4]))
    except (IndexError, ValueError):
        return None


def load_counter(path: str, without: int) -> int:
    """The first value of the frame counter that no earlier run reserved; `without` where there is no counter yet.

    Raises: OSError, ValueError when damaged.
    """
    if not _exists(path):
        return without
    with open(path) as file:
        return int(file.read())


def load_heard(path: str, key_name: str) -> int:
    """The highest frame counter that was heard under a key, as far as it was remembered; `NEVER` for another key.

    A damaged file is none: what it costs is said in PROTOCOL.md, section 4.
    """
    try:
        with open(path) as file:
            name, counter = file.read().split()
            return int(counter) if name == key_name else NEVER
    except (OSError, ValueError):
        return NEVER
