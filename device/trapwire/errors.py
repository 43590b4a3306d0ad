"""The errors of the wire."""


class WireError(ValueError):
    """Bytes from outside, or a value to be sent, that the protocol does not allow; the message says which.

    Receivers count these and drop the bytes: a damaged packet is a count, not a failure (house rule 7).
    """


class RefusedError(WireError):
    """A frame that is not taken, whatever it holds: `cause` is one of `CAUSES`, under which it is counted."""

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause


OLD_VERSION = "old_version"  # of a protocol without keys, or of a newer one
STRANGER = "stranger"  # a trap that is none of ours
NO_KEY = "no_key"  # one of ours, whose key is not here
FORGED = "forged"  # the tag does not fit: another key, damage, or somebody's invention
REPLAYED = "replayed"  # the tag fits and the counter is not new
DAMAGED = "damaged"  # everything else: too short, an unknown kind, a payload that cannot be
CAUSES = (OLD_VERSION, STRANGER, NO_KEY, FORGED, REPLAYED, DAMAGED)


def cause_of(error: WireError) -> str:
    """Under which of `CAUSES` a refusal is counted."""
    return error.cause if isinstance(error, RefusedError) else DAMAGED
