"""Room on the card: some of it stays free for what must never wait (the adapter of `statvfs`).

A full frame is some hundred times an alert, a crop and a frame together. Where full frames and audit samples might
take the last byte, a trap would fall silent; so they may not touch the reserve, and the small objects live in it long.
"""

import os
from collections.abc import Callable
from pathlib import Path


def free_bytes(folder: Path) -> int:
    """What this program may still write to the card that `folder` lies on.  Raises: OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class Room:
    """The room in `folder`; `reserve_bytes` of it stay free of large files. free: asks the card."""

    def __init__(self, folder: Path, reserve_bytes: int = 0, free: Callable[[Path], int] = free_bytes) -> None:
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._free = free
        self._left_out_bytes = 0  # the most that was left out at once: room for as much means that it is over
        self._refused = False

    def lacking(self, size: int) -> int:
        """How many bytes must go before a file of `size` bytes fits beside the reserve; 0: it fits.

        A card that cannot be asked is taken at its word when it is written to.
        """
        try:
            return max(0, self._reserve_bytes + size - self._free(self._folder))
        except OSError:
            return 0

    def left_out(self, size: int, *, refused: bool) -> None:
        """Large files of `size` bytes were done without; refused: the card itself would not take them."""
        self._left_out_bytes = max(self._left_out_bytes, size)
        self._refused = refused

    def taken(self) -> None:
        """The card took all that was to be kept."""
        self._refused = False

    @property
    def shortage(self) -> str:
        """What is not kept for want of room, in words for the operator; empty while all is kept."""
        if not self._refused and not self.lacking(self._left_out_bytes):
            return ""
        return (
            f"{self._folder}: the card is nearly full: full frames and audit samples are not kept any more, alerts, "
            "crops and frames go on. Collect what lies here, or make room; it goes on by itself"
        )
