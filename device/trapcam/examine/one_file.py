"""One file of `trapcam detect`: a picture, or a video sampled in even steps, to its entry in the results."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from trapcam.camera.folder import is_video
from trapcam.camera.sampling import MAX_BURST_PIXELS, Sampling
from trapcam.camera.still import ReadError, decode_picture, read_bytes, storable
from trapcam.detections import Detection
from trapcam.examine.mdjson import NO_RATE, PictureResult, Video
from trapcam.frames import Image

if TYPE_CHECKING:
    from trapcam.camera.video import Clip

MAX_PIXELS = 120e6  # 360 MB as RGB; the largest camera-trap pictures have 48 million
SAME_S = 0.001  # as in trapcam.camera.video: time stamps are rounded to the container's ticks
USUAL_RATE = 25.0  # frames a second, of a video that does not say
# A video is read this many frames at a time: 4K ones still fit a burst's bound.
FRAMES_AT_ONCE = 6


class Looks(Protocol):
    """A detector (trapcam.detect.Detector)."""

    def detect(self, image: Image) -> list[Detection]: ...


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A file's entry; the picture to show it by (of a video the frame with the surest detection) with what was seen
    there; `note`: what of a video could not be read."""

    result: PictureResult
    image: Image | None = None
    seen: tuple[Detection, ...] = ()
    caption: str = ""
    note: str = ""


def examine(detector: Looks, path: Path, *, at_least: float, every_s: float) -> Examined:
    """Look at one file; what cannot be read becomes `failure`.

    at_least: weaker detections are left out (0–1); every_s: time between the frames of a video that are looked at.
    """
    name = storable(str(path))
    try:
        if is_video(path.name):
            return _video(detector, path, name, at_least, Sampling(frames=FRAMES_AT_ONCE, every_s=every_s))
        image, _ = decode_picture(read_bytes(path), MAX_PIXELS)
        seen = _seen(detector, image, at_least)
    except (ReadError, MemoryError) as error:
        video = Video(frame_rate=NO_RATE) if is_video(path.name) else None
        reason = f"image access: {str(error) or 'not enough memory'}"
        return Examined(result=PictureResult(file=name, failure=reason, video=video))
    return Examined(result=PictureResult(file=name, detections=seen), image=image, seen=seen)


def _seen(detector: Looks, image: Image, at_least: float) -> tuple[Detection, ...]:
    return tuple(one for one in detector.detect(image) if one.confidence >= at_least)


def _video(detector: Looks, path: Path, name: str, at_least: float, sampling: Sampling) -> Examined:
    """The same frames that a trap's replay takes, each once.  Raises: ReadError when there is none."""
    frames: list[int] = []
    detections: list[Detection] = []
    numbers: list[int] = []
    image, shown, best = None, 0, -1.0
    notes: list[str] = []
    clip, rate = _opened(path, sampling)
    for number, picture in _frames(clip, rate, sampling, notes):
        if number in frames[-1:]:
            continue  # a video slower than the sampling
        seen = _seen(detector, picture, at_least)
        frames.append(number)
        detections += seen
        numbers += [number] * len(seen)
        surest = max((one.confidence for one in seen), default=0.0)
        if surest > best:
            image, shown, best = picture, number, surest
    if not frames:
        raise ReadError(notes[0] if notes else "no frame can be decoded")
    video = Video(frame_rate=rate, frames_processed=tuple(frames), frame_numbers=tuple(numbers))
    return Examined(
        result=PictureResult(file=name, detections=tuple(detections), video=video),
        image=image,
        seen=tuple(one for one, number in zip(detections, numbers, strict=True) if number == shown),
        caption=f"frame {shown}, {shown / rate:.1f} s",
        note=notes[0] if notes else "",
    )


def _opened(path: Path, sampling: Sampling) -> "tuple[Clip, float]":
    """A video and its frames per second.  Raises: ReadError."""
    from trapcam.camera.video import open_clip  # PyAV is an extra
    from trapcam.camera.videofile import opened, video_stream

    clip = open_clip(path, sampling, MAX_BURST_PIXELS / sampling.frames)
    if clip.trouble:
        raise ReadError(clip.trouble)
    with opened(path) as container:
        average = video_stream(container).average_rate
    return clip, float(average) if average else USUAL_RATE


def _frames(clip: "Clip", rate: float, sampling: Sampling, notes: list[str]) -> Iterator[tuple[int, Image]]:
    """Number and picture of each frame; what could not be read is added to `notes`."""
    from trapcam.camera.video import read_burst

    for burst in range(clip.bursts):
        try:
            shots, note = read_burst(clip, burst, sampling)
        except ReadError as error:
            notes.append(str(error))
            continue
        notes += [note] * bool(note)
        for shot in shots:
            # The one on show at that time: the last that begins before it.
            yield int((shot.at_s + SAME_S) * rate), shot.image
