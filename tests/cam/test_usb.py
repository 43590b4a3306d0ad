"""The USB camera over real FFmpeg: a named pipe stands for the device, a thread writes Motion JPEG or raw pictures.

No camera was at hand: `v4l2_opener` alone, three options and a call, is not covered but for its failures.
"""

import io
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cam_parts import CAT, NOW
from PIL import Image as Pictures
from video_parts import number_of, picture, write_video

from trapcam.camera.jpeg import whole_jpeg
from trapcam.camera.reader import Reader
from trapcam.camera.usb import UsbCamera, UsbPlan
from trapcam.camera.v4l2 import v4l2_opener
from trapcam.cli import main
from trapcam.frames import Burst, Unreadable
from trapcam.trigger import Trigger
from trapkit.errors import SetupError

TRIGGER = Trigger(number=1, cause=0, at_ms=NOW + 86_400_000)  # after any picture's stamp: it comes now
PLAN = UsbPlan(frames=3, every_s=0.05, preroll=1)
STEP_MS = 40


class Device:
    """A named pipe that a thread writes a stream of pictures into: plugged in, hanging, unplugged."""

    def __init__(self, path: Path, codec: str) -> None:
        self.path = path
        self._codec = codec
        self._stop = threading.Event()
        self._hang = threading.Event()
        self._thread: threading.Thread | None = None
        self.opened = 0
        self.written = itertools.count()
        self.ticks = itertools.count()

    def plug_in(self) -> None:
        os.mkfifo(self.path)
        self._stop.clear()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def hang(self) -> None:
        self._hang.set()

    def unplug(self) -> None:
        """The reader sees the end of the stream, and finds nothing there when it opens it again."""
        self._stop.set()
        self.path.unlink(missing_ok=True)
        self._hang.clear()
        if self._thread is not None:
            self._thread.join(20)
            assert not self._thread.is_alive()
            self._thread = None

    def open(self) -> Any:
        self.opened += 1
        return av.open(str(self.path), format="avi")

    def now_ms(self) -> int:
        """One step of time a picture."""
        return NOW + STEP_MS * next(self.ticks)

    def _write(self) -> None:
        try:
            with self.path.open("wb", buffering=0) as pipe, av.open(pipe, "w", format="avi") as out:
                stream = out.add_stream(self._codec, rate=30)
                stream.width, stream.height = 64, 48
                stream.pix_fmt = "yuvj420p" if self._codec == "mjpeg" else "yuyv422"
                for number in self.written:
                    if self._stop.is_set():
                        break
                    while self._hang.is_set() and not self._stop.is_set():
                        self._stop.wait(0.01)
                    frame = av.VideoFrame.from_ndarray(picture(number % 250, CAT), format="rgb24")
                    frame.pts = number
                    out.mux(stream.encode(frame))
                    self._stop.wait(0.005)
        except (BrokenPipeError, av.FFmpegError, OSError):
            pass  # the reader went first


@pytest.fixture(params=["mjpeg", "rawvideo"])
def device(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Device]:
    made = Device(tmp_path / "video0", request.param)
    yield made
    made.unplug()


@pytest.fixture
def camera(device: Device) -> Iterator[UsbCamera]:
    made = usb(device)
    yield made
    device.unplug()
    made.close()


def usb(device: Device, plan: UsbPlan = PLAN, answer_s: float = 20.0) -> UsbCamera:
    return UsbCamera(
        str(device.path), device.open, plan,
        uncertainty_ms=100, now_ms=device.now_ms, answer_s=answer_s, start_s=answer_s, reopen_s=0.01,
    )  # fmt: skip


def taken(camera: UsbCamera) -> Burst:
    burst = camera.frames(TRIGGER, 0)
    assert isinstance(burst, Burst), burst
    return burst


def until(camera: UsbCamera, wanted: type[Any]) -> Any:
    """Triggers until one comes out as `wanted`; the camera itself waits for pictures."""
    for _ in range(2000):
        outcome = camera.frames(TRIGGER, 0)
        if isinstance(outcome, wanted):
            return outcome
        threading.Event().wait(0.01)
    raise AssertionError(f"never {wanted.__name__}: {outcome}")


def test_a_burst_begins_before_its_trigger_and_goes_on_after_it(device: Device, camera: UsbCamera) -> None:
    device.plug_in()
    camera.start()
    first, second = taken(camera), taken(camera)
    for burst in (first, second):
        assert (len(burst.frames), burst.note) == (3, "")
    frames = first.frames + second.frames
    numbers = [number_of(frame.image) for frame in frames]
    assert numbers == sorted(set(numbers)), "none twice, in the order they were taken"
    times = [frame.taken_ms for frame in frames]
    assert times == sorted(set(times))
    assert all((time - NOW) % STEP_MS == 0 for time in times), "the reader's stamps, not the time of decoding"
    assert (frames[0].image.shape, frames[0].uncertainty_ms) == ((48, 64, 3), 100)
    assert frames[0].name == f"video0 2027-01-15T08:00:{(times[0] - NOW) / 1000:06.3f}Z"
    assert (camera.source, camera.total) == (f"usb:{device.path}", None)


def test_the_full_frame_is_the_camera_s_own_jpeg(device: Device, camera: UsbCamera) -> None:
    device.plug_in()
    camera.start()
    frame = taken(camera).frames[0]
    if device._codec == "rawvideo":
        assert frame.jpeg is None
        return
    assert frame.jpeg is not None
    with Pictures.open(io.BytesIO(frame.jpeg)) as own:
        own.load()
        assert (own.format, np.array_equal(np.asarray(own.convert("RGB")), frame.image)) == ("JPEG", True)


