"""Videos in the replay folder: which frames a burst has, how many bursts there are, and what FFmpeg is kept from."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cam_parts import CAT, DEER, NOTHING, NOW, write_picture
from video_parts import number_of, write_video

from trapcam.camera.replay import ReplayCamera, open_replay
from trapcam.camera.sampling import Sampling
from trapcam.frames import Burst, Unreadable
from trapcam.trigger import Trigger
from trapkit.errors import SetupError

TRIGGER = Trigger(number=1, cause=0, at_ms=NOW)
HALF_SECONDS = Sampling(frames=4, every_s=0.5)


def camera(folder: Path, sampling: Sampling = HALF_SECONDS, *, max_megapixels: float = 40) -> ReplayCamera:
    return open_replay(
        str(folder), loop=False, max_megapixels=max_megapixels, uncertainty_ms=250, sampling=sampling
    )  # fmt: skip


def bursts(replay: ReplayCamera) -> list[Burst | Unreadable]:
    """All that there is; the camera keeps no place, so neither order nor repetition matters to it."""
    assert replay.total is not None
    assert replay.frames(TRIGGER, replay.total) is None
    backwards = [replay.frames(TRIGGER, position) for position in reversed(range(replay.total))]
    return [taken for taken in reversed(backwards) if taken is not None]


def burst(replay: ReplayCamera, position: int = 0) -> Burst:
    taken = replay.frames(TRIGGER, position)
    assert isinstance(taken, Burst), taken
    return taken


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.avi", "mjpeg"), ("a.AVI", "mpeg4"), ("a.mp4", "libx264"), ("a.mov", "mjpeg"), ("a.MOV", "libx264"),
        ("a.avi", "rawvideo"),
    ],
)  # fmt: skip
def test_a_video_is_sampled_in_even_steps_to_its_end(pictures: Path, name: str, codec: str) -> None:
    write_video(pictures / name, seconds=5, codec=codec)
    taken = bursts(camera(pictures))
    assert all(isinstance(one, Burst) and not one.note for one in taken)
    frames = [list(one.frames) for one in taken if isinstance(one, Burst)]
    assert [[number_of(frame.image) for frame in one] for one in frames] == [
        [0, 5, 10, 15], [20, 25, 30, 35], [40, 45]
    ]  # fmt: skip
    assert [frame.name for frame in frames[1]] == [f"{name}@{at}s" for at in ("2.0", "2.5", "3.0", "3.5")]
    assert [frame.taken_ms - NOW for frame in frames[1]] == [0, 500, 1000, 1500]
    assert (frames[2][1].uncertainty_ms, frames[2][1].jpeg) == (250, None)
    image = frames[0][0].image
    assert (image.shape, image.dtype, image.flags.c_contiguous) == ((48, 64, 3), np.uint8, True)


@pytest.mark.parametrize(
    ("seconds", "sampling", "lengths"),
    [
        (0.1, Sampling(), [1]),
        (1.0, Sampling(), [1]),
        (5.0, Sampling(), [5]),
        (5.5, Sampling(), [6]),
        (5.0, Sampling(frames=1, every_s=2.0), [1, 1, 1]),
        (5.0, Sampling(frames=2, every_s=2.5), [2]),
        (2.0, Sampling(frames=30, every_s=0.1), [19]),
    ],
)
def test_how_many_bursts(pictures: Path, seconds: float, sampling: Sampling, lengths: list[int]) -> None:
    write_video(pictures / "a.avi", seconds=seconds)
    assert [len(one.frames) for one in bursts(camera(pictures, sampling)) if isinstance(one, Burst)] == lengths


def test_a_video_slower_than_the_sampling_gives_each_picture_once_a_burst(pictures: Path) -> None:
    write_video(pictures / "a.avi", seconds=4, rate=1)
    assert [number_of(frame.image) for frame in burst(camera(pictures), 0).frames] == [0, 1]
    assert [number_of(frame.image) for frame in burst(camera(pictures), 1).frames] == [2, 3]


def test_pictures_and_videos_share_the_order_of_their_names(pictures: Path) -> None:
    write_picture(pictures / "a.png", CAT)
    write_video(pictures / "b.avi", seconds=5)
    write_picture(pictures / "c.png", CAT)
    write_video(pictures / "d.mp4", seconds=1)
    (pictures / "notes.txt").write_text("of the walk")
    replay = camera(pictures)
    assert (replay.total, replay.about) == (6, "2 pictures, 2 videos, 1 other file left out")
    names = [one.frames[0].name for one in bursts(replay) if isinstance(one, Burst)]
    assert names == ["a.png", "b.avi@0.0s", "b.avi@2.0s", "b.avi@4.0s", "c.png", "d.mp4@0.0s"]


def test_a_loop_goes_through_the_video_again(pictures: Path) -> None:
    write_video(pictures / "b.avi", seconds=5)
    again = open_replay(str(pictures), loop=True, max_megapixels=40, uncertainty_ms=None, sampling=HALF_SECONDS)
    assert burst(again, 10).frames[0].name == "b.avi@2.0s"


def turn(path: Path, matrix: tuple[int, ...]) -> None:
    """Write a display matrix into an MP4's track head (ISO 14496-12, 8.3.2), as phones do."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    data[place : place + 36] = struct.pack(">9i", *(value << 16 for value in matrix[:8]), 1 << 30)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("matrix", "shape", "bright"),
    [
        ((1, 0, 0, 0, 1, 0, 0, 0), (48, 64), (slice(0, 20), slice(0, 64))),
        ((0, 1, 0, -1, 0, 0, 48, 0), (64, 48), (slice(0, 64), slice(28, 48))),  # to be shown turned to the right
        ((-1, 0, 0, 0, -1, 0, 64, 48), (48, 64), (slice(28, 48), slice(0, 64))),
        ((0, -1, 0, 1, 0, 0, 0, 64), (64, 48), (slice(0, 64), slice(0, 20))),
    ],
)
def test_a_turned_video_is_turned_back(
    pictures: Path, matrix: tuple[int, ...], shape: tuple[int, int], bright: tuple[slice, slice]
) -> None:
    turn(write_video(pictures / "a.mp4", seconds=1, shows=lambda at_s: (255, 255, 255)), matrix)
    image = burst(camera(pictures)).frames[0].image
    assert image.shape[:2] == shape
    assert image[bright].mean() > 240


