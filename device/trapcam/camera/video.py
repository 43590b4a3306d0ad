"""A video file as bursts: what one trigger of a camera trap recorded, sampled in even steps (PyAV, so FFmpeg).

A burst is `frames` pictures, `every_s` apart; a longer video gives several, so that nothing in it is passed over. How
many is read from the file's head alone, and is the same at every start. Decoding streams: one burst's frames are the
most that is ever held.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from trapcam.camera.sampling import Sampling
from trapcam.camera.still import COPY_AGAIN, ReadError
from trapcam.camera.videofile import check_file, check_size, length_s, opened, video_stream
from trapcam.frames import Image

END_S = 0.1  # heads round the length to a frame or two: no picture is expected this close to the end
SAME_S = 0.001  # time stamps are rounded to the container's ticks


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A video's file, how long its head says it is, and how many bursts; `trouble`: why it cannot be read."""

    path: Path
    duration_s: float = 0.0
    bursts: int = 1  # one also for a file that cannot be read: the outcome that says so
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One sampled picture and its time in the video."""

    at_s: float
    image: Image


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """A picture of the video, from `at_s` for `lasts_s`; `image` decodes it, None where it is damaged."""

    at_s: float
    lasts_s: float
    image: Callable[[], Image | None]


def open_clip(path: Path, sampling: Sampling, max_pixels: float) -> Clip:
    """Read a video's head; what is wrong with it is told in `trouble`, when its turn comes."""
    try:
        check_file(path)
        with opened(path) as container:
            stream = video_stream(container)
            duration_s = length_s(container, stream)
            check_size(stream, duration_s, sampling.frames, max_pixels)
    except ReadError as error:
        return Clip(path=path, trouble=str(error))
    samples = max(1, math.ceil((duration_s - END_S) / sampling.every_s))
    return Clip(path=path, duration_s=duration_s, bursts=math.ceil(samples / sampling.frames))


def read_burst(clip: Clip, number: int, sampling: Sampling) -> tuple[list[Shot], str]:
    """The pictures of burst `number`, at least one, and a note where some that should be there are missing.

    Raises: ReadError with the reason when there is none.
    """
    if clip.trouble:
        raise ReadError(clip.trouble)
    times = [(number * sampling.frames + i) * sampling.every_s for i in range(sampling.frames)]
    wanted = [time for time in times if time < clip.duration_s - END_S] or times[:1]
    found = _read(clip.path, wanted, jump=True) or _read(clip.path, wanted, jump=False) or _Found()
    note = ""
    if found.ended_s is not None:
        note = (
            f"ends at {found.ended_s:.1f} s of {clip.duration_s:.1f} s: the recording was cut off; "
            "frames until then were judged"
        )
    elif found.damaged:
        note = f"{found.damaged} of {len(wanted)} frames are damaged; the others were judged"
    if not found.shots:
        raise ReadError(note if found.ended_s is not None else f"no frame can be decoded: {COPY_AGAIN}")
    return found.shots, note


def _read(path: Path, wanted: list[float], *, jump: bool) -> "_Found | None":
    """The pictures at the times `wanted`; None when a jump there missed the place."""
    with opened(path) as container:
        stream = video_stream(container)
        if jump and not _jump(container, stream, wanted[0]):
            return None
        found, left = _Found(), list(wanted)
        before: _Shown | None = None
        for shown in _pictures(container, stream):
            if before is None and jump and shown.at_s > wanted[0] + shown.lasts_s:
                return None  # a damaged index
            # Of two pictures the one that is on show at that time; before the first one, the first.
            while left and left[0] < shown.at_s - SAME_S:
                found.take(before or shown, left.pop(0))
            before = shown
            if not left:
                return found
        if before is None and jump:
            return None
        found.ended_s = before.at_s + before.lasts_s if before else 0.0
        while before and left and left[0] < found.ended_s - SAME_S:
            found.take(before, left.pop(0))
        if not left:
            found.ended_s = None
        return found


@dataclass(kw_only=True)
class _Found:
    """What a video gave of what was wanted; `ended_s`: where it ended, if that was before the last of it."""

    shots: list[Shot] = field(default_factory=list)
    damaged: int = 0
    ended_s: float | None = None
    _last: _Shown | None = None

    def take(self, shown: _Shown, at_s: float) -> None:
        if shown is self._last:
            return  # slower than the sampling: once is enough
        self._last = shown
        image = shown.image()
        if image is None:
            self.damaged += 1
        else:
            self.shots.append(Shot(at_s=at_s, image=image))


def _pictures(container: InputContainer, stream: VideoStream) -> Iterator[_Shown]:
    """What the video shows, in order; the end of the file and damage that stops FFmpeg are the end."""
    lasts_s = float(1 / stream.average_rate) if stream.average_rate else 0.04
    tick = float(stream.time_base or 0)
    origin = stream.start_time or 0
    number = 0
    with suppress(av.FFmpegError):
        for packet in container.demux(stream):
            if packet.is_corrupt:
                continue  # the half of a picture at which a file was cut
            if stream.codec_context.codec.intra_only:
                # Motion JPEG, as camera traps write it: only the pictures that are wanted are decoded.
                if packet.pts is not None:
                    at_s = (packet.pts - origin) * tick
                    yield _Shown(at_s=at_s, lasts_s=lasts_s, image=partial(_packet_image, packet))
                continue
            for frame in _decoded(packet):
                stamp = frame.pts if frame.pts is not None else frame.dts
                at_s = number * lasts_s if stamp is None else (stamp - origin) * tick
                number += 1
                yield _Shown(at_s=at_s, lasts_s=lasts_s, image=partial(_image, frame))


def _decoded(packet: "av.Packet[VideoStream]") -> list[av.VideoFrame]:
    try:
        return [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
    except av.FFmpegError:
        return []  # damaged: the next key frame mends it


def _packet_image(packet: "av.Packet[VideoStream]") -> Image | None:
    frames = _decoded(packet)
    return _image(frames[0]) if frames else None


def _image(frame: av.VideoFrame) -> Image | None:
    """RGB, turned as the file's display matrix says."""
    pixels = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4)
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def _jump(container: InputContainer, stream: VideoStream, to_s: float) -> bool:
    """Go to the key frame before `to_s`; whether that could be done."""
    if to_s == 0 or not stream.time_base:
        return True
    try:
        container.seek(int(to_s / stream.time_base) + (stream.start_time or 0), stream=stream)
    except av.FFmpegError:
        return False  # no index, as in a file that was cut
    return True