def test_nothing_runs_before_the_start(device: Device, camera: UsbCamera) -> None:
    threads = threading.active_count()
    usb(device)
    assert (threading.active_count(), device.opened) == (threads, 0)


def test_unplugged_it_says_so_and_plugged_in_again_it_goes_on(device: Device, camera: UsbCamera) -> None:
    device.plug_in()
    camera.start()
    taken(camera)
    device.unplug()
    gone = until(camera, Unreadable)
    assert (gone.name, gone.trigger) == (str(device.path), TRIGGER)
    assert gone.reason.startswith(f"{device.path}: ")
    assert gone.reason.endswith("it is opened again as soon as it answers")
    device.plug_in()
    # What is left in the ring may make a burst of one; a whole one has pictures of now.
    assert any(len(until(camera, Burst).frames) == PLAN.frames for _ in range(100))
    assert device.opened >= 2


def test_a_camera_that_hangs_is_not_waited_for(device: Device) -> None:
    camera = usb(device, answer_s=20.0)
    try:
        device.plug_in()
        camera.start()
        camera._answer_s = 0.05
        device.hang()
        reason = until(camera, Unreadable).reason
        assert "gave no picture for 0.1 s: unplug it and plug it in again" in reason
    finally:
        device.unplug()
        camera.close()


def test_one_that_fails_within_a_burst_gives_what_it_gave(device: Device) -> None:
    camera = usb(device, UsbPlan(frames=3, every_s=0.05, preroll=0), answer_s=20.0)
    try:
        device.plug_in()
        camera.start()
        waited = camera._reader.wait

        def wait(from_s: float, timeout_s: float) -> Any:
            """The cable comes out after the second picture."""
            found = waited(from_s, timeout_s)
            if len(seen) == 1:
                device.unplug()
            seen.append(found)
            return found

        seen: list[Any] = []
        camera._reader.wait = wait  # type: ignore[method-assign]
        burst = taken(camera)
        assert len(burst.frames) == 2
        assert burst.note.startswith(f"2 of 3 frames: {device.path}: ")
    finally:
        device.unplug()
        camera.close()


@pytest.mark.parametrize("there", [False, True])
def test_a_camera_that_gives_no_first_picture_is_refused(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "video9"
    if there:
        path.write_bytes(b"no camera")
    opener = v4l2_opener(str(path), picture_format="mjpeg", width=640, height=480, rate=15)
    camera = UsbCamera(str(path), opener, PLAN, uncertainty_ms=None, now_ms=lambda: NOW)
    with pytest.raises(SetupError) as refused:
        camera.start()
    assert str(refused.value).startswith(f"camera.usb.device '{path}': ")
    assert "plug the camera in, or name its device" in str(refused.value)


def test_a_format_that_is_not_whole_pictures_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=1)
    camera = UsbCamera(str(path), lambda: av.open(str(path)), PLAN, uncertainty_ms=None, now_ms=lambda: NOW)
    with pytest.raises(SetupError, match=r"gives h264: set camera\.usb\.format"):
        camera.start()


def test_the_ring_holds_no_more_than_it_was_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", seconds=20)
    reader = Reader(lambda: av.open(str(path)), every_s=0.0, now_ms=lambda: NOW, max_bytes=2_500)
    with av.open(str(path)) as container:
        reader._read(container)
    kept = reader.kept(0.0)
    assert 2 <= len(kept) <= 3, "of some 900 bytes each"
    assert number_of(pixels_of(kept[-1].data)) == 199


def pixels_of(data: bytes) -> Any:
    with Pictures.open(io.BytesIO(data)) as opened:
        return np.asarray(opened.convert("RGB"))


def test_the_tables_that_cameras_leave_out_are_put_back() -> None:
    out = io.BytesIO()
    Pictures.fromarray(picture(77, CAT)).save(out, "JPEG")
    whole = out.getvalue()
    bare = _without(whole, 0xC4)
    assert len(bare) < len(whole) - 400
    assert number_of(pixels_of(whole_jpeg(bare))) == 77
    assert b"\xff\xc4" in whole_jpeg(bare)
    assert whole_jpeg(whole) == whole
    for odd in (b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xdb\x00", b"text"):
        assert whole_jpeg(odd) == odd


def _without(data: bytes, marker: int) -> bytes:
    """The JPEG without its segments of one kind."""
    kept, place = data[:2], 2
    while data[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        kept += b"" if data[place + 1] == marker else data[place:end]
        place = end
    return kept + data[place:]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("preroll = 3", "'camera.usb.preroll' is 3; allowed are 0–2"),
        ("frames = 12\nwidth = 4096\nheight = 3072", "'camera.usb.frames' is 12; of 12.6 megapixels allowed are 4"),
        ("device = '/dev/video63'", "'/dev/video63': there is no such device; plug the camera in, or name its device"),
    ],
)
def test_wrong_settings_are_named(
    tmp_path: Path, keys: str, settings: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "trapcam.toml"
    config.write_text(f"{keys}[camera]\nkind = 'usb'\n[camera.usb]\n{settings}\n")
    for command in (["config", "check"], ["run"]):
        assert main([*command, "--config", str(config)]) == 2
        error = capsys.readouterr().err
        assert says in error
        assert "Traceback" not in error


def test_a_trap_run_with_a_camera_that_is_none(tmp_path: Path, keys: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file where the device should be: the real opener fails, and `trapcam run` says what to do."""
    (tmp_path / "video0").write_bytes(b"")
    config = tmp_path / "trapcam.toml"
    config.write_text(f"{keys}[camera]\nkind = 'usb'\n[camera.usb]\ndevice = '{tmp_path}/video0'\n")
    assert main(["run", "--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert f"trapcam: camera.usb.device '{tmp_path}/video0': " in error
    assert "Traceback" not in error
