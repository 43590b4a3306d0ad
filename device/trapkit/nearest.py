"""The names that somebody may have meant, for a message about one that nobody has. Pure."""

from collections.abc import Sequence
from difflib import SequenceMatcher

FEW = 8  # so many are all said
SHOWN = 4
LIKE = 0.6  # of `SequenceMatcher.ratio`


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """At most `SHOWN` of `known`, the most like `name` first; a dotted name's last part counts as the whole."""
    told = {each: max(_like(name, each), _like(_last(name), _last(each))) for each in known}
    like = [each for each in known if told[each] >= LIKE]
    return sorted(like, key=lambda each: (-told[each], -_like(name, each), each))[:SHOWN]


def allowed(name: str, known: Sequence[str]) -> str:
    """What is to be said of a name that is not among `known`: all of a few, of many those that are like it."""
    if len(known) <= FEW:
        return f"allowed are: {', '.join(known)}"
    near = nearest(name, known)
    where = f"all {len(known)} are in deploy/settings.md"
    return f"nearest are: {', '.join(near)}; {where}" if near else f"none is like it; {where}"


def _like(a: str, b: str) -> float:
    return SequenceMatcher(None, a.lower(), b.lower()).ratio()


def _last(name: str) -> str:
    return name.rpartition(".")[2]
