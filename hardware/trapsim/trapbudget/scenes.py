"""What the simulated camera sees: a cat, nothing but something that stirs, a person; as the Pi's camera packs it."""

from pathlib import Path

import numpy as np
from PIL import Image as Pictures

from trapcam.camera.device import HEIGHT, WIDTH
from trapsim.picam import packed
from trapsim.pictures import default_pictures

CAT, NOTHING, PERSON = "cat", "nothing", "person"
KINDS = (CAT, NOTHING, PERSON)
VARIANTS = 2  # of each: something has moved between two pictures, so that the trap looks twice where it would
GROUND = "brick.png"
SIZES = {CAT: ("chelsea.png", 1100), PERSON: ("astronaut.png", 1200), NOTHING: ("gravel.png", 120)}


def make_scenes(folder: Path) -> Path:
    """Write `KIND-N.npy` into `folder`; the folder.  Raises: SetupError without scikit-image's photographs."""
    photographs = default_pictures(folder / "photographs")
    for kind in KINDS:
        for variant in range(VARIANTS):
            name, width = SIZES[kind]
            with Pictures.open(photographs / GROUND) as ground, Pictures.open(photographs / name) as shown:
                scene = ground.convert("RGB").resize((WIDTH, HEIGHT), Pictures.Resampling.BICUBIC)
                height = round(width * shown.height / shown.width)
                animal = shown.convert("RGB").resize((width, height), Pictures.Resampling.BICUBIC)
                scene.paste(animal, (500 + 130 * variant, max(0, (HEIGHT - height) // 2)))
            # Noise, as a sensor has: without it JPEG and WebP would have it too easy.
            noise = np.random.default_rng(variant).normal(0.0, 3.0, (HEIGHT, WIDTH, 1))
            pixels = np.clip(np.asarray(scene) + noise, 0, 255).astype(np.uint8)
            np.save(folder / f"{kind}-{variant}.npy", packed(pixels))
    return folder
