"""What the demo's two traps see where the user names no pictures: one cat, passing between them.

scikit-image brings one photograph of a cat. Here she also sits in the grass, comes by night, and passes further away;
the right-hand trap sees her mirrored, as a camera on the other side of the path would. The rest are photographs without
a cat, as most triggers are.
"""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from trapsim.pictures import default_pictures

CAT = "chelsea.png"
SIZE = (1152, 648)  # pixels; 16:9, as the trap's camera
GRASS, GRAVEL = (70, 88, 44), (146, 132, 110)  # their photographs are grey
BEFORE_THE_CAT = 2  # triggers: the first one passes soon enough to be watched
EDGE = 0.05  # of the cat's picture, faded into what is around it
NOISE = 5.0  # standard deviation, of 255


def stage(folder: Path, traps: tuple[int, int]) -> dict[int, Path]:
    """Make a folder of pictures for the left and the right trap under `folder`; the folder of each.

    The names say the order.  Raises: SetupError without scikit-image's photographs.
    """
    found = default_pictures(folder / "photographs")
    names = sorted(path.name for path in found.iterdir())
    scenes = make_scenes(found) if CAT in names else {}
    others = [name for name in names if name not in (CAT, *scenes)]
    order = others[:BEFORE_THE_CAT] + list(scenes) + others[BEFORE_THE_CAT:]
    for trap, mirrored in zip(traps, (False, True), strict=True):
        own = folder / f"trap{trap}"
        own.mkdir()
        for place, name in enumerate(order, start=1):
            path = own / f"{place:02d}-{name}"
            if name in scenes:
                (ImageOps.mirror(scenes[name]) if mirrored else scenes[name]).save(path, quality=92)
            else:
                shutil.copyfile(found / name, path)
    return {trap: folder / f"trap{trap}" for trap in traps}


def make_scenes(folder: Path) -> dict[str, Image.Image]:
    """The cat in four ways, by file name, from the photographs in `folder`."""
    cat = Image.open(folder / CAT).convert("RGB")
    grass = _ground(folder / "grass.png", GRASS)
    gravel = _ground(folder / "gravel.png", GRAVEL)
    return {
        "cat-in-grass.jpg": _placed(cat, grass, 1.2, (330, 120)),
        "cat-at-night.jpg": by_flash(_placed(cat, _ground(folder / "grass.png", (88, 88, 88)), 1.6, (200, 80))),
        "cat-far-away.jpg": _placed(cat, gravel, 1.2, (560, 160)),
        "cat-close.png": cat,
    }


def _ground(path: Path, tint: tuple[int, int, int]) -> Image.Image:
    """A picture's ground in a colour; plain where scikit-image has no such photograph."""
    if not path.is_file():
        return Image.new("RGB", SIZE, tint)
    light = tuple(min(255, round(c * 2.1)) for c in tint)
    grey = ImageOps.fit(Image.open(path).convert("L"), SIZE)
    return ImageOps.colorize(grey, black=(12, 14, 8), white=light, mid=tint)


def _placed(cat: Image.Image, ground: Image.Image, scale: float, corner: tuple[int, int]) -> Image.Image:
    cat = cat.resize((round(cat.width * scale), round(cat.height * scale)))
    edge = round(min(cat.size) * EDGE)
    mask = Image.new("L", cat.size, 0)
    inner = (edge, edge, cat.width - edge, cat.height - edge)
    ImageDraw.Draw(mask).rounded_rectangle(inner, radius=edge * 2, fill=255)
    ground.paste(cat, corner, mask.filter(ImageFilter.GaussianBlur(edge * 0.6)))
    return ground


def by_flash(picture: Image.Image) -> Image.Image:
    """As under an infrared flash: grey, bright in the middle, noisy."""
    grey = np.asarray(ImageOps.grayscale(picture)).astype(float)
    height, width = grey.shape
    y, x = np.mgrid[0:height, 0:width]
    fall = 0.75 * (((x - width / 2) / (width / 1.6)) ** 2 + ((y - height / 2) / (height / 1.4)) ** 2)
    grey = grey * np.clip(1 - fall, 0.15, 1) + np.random.default_rng(1).normal(0, NOISE, grey.shape)
    return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")
