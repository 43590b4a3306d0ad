"""A settings pack that came down by radio (PROTOCOL.md section 17): in the outbox until it was judged.

Kept first and answered then, as it came: the updater judges it, with the fleet's root and the time. A newer one takes
the place of one that was not judged yet.
"""

import hashlib
from contextlib import suppress

from trapcam.outbox import Outbox
from trapkit.errors import StorageError
from trapwire.errors import WireError
from trapwire.objects import MAX_DOWN_BYTES, PACK, Envelope, ObjectKey

BY_RADIO = "update by radio"  # a part of the outbox


def keep_pack(outbox: Outbox, envelope: Envelope) -> list[ObjectKey]:
    """Make it durable; the keys that answer it.  Raises: WireError where it is none for this trap; StorageError."""
    if envelope.key.trap != outbox.trap or envelope.key.rung != PACK or len(envelope.body) > MAX_DOWN_BYTES:
        raise WireError(f"{envelope.key!r} of {len(envelope.body)} bytes is no pack for this trap")
    outbox.tell(BY_RADIO, envelope.body.hex())
    return [envelope.key]


class DownPack:
    """What lies in the outbox, for the updater. It goes with the look after the one that judged it: what came of that
    is durable by then."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._taken = self._judged = ""

    def stamp(self) -> str:
        """What tells one from another; "" where none is to be judged."""
        text = self._text()
        return f"radio:{hashlib.sha256(text.encode()).hexdigest()[:16]}" if text else ""

    def take(self) -> bytes:
        """The object's body; no bytes where there is none."""
        self._forget()
        self._taken = self._text()
        return bytes.fromhex(self._taken)

    def judged(self, *, overtaken: bool = False) -> None:
        """What was taken last is not to be looked at again; overtaken: nor is anything of it to be said."""
        self._judged = self._taken
        if overtaken:
            self._forget()

    def _forget(self) -> None:
        if self._judged:
            with suppress(StorageError):
                if self._outbox.told(BY_RADIO) == self._judged:
                    self._outbox.tell(BY_RADIO, "")

    def _text(self) -> str:
        try:
            text = self._outbox.told(BY_RADIO)
        except StorageError:
            return ""  # the next look finds it
        return "" if text == self._judged else text
