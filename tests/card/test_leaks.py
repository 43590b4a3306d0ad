"""Who steals a card learns nothing: no picture, no place and no key is in any byte that was ever written to it."""

import os
import shutil
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from cam_parts import BACKEND, BASE, CAT, DEER, NOTHING, PERSON, REVIEWER
from PIL import Image as Pictures

from tests.card import leaks, running
from tests.support import free_port
from trapcam.outbox import DATABASE
from trapcam.status import read_status
from trapship.certificates import make_fleet
from trapsim.powercut import recorder

SHOWN = [CAT, NOTHING, PERSON, DEER, CAT, PERSON, NOTHING, NOTHING, PERSON, CAT, NOTHING, DEER, PERSON, CAT]
PLACE = (43.12345, 131.45678)
NAMES = ("Nizhnee-Ushchelye", "Primorye", "S-017-Kedrovka")
VIDEO = "9999.avi"
BLOCK_BYTES = 1_024
GPS, LATITUDE, LONGITUDE, MODEL = 0x8825, 2, 4, 0x0110

pytestmark = pytest.mark.skipif(recorder.strace() is None, reason="no strace, or this machine forbids tracing")


class Used(NamedTuple):
    """A card after its use: all that was ever written, an image of what lies there, and what the pictures showed."""

    written: bytes
    image: bytes
    pictures: dict[str, tuple[bytes, bytes, object]]  # by name: the file, its pixels, what it shows
    card: Path
    fleet: Path


