"""A video file as bursts: what one trigger of a camera trap recorded, sampled in even steps (PyAV, so FFmpeg).

A burst is `frames` pictures, `every_s` apart; a longer video gives several, so that nothing in it is passed over. How
many is read from the file's head alone, and is the same at every start. Decoding streams: one burst's frames are the
most that is ever held.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

from trapcam.camera.bounded import MAX_PACKET_BYTES, Allowance
from trapcam.camera.found import Found, Shot
from trapcam.camera.sampling import Sampling
from trapcam.camera.shown import Shown, jump_to, pictures
from trapcam.camera.still import COPY_AGAIN, ReadError
from trapcam.camera.videofile import (
    MAX_HEAD_BYTES,
    check_file,
    check_size,
    frame_pixels,
    length_s,
    opened,
    video_stream,
)

END_S = 0.1  # heads round the length to a frame or two: no picture is expected this close to the end
SAME_S = 0.001  # time stamps are rounded to the container's ticks
# Read from its start for each burst, as a file without a good index must be: a quarter of an hour at a card's 20 MB/s.
# A clip of 180 s and 700 MB needs 10 GiB.
MAX_AGAIN_BYTES = 16 * 2**30


@dataclass(kw_only=True)
class Known:
    """What reading a file from its start may still cost (all its bursts together), and where it then ended (s)."""

    again: Allowance = field(default_factory=lambda: Allowance(left=MAX_AGAIN_BYTES))
    ended_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A video's file, how long its head says it is, and how many bursts; `trouble`: why it cannot be read.

    max_pixels: of a frame; known: is learned burst by burst.
    """

    path: Path
    duration_s: float = 0.0
    bursts: int = 1  # one also for a file that cannot be read: the outcome that says so
    trouble: str = ""
    max_pixels: float = 0.0
    size_bytes: int = 0
    known: Known = field(default_factory=Known, compare=False)


def open_clip(path: Path, sampling: Sampling, max_pixels: float) -> Clip:
    """Read a video's head; what is wrong with it is told in `trouble`, when its turn comes."""
    most = frame_pixels(max_pixels, sampling.frames)
    allowance = Allowance(left=MAX_HEAD_BYTES)
    try:
        size_bytes = check_file(path)
        with opened(path, most, allowance) as container:
            stream = video_stream(container)
            duration_s = length_s(container, stream, allowance)
            check_size(container, stream, duration_s, sampling.frames, max_pixels)
    except ReadError as error:
        return Clip(path=path, trouble=str(error))
    samples = max(1, math.ceil((duration_s - END_S) / sampling.every_s))
    return Clip(
        path=path,
        duration_s=duration_s,
        bursts=math.ceil(samples / sampling.frames),
        max_pixels=most,
        size_bytes=size_bytes,
    )


def read_burst(clip: Clip, number: int, sampling: Sampling) -> tuple[list[Shot], str]:
    """The pictures of burst `number`, at least one, and a note where some that should be there are missing.

    Raises: ReadError with the reason when there is none.
    """
    if clip.trouble:
        raise ReadError(clip.trouble)
    times = [(number * sampling.frames + i) * sampling.every_s for i in range(sampling.frames)]
    wanted = [time for time in times if time < clip.duration_s - END_S] or times[:1]
    # Twice its share: bit rates vary. The rest is for the way from a key frame.
    share = clip.size_bytes / max(clip.bursts, 1)
    jump = Allowance(left=MAX_PACKET_BYTES + round(2 * share))
    found = _read(clip, wanted, jump, jump=True) or _again(clip, wanted)
    note = found.note(clip.duration_s, clip.max_pixels, len(wanted))
    if not found.shots:
        raise ReadError(note or f"no frame can be decoded: {COPY_AGAIN}")
    return found.shots, note


def _again(clip: Clip, wanted: list[float]) -> Found:
    """From the file's start, where no jump finds the place; but not to the same end for each burst."""
    known = clip.known
    if known.ended_s is not None and wanted[0] >= known.ended_s - SAME_S:
        return Found(ended_s=known.ended_s)
    found = _read(clip, wanted, known.again, jump=False) or Found(searched=True)
    if found.ended_s is not None and not found.searched:
        known.ended_s = found.ended_s
    return found


def _read(clip: Clip, wanted: list[float], allowance: Allowance, *, jump: bool) -> Found | None:
    """The pictures at the times `wanted`; None when a jump there missed the place, or nothing more may be read."""
    allowance.spent = False
    allowance.next_packet()
    try:
        with opened(clip.path, clip.max_pixels, allowance) as container:
            stream = video_stream(container)
            if jump and not jump_to(container, stream, wanted[0]):
                return None
            found, left = Found(), list(wanted)
            before: Shown | None = None
            for shown in pictures(container, stream, clip.max_pixels, allowance):
                if before is None and jump and shown.at_s > wanted[0] + shown.lasts_s:
                    return None  # a damaged index
                # Of two pictures the one that is on show at that time; before the first one, the first.
                while left and left[0] < shown.at_s - SAME_S:
                    found.take(before or shown, left.pop(0))
                before = shown
                if not left:
                    return found
    except ReadError:
        if allowance.spent:
            return None
        raise
    if (before is None or allowance.spent) and jump:
        return None
    found.searched = allowance.spent
    ended_s = before.at_s + before.lasts_s if before else 0.0
    while before and left and left[0] < ended_s - SAME_S:
        found.take(before, left.pop(0))
    found.ended_s = ended_s if left else None
    return found
