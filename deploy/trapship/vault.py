"""An operator's secrets at rest: a file a secret, sealed under one passphrase a folder.

A file is one line of JSON and what it describes, so that a person sees what it is and a program needs nothing else:

    {"pugmark-vault": 1, "n_log2": 17, "r": 8, "p": 1, "salt": "…", "nonce": "…"}
    ChaCha20-Poly1305 of the secret under scrypt(passphrase, salt); the line and the secret's name are bound in

The name is bound in so that no file passes for another (a snapshot key for the root's). The salt is one a folder:
scrypt is asked once for all files of it, at 128 MiB and 0.3 s a guess. Nonces are random; a folder holds dozens.
"""

import getpass
import json
import os
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from trapkit.errors import SetupError
from trapkit.files import make_folder, write_atomically

FORMAT = 1
MARK = b'{"pugmark-vault"'
MAX_SECRET_BYTES = 1 << 16  # a key or a certificate's is 2 kB
MAX_HEAD_BYTES = 512
MAX_MEMORY_BYTES = 1 << 28  # of scrypt: a stranger's file does not take the whole machine
MAX_FILES = 10_000  # a fleet's secrets, several a unit
MIN_PASSPHRASE_BYTES = 12
MAX_PASSPHRASE_BYTES = 1024
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}(/[a-z0-9][a-z0-9._-]{0,63}){0,3}")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """scrypt's (RFC 7914): 2**n_log2 blocks of 128 * r bytes, p times."""

    n_log2: int = 17
    r: int = 8
    p: int = 1

    def __post_init__(self) -> None:
        whole = all(type(value) is int for value in (self.n_log2, self.r, self.p))
        if not whole or not (4 <= self.n_log2 <= 22 and 1 <= self.r <= 32 and 1 <= self.p <= 4):
            raise SetupError(f"vault: {self} is no cost; allowed is n_log2 4–22, r 1–32, p 1–4")
        if (128 * self.r) << self.n_log2 > MAX_MEMORY_BYTES:
            raise SetupError(f"vault: {self} takes more than {MAX_MEMORY_BYTES >> 20} MiB")


DEFAULT_COST = Cost()


