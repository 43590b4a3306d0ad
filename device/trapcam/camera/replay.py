"""The replay camera: a folder of pictures, one for each trigger, in the order of their names.

Nothing is written beside the pictures. To go on with more of them later, give the new ones names that sort last.
"""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image as Pictures
from PIL import ImageOps

from trapcam.frames import Burst, Frame, Image, Unreadable
from trapcam.trigger import Trigger
from trapkit.errors import SetupError

SUFFIXES = (".jpg", ".jpeg", ".png")
MAX_PICTURES = 200_000  # their names are held in memory: about 20 MB
MAX_FILE_BYTES = 64 * 1024 * 1024  # the largest that 512 MB can hold beside its pixels


class ReplayCamera:
    """Gives `pictures[position]` for each trigger, from the start again after the last where `loop` is set."""

    def __init__(
        self, folder: Path, pictures: list[str], *, loop: bool, max_megapixels: float, uncertainty_ms: int | None
    ) -> None:
        self._folder = folder
        self._pictures = pictures
        self._loop = loop
        self._max_pixels = max_megapixels * 1e6
        self._uncertainty_ms = uncertainty_ms
        self.source = replay_source(folder)
        self.total: int | None = len(pictures)

    def frames(self, trigger: Trigger, position: int) -> Burst | Unreadable | None:
        """A burst of one: the trigger's time is the picture's, as a replay happens now."""
        if position >= len(self._pictures) and not self._loop:
            return None
        name = self._pictures[position % len(self._pictures)]
        try:
            data = read_bytes(self._folder / name)
            image, is_jpeg = decode_picture(data, self._max_pixels)
        except ReadError as error:
            return Unreadable(name=_storable(name), reason=str(error), trigger=trigger)
        frame = Frame(
            image=image,
            taken_ms=trigger.at_ms,
            uncertainty_ms=self._uncertainty_ms,
            name=_storable(name),
            jpeg=data if is_jpeg else None,
        )
        return Burst(frames=(frame,), trigger=trigger)


def read_bytes(path: Path) -> bytes:
    """A picture's file, within `MAX_FILE_BYTES`.  Raises: ReadError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise ReadError(f"the file is over {MAX_FILE_BYTES // 2**20} MiB")
    return data


def replay_source(folder: Path) -> str:
    """What the outbox calls the pictures of a folder."""
    return _storable(f"replay:{folder}")


def _storable(name: str) -> str:
    """A file name may be any bytes; the outbox keeps text."""
    return name.encode("utf-8", "backslashreplace").decode()


class ReadError(Exception):
    """A picture's bytes are not a picture that this program takes."""


def decode_picture(data: bytes, max_pixels: float) -> tuple[Image, bool]:
    """The picture in a JPEG or PNG file as (h, w, 3) RGB, turned as its EXIF says, and whether it was a JPEG.

    Raises: ReadError with the reason.
    """
    if not data:
        raise ReadError("the file is empty")
    try:
        with warnings.catch_warnings():
            # Pillow warns of oversized pictures and of odd metadata; our own bound is below, and stricter.
            warnings.simplefilter("ignore")
            with Pictures.open(io.BytesIO(data), formats=("JPEG", "PNG")) as picture:
                if picture.width * picture.height > max_pixels:
                    megapixels = picture.width * picture.height / 1e6
                    raise ReadError(f"{megapixels:.1f} megapixels, allowed are {max_pixels / 1e6:g}")
                picture.load()
                return _rgb(_turned(picture)), picture.format in ("JPEG", "MPO")
    except Pictures.DecompressionBombError as error:
        raise ReadError(f"too many pixels, allowed are {max_pixels / 1e6:g} million") from error
    except ReadError:
        raise
    except Exception as error:
        # Decoders fail in every way there is on damaged bytes; each is the same outcome, recorded with its reason.
        raise ReadError(f"not a whole JPEG or PNG picture: {str(error)[:120] or type(error).__name__}") from error


def _turned(picture: Pictures.Image) -> Pictures.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:
        return picture  # a damaged EXIF block does not spoil the pixels


def _rgb(picture: Pictures.Image) -> Image:
    if picture.mode.startswith("I"):  # 16 bits a pixel, grey
        wide = np.asarray(picture).astype(np.int64)
        grey = np.clip(wide >> 8, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))
    return np.asarray(picture.convert("RGB"))


def open_replay(folder: str, *, loop: bool, max_megapixels: float, uncertainty_ms: int | None) -> ReplayCamera:
    """The replay camera over a folder's pictures.  Raises: SetupError when it has none, or too many."""
    path = Path(folder)
    try:
        names = sorted(
            p.name
            for p in path.iterdir()
            if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and not p.is_dir()
        )
    except OSError as error:
        raise SetupError(f"camera.replay.folder {folder!r} cannot be read: {error.strerror}") from error
    if not 0 < len(names) <= MAX_PICTURES:
        raise SetupError(
            f"camera.replay.folder {folder!r} has {len(names)} pictures; allowed are 1–{MAX_PICTURES} "
            f"with a name ending in {', '.join(SUFFIXES)}"
        )
    return ReplayCamera(path, names, loop=loop, max_megapixels=max_megapixels, uncertainty_ms=uncertainty_ms)
