"""What a base has of a trap that another base answers (PROTOCOL.md section 4). No unit carries this file."""

from trapwire.errors import WireError
from trapwire.frame import VERSION
from trapwire.linkkeys import DOWN, NEVER, LinkKey, key_name

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

    from trapwire.frame import Cipher


class ListenKey(LinkKey):
    """What a base has of a trap that is not its own: it opens what the trap says, and can seal nothing.

    up_key: `direction_key` of `UP`, from which neither the link key nor the other direction's can be found.
    """

    answers = False

    def __init__(self, up_key: bytes, trap: int, cipher: "Callable[[bytes], Cipher]", heard: int = NEVER) -> None:
        self.trap = trap
        self.name = key_name(up_key)
        self.heard = heard
        self._own = DOWN
        self._opener = cipher(up_key)

    def seal(self, kind: int, flag: bool, counter: int, payload: bytes, version: int = VERSION) -> bytes:
        raise WireError("there is no key to speak to trap %d with" % self.trap)
