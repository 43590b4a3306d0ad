"""How a video becomes bursts, and how much of one a trap can hold (pure)."""

from dataclasses import dataclass

MAX_BURST_PIXELS = 60e6  # 180 MB as RGB, like the largest picture that can be allowed (512 MB trap)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """`frames` a burst, `every_s` between them: a trigger's ring of six, one a second."""

    frames: int = 6
    every_s: float = 1.0

    @property
    def burst_s(self) -> float:
        """How much of a video one burst stands for (s)."""
        return self.frames * self.every_s
