"""A video's file: opened within bounds, its head checked, and what is wrong with it put in words (PyAV, so FFmpeg)."""

import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from trapcam.camera.bounded import Allowance, BoundedFile
from trapcam.camera.jpeg import jpeg_pixels
from trapcam.camera.sampling import MAX_BURST_PIXELS
from trapcam.camera.still import COPY_AGAIN, ReadError

# Only these: other formats of FFmpeg are playlists and scripts that open further files, and addresses.
OPTIONS = {"format_whitelist": "avi,mov", "protocol_whitelist": "file"}
MAX_VIDEO_BYTES = 4 * 2**30  # what FAT, the cards' file system, allows a file; it is streamed, never held
MAX_VIDEO_S = 3600.0  # camera traps record 5–180 s; an hour is somebody's film
# Reading a head walks the whole file where it names no length (`_walked_s`); the index may lie at the end besides.
MAX_HEAD_BYTES = 2 * MAX_VIDEO_BYTES
# FFmpeg checks sizes that it has rounded up to whole blocks; exactly to the pixel it is checked after decoding.
ROUNDED_UP = 1.25


def frame_pixels(max_pixels: float, frames: int) -> float:
    """The most pixels that a frame may have, so that neither it nor a burst of `frames` is over its bound."""
    return min(max_pixels, MAX_BURST_PIXELS / frames)


def check_file(path: Path) -> int:
    """Its size (bytes).  Raises: ReadError for what is no file, or too large a one."""
    try:
        found = path.stat()
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise ReadError("is no ordinary file: take it away")
    if not found.st_size:
        raise ReadError(f"the file is empty: {COPY_AGAIN}")
    if found.st_size > MAX_VIDEO_BYTES:
        raise ReadError(f"{found.st_size / 2**30:.1f} GiB, allowed are {MAX_VIDEO_BYTES / 2**30:g}: cut it")
    return found.st_size


@contextmanager
def opened(
    path: Path, max_pixels: float = MAX_BURST_PIXELS, allowance: Allowance | None = None
) -> Iterator[InputContainer]:
    """FFmpeg's view of the file for as long as the block lasts; a frame over `max_pixels` is refused undecoded.

    Raises: ReadError.
    """
    # Also FFmpeg's own look at the first frames is bound by it. A container's head need not tell the truth.
    options = OPTIONS | {"max_pixels": str(int(max_pixels * ROUNDED_UP))}
    allowance = allowance or Allowance(left=MAX_HEAD_BYTES)
    try:
        file = BoundedFile(path, allowance)
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror}") from error
    with closing(file):
        try:
            container = av.open(file, "r", options=options)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise ReadError(_diagnosis(path, error)) from error
        with container:
            for stream in container.streams.video:
                if stream.codec_context is not None:
                    stream.codec_context.options = {"max_pixels": options["max_pixels"]}
            allowance.next_packet()
            yield container


def _diagnosis(path: Path, error: Exception) -> str:
    """What is wrong with a file that FFmpeg does not open."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as refused:
        return f"cannot be read: {refused.strerror}"
    if head[4:8] in (b"ftyp", b"mdat", b"wide", b"free"):
        return (
            "an MP4 without its index (`moov`), which is written last: the recording was cut off. "
            "Copy it again; if it is so on the card, a repair program that has a whole video of this camera may help"
        )
    if head[:4] == b"RIFF" and head[8:] == b"AVI ":
        return f"an AVI whose head is damaged: {COPY_AGAIN}"
    reason = getattr(error, "strerror", None) or str(error)
    return f"not an AVI, MP4 or MOV video ({reason[:80]}): convert it, or take it away"


def video_stream(container: InputContainer) -> VideoStream:
    """Its pictures.  Raises: ReadError when it has none, or none that can be decoded."""
    if not container.streams.video:
        raise ReadError("holds no pictures, only sound or data: take it away")
    stream = container.streams.video[0]
    if not isinstance(stream, VideoStream) or stream.codec_context is None:  # pragma: no cover - a build without it
        raise ReadError("is coded in a way that this FFmpeg does not know: convert it to H.264")
    return stream


def length_s(container: InputContainer, stream: VideoStream, allowance: Allowance) -> float:
    """The length that the head claims; where it claims none, that of what is there.

    FFmpeg corrects an AVI's by the file's size, so the count of frames is asked as well: of a recording that was cut
    off it still says how long it was to be.
    """
    lengths = [0.0]
    if stream.duration and stream.time_base:
        lengths.append(float(stream.duration * stream.time_base))
    elif container.duration:
        lengths.append(container.duration / av.time_base)
    if stream.frames and stream.average_rate:
        lengths.append(float(stream.frames / stream.average_rate))
    return max(lengths) or _walked_s(container, stream, allowance)


def _walked_s(container: InputContainer, stream: VideoStream, allowance: Allowance) -> float:
    """The length by reading the whole file without decoding; memory stays that of one packet."""
    last = 0
    with suppress(av.FFmpegError):
        for packet in container.demux(stream):
            allowance.next_packet()
            last = max(last, packet.pts if packet.pts is not None else packet.dts or 0)
    frame_s = 1 / stream.average_rate if stream.average_rate else 0
    return float((last - (stream.start_time or 0)) * (stream.time_base or 0) + frame_s)


def check_size(
    container: InputContainer, stream: VideoStream, duration_s: float, frames: int, max_pixels: float
) -> None:
    """Raises: ReadError for pictures, bursts of `frames`, or a length over their bounds."""
    pixels = stream.codec_context.width * stream.codec_context.height or _first_pixels(container, stream)
    if pixels <= 0:
        most = frame_pixels(max_pixels, frames) / 1e6
        raise ReadError(f"no picture in it can be decoded, or each is over {most:g} megapixels: {COPY_AGAIN}")
    if pixels > max_pixels:
        raise ReadError(f"{pixels / 1e6:.1f} megapixels, allowed are {max_pixels / 1e6:g}: scale it down")
    if pixels * frames > MAX_BURST_PIXELS:
        raise ReadError(
            f"{frames} frames of {pixels / 1e6:.1f} megapixels, allowed are {MAX_BURST_PIXELS / 1e6:g} a "
            f"burst: set camera.replay.video_frames to {int(MAX_BURST_PIXELS // pixels)}"
        )
    if duration_s > MAX_VIDEO_S:
        raise ReadError(f"lasts {duration_s:.0f} s, allowed are {MAX_VIDEO_S:.0f}: cut it into parts")


def _first_pixels(container: InputContainer, stream: VideoStream) -> int:
    """The size of a first picture that FFmpeg refused, as its own head tells it: Motion JPEG alone has one."""
    if stream.codec_context.name == "mjpeg":
        with suppress(av.FFmpegError):
            for packet in container.demux(stream):
                if packet.size:
                    return jpeg_pixels(bytes(packet))
    return 0
