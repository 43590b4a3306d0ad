"""The replay camera: a folder of pictures and videos, in the order of their names.

A picture is a burst of one frame, a video as many bursts as its length asks for. Nothing is written beside them. To
go on with more of them later, give the new ones names that sort last.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from trapcam.camera.folder import MAX_FILES, MAX_VIDEOS, SUFFIXES, counted, is_video, list_folder
from trapcam.camera.jpeg import own_jpeg
from trapcam.camera.library import require_av
from trapcam.camera.sampling import Sampling
from trapcam.camera.still import ReadError, decode_picture, read_bytes, storable
from trapcam.frames import Burst, Frame, Unreadable
from trapcam.trigger import Trigger
from trapkit.errors import SetupError

if TYPE_CHECKING:
    from trapcam.camera.video import Clip


class ReplayCamera:
    """Gives the burst at `position` for each trigger, from the start again after the last where `loop` is set.

    files: each name with its video, None for a picture.
    """

    def __init__(
        self,
        folder: Path,
        files: "Sequence[tuple[str, Clip | None]]",
        *,
        loop: bool,
        max_megapixels: float,
        uncertainty_ms: int | None,
        sampling: Sampling,
        left_out: int = 0,
    ) -> None:
        self._folder = folder
        self._files = files
        self._loop = loop
        self._max_pixels = max_megapixels * 1e6
        self._uncertainty_ms = uncertainty_ms
        self._sampling = sampling
        self._ends = list(accumulate(clip.bursts if clip else 1 for _, clip in files))  # bursts up to each file's last
        self.source = replay_source(folder)
        self.total: int | None = self._ends[-1] if files else 0
        videos = sum(clip is not None for _, clip in files)
        self.about = counted(len(files) - videos, videos, left_out)

    def start(self) -> None:
        """Nothing to start: a file is opened when its turn comes."""

    def close(self) -> None:
        """Nothing is held open."""

    def frames(self, trigger: Trigger, position: int) -> Burst | Unreadable | None:
        """The trigger's time is the picture's, as a replay happens now; a video goes on from it."""
        count = self._ends[-1] if self._ends else 0
        if not count or (position >= count and not self._loop):
            return None
        place = position % count
        index = bisect_right(self._ends, place)
        name, clip = self._files[index]
        number = place - self._ends[index] + (clip.bursts if clip else 1)
        try:
            if clip is None:
                return Burst(frames=(self._picture(name, trigger),), trigger=trigger)
            return self._burst(name, clip, number, trigger)
        except ReadError as error:
            part = f"@{number * self._sampling.burst_s:.1f}s" if clip and clip.bursts > 1 else ""
            return Unreadable(name=storable(name) + part, reason=str(error), trigger=trigger)

    def _picture(self, name: str, trigger: Trigger) -> Frame:
        data = read_bytes(self._folder / name)
        image, is_jpeg = decode_picture(data, self._max_pixels)
        return Frame(
            pixels=image,
            taken_ms=trigger.at_ms,
            uncertainty_ms=self._uncertainty_ms,
            name=storable(name),
            jpeg=own_jpeg(data) if is_jpeg else None,
        )

    def _burst(self, name: str, clip: "Clip", number: int, trigger: Trigger) -> Burst:
        from trapcam.camera.video import read_burst

        shots, note = read_burst(clip, number, self._sampling)
        began_s = number * self._sampling.burst_s
        frames = tuple(
            Frame(
                pixels=shot.image,
                taken_ms=trigger.at_ms + round((shot.at_s - began_s) * 1000),
                uncertainty_ms=self._uncertainty_ms,
                name=f"{storable(name)}@{shot.at_s:.1f}s",
            )
            for shot in shots
        )
        return Burst(frames=frames, trigger=trigger, note=note)


def replay_source(folder: Path) -> str:
    """What the outbox calls the pictures of a folder."""
    return storable(f"replay:{folder}")


def open_replay(
    folder: str,
    *,
    loop: bool,
    max_megapixels: float,
    uncertainty_ms: int | None,
    sampling: Sampling | None = None,
) -> ReplayCamera:
    """The replay camera over a folder's pictures and videos.

    Raises: SetupError when it has none, or too many, or videos and no program to read them with.
    """
    path, sampling = Path(folder), sampling or Sampling()
    key = f"camera.replay.folder {folder!r}"
    if not folder:
        raise SetupError(f"{key} is not given: name the folder of pictures and videos that the camera is to show")
    try:
        names, left_out = list_folder(path)
    except OSError as error:
        raise SetupError(f"{key} cannot be read: {error.strerror}; name a folder of pictures and videos") from error
    videos = sum(is_video(name) for name in names)
    if not 0 < len(names) <= MAX_FILES or videos > MAX_VIDEOS:
        raise SetupError(
            f"{key} has {counted(len(names) - videos, videos, left_out)}; allowed are 1–{MAX_FILES}, of them videos up "
            f"to {MAX_VIDEOS}, with names ending in {', '.join(SUFFIXES)}: put some there, or name another folder"
        )
    return ReplayCamera(
        path,
        [(name, _clip(path / name, sampling, max_megapixels) if is_video(name) else None) for name in names],
        loop=loop,
        max_megapixels=max_megapixels,
        uncertainty_ms=uncertainty_ms,
        sampling=sampling,
        left_out=left_out,
    )


def _clip(path: Path, sampling: Sampling, max_megapixels: float) -> "Clip":
    require_av(f"{path}: is a video")
    from trapcam.camera.video import open_clip

    return open_clip(path, sampling, max_megapixels * 1e6)
