"""The link keys of this base's traps, and what was heard under them: read, watched, remembered.

`FOLDER/N.key` is the key of trap N, `FOLDER/N.next` the one that takes its place. As soon as N was heard under the next
one, this becomes its key and the old one is gone. The folder is looked at again every few seconds: a key that is taken
away is a trap shut out, without a restart.

`N.up`, where there is no `N.key`, opens what trap N says and nothing else: another base is its home and answers it.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from trapkit.aes import AesCcm
from trapkit.errors import SetupError
from trapkit.files import fsync_folder, refusal, write_atomically
from trapwire.errors import WireError
from trapwire.hop import HopKey
from trapwire.linkkeys import DOWN, NEVER, UP, LinkKey, direction_key, key_name, parse_key
from trapwire.listenkey import ListenKey

LOOK_EVERY_MS = 5_000
# One fsync a minute at most, for the card's sake; what a power cut forgets is said in PROTOCOL.md, section 4.
REMEMBER_EVERY_MS = 60_000
IN_USE, NEXT, HOP, LISTEN = "key", "next", "hop", "up"
MAX_LISTENED = 1000  # traps of other bases


def _nobody() -> frozenset[int]:
    return frozenset()


def read_link_keys(folder: Path, trap: int) -> list[bytes]:
    """The trap's keys, the one in use first; none where there is no file.  Raises: SetupError naming the file."""
    found = [_read_key(folder / f"{trap}.{ending}") for ending in (IN_USE, NEXT)]
    return list(dict.fromkeys(key for key in found if key is not None))


def listened_traps(folder: Path) -> list[int]:
    """The traps that this base has an `N.up` of, at most `MAX_LISTENED`; none where the folder cannot be read."""
    try:
        names = [path.stem for path in folder.glob(f"*.{LISTEN}")]
    except OSError:
        return []
    numbers = {int(name) for name in names if name.isascii() and name.isdecimal() and str(int(name)) == name}
    return sorted(number for number in numbers if 0 < number < 1 << 16)[:MAX_LISTENED]


def read_hop_keys(folder: Path, traps: Iterable[int]) -> dict[int, HopKey]:
    """The hop keys of those traps that go by a repeater: `N.hop`.  Raises: SetupError naming the file."""
    found = {trap: _read_key(folder / f"{trap}.{HOP}") for trap in traps}
    return {trap: HopKey(key, trap, AesCcm) for trap, key in found.items() if key is not None}


