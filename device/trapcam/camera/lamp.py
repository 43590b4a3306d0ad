"""The infrared lamp, and the filter that keeps infrared out by day, as the camera uses them (types; pure)."""

from typing import Protocol

MAX_LIT_S = 20.0  # a burst takes 3 s, a camera that fails in it some more; the lamp's heat sink is made for a minute


class Lamp(Protocol):
    """Built dark. Every method is quick and harmless when repeated."""

    def light(self, on: bool) -> None:
        """Switch the infrared lamp.  Raises: OSError when the line is gone."""

    def filter(self, by_day: bool) -> None:
        """Put the infrared filter in for the day, or out; nothing where there is none.  Raises: OSError."""

    def close(self) -> None:
        """Dark, and the lines let go."""


class NoLamp:
    """A camera without a lamp that this computer switches."""

    lit = False

    def light(self, on: bool) -> None:
        return

    def filter(self, by_day: bool) -> None:
        return

    def close(self) -> None:
        return
