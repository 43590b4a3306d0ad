"""The demo's own pictures: a cat for both flanks, judged by the real detector."""

from pathlib import Path

import numpy as np
from PIL import Image

from trapcam.camera.replay import open_replay
from trapcam.config import TrapSettings, model_path
from trapcam.detect import Detector
from trapcam.trigger import Trigger
from trapsim.staging import stage


def test_both_traps_see_the_same_cat_from_their_own_side(tmp_path: Path) -> None:
    folders = stage(tmp_path, (1, 2))
    detector = Detector(model_path(TrapSettings()))
    kept: dict[int, list[str]] = {}
    for trap, folder in folders.items():
        camera = open_replay(str(folder), loop=False, max_megapixels=40, uncertainty_ms=None)
        for place, path in enumerate(sorted(folder.iterdir())):
            burst = camera.frames(Trigger(number=1, cause=0, at_ms=0), place)
            found = detector.detect(burst.frames[0].image)
            threshold = detector.description.thresholds["feline"]
            if any(d.category == "feline" and d.confidence >= threshold for d in found):
                kept.setdefault(trap, []).append(path.name)
    assert kept[1] == kept[2] == [f"0{n}-cat-{how}" for n, how in enumerate(
        ("in-grass.jpg", "at-night.jpg", "far-away.jpg", "close.png"), start=3
    )]  # fmt: skip
    left, right = (np.asarray(Image.open(folder / "06-cat-close.png")) for folder in folders.values())
    assert (left == right[:, ::-1]).all()
