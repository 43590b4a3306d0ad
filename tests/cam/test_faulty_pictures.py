"""Pictures that are not what their names say, through the whole trap: named, recorded, counted, and on to the next."""

import io
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from cam_parts import BASE, CAT, NOW, FakeDescription, FakeDetection, sealer, write_picture
from PIL import Image as Pictures
from PIL import ImageCms

from trapcam.camera.replay import open_replay
from trapcam.camera.still import decode_picture
from trapcam.capture import Capture, Policy
from trapcam.cli import main
from trapcam.frames import Burst, Image
from trapcam.record import Outcome
from trapcam.trigger import Trigger
from trapkit.sealing import open_box
from trapwire.objects import CROP

Output = pytest.CaptureFixture[str]
PROGRAM = Path(__file__).parent / "scripted_trap.py"
SUFFIXES = ".jpg, .jpeg, .png, .avi, .mp4, .mov"


def saved(image: Pictures.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


NOISE = Pictures.effect_noise((80, 60), 90).convert("RGB")
JPEG, PNG = saved(NOISE, "JPEG"), saved(NOISE, "PNG")
AGAIN = "copy it again from the camera's card"

FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.jpg": (lambda path: path.write_bytes(b""), f"the file is empty: {AGAIN}"),
    "half.jpg": (lambda path: path.write_bytes(JPEG[: len(JPEG) // 2]), f"): {AGAIN}"),
    "half.png": (lambda path: path.write_bytes(PNG[: len(PNG) // 2]), f"): {AGAIN}"),
    "huge.png": (
        lambda path: Pictures.new("1", (10_000, 10_000)).save(path), "100.0 megapixels, allowed are 40: scale it down"
    ),
    "gif.jpg": (
        lambda path: path.write_bytes(saved(NOISE, "GIF")),
        "not a whole JPEG or PNG picture (its bytes are GIF): convert it to JPEG or PNG, or take it away",
    ),
    "text.jpg": (
        lambda path: path.write_text("Dear diary,\ntoday a tiger\n"),
        "not a whole JPEG or PNG picture (its bytes are text): convert it to JPEG or PNG, or take it away",
    ),
    "gone.jpg": (lambda path: path.symlink_to("nowhere"), "cannot be read: No such file or directory"),
    "loop.jpg": (lambda path: path.symlink_to(path.name), "cannot be read: Too many levels of symbolic links"),
    "pipe.jpg": (os.mkfifo, "is no ordinary file: take it away"),
    "locked.jpg": (lambda path: (path.write_bytes(JPEG), path.chmod(0)), "cannot be read: Permission denied"),
}  # fmt: skip
if os.geteuid() == 0:
    del FAULTS["locked.jpg"]  # root may read everything


def write_config(tmp_path: Path, keys: str, folder: Path, more: str = "") -> Path:
    config = tmp_path / "trapcam.toml"
    config.write_text(f'{keys}{more}trigger = {{source = "interval", interval_s = 0.01}}\n'
                      f'[camera.replay]\nfolder = "{folder}"\n')  # fmt: skip
    return config


def run_until(config: Path, last: str) -> list[str]:
    """`trapcam run` as a process with the scripted detector, until it has told of `last`; its lines."""
    command = [sys.executable, str(PROGRAM), "run", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    guard = threading.Timer(60, process.kill)  # a hanging trap fails its test and does not stop the suite
    guard.daemon = True
    guard.start()
    assert process.stderr
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line.rstrip())
        if line.startswith(f"{last}:"):
            break
    process.send_signal(signal.SIGTERM)
    rest = process.communicate()[1]
    guard.cancel()
    assert process.returncode == 0, lines + rest.splitlines()
    return lines


def status_of(config: Path, capsys: Output) -> dict[str, object]:
    capsys.readouterr()
    assert main(["status", "--json", "--config", str(config)]) == 0
    status: dict[str, object] = json.loads(capsys.readouterr().out)
    return status


def test_a_folder_of_everything_that_can_be_wrong(tmp_path: Path, pictures: Path, keys: str, capsys: Output) -> None:
    """After each fault comes a cat: none is missed."""
    for name, (make, _) in FAULTS.items():
        make(pictures / name)
        write_picture(pictures / f"{Path(name).stem}-z.{name[-3:]}", CAT)
    write_picture(pictures / "wrong.jpg", CAT)  # a PNG: taken for what it is
    (pictures / "zz.txt").write_bytes(JPEG)  # a JPEG that nobody can know of
    (pictures / "zz.jpg").mkdir()
    config = write_config(tmp_path, keys, pictures)
    lines = run_until(config, "wrong.jpg")
    assert f"replay:{pictures} ({2 * len(FAULTS) + 1} pictures, 1 other file left out)" in lines[0]
    for name, (_, reason) in FAULTS.items():
        told = [line for line in lines if line.startswith(f"{name}: ")]
        assert len(told) == 1
        assert told[0].startswith(f"{name}: unreadable (")
        assert reason in told[0]
    assert not any("Traceback" in line for line in lines)
    status = status_of(config, capsys)
    total = 2 * len(FAULTS) + 1
    assert (status["frames_in"], status["replay"]) == (total, {"position": total, "total": total})
    assert (status["unreadable"], status["sightings"]) == (len(FAULTS), len(FAULTS) + 1)


@pytest.mark.parametrize(
    ("others", "has"), [((), "0 pictures"), (("notes.txt", "a.jpg.part"), "0 pictures, 2 other files left out")]
)
def test_a_folder_without_pictures(
    tmp_path: Path, pictures: Path, keys: str, capsys: Output, others: Sequence[str], has: str
) -> None:
    for name in others:
        (pictures / name).write_bytes(JPEG)
    config = write_config(tmp_path, keys, pictures)
    for command in ("run", "config"):
        assert main([command, *["check"] * (command == "config"), "--config", str(config)]) == 2
        assert capsys.readouterr().err == (
            f"trapcam: camera.replay.folder '{pictures}' has {has}; allowed are 1–200000, of them videos up to 2000, "
            f"with names ending in {SUFFIXES}: put some there, or name another folder\n"
        )


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("", "camera.replay.folder '' is not given: name the folder of pictures and videos"),
        ("/nowhere", "camera.replay.folder '/nowhere' cannot be read: No such file or directory; name a folder of"),
        ("/dev/null", "camera.replay.folder '/dev/null' cannot be read: Not a directory; name a folder of"),
    ],
)
def test_a_folder_that_is_none(tmp_path: Path, keys: str, capsys: Output, folder: str, says: str) -> None:
    config = write_config(tmp_path, keys, Path("x"))
    config.write_text(config.read_text().replace('"x"', f'"{folder}"'))
    assert main(["run", "--config", str(config)]) == 2
    assert capsys.readouterr().err.startswith(f"trapcam: {says}")


def cmyk(colour: tuple[int, int, int, int], *, adobe: bool) -> bytes:
    """A CMYK JPEG: with Adobe's marker the inks are stored inverted, without it as they are."""
    image = Pictures.new("CMYK", (16, 16), colour)
    if adobe:
        return saved(image, "JPEG")
    stored = saved(Pictures.new("CMYK", (16, 16), tuple(255 - ink for ink in colour)), "JPEG")
    at = stored.index(b"\xff\xee")
    return stored[:at] + stored[at + 2 + int.from_bytes(stored[at + 2 : at + 4], "big") :]


@pytest.mark.parametrize("adobe", [False, True])
@pytest.mark.parametrize(
    ("inks", "colour"),
    [
        ((0, 255, 255, 0), (255, 0, 0)), ((255, 0, 255, 0), (0, 255, 0)), ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 0, 0, 0), (255, 255, 255)),
    ],
)  # fmt: skip
def test_cmyk_keeps_its_colours(adobe: bool, inks: tuple[int, int, int, int], colour: tuple[int, ...]) -> None:
    data = cmyk(inks, adobe=adobe)
    assert (b"Adobe" in data) == adobe
    pixels, is_jpeg = decode_picture(data, 1e6)
    assert is_jpeg
    assert pixels.mean(axis=(0, 1)) == pytest.approx(colour, abs=6)


def png16(pixels: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel, grey or RGB (Pillow writes only the grey ones)."""
    height, width = pixels.shape[:2]
    colour_type = 2 if pixels.ndim == 3 else 0

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 3)])
def test_sixteen_bits_a_channel(shape: tuple[int, ...]) -> None:
    ramp = np.linspace(0, 65_535, 30 * 40).reshape(30, 40)
    deep = ramp if len(shape) == 2 else np.stack([ramp, ramp / 2, 65_535 - ramp], axis=-1)
    pixels, _ = decode_picture(png16(deep), 1e6)
    assert pixels.shape == (30, 40, 3)
    wanted = np.repeat(deep[:, :, None], 3, axis=2) if deep.ndim == 2 else deep
    assert np.abs(pixels.astype(float) - wanted / 257).max() <= 1


class RedJudge:
    """Sees one animal: the box around everything red."""

    description = FakeDescription()

    def detect(self, image: Image, moved: object = None) -> Sequence[FakeDetection]:
        red = (image[..., 0] > 180) & (image[..., 1] < 90)
        if not red.any():
            return []
        rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
        height, width = red.shape
        box = (columns[0] / width, rows[0] / height, np.ptp(columns) / width, np.ptp(rows) / height)
        return [FakeDetection(bbox=tuple(float(value) for value in box))]  # type: ignore[arg-type]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_of_a_turned_picture_the_crop_shows_the_animal(pictures: Path, orientation: int) -> None:
    """The box is of the upright picture, and the crop is cut where the animal lies in it."""
    stored = Pictures.new("RGB", (640, 400), "white")
    stored.paste((255, 0, 0), (500, 40, 600, 90))
    exif = Pictures.Exif()
    exif[0x0112] = orientation
    stored.save(pictures / "a.jpg", exif=exif, quality=95)
    replay = open_replay(str(pictures), loop=False, max_megapixels=40, uncertainty_ms=None)
    burst = replay.frames(Trigger(number=1, cause=0, at_ms=NOW), 0)
    assert isinstance(burst, Burst)
    outcome = Capture(RedJudge(), sealer(), Policy()).outcome(burst, replay.source, 0)
    assert isinstance(outcome, Outcome)
    assert outcome.sighting is not None
    sealed = next(one for one in outcome.sighting.objects if one.rung == CROP)
    with Pictures.open(io.BytesIO(open_box(bytes(BASE), sealed.body) or b"")) as crop:
        pixels = np.asarray(crop.convert("RGB"))
    upright = (pixels.shape[1] > pixels.shape[0]) == (orientation < 5)
    middle = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]
    assert (upright, middle[0] > 200, middle[1] < 60) == (True, True, True)


def test_a_colour_profile_is_no_hindrance() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert decode_picture(saved(NOISE, "JPEG", icc_profile=profile), 1e6)[0].shape == (60, 80, 3)
