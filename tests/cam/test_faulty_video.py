"""Videos that are broken: what is there is judged, what is missing is an outcome with its reason."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from cam_parts import CAT, NOTHING, PERSON, write_picture
from test_faulty_pictures import AGAIN, run_until, status_of, write_config
from test_video import HALF_SECONDS, TRIGGER, burst, bursts, camera
from video_parts import RATE, cut, number_of, write_video

from trapcam.camera import videofile
from trapcam.camera.sampling import Sampling
from trapcam.frames import Burst, Unreadable
from trapcam.status import read_status

Output = pytest.CaptureFixture[str]


def sound_only(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        out.mux(stream.encode(frame))
        out.mux(stream.encode())


def big(path: Path, size: tuple[int, int]) -> None:
    write_video(path, seconds=0.1, size=size)


# Two kinds of cut: a Motion JPEG AVI plays up to its end, an MP4 has lost its index with its end.
UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.mp4": (lambda path: path.write_bytes(b""), f"the file is empty: {AGAIN}"),
    "head.avi": (lambda path: cut(write_video(path), 0.02), f"an AVI whose head is damaged: {AGAIN}"),
    "half.mp4": (
        lambda path: cut(write_video(path), 0.5),
        "an MP4 without its index (`moov`), which is written last: the recording was cut off. Copy it again",
    ),
    "late.mov": (lambda path: cut(write_video(path), 0.5), "an MP4 without its index (`moov`)"),
    "text.avi": (lambda path: path.write_text("no video"), "not an AVI, MP4 or MOV video ("),
    "picture.mp4": (lambda path: write_picture(path, CAT), "not an AVI, MP4 or MOV video ("),
    "sound.mp4": (sound_only, "holds no pictures, only sound or data: take it away"),
    "gone.avi": (lambda path: path.symlink_to("nowhere"), "cannot be read: No such file or directory"),
    "wide.avi": (lambda path: big(path, (8000, 5200)), "41.6 megapixels, allowed are 40: scale it down"),
    "many.avi": (
        lambda path: big(path, (4000, 3000)),
        "6 frames of 12.0 megapixels, allowed are 60 a burst: set camera.replay.video_frames to 5",
    ),
}


def test_a_folder_of_broken_videos(tmp_path: Path, pictures: Path, keys: str, capsys: Output) -> None:
    """Each is one outcome with its reason, and after each comes a cat."""
    for name, (make, _) in UNREADABLE.items():
        make(pictures / name)
        write_picture(pictures / f"{name[:-4]}-z.png", CAT)
    write_video(pictures / "x.avi", seconds=10, shows=lambda at_s: CAT)
    cut(pictures / "x.avi", 0.4)
    write_video(pictures / "y.avi.mp4", seconds=2, shows=lambda at_s: CAT)
    (pictures / "y.avi.mp4").rename(pictures / "y.avi")  # an MP4 under another name is taken for what it is
    write_picture(pictures / "z.png", CAT)
    config = write_config(tmp_path, keys, pictures)
    lines = run_until(config, "z.png")
    for name, (_, reason) in UNREADABLE.items():
        told = [line for line in lines if line.startswith(f"{name}: ")]
        assert len(told) == 1
        assert told[0].startswith(f"{name}: unreadable (")
        assert reason in told[0]
    of_x = [line for line in lines if line.startswith("x.avi@")]
    assert len(of_x) == 2
    assert "sighting" in of_x[0]
    assert "s of 10.0 s: the recording was cut off; frames until then were judged" in of_x[0]
    assert of_x[1].startswith("x.avi@6.0s: unreadable (ends at 3.")
    assert not any("Traceback" in line for line in lines)
    status = status_of(config, capsys)
    total = 2 * len(UNREADABLE) + 4
    assert status["replay"] == {"position": total, "total": total}
    assert (status["unreadable"], status["sightings"]) == (len(UNREADABLE) + 1, len(UNREADABLE) + 3)


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
def test_an_avi_that_ends_in_the_middle_is_judged_until_there(pictures: Path, codec: str, share: float) -> None:
    """At whatever byte it was cut: no frame that is there is passed over, and what is missing is said."""
    write_video(pictures / "a.avi", seconds=5, codec=codec, size=(320, 240))
    whole = [number_of(f.image) for one in bursts(camera(pictures)) for f in one.frames]  # type: ignore[union-attr]
    cut(pictures / "a.avi", share)
    taken = bursts(camera(pictures))
    assert len(taken) == 3, "as many bursts as the whole would have, so that the positions stand"
    seen = [number_of(frame.image) for one in taken if isinstance(one, Burst) for frame in one.frames]
    assert seen == whole[: len(seen)]
    with av.open(str(pictures / "a.avi")) as container:
        there = sum(not packet.is_corrupt and packet.size > 0 for packet in container.demux(video=0))
    assert len(seen) == len([number for number in whole if number < there])
    told = [one.note if isinstance(one, Burst) else one.reason for one in taken]
    missing = f"ends at {there / RATE:.1f} s of 5.0 s: the recording was cut off; frames until then were judged"
    assert told[-1] == ("" if seen == whole else missing), "it may end after the last frame that is asked for"
    assert set(told) <= {"", missing}


def test_an_avi_of_a_camera_that_never_wrote_its_length(pictures: Path) -> None:
    """A battery that ran empty leaves noughts in the head, and no index."""
    path = write_video(pictures / "a.avi", seconds=5)
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"avih", 8 + 16), (b"strh", 8 + 32)):  # dwTotalFrames, dwLength
        at = data.index(mark) + offset
        data[at : at + 4] = bytes(4)
    path.write_bytes(bytes(data[: data.rindex(b"idx1")]))
    numbers = [number_of(f.image) for one in bursts(camera(pictures)) if isinstance(one, Burst) for f in one.frames]
    assert numbers == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45]


def test_an_mp4_with_its_index_in_front_plays_to_where_it_was_cut(pictures: Path) -> None:
    path = pictures / "a.mp4"
    with (
        av.open(str(path), "w", options={"movflags": "faststart"}) as out,
        av.open(str(write_video(pictures.parent / "b.mp4", seconds=5, size=(320, 240), codec="mpeg4"))) as source,
    ):
        copy = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    cut(path, 0.6)
    taken = bursts(camera(pictures))
    assert isinstance(taken[0], Burst)
    assert isinstance(taken[-1], Unreadable)
    assert "of 5.0 s: the recording was cut off" in taken[-1].reason


def frames_at(data: bytes) -> list[int]:
    """Where each picture of an AVI begins: chunks between the list of them and their index."""
    inside = range(data.index(b"movi"), data.rindex(b"idx1"))
    return [at for at in inside if data[at : at + 4] == b"00dc"]


def test_damage_in_the_middle_costs_the_frames_that_it_hits(pictures: Path) -> None:
    path = write_video(pictures / "a.avi", seconds=5)
    data = bytearray(path.read_bytes())
    frames = frames_at(data)
    data[frames[5] + 8 : frames[6]] = bytes(frames[6] - frames[5] - 8)
    path.write_bytes(bytes(data))
    first = burst(camera(pictures))
    assert [number_of(frame.image) for frame in first.frames] == [0, 10, 15]
    assert first.note == "1 of 4 frames are damaged; the others were judged"
    assert not burst(camera(pictures), 1).note


def test_a_video_of_nothing_but_damage(pictures: Path) -> None:
    path = write_video(pictures / "a.avi", seconds=1)
    data = bytearray(path.read_bytes())
    frames = frames_at(data)
    for at, after in pairwise([*frames, data.rindex(b"idx1")]):
        data[at + 8 : after] = bytes(after - at - 8)
    path.write_bytes(bytes(data))
    taken = bursts(camera(pictures))
    assert [one.reason for one in taken if isinstance(one, Unreadable)] == [f"no frame can be decoded: {AGAIN}"]


def test_bounds_of_length_and_size(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(pictures / "a.avi", seconds=5)
    with monkeypatch.context() as patch:
        patch.setattr(videofile, "MAX_VIDEO_S", 4.0)
        assert [one.reason for one in bursts(camera(pictures)) if isinstance(one, Unreadable)] == [
            "lasts 5 s, allowed are 4: cut it into parts"
        ]
    with path.open("r+b") as file:
        file.truncate(5 * 2**30)  # of holes: it takes no place on the disk
    assert [one.reason for one in bursts(camera(pictures)) if isinstance(one, Unreadable)] == [
        "5.0 GiB, allowed are 4: cut it"
    ]


@pytest.mark.parametrize("seed", range(40))
def test_damaged_videos_never_crash(pictures: Path, seed: int) -> None:
    dice = np.random.default_rng(seed)
    path = write_video(pictures / ("a.avi", "a.mp4", "a.mov")[seed % 3], seconds=2)
    data = bytearray(path.read_bytes())
    for _ in range(int(dice.integers(1, 30))):
        data[int(dice.integers(0, len(data)))] = int(dice.integers(0, 256))
    path.write_bytes(bytes(data[: int(dice.integers(1, len(data) + 1))]))
    replay = camera(pictures, Sampling(frames=2, every_s=0.5), max_megapixels=1)
    assert replay.total is not None
    assert 1 <= replay.total <= 3600
    for position in range(min(replay.total, 5)):
        assert isinstance(replay.frames(TRIGGER, position), Burst | Unreadable)


def test_people_in_a_video_leave_no_note_either(make_unit, pictures: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The burst with them is withheld, cut off or not; the next one, without, is judged by itself."""
    write_video(pictures / "a.avi", seconds=5, shows=lambda at_s: PERSON if 2 <= at_s < 4 else NOTHING)
    shutil.copy(pictures / "a.avi", pictures / "b.avi")
    cut(pictures / "b.avi", 0.55)
    unit = make_unit(sampling=HALF_SECONDS)
    unit.wake(6)
    unit.steps(20)
    status = read_status(tmp_path / "data", 7)
    names = [row[0] for row in unit.outbox._db.execute("SELECT name FROM bursts ORDER BY burst_no")]
    assert names == ["a.avi@0.0s", "a.avi@4.0s", "b.avi@0.0s", "b.avi@4.0s"]
    assert status["rejected"] == {"nothing seen": 3}
    assert (status["unreadable"], status["frames_withheld"]) == (1, 4 + 1)
    assert unit.position == 6
