"""One picture's file to pixels: JPEG and PNG of every kind that cameras and people's computers write (Pillow)."""

import io
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import Image as Pictures
from PIL import ImageChops, ImageOps

from trapcam.frames import Image

MAX_FILE_BYTES = 64 * 1024 * 1024  # the largest that 512 MB can hold beside its pixels
COPY_AGAIN = "copy it again from the camera's card"

# What else lies in people's folders under a picture's name, by its first bytes.
_OTHERS = ((b"GIF8", "GIF"), (b"RIFF", "WebP or AVI"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"BM", "BMP"))
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"


class ReadError(Exception):
    """A file's bytes are not a picture or video that this program takes; the message says why and what to do."""


def storable(name: str) -> str:
    """A file name may be any bytes; the outbox keeps text."""
    return name.encode("utf-8", "backslashreplace").decode()


def read_bytes(path: Path) -> bytes:
    """A picture's file, within `MAX_FILE_BYTES`.  Raises: ReadError."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ReadError("is no ordinary file: take it away")  # to open a pipe would wait for ever
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise ReadError(f"the file is over {MAX_FILE_BYTES // 2**20} MiB: save it smaller")
    return data


def decode_picture(data: bytes, max_pixels: float) -> tuple[Image, bool]:
    """The picture in a JPEG or PNG file as (h, w, 3) RGB, turned as its EXIF says, and whether it was a JPEG.

    One of several pictures (MPO) is none, as only its first was looked at.  Raises: ReadError with the reason.
    """
    if not data:
        raise ReadError(f"the file is empty: {COPY_AGAIN}")
    try:
        with warnings.catch_warnings():
            # Pillow warns of oversized pictures and of odd metadata; our own bound is below, and stricter.
            warnings.simplefilter("ignore")
            with Pictures.open(io.BytesIO(data), formats=("JPEG", "PNG")) as picture:
                if picture.width * picture.height > max_pixels:
                    raise ReadError(_too_large(picture.width * picture.height / 1e6, max_pixels))
                picture.load()
                return _rgb(_turned(picture)), picture.format == "JPEG"
    except Pictures.DecompressionBombError as error:
        raise ReadError(_too_large(None, max_pixels)) from error
    except ReadError:
        raise
    except Exception as error:
        # Decoders fail in every way there is on damaged bytes; each is the same outcome, recorded with its reason.
        raise ReadError(f"not a whole JPEG or PNG picture ({_diagnosis(data, error)}") from error


def _too_large(megapixels: float | None, max_pixels: float) -> str:
    found = "too many megapixels" if megapixels is None else f"{megapixels:.1f} megapixels"
    return f"{found}, allowed are {max_pixels / 1e6:g}: scale it down"


def _diagnosis(data: bytes, error: Exception) -> str:
    """What it is instead, and what to do: the end of the sentence."""
    if data.startswith((_JPEG, _PNG)):
        return f"{str(error)[:120] or type(error).__name__}): {COPY_AGAIN}"
    kind = next((name for start, name in _OTHERS if data.startswith(start)), "")
    if not kind:
        head = data[:512]
        kind = "text" if all(byte >= 32 or byte in b"\t\r\n" for byte in head) else "something else"
    return f"its bytes are {kind}): convert it to JPEG or PNG, or take it away"


def _turned(picture: Pictures.Image) -> Pictures.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:
        return picture  # a damaged EXIF block does not spoil the pixels


def _rgb(picture: Pictures.Image) -> Image:
    if picture.mode.startswith("I"):  # 16 bits a pixel, grey
        grey = np.clip(np.asarray(picture) >> 8, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))
    if picture.mode == "CMYK" and "adobe" not in picture.info:
        # Pillow takes every CMYK JPEG as inverted, which is Adobe's habit alone: without their marker it is not so.
        picture = ImageChops.invert(picture)
    return np.asarray(picture.convert("RGB"))
