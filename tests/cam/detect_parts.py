"""A few photographs to look at, and `trapcam detect` on them."""

import json
from pathlib import Path

import skimage
from PIL import Image as Pictures

from trapcam.cli import main

PHOTOGRAPHS = Path(skimage.__file__).parent / "data"


def write_folder(made: Path) -> Path:
    """A cat by day, in grey and in a folder of its own, and a file that is torn."""
    (made / "night").mkdir(parents=True)
    with Pictures.open(PHOTOGRAPHS / "chelsea.png") as cat:
        cat.convert("RGB").save(made / "cat.jpg", quality=92)
        cat.convert("L").save(made / "night" / "cat.png")
    (made / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    return made


def detect(out: Path, *arguments: object) -> int:
    return main(["detect", "--out", str(out), *map(str, arguments)])


def images(out: Path) -> dict[str, dict[str, object]]:
    return {Path(entry["file"]).name: entry for entry in json.loads(out.read_text("utf-8"))["images"]}
