"""Where the drawn copies of `trapcam detect --show` lie: under one folder, never over an original."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from trapcam.examine.drawing import draw
from trapcam.examine.one_file import Examined
from trapkit.errors import SetupError

QUALITY = 86


class Copies:
    """Copies of `files` under `folder`, in subfolders as the files lie from their common folder on."""

    def __init__(self, folder: Path, files: Sequence[Path], thresholds: Mapping[str, float]) -> None:
        """Raises: SetupError when the folder cannot be made."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SetupError(f"--show {folder}: cannot be made: {error.strerror}") from error
        self._own = folder.resolve()
        self._thresholds = thresholds
        whole = [Path(os.path.abspath(file)) for file in files]  # noqa: PTH100 - resolve() would follow links
        common = Path(os.path.commonpath([file.parent for file in whole]))
        self._places: dict[Path, Path] = {}
        taken: set[Path] = set()
        for file, absolute in zip(files, whole, strict=True):
            place = absolute.relative_to(common)
            if place.suffix.lower() not in (".jpg", ".jpeg"):
                place = place.with_name(place.name + ".jpg")
            while place in taken:  # `a.png` beside an `a.png.jpg`
                place = place.with_stem(place.stem + "-")
            taken.add(place)
            self._places[file] = self._own / place

    def has(self, file: Path) -> bool:
        """Whether its copy is there."""
        return self._places[file].is_file()

    def write(self, file: Path, examined: Examined) -> None:
        """Draw a file's copy; one that could not be read has none.

        Raises: SetupError when it would lie elsewhere, through a link; OSError.
        """
        if examined.image is None:
            return
        place = self._places[file]
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.parent.resolve().is_relative_to(self._own):
            raise SetupError(f"--show: {place} is led out of {self._own} by a link: take the link away")
        picture = draw(examined.image, examined.seen, self._thresholds, examined.caption)
        temporary = place.with_name(f".{place.name}.tmp")
        picture.save(temporary, "JPEG", quality=QUALITY)
        temporary.replace(place)
