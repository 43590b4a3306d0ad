"""The whole state of a link's end as one digest: every field of every object below it but those that are named here."""

import hashlib
from typing import Any

# What a frame that is refused or addressed to somebody else may move: counts, the last refusal of each trap, and how
# long others' turns, which nobody can prove, keep a trap quiet.
FREE = {
    ("BaseLink", "counts"),
    ("Peer", "refused"),
    ("TrapLink", "counts"),
    ("Company", "quiet_until"),
    ("Company", "_quiet_since"),
    ("Company", "_about_until"),
    ("Company", "ever"),
}
CIPHERS = ("_sealer", "_opener")  # of a `LinkKey`: they hold keys, and nothing that changes


def digest(*ends: object) -> str:
    """Alike for alike states, order of dictionaries included: it says what is forgotten first."""
    return hashlib.sha256(repr([_flat(end) for end in ends]).encode()).hexdigest()


def _flat(value: Any) -> Any:
    if value is None or isinstance(value, int | str | bytes):
        return value
    if isinstance(value, dict):
        return [(_flat(key), _flat(held)) for key, held in value.items()]
    if isinstance(value, list | tuple):
        return [_flat(held) for held in value]
    if callable(value):
        return "callable"
    name = type(value).__name__
    fields = sorted(vars(value).items())
    return [name, *((n, _flat(held)) for n, held in fields if (name, n) not in FREE and n not in CIPHERS)]