class Vault:
    """The secrets under `folder`, which need not be there yet; nothing is read or made before it is asked for."""

    def __init__(self, folder: Path, passphrase: bytes, *, cost: Cost | None = None) -> None:
        self.folder = folder
        self._passphrase = passphrase
        self._cost = cost or DEFAULT_COST
        self._keys: dict[tuple[bytes, Cost], bytes] = {}
        self._opened: tuple[bytes, Cost] | None = None  # what a file was opened or written with

    def elsewhere(self, folder: Path) -> "Vault":
        """The same passphrase for a copy of this folder; scrypt is not asked again."""
        copy = Vault(folder, self._passphrase, cost=self._cost)
        copy._keys, copy._opened = dict(self._keys), None
        return copy

    def names(self) -> list[str]:
        """The names of all secrets, sorted; other files are none.  Raises: SetupError when there are too many files."""
        found = []
        for count, path in enumerate(sorted(self.folder.rglob("*"))):
            if count >= MAX_FILES:
                raise SetupError(f"{self.folder}: has more than {MAX_FILES} files; an operator's folder has hundreds")
            name = path.relative_to(self.folder).as_posix()
            if NAME.fullmatch(name) and path.is_file() and _starts(path) == MARK:
                found.append(name)
        return found

    def has(self, name: str) -> bool:
        """Whether there is a file of this name.  Raises: SetupError when it is no name."""
        return self._path(name).exists()

    def get(self, name: str) -> bytes:
        """A secret.  Raises: SetupError when there is none, the passphrase is another, or the file is damaged."""
        path = self._path(name)
        try:
            with path.open("rb") as file:
                head, data = file.readline(MAX_HEAD_BYTES), file.read(MAX_SECRET_BYTES + 17)
        except FileNotFoundError as error:
            raise SetupError(f"{path}: there is no such secret") from error
        except OSError as error:
            raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
        nonce, salt, cost = _read_head(path, head)
        try:
            secret = ChaCha20Poly1305(self._key(salt, cost)).decrypt(nonce, data, head + name.encode())
        except InvalidTag as error:
            raise SetupError(f"{path}: does not open: another passphrase, or the file is damaged or renamed") from error
        self._opened = salt, cost
        return secret

    def put(self, name: str, secret: bytes, *, replace: bool = False) -> None:
        """Seal a secret into its file; synced when this returns.

        Raises: SetupError when there is one already (and not `replace`), when it is too long, or when the passphrase is
        not that of the folder's other secrets; OSError.
        """
        path = self._path(name)
        if len(secret) > MAX_SECRET_BYTES:
            raise SetupError(f"{path}: {len(secret)} bytes are no secret; allowed are {MAX_SECRET_BYTES}")
        if path.exists() and not replace:
            raise SetupError(f"{path}: is there already, and is not overwritten; move it away first")
        salt, cost = self._salt()
        nonce = os.urandom(12)
        told = {"pugmark-vault": FORMAT, **asdict(cost), "salt": salt.hex(), "nonce": nonce.hex()}
        head = json.dumps(told).encode() + b"\n"
        sealed = ChaCha20Poly1305(self._key(salt, cost)).encrypt(nonce, secret, head + name.encode())
        make_folder(path.parent, 0o700)
        write_atomically(path, head + sealed, mode=0o600)
        self._opened = salt, cost

    def remove(self, name: str) -> None:
        """Take a secret away.  Raises: SetupError when there is none."""
        path = self._path(name)
        if not path.exists():
            raise SetupError(f"{path}: there is no such secret")
        path.unlink()

    def _path(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise SetupError(f"vault: {name!r} is no secret's name; allowed are a–z, 0–9, '.', '_', '-' and folders")
        return self.folder / name

    def _salt(self) -> tuple[bytes, Cost]:
        """Those of a secret that opens: two passphrases in one folder would lock somebody out."""
        if self._opened is None:
            for name in self.names():
                self.get(name)
                break
        return self._opened or (os.urandom(16), self._cost)

    def _key(self, salt: bytes, cost: Cost) -> bytes:
        if (salt, cost) not in self._keys:
            scrypt = Scrypt(salt=salt, length=32, n=1 << cost.n_log2, r=cost.r, p=cost.p)
            self._keys[salt, cost] = scrypt.derive(self._passphrase)
        return self._keys[salt, cost]


def _starts(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(MARK))


def _read_head(path: Path, head: bytes) -> tuple[bytes, bytes, Cost]:
    """Nonce, salt and cost.  Raises: SetupError naming the file."""
    try:
        told: Any = json.loads(head)
        if told["pugmark-vault"] != FORMAT:
            raise SetupError(f"{path}: has format {told['pugmark-vault']!r}; allowed is {FORMAT}")
        nonce, salt = bytes.fromhex(told["nonce"]), bytes.fromhex(told["salt"])
        cost = Cost(n_log2=told["n_log2"], r=told["r"], p=told["p"])
    except (KeyError, TypeError, ValueError) as error:
        raise SetupError(f"{path}: is no sealed secret: {error}") from error
    except SetupError as error:
        raise SetupError(f"{path}: {error}") from error
    if len(nonce) != 12 or len(salt) != 16:
        raise SetupError(f"{path}: is no sealed secret: nonce and salt have {len(nonce)} and {len(salt)} bytes")
    return nonce, salt, cost


def read_passphrase(
    file: Path | None,
    *,
    new: bool = False,
    what: str = "the operator's folder",
    option: str = "--passphrase-file",
) -> bytes:
    """The passphrase from `file`'s first line, or asked for at the terminal (twice when it is a new one).

    what: whose it is; option: how `file` is named on the command line. Never an argument itself: those are seen by
    everybody on the machine.  Raises: SetupError when there is none or it is short.
    """
    if file is not None:
        try:
            with file.open("rb") as opened:
                phrase = opened.readline(MAX_PASSPHRASE_BYTES + 2).rstrip(b"\r\n")
        except OSError as error:
            raise SetupError(f"{file}: the passphrase cannot be read: {error.strerror}") from error
    else:
        if not sys.stdin.isatty():
            raise SetupError(f"no terminal to ask for the passphrase of {what}; say {option} FILE")
        phrase = getpass.getpass(f"passphrase of {what}: ").encode()
        if new and phrase != getpass.getpass("the same again: ").encode():
            raise SetupError("the two passphrases are not the same")
    if not phrase or len(phrase) > MAX_PASSPHRASE_BYTES:
        raise SetupError(f"the passphrase has {len(phrase)} bytes; allowed are 1–{MAX_PASSPHRASE_BYTES}")
    if new and len(phrase) < MIN_PASSPHRASE_BYTES:
        raise SetupError(f"the passphrase has {len(phrase)} bytes; a new one needs {MIN_PASSPHRASE_BYTES}: five words")
    return phrase
