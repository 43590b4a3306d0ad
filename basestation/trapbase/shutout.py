"""Units that the operator has shut out: a signed list, by stick or over the bus, looked at every few seconds.

A trap on it has no key at the gateway, what comes in its name over the bus is not taken, and its partner is told by
radio to heed its calls no more. Nobody is let in again by an older list, nor by a list that is gone.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import refusal, write_atomically
from trapkit.operator import revoked
from trapkit.operator.revoked import Gone, RevokedList
from trapkit.sealing import read_key

LOOK_EVERY_MS = 5_000
TOLD = "revoked-told"  # in the base's folder: the list whose partners have been asked for
PAIR, ALONE = "pair", 0  # the setting by which a trap heeds its partner no more


class ShutOut:
    """`path`: the list, None where this base has none; `key`: the operator's public key; `crl`: the broker's list.

    Raises: SetupError when a list that is there cannot be proved: a base must not start as if nobody was shut out.
    """

    def __init__(self, path: Path | None, key: Path, crl: Path) -> None:
        self._path, self._key, self._crl = path, key, crl
        self._listed: RevokedList | None = None
        self._seen: object = None
        self._look_at = 0
        self.trouble = ""
        self.read()

    @property
    def traps(self) -> frozenset[int]:
        return self._listed.traps() if self._listed else frozenset()

    @property
    def serial(self) -> int:
        return self._listed.serial if self._listed else 0

    def lonely(self) -> list[int]:
        """Traps whose partner is shut out."""
        return self._listed.lonely() if self._listed else []

    def step(self, now_ms: int) -> None:
        """Look at the list when it is due. One that cannot be read is `trouble`; what was read stays in force."""
        if self._path is None or now_ms < self._look_at:
            return
        self._look_at = now_ms + LOOK_EVERY_MS
        self.trouble = ""
        try:
            self.read()
        except SetupError as error:
            self.trouble = str(error)
        except OSError as error:
            self.trouble = refusal(self._path, error)

    def units(self) -> list[Gone]:
        """All that are shut out, as the list has them."""
        return self._listed.units if self._listed else []

    def take(self, data: bytes, name: str = "a list from the bus") -> bool:
        """A list from `name`; whether it was new.

        Raises: SetupError when it is not the operator's or older than the one here, or none is taken; OSError.
        """
        if self._path is None:
            raise SetupError("key 'revoked' is '': this base takes no list")
        key = read_key(self._key, "the operator's public key")
        new = revoked.take(data, self._path, self._crl, key, name)
        self.read()
        return new

    def read(self) -> None:
        """Take what changed in the file, if anything did.  Raises: SetupError, OSError; what was in force stays so."""
        if self._path is None:
            return
        seen = _look(self._path)
        if seen == self._seen:
            return
        found = revoked.read_list(self._path, self._key)
        if found is not None and found.serial >= self.serial:
            self._listed = found
        elif self._listed is not None:
            gone = f"the list is {'gone' if found is None else 'an older one'}"
            raise SetupError(f"{self._path}: {gone}; list {self.serial} stays in force until this base starts again")
        self._seen = seen


def open_list(revoked_path: str, operator_key: str, certificates: str) -> ShutOut:
    """Who is shut out at a base with these settings.  Raises: SetupError."""
    path = Path(revoked_path) if revoked_path else None
    if path is not None and not operator_key:
        raise SetupError("key 'operator_key' is '' beside 'revoked'; allowed is the file of the operator's public key")
    return ShutOut(path, Path(operator_key), Path(certificates) / "ca.crl")


def watched_traps(revoked_path: str, operator_key: str) -> Callable[[], frozenset[int]]:
    """Which traps are shut out by the file as it is when asked: for who shows it, and for whom a unit is then gone. A
    list that cannot be proved adds nobody: that is the gateway's to say, which takes none such."""
    shut: ShutOut | None = None

    def traps() -> frozenset[int]:
        nonlocal shut
        with suppress(SetupError, OSError):
            shut = shut or open_list(revoked_path, operator_key, "")
            shut.read()
        return shut.traps if shut else frozenset()

    return traps


class Partners:
    """Asks for `pair` 0 of each trap whose partner is shut out, once a list; `ask(trap, setting, value, utc_ms)`."""

    def __init__(self, shut: ShutOut, folder: Path, ask: Callable[[int, str, int, int], int]) -> None:
        self._shut, self._path, self._ask = shut, folder / TOLD, ask
        self._told = -1

    def step(self, utc_ms: int) -> None:
        """Raises: StorageError, OSError when the disk refuses: the same again later."""
        if self._told < 0:
            self._told = _number(self._path)
        if self._shut.serial <= self._told:
            return
        for trap in self._shut.lonely():
            self._ask(trap, PAIR, ALONE, utc_ms)
        write_atomically(self._path, f"{self._shut.serial}\n".encode())
        self._told = self._shut.serial


def _number(path: Path) -> int:
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return 0


def _look(path: Path) -> object:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