def test_another_colour_format_goes_through(pictures: Path) -> None:
    write_video(pictures / "a.mp4", seconds=1, shows=lambda at_s: CAT, codec="libx264", pix_fmt="yuv444p10le")
    red, green, blue = burst(camera(pictures)).frames[0].image[:20].mean(axis=(0, 1))
    assert (red > 240, green < 20, blue < 20) == (True, True, True)


def test_positions_stand_still_over_a_restart_in_the_middle_of_a_video(make_unit, pictures: Path) -> None:  # type: ignore[no-untyped-def]
    """Each burst of a video is one outcome, committed with the position: a new start goes on with the next."""
    write_video(pictures / "a.avi", seconds=5, shows=lambda at_s: CAT if at_s >= 3 else NOTHING)
    write_video(pictures / "b.mp4", seconds=3, shows=lambda at_s: DEER)
    seen = []
    for _ in range(5):
        unit = make_unit(sampling=HALF_SECONDS)
        unit.wake(1)
        unit.steps(4)
        rows = unit.outbox._db.execute("SELECT name, outcome, frames FROM bursts ORDER BY burst_no").fetchall()
        seen.append([tuple(row) for row in rows])
    assert [len(rows) for rows in seen] == [1, 2, 3, 4, 5]
    assert seen[-1] == [
        ("a.avi@0.0s", "rejected", 4),
        ("a.avi@3.0s", "kept", 4),
        ("a.avi@4.5s", "kept", 2),  # it has more bars, so it is the sharper one
        ("b.mp4@0.0s", "rejected", 4),
        ("b.mp4@2.0s", "rejected", 2),
    ]
    taken = unit.outbox._db.execute("SELECT e.taken_ms - b.taken_ms FROM events e JOIN bursts b USING (burst_no)")
    assert [row[0] for row in taken] == [1000, 500]  # the frame's own time, not its trigger's


def test_without_pyav_videos_are_refused_and_pictures_are_not(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    write_picture(pictures / "a.png", CAT)
    assert camera(pictures).total == 1
    (pictures / "clip.avi").write_bytes(b"RIFF")
    with pytest.raises(SetupError, match=r"clip\.avi: is a video, and PyAV is not installed: pip install '\.\[video"):
        camera(pictures)


def test_a_trap_of_pictures_alone_never_loads_ffmpeg(pictures: Path) -> None:
    write_picture(pictures / "a.png", CAT)
    program = (
        "import sys, trapcam.cli; from trapcam.camera.replay import open_replay\n"
        f"open_replay({str(pictures)!r}, loop=False, max_megapixels=1, uncertainty_ms=None)\n"
        "sys.exit('av' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("script", ["#EXTM3U\n#EXTINF:1,\n{other}\n", "ffconcat version 1.0\nfile {other}\n"])
def test_a_playlist_under_a_video_s_name_opens_nothing(pictures: Path, tmp_path: Path, script: str) -> None:
    """FFmpeg would follow it to other files and to addresses."""
    other = write_video(tmp_path / "private.avi", seconds=1)
    (pictures / "clip.mp4").write_text(script.format(other=other))
    taken = camera(pictures).frames(TRIGGER, 0)
    assert isinstance(taken, Unreadable)
    assert "not an AVI, MP4 or MOV video" in taken.reason


def test_a_burst_s_frames_are_all_that_is_held(pictures: Path) -> None:
    """A minute of video: decoded to the end it would be 500 MB."""
    write_video(pictures / "a.avi", seconds=60, rate=5, size=(640, 480))
    program = (
        "import re; from trapcam.camera.replay import open_replay; from trapcam.trigger import Trigger\n"
        # Not ru_maxrss: a child inherits that of its parent.
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])\n"
        f"camera = open_replay({str(pictures)!r}, loop=False, max_megapixels=1, uncertainty_ms=None)\n"
        "trigger = Trigger(number=1, cause=0, at_ms=0)\n"
        "camera.frames(trigger, 0)\n"
        "before = peak()\n"
        "assert [len(camera.frames(trigger, n).frames) for n in range(camera.total)] == [6] * 10\n"
        "print(peak() - before)"
    )
    told = subprocess.run([sys.executable, "-c", program], check=True, timeout=120, capture_output=True, text=True)
    assert int(told.stdout) < 20 * 1024  # KiB; one burst is 5.5 MB
