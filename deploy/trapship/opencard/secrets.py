"""The keys that open what lies on a card, and what they make of it. On no trap is there one."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyrage

from trapkit.errors import SetupError
from trapkit.sealing import open_box, read_key
from trapship.opencard import agestream
from trapwire.objects import CROP, FRAME, FULLS, SCENE

MAX_SAMPLE_BYTES = 64 * 2**20
BOXED = (CROP, FRAME, SCENE)
_KINDS = ((b"\xff\xd8\xff", ".jpg"), (b"PK\x03\x04", ".zip"), (b"\x89PNG", ".png"))


@dataclass(frozen=True, kw_only=True)
class Keys:
    """`boxes`: secrets of bases (crops, frames, scenes); `ages`: of reviewers and back ends (full frames, samples)."""

    boxes: tuple[bytes, ...] = ()
    ages: tuple[bytes, ...] = ()

    def open(self, rung: int, body: bytes) -> tuple[bytes | None, bool]:
        """What is in an object's body, and whether that is all of it; None: not for these keys, or damaged."""
        if rung in BOXED:
            opened = (open_box(secret, body) for secret in self.boxes)
            return next((plain for plain in opened if plain is not None), None), True
        if rung in FULLS:
            return self.open_age(body)
        return body, True

    def open_age(self, body: bytes) -> tuple[bytes | None, bool]:
        """The same of an `age` file, of a damaged one as far as it goes."""
        found = agestream.read(body, self.ages, exact=True)
        return (found.plain, found.whole) if found is not None and (found.whole or found.plain) else (None, True)


def load(folder: Path | None, boxes: Sequence[Path], identities: Sequence[Path]) -> Keys:
    """Keys from what `trapship keys` made, and from single files.  Raises: SetupError naming the file."""
    boxes, identities = list(boxes), list(identities)
    if folder is not None:
        if not folder.is_dir():
            raise SetupError(f"--keys {folder}: there is no such folder")
        boxes += [path for path in (folder / "base.key",) if path.exists()]
        identities += [path for path in (folder / "review.key",) if path.exists()]
        if not boxes and not identities:
            raise SetupError(f"--keys {folder}: holds neither base.key nor review.key")
    secrets = [secret for path in identities for secret in _identities(path)]
    return Keys(boxes=tuple(read_key(path, "a base's secret key") for path in boxes), ages=tuple(secrets))


def _identities(path: Path) -> list[bytes]:
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path}: the key cannot be read: {error}") from error
    found = []
    for line in lines:
        if line and not line.startswith("#"):
            try:
                pyrage.x25519.Identity.from_str(line)
            except (ValueError, pyrage.IdentityError) as error:  # the line is not repeated: it may be a mistyped secret
                raise SetupError(f"{path}: holds a line that is no secret key (AGE-SECRET-KEY-1…)") from error
            found.append(agestream.secret_bytes(line))
    if not found:
        raise SetupError(f"{path}: holds no secret key (a line AGE-SECRET-KEY-1…)")
    return found


def ending(plain: bytes) -> str:
    """The ending of a file that holds these bytes."""
    if plain[:4] == b"RIFF" and plain[8:12] == b"WEBP":
        return ".webp"
    if plain[4:12] == b"ftypavif":
        return ".avif"
    return next((name for magic, name in _KINDS if plain.startswith(magic)), ".bin")


def sample_files(plain: bytes) -> dict[str, bytes]:
    """Facts and pictures of an audit sample; nothing where it is none: a stranger may seal anything to a public key."""
    files = {}
    try:
        with zipfile.ZipFile(io.BytesIO(plain)) as archive:
            for info in archive.infolist()[:8]:
                plainly = info.compress_type == zipfile.ZIP_STORED and info.file_size <= MAX_SAMPLE_BYTES
                if info.filename in ("facts.json", "1.jpg", "2.jpg", "3.jpg") and plainly:
                    files[info.filename] = archive.read(info)
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, ValueError):
        return {}
    return files
