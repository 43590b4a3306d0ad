"""What the application asks of a detector; `trapcam.detect.Detector` is the real one (pure)."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from trapcam.frames import Image


class Seen(Protocol):
    """One detection: a category, its confidence 0–1, its box x, y, w, h in 0–1 from the top left, and the likely
    species with their shares of 1 (none where the model does not tell)."""

    @property
    def category(self) -> str: ...

    @property
    def confidence(self) -> float: ...

    @property
    def bbox(self) -> tuple[float, float, float, float]: ...

    @property
    def likely(self) -> tuple[tuple[str, float], ...]: ...


class Description(Protocol):
    """Which model it is, and from which confidence on each category counts."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def thresholds(self) -> Mapping[str, float]: ...


class Judge(Protocol):
    """Looks at one picture; best detection first. moved: where something moved in its burst (`trapcam.motion`)."""

    @property
    def description(self) -> Description: ...

    def detect(self, image: Image, moved: tuple[float, float, float, float] | None = None) -> Sequence[Seen]: ...
