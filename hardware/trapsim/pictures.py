"""Pictures for the demo where the user names none: the photographs that ship inside scikit-image."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from trapcam.camera.folder import SUFFIXES, counted, list_folder
from trapcam.camera.replay import open_replay
from trapcam.config import ReplaySettings
from trapkit.errors import SetupError

# Photographs, not test charts. Chelsea is a cat; among the others are a person (dropped in memory), a horse's
# outline, coffee, coins and a rocket.
PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "horse.png",
    "hubble_deep_field.jpg",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "rocket.jpg",
)
STILLS = (".jpg", ".jpeg", ".png")


def default_pictures(folder: Path) -> Path:
    """Copy the photographs of scikit-image that are there into `folder`; the folder.

    Raises: SetupError when this scikit-image has none of them.
    """
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise SetupError("scikit-image is not installed; say --images DIR")
    source = Path(spec.origin).parent / "data"
    folder.mkdir(parents=True, exist_ok=True)
    found = [name for name in PHOTOGRAPHS if (source / name).is_file()]
    if not found:
        raise SetupError(f"{source}: scikit-image brings no photographs; say --images DIR")
    for name in found:
        shutil.copyfile(source / name, folder / name)
    return folder


def check_pictures(folder: Path) -> Path:
    """The folder that the user named.  Raises: SetupError when it is none, or holds no picture and no video."""
    try:
        names, left_out = list_folder(folder)
    except OSError as error:
        raise SetupError(f"--images {folder}: cannot be read: {error.strerror}; name a folder of pictures") from error
    if not names:
        raise SetupError(
            f"--images {folder}: has {counted(0, 0, left_out)}; allowed are names ending in {', '.join(SUFFIXES)}: "
            "put some there, or name another folder"
        )
    return folder.resolve()


def stills(folder: Path) -> list[Path]:
    """The pictures of a folder in their order, no videos.  Raises: SetupError when there are none."""
    found = [folder / name for name in list_folder(folder)[0] if name.lower().endswith(STILLS)]
    if not found:
        raise SetupError(f"{folder}: no picture lies here that a simulated camera could see: {', '.join(STILLS)}")
    return found


def count_bursts(folder: Path) -> int:
    """How many triggers it takes to show all of a folder: the replay camera's own count, with a trap's defaults."""
    replay = ReplaySettings()
    camera = open_replay(str(folder), loop=False, max_megapixels=replay.max_megapixels, uncertainty_ms=None)
    return camera.total or 0
