"""A used card: a real outbox of sealed pictures in a folder, in an ext4 image, on a partitioned device."""

import io
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from nacl.signing import SigningKey
from PIL import Image as Pictures

from trapcam.outbox import Outbox, open_outbox
from trapcam.record import KEPT, Outcome, Sighting
from trapcam.seal import Sealer, open_sealer
from trapcam.sighting import Event
from trapcam.states import UNJUDGED
from trapcam.trigger import Trigger
from trapship.keys import make_keys
from trapwire.alert import Alert
from trapwire.notes import DAY, FIELDS, OPENED, Note, statement
from trapwire.objects import ALERT, CROP, FRAME, FULL, FULL_2, SCENE

NOW = 1_800_000_000_000  # 2027-01-15T08:00:00Z
TRAP = 7
PLACE = "var/lib/pugmark/trapcam"
UNIT = SigningKey(bytes(range(96, 128)))
MEGABYTE = 1 << 20
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "bin"


def picture(seed: int, size: tuple[int, int], kind: str) -> bytes:
    """A picture of noise, which no encoder makes small: a full frame of 640 × 480 has half a megabyte."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    out = io.BytesIO()
    Pictures.fromarray(pixels).save(out, kind, quality=90)
    return out.getvalue()


class Card:
    """Sightings of trap 7, and what is in each of their rungs. `keys`: what `trapship keys` made."""

    def __init__(self, folder: Path, sightings: int = 3, before_close: Callable[[Path], None] | None = None) -> None:
        self.root = folder / "card"
        self.keys = folder / "keys"
        self.data = self.root / PLACE
        make_keys(self.keys)
        self.inside: dict[str, bytes] = {}
        sealer = open_sealer(self.keys / "base.pub", self.keys / "recipients.txt")
        self.data.mkdir(parents=True)
        with closing(open_outbox(self.data, TRAP, NOW)) as box:
            self.epoch = box.epoch
            box.declare_source("pi", None)
            for position in range(sightings):
                box.commit(self._sighting(sealer, position))
            self.use(box)
            if before_close:
                before_close(self.data)

    def use(self, box: Outbox) -> None:
        """What a test does with the outbox before it is closed."""

    def _sighting(self, sealer: Sealer, position: int) -> Outcome:
        alert = Alert(NOW + position, 500, 3, 230, 1, (25, 51, 77, 102), None).encode()
        made = {
            ALERT: alert,
            CROP: picture(position, (40, 30), "WEBP"),
            FRAME: picture(position, (100, 75), "WEBP"),
            FULL: picture(position, (640, 480), "JPEG"),
        }
        name = f"{TRAP:05d}-{self.epoch:08x}-{position + 1:06d}"
        self.inside |= {f"{name}-crop.webp": made[CROP], f"{name}-frame.webp": made[FRAME]}
        self.inside[f"{name}-full.jpg"] = made[FULL]
        event = Event(frame=0, bbox=(0.1, 0.2, 0.3, 0.4), category="feline", confidence=0.9, species=3, count=1)
        sighting = Sighting(
            event=event,
            taken_ms=NOW + position,
            uncertainty_ms=500,
            model="test 1",
            model_sha256="00",
            objects=tuple(sealer.seal(rung, data) for rung, data in made.items()),
        )
        trigger = Trigger(number=position, cause=0, at_ms=NOW + position)
        return Outcome(
            source="pi", position=position, trigger=trigger, name="", frames=1, outcome=KEPT, sighting=sighting,
        )  # fmt: skip

    def ext4(self, image: Path, megabytes: int = 24) -> Path:
        """The card's tree as an ext4 file system in a file."""
        image.write_bytes(b"")
        with image.open("r+b") as file:
            file.truncate(megabytes * MEGABYTE)
        subprocess.run(
            [_mke2fs(), "-q", "-F", "-t", "ext4", "-b", "4096", "-d", str(self.root), str(image)], check=True
        )
        return image


class FullCard(Card):
    """The same with all that else a card may hold: further full frames, an unjudged burst, notes and a scene."""

    scene = picture(90, (64, 36), "WEBP")
    fulls = (picture(91, (320, 240), "JPEG"), picture(92, (320, 240), "JPEG"))

    def use(self, box: Outbox) -> None:
        sealer = open_sealer(self.keys / "base.pub", self.keys / "recipients.txt")
        sealed = [sealer.seal(rung, data) for rung, data in zip((FULL, FULL_2), self.fulls, strict=True)]
        event = Event(frame=0, bbox=(0.0, 0.0, 1.0, 1.0), category=UNJUDGED, confidence=0.0, species=0, count=1)
        sighting = Sighting(
            event=event, taken_ms=NOW + 60_000, uncertainty_ms=None, model="none", model_sha256="",
            objects=tuple(sealed),
        )  # fmt: skip
        position = box.position("pi")
        trigger = Trigger(number=50, cause=0, at_ms=NOW + 60_000)
        number = box.commit(Outcome(
            source="pi", position=position, trigger=trigger, name="", frames=6, outcome=KEPT, sighting=sighting,
        ))  # fmt: skip
        name = f"{TRAP:05d}-{self.epoch:08x}-{number:06d}"
        self.inside |= {f"{name}-full.jpg": self.fulls[0], f"{name}-full-2.jpg": self.fulls[1]}
        scene = box.notes.add_scene(sealer.seal(SCENE, self.scene), NOW + 70_000)
        self.inside[f"{TRAP:05d}-{self.epoch:08x}-{scene:06d}-scene.webp"] = self.scene
        day = {name: 0 for name, _, _ in FIELDS[DAY]} | {"day": 2570, "watch": 1400, "seen": 1000, "reasons": 2}
        box.notes.add_note(DAY, NOW, lambda number: self._note(box, number, DAY, day))
        box.notes.add_alarm(OPENED, NOW, 9, lambda number: self._note(box, number, OPENED, {"trigger": 9}))

    @staticmethod
    def _note(box: Outbox, number: int, kind: int, values: dict[str, int]) -> bytes:
        note = Note(kind, NOW, 1000, values)
        note.signature = UNIT.sign(statement(box.trap, box.epoch, number, note.fields())).signature
        return note.encode()


def _mke2fs() -> str:
    """`make test` fetches it where it is not installed."""
    found = shutil.which("mke2fs", path=f"{os.environ.get('PATH', '')}:/usr/sbin:{CACHE}")
    if found is None:
        pytest.fail("no mke2fs: run `make test`, which fetches it, or install e2fsprogs")
    return found


def on_a_device(system: Path, device: Path, begins: int = MEGABYTE) -> Path:
    """A device with a partition table whose second partition holds that file system."""
    sectors = system.stat().st_size // 512
    boot = bytearray(512)
    rows = ((0x0C, 2048 // 2, 512), (0x83, begins // 512, sectors))
    for i, (kind, start, length) in enumerate(rows):
        struct.pack_into("<B3sB3sII", boot, 446 + 16 * i, 0, b"", kind, b"", start, length)
    boot[510:] = b"\x55\xaa"
    with device.open("wb") as file:
        file.write(boot.ljust(begins, b"\0"))
        file.write(system.read_bytes())
    return device


def smash(image: Path, at: int, size: int) -> None:
    """Overwrite a stretch with what a dying card gives."""
    with image.open("r+b") as file:
        file.seek(at)
        file.write(np.random.default_rng(1).bytes(size))
