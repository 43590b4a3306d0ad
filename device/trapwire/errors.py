"""The one exception of the wire."""


class WireError(ValueError):
    """Bytes from outside, or a value to be sent, that the protocol does not allow; the message says which.

    Receivers count these and drop the bytes: a damaged packet is a count, not a failure (house rule 7).
    """
