"""What an open video shows, picture by picture: decoded only when it is asked for, and only within its bound."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from trapcam.camera.bounded import Allowance
from trapcam.camera.jpeg import jpeg_pixels
from trapcam.frames import Image


class TooLargeError(Exception):
    """A picture of `pixels`, over its bound; it was not decoded, or not copied."""

    def __init__(self, pixels: int) -> None:
        super().__init__(f"{pixels} pixels")
        self.pixels = pixels


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture of the video, from `at_s` for `lasts_s`; `image` decodes it, None where it is damaged.

    image raises: TooLargeError.
    """

    at_s: float
    lasts_s: float
    image: Callable[[], Image | None]


def pictures(
    container: InputContainer, stream: VideoStream, max_pixels: float, allowance: Allowance
) -> Iterator[Shown]:
    """What the video shows, in order; the end of the file and damage that stops FFmpeg are the end."""
    lasts_s = float(1 / stream.average_rate) if stream.average_rate else 0.04
    tick = float(stream.time_base or 0)
    origin = stream.start_time or 0
    number = 0
    with suppress(av.FFmpegError):
        for packet in container.demux(stream):
            allowance.next_packet()
            if packet.is_corrupt:
                continue  # the half of a picture at which a file was cut
            if stream.codec_context.codec.intra_only:
                # Motion JPEG, as camera traps write it: only the pictures that are wanted are decoded.
                if packet.pts is not None:
                    at_s = (packet.pts - origin) * tick
                    yield Shown(at_s=at_s, lasts_s=lasts_s, image=partial(_packet_image, packet, max_pixels))
                continue
            for frame in _decoded(packet):
                stamp = frame.pts if frame.pts is not None else frame.dts
                at_s = number * lasts_s if stamp is None else (stamp - origin) * tick
                number += 1
                yield Shown(at_s=at_s, lasts_s=lasts_s, image=partial(_image, frame, max_pixels))


def _decoded(packet: "av.Packet[VideoStream]") -> list[av.VideoFrame]:
    try:
        return [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
    except av.FFmpegError:
        return []  # damaged: the next key frame mends it


def _packet_image(packet: "av.Packet[VideoStream]", max_pixels: float) -> Image | None:
    if packet.stream.codec_context.name == "mjpeg":
        # Each JPEG has a size of its own, whatever the container says: it is asked before anything is decoded.
        pixels = jpeg_pixels(bytes(packet))
        if pixels > max_pixels:
            raise TooLargeError(pixels)
    frames = _decoded(packet)
    return _image(frames[0], max_pixels) if frames else None


def _image(frame: av.VideoFrame, max_pixels: float) -> Image | None:
    """RGB, turned as the file's display matrix says.  Raises: TooLargeError."""
    if frame.width * frame.height > max_pixels:
        raise TooLargeError(frame.width * frame.height)
    pixels = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4)
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def jump_to(container: InputContainer, stream: VideoStream, to_s: float) -> bool:
    """Go to the key frame before `to_s`; whether that could be done."""
    if to_s == 0 or not stream.time_base:
        return True
    try:
        container.seek(int(to_s / stream.time_base) + (stream.start_time or 0), stream=stream)
    except av.FFmpegError:
        return False  # no index, as in a file that was cut
    return True