def mke2fs() -> str | None:
    return shutil.which("mke2fs", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def exif() -> Pictures.Exif:
    """What a camera with a GNSS module writes into its pictures."""
    made = Pictures.Exif()
    made[MODEL] = NAMES[0]
    degrees = [(int(v), int(v % 1 * 60), v * 60 % 1 * 60) for v in PLACE]
    made[GPS] = {1: "N", LATITUDE: degrees[0], 3: "E", LONGITUDE: degrees[1]}
    return made


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Used:
    folder = tmp_path_factory.mktemp("leaks")
    shots, card, fleet = folder / "shots", folder / "card", folder / "fleet"
    shots.mkdir()
    pictures = {}
    for number, what in enumerate(SHOWN):
        name = f"{number:04}.jpg"
        pixels = running.picture(shots / name, what, number, exif())
        pictures[name] = ((shots / name).read_bytes(), pixels, what)
    pictures[VIDEO] = (b"", video(shots / VIDEO), CAT)
    pictures[VIDEO] = ((shots / VIDEO).read_bytes(), *pictures[VIDEO][1:])
    make_fleet(fleet, ("7", "8"))
    settings = running.write_card(
        card,
        shots,
        f'audit.share = 0.6\n[network]\nhost = "127.0.0.1"\nport = {free_port()}\ncertificates = "{card}/etc"\n',
    )
    for name in ("ca.crt", "7.crt", "7.key"):
        shutil.copy(fleet / name, card / "etc" / name)
    ops, lines = running.watch(card, settings, "0004.jpg", day=0)
    again, more = running.watch(card, settings, f"{VIDEO}@0.0s", day=1)
    assert not any("Traceback" in line for line in lines + more)
    status = read_status(card / "data", running.TRAP)
    assert (status["sightings"], status["frames_withheld"]) == (SHOWN.count(CAT) + 1, SHOWN.count(PERSON))
    assert set(status["objects"]) == {"alert", "crop", "frame", "full", "full-2", "full-3", "note", "scene"}
    assert status["objects"]["scene"] == {"held": 2}
    assert sum(status["objects"]["note"].values()) == 3, "two alarms and a day"
    assert 0 < status["audit"]["far"]["held"] < status["audit"]["far"]["bursts"], "some rejects are samples, some not"
    image = folder / "image"
    program = mke2fs()
    if program:
        subprocess.run([program, "-q", "-t", "ext4", "-d", str(card), str(image), "16M"], check=True)
    written = b"\n--\n".join(op.data for op in [*ops, *again] if op.data)
    return Used(written, used_blocks(image.read_bytes()) if program else b"", pictures, card, fleet)


def video(path: Path) -> bytes:
    """A cat in three frames of noise, none like another; the pixels of all of them."""
    pixels = np.random.default_rng(99).integers(0, 255, (3, 96, 128, 3), dtype=np.uint8)
    pixels[:, :16, :16] = CAT
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuvj420p"
        for number, each in enumerate(pixels):
            frame = av.VideoFrame.from_ndarray(each, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 1)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    with av.open(str(path)) as made:
        return b"".join(frame.to_ndarray(format="rgb24").tobytes() for frame in made.decode(video=0))


def used_blocks(image: bytes) -> bytes:
    """An image without its empty blocks."""
    blocks = (image[at : at + BLOCK_BYTES] for at in range(0, len(image), BLOCK_BYTES))
    return b"".join(block for block in blocks if any(block))


def test_all_of_a_card_was_searched(used: Used) -> None:
    """What must be there is found by the same means: its own key, its sealed boxes, its database."""
    if mke2fs():
        own = (used.fleet / "7.key").read_bytes().splitlines()[1]
        assert own in used.image
        for path in (used.card / "data" / "full").iterdir():
            assert leaks.Windows(used.image).shared(path.read_bytes()[-4_000:]) is not None
    assert b"age-encryption.org/v1" in used.written
    assert b"SQLite format 3" in used.written
    assert len(used.written) > 200_000


def test_no_picture_of_any_kind_is_on_it(used: Used) -> None:
    assert leaks.signatures(used.written) == []
    assert leaks.signatures(used.image) == []


def test_not_one_run_of_pixels_or_bytes_of_any_frame_is_on_it(used: Used) -> None:
    """Kept, rejected, withheld: of none of them eight bytes in a row, of the file or of its pixels."""
    windows = [leaks.Windows(used.written)] + ([leaks.Windows(used.image)] if used.image else [])
    for name, (data, pixels, _) in used.pictures.items():
        for there in windows:
            assert (name, there.shared(data)) == (name, None)
            assert (name, there.shared(pixels)) == (name, None)


def test_nothing_says_where_it_hung(used: Used) -> None:
    needles = [*leaks.texts(NAMES), *leaks.coordinates(*PLACE)]
    assert leaks.found(used.written, needles) == []
    assert leaks.found(used.image, needles) == []


def test_of_people_there_is_no_name_and_no_time(used: Used) -> None:
    names = [name.encode() for name, (_, _, what) in used.pictures.items() if what == PERSON]
    assert leaks.found(used.written, names) == []
    assert leaks.found(used.image, names) == []
    others = [name.encode() for name, (_, _, what) in used.pictures.items() if what != PERSON]
    assert leaks.found(used.written, others) == others, "as the others are found"


def secrets(used: Used) -> list[bytes]:
    """Of those who can open what lies there, of another trap, of the fleet's authority (behind what all share)."""
    others = [b"".join((used.fleet / name).read_bytes().splitlines()[1:-1])[60:110] for name in ("8.key", "ca.key")]
    return [bytes(BASE), bytes(BACKEND), str(REVIEWER).encode(), *others]


def test_no_key_that_opens_it_and_nobody_else_s_lies_there(used: Used) -> None:
    needles = list(leaks.keys(secrets(used)))
    assert leaks.found(used.written, needles) == []
    assert leaks.found(used.image, needles) == []


def test_whatever_is_planted_is_found(used: Used) -> None:
    """The control: each thing that must not be there, put into the bytes of a used card, is noticed."""
    hay = used.written
    data, pixels, _ = used.pictures["0002.jpg"]

    def planted(what: bytes) -> bytes:
        return hay[:100_000] + what + hay[100_000:]

    for kind, marks in leaks.SIGNATURES.items():
        for mark in marks:
            assert leaks.signatures(planted(mark)) == [kind]
    assert leaks.Windows(planted(pixels[3_000:3_016])).shared(pixels) is not None
    assert leaks.Windows(planted(data[5_000:5_016])).shared(data) is not None
    for needles in (leaks.texts(NAMES), leaks.coordinates(*PLACE), leaks.keys(secrets(used))):
        for needle in needles:
            assert leaks.found(planted(needle), [needle]) == [needle]
    assert leaks.found(planted(struct.pack("<d", PLACE[0])), leaks.coordinates(*PLACE))


def test_a_deleted_file_and_a_deleted_row_are_searched_too(used: Used, tmp_path: Path) -> None:
    """The record holds what no longer lies there: a temporary name, a page that was overwritten."""
    log, folder = tmp_path / "log", tmp_path / "card"
    folder.mkdir()
    script = (
        "import os, sqlite3, sys; f = sys.argv[1]; p = f + '/x'; open(p, 'w').write('Nizhnee-Ushchelye'); os.unlink(p);"
        "d = sqlite3.connect(f + '/d'); d.execute('create table t(a)');"
        "d.execute(\"insert into t values('S-017-Kedrovka')\");"
        "d.commit(); d.execute('pragma secure_delete=on'); d.execute('delete from t'); d.commit(); d.close()"
    )
    assert recorder.run([sys.executable, "-c", script, str(folder)], log).returncode == 0
    hay = b"\n".join(op.data for op in recorder.operations(log, [folder]))
    assert all(leaks.found(hay, [name.encode()]) for name in ("Nizhnee-Ushchelye", "S-017-Kedrovka"))
    assert leaks.found((folder / "d").read_bytes(), [b"S-017-Kedrovka"]) == []
    assert DATABASE in {path.name for path in (used.card / "data").iterdir()}