def _read_key(path: Path) -> bytes | None:
    try:
        return parse_key(path.read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupError(f"{path}: the link key cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SetupError(f"{path}: the link key is no text; allowed are 32 hexadecimal digits") from error
    except WireError as error:
        raise SetupError(f"{path}: the link key has {error}") from error


class Keyring:
    """`keys`: each trap's, as `BaseLink` takes them and changes them. memory: the file with what was heard; home:
    whether this base answers the traps whose keys it has; gone: the traps that are shut out, whatever lies there.

    Raises: SetupError when a key cannot be read; later on that is `trouble`, and what was read stays in force.
    """

    def __init__(
        self,
        folder: Path,
        memory: Path,
        traps: Iterable[int],
        *,
        home: bool = True,
        gone: Callable[[], frozenset[int]] = _nobody,
    ) -> None:
        self.keys: dict[int, list[LinkKey]] = {trap: [] for trap in traps}
        self.trouble = ""
        self._home = home
        self._gone = gone
        self._folder = folder
        self._memory = memory
        self._remembered = _load_memory(memory)
        self._seen: object = None
        self._look_at = self._remember_at = 0
        self._read()

    def step(self, now_ms: int) -> None:
        """Look at the folder and remember what was heard, each when it is due."""
        if now_ms < self._look_at:
            return
        self._look_at = now_ms + LOOK_EVERY_MS
        self.trouble = ""
        try:
            adopted = self._adopt()
            if adopted or now_ms >= self._remember_at:
                self._remember_at = now_ms + REMEMBER_EVERY_MS
                self.remember()
            self._read()
        except SetupError as error:
            self.trouble = str(error)
        except OSError as error:
            self.trouble = f"link keys: {refusal(Path(error.filename or self._folder), error)}"

    def listens_only(self, trap: int) -> bool:
        """Whether another base answers this trap."""
        keys = self.keys.get(trap)
        return not self._home or (bool(keys) and not any(key.answers for key in keys or []))

    def remember(self) -> None:
        """Write down what was heard, if that is new.  Raises: OSError."""
        heard = {(key.trap, key.name): key.heard for keys in self.keys.values() for key in keys if key.heard != NEVER}
        if heard == self._remembered:
            return
        lines = [f"{trap} {name} {counter}\n" for (trap, name), counter in sorted(heard.items())]
        write_atomically(self._memory, "".join(lines).encode(), mode=0o600)
        self._remembered = heard

    def close(self) -> None:
        """Remember for the last time; what a full disk refuses is forgotten, as in a power cut."""
        with suppress(OSError):
            self.remember()

    def _adopt(self) -> bool:
        """Where only the next key is left of two, it becomes the one in use.  Raises: OSError, SetupError."""
        adopted = False
        for trap, keys in self.keys.items():
            following = self._folder / f"{trap}.{NEXT}"
            if len(keys) != 1 or not following.exists() or trap in self._gone():
                continue
            key = _read_key(following)
            if key is not None and key_name(key) == keys[0].name:
                following.replace(self._folder / f"{trap}.{IN_USE}")
                fsync_folder(self._folder)
                adopted = True
        return adopted

    def _read(self) -> None:
        seen = self._look()
        if seen == self._seen:
            return
        found = {trap: self._read_trap(trap) for trap in self.keys}
        for trap, keys in self.keys.items():
            held = {(key.name, key.answers): key for key in keys}
            answers, secrets = found[trap]
            keys[:] = [held.get((key_name(key), answers)) or self._make(trap, key, answers) for key in secrets]
            if len(keys) == 2 and keys[1].heard != NEVER:
                del keys[0]  # the next one was heard before this base was started
        self._seen = seen

    def _read_trap(self, trap: int) -> tuple[bool, list[bytes]]:
        """Whether this base answers the trap; its link keys, or what it is listened to with.  Raises: SetupError."""
        if trap in self._gone():
            return False, []
        own = read_link_keys(self._folder, trap)
        if own:
            return (True, own) if self._home else (False, [direction_key(key, UP, trap) for key in own])
        listen = _read_key(self._folder / f"{trap}.{LISTEN}")
        return False, [] if listen is None else [listen]

    def _make(self, trap: int, key: bytes, answers: bool) -> LinkKey:
        heard = self._remembered.get((trap, key_name(key)), NEVER)
        if not answers:
            return ListenKey(key, trap, AesCcm, heard)
        return LinkKey(key, trap, DOWN, AesCcm, heard)

    def _look(self) -> object:
        """What changes when a file of the folder does.  Raises: SetupError."""
        try:
            if not self._folder.is_dir():
                return self._gone(), []
            entries = [(path.name, path.stat()) for path in self._folder.iterdir()]
        except OSError as error:
            words = error.strerror or error
            raise SetupError(f"key 'gateway.keys' is {str(self._folder)!r}: cannot be read: {words}") from error
        files = sorted((name, found.st_ino, found.st_mtime_ns, found.st_size) for name, found in entries)
        return self._gone(), files


def _load_memory(path: Path) -> dict[tuple[int, str], int]:
    """What was heard, as far as it can be read: a line that cannot costs what a power cut costs."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    found = {}
    for line in lines:
        words = line.split()
        if len(words) == 3 and words[0].isdecimal() and words[2].isdecimal():
            found[int(words[0]), words[1]] = int(words[2])
    return found
