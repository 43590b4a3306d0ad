"""What the uploader needs of a back end; `trapbase.tus` is the real one, `trapsim` has one without sockets."""

from typing import Protocol


class OutletError(Exception):
    """The back end could not be reached, or refused.

    `refused`: it answered that this very batch is not wanted, so that others may be tried before it; otherwise
    nobody gets through and everything waits.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class Outlet(Protocol):
    """Every method raises OutletError."""

    def create(self, batch_id: str, size: int) -> str:
        """A place for a batch of `size` bytes: its address."""

    def offset(self, url: str) -> int | None:
        """How many bytes the back end has; None when it does not know the address (any more)."""

    def send(self, url: str, offset: int, data: bytes) -> int:
        """Append `data` at `offset`; how many bytes the back end has then."""

    def receipts(self, batch_id: str) -> bytes | None:
        """The signed receipts, JSON; None while there are none."""
