"""What a small file may cost that was made to harm, or a long one that is damaged: memory, and bytes read."""

import io
import json
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image as Pictures
from test_video import TRIGGER, burst, bursts, camera
from video_parts import cut, number_of, write_video

from trapcam.camera import bounded, shown, video
from trapcam.camera.bounded import Allowance, BoundedFile
from trapcam.camera.sampling import MAX_BURST_PIXELS, Sampling
from trapcam.frames import Burst, Unreadable

BIG = (6000, 6000)  # 36 megapixels: 108 MB as RGB each; six are ten times what a burst may hold


def jpeg(size: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    Pictures.new("RGB", size, (50, 80, 50)).save(out, "JPEG", quality=5)
    return out.getvalue()


def bomb(path: Path, *sizes: tuple[int, int]) -> Path:
    """Motion JPEG of so many pictures, one a second, in a container that says 640×480."""
    made = {size: jpeg(size) for size in set(sizes)}
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuvj420p"
        out.start_encoding()
        for number, size in enumerate(sizes):
            packet = av.Packet(made[size])
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 1)
            packet.is_keyframe = True
            out.mux(packet)
    return path


def told_by_child(folder: Path, before: str = "") -> tuple[list[str], float]:
    """What a trap's replay says of each burst, in a process of its own, and by how much that grew (MB)."""
    program = f"""
import json, re
from trapcam.camera import shown, video
from trapcam.camera.replay import open_replay
from trapcam.trigger import Trigger
{before}
def peak():
    # Not ru_maxrss: a child inherits that of its parent.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
began = peak()
camera = open_replay({str(folder)!r}, loop=False, max_megapixels=40, uncertainty_ms=None)
taken = [camera.frames(Trigger(number=1, cause=0, at_ms=0), n) for n in range(min(camera.total, 3))]
said = [getattr(one, "reason", None) or f"{{len(one.frames)}} {{one.note}}".strip() for one in taken]
print(json.dumps([said, peak() - began]))
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, timeout=120, capture_output=True, text=True)
    said, grown = json.loads(done.stdout)
    return said, grown


SCALE = "frames are of up to 36.0 megapixels, allowed are 10 each: scale it down"


@pytest.mark.parametrize("name", ["a.avi", "a.mov"])
def test_pictures_larger_than_their_container_says_are_never_decoded(pictures: Path, name: str) -> None:
    bomb(pictures / name, (640, 480), *[BIG] * 11)
    said, grown = told_by_child(pictures)
    assert said == [f"1 5 of 6 {SCALE}; the others were judged", f"6 of 6 {SCALE}"]
    assert grown < 60


def test_a_first_picture_that_is_too_large_is_named(pictures: Path) -> None:
    bomb(pictures / "a.avi", *[BIG] * 6)
    said, grown = told_by_child(pictures)
    assert said == ["6 frames of 36.0 megapixels, allowed are 60 a burst: set camera.replay.video_frames to 1"]
    assert grown < 60


def test_ffmpeg_itself_refuses_what_the_pictures_heads_do_not_tell(pictures: Path) -> None:
    """Another codec, or a JPEG that two readers read differently."""
    bomb(pictures / "a.avi", (640, 480), *[BIG] * 11)
    said, grown = told_by_child(pictures, "shown.jpeg_pixels = lambda data: 0")
    assert said == ["1 5 of 6 frames are damaged; the others were judged",
                    "no frame can be decoded: copy it again from the camera's card"]  # fmt: skip
    assert grown < 60


def test_h264_that_is_larger_than_its_container_says(pictures: Path) -> None:
    data = bytearray(write_video(pictures / "a.mp4", seconds=0.2, size=(4_000, 4_000)).read_bytes())
    at = data.index(b"avc1", data.index(b"stsd")) + 4 + 24
    assert struct.unpack(">HH", data[at : at + 4]) == (4_000, 4_000)
    data[at : at + 4] = struct.pack(">HH", 64, 48)
    (pictures / "a.mp4").write_bytes(bytes(data))
    said, grown = told_by_child(pictures)
    assert len(said) == 1
    assert not said[0][0].isdigit() or "megapixels" in said[0], "nothing of it was taken"
    assert grown < 60


def test_sizes_are_checked_to_the_pixel_after_decoding(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg rounds up to whole blocks, so it is let go on a little further."""
    bomb(pictures / "a.avi", (640, 480), (640, 488))
    monkeypatch.setattr(shown, "jpeg_pixels", lambda data: 0)
    taken = burst(camera(pictures, Sampling(), max_megapixels=640 * 480 / 1e6))
    assert len(taken.frames) == 1
    assert taken.note.startswith("1 of 2 frames are of up to 0.3 megapixels")


def test_every_frame_of_a_burst_at_its_bound_fits_the_burst_s() -> None:
    for frames in (1, 6, 30):
        assert video.frame_pixels(40e6, frames) * frames <= MAX_BURST_PIXELS


def test_a_packet_that_claims_gigabytes_is_not_held(pictures: Path) -> None:
    path = write_video(pictures / "a.avi", seconds=12)
    data = bytearray(path.read_bytes())
    at = data.index(b"00dc", data.index(b"movi") + 2_000)
    data[at + 4 : at + 8] = struct.pack("<I", 400_000_000)
    path.write_bytes(bytes(data[: data.rindex(b"idx1")]))
    with path.open("r+b") as file:
        file.truncate(500_000_000)  # of holes
    _, grown = told_by_child(pictures)
    assert grown < 130, "without the bound 768"


class Counter:
    """Counts what is read, and how often a file is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read = self.opened = 0
        read, opened = BoundedFile.read, video.opened

        def counted(file: BoundedFile, size: int) -> bytes:
            data = read(file, size)
            self.read += len(data)
            return data

        def counted_open(*args: object) -> object:
            self.opened += 1
            return opened(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(BoundedFile, "read", counted)
        monkeypatch.setattr(video, "opened", counted_open)


def small_bounds(monkeypatch: pytest.MonkeyPatch, packet: int, again: int) -> None:
    monkeypatch.setattr(bounded, "MAX_PACKET_BYTES", packet)
    monkeypatch.setattr(video, "MAX_PACKET_BYTES", packet)
    monkeypatch.setattr(video, "MAX_AGAIN_BYTES", again)


def test_a_long_video_full_of_damage_is_not_searched_for_each_burst(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(pictures / "a.avi", seconds=40, size=(320, 240))
    data = bytearray(path.read_bytes())
    whole = len(data)
    data[whole // 5 : whole * 19 // 20] = bytes(whole * 19 // 20 - whole // 5)  # the index goes with it
    path.write_bytes(bytes(data[: whole * 19 // 20]) + bytes(whole))
    small_bounds(monkeypatch, 100_000, whole)
    replay = camera(pictures)
    counter = Counter(monkeypatch)
    taken = bursts(replay)
    assert isinstance(taken[0], Burst)
    missing = [one.reason for one in taken if isinstance(one, Unreadable)]
    assert len(missing) >= len(taken) * 3 // 4
    assert all("repair it" in reason or "was cut off" in reason for reason in missing)
    share = 2 * path.stat().st_size / len(taken)
    assert counter.read <= whole + len(taken) * (100_000 + share)


def test_where_a_file_ended_is_remembered(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An AVI that was cut off lacks its index: only one burst reads it from its start to find the end."""
    path = cut(write_video(pictures / "a.avi", seconds=60, size=(320, 240)), 0.5)
    small_bounds(monkeypatch, path.stat().st_size // 4, 10**9)
    replay = camera(pictures)
    counter = Counter(monkeypatch)
    late = range(20, 30)
    reasons = {taken.reason for n in late if isinstance(taken := replay.frames(TRIGGER, n), Unreadable)}
    assert len(reasons) == 1
    assert "s of 60.0 s: the recording was cut off" in reasons.pop()
    assert counter.opened == len(late) + 1
    assert number_of(burst(replay, 5).frames[0].image) == 100, "what is there is still given"


def test_an_avi_without_its_index_gives_every_burst(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(pictures / "a.avi", seconds=20)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"idx1")])
    small_bounds(monkeypatch, 20_000, 10**9)
    numbers = [number_of(f.image) for one in bursts(camera(pictures)) if isinstance(one, Burst) for f in one.frames]
    assert numbers == list(range(0, 200, 5))


def test_a_bounded_file_ends_where_its_allowance_does(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(100)))
    allowance = Allowance(left=50, packet_left=20)
    file = BoundedFile(tmp_path / "a", allowance)
    assert (len(file.read(15)), len(file.read(15)), file.read(15), allowance.spent) == (15, 5, b"", True)
    allowance.next_packet()
    assert (file.tell(), file.seek(90), len(file.read(100)), file.seek(0), len(file.read(100))) == (20, 90, 10, 0, 20)
    file.close()
    file.close()


class FailingCard(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_card_that_fails_is_an_outcome(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(pictures / "a.avi", seconds=2)
    replay = camera(pictures)
    monkeypatch.setattr(Path, "open", lambda path, *mode, **options: FailingCard())
    taken = replay.frames(TRIGGER, 0)
    assert isinstance(taken, Unreadable)
    assert taken.reason == "cannot be read: Input/output error"
