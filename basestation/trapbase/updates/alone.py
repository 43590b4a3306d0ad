"""The engineer's word that one unit may take the release though its partner is not heard: dead, stolen, away. Pure.

It is for one release and so many days, whichever ends first, and says who gave it, when and why. It takes away nothing
but the wait for who is silent: two that are heard never change at once.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
KIND = "alone"  # among the marks of a rollout's units (the table update_troubles)
DAY_MS = 86_400_000
MOST_DAYS = 60  # a partner that is away for longer is taken down by a card, or shut out
USUAL_DAYS = 14
MOST_WORDS = 120  # of who and why, characters


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """`trap` may go alone from `since_ms` until `until_ms` (Unix ms), by the word of `who`, because of `why`."""

    trap: int
    who: str
    why: str
    since_ms: int
    until_ms: int

    def encode(self) -> str:
        """What is kept of it beside its trap and its beginning."""
        return json.dumps({"who": self.who, "why": self.why, "until_ms": self.until_ms})

    def holds(self, now_ms: int) -> bool:
        return now_ms < self.until_ms


def one_line(text: str) -> str:
    """What somebody typed, as it is kept.  Raises: ValueError."""
    line = " ".join(text.split())
    if not line or len(line) > MOST_WORDS or not line.isprintable():
        raise ValueError(f"{text[: MOST_WORDS + 1]!r}: allowed are 1–{MOST_WORDS} characters")
    return line


def allowances(marks: Iterable[Row]) -> list[Allowance]:
    """Those among a rollout's marks, also what has ended; without what cannot be read."""
    found = []
    for row in marks:
        if row["kind"] != KIND:
            continue
        try:
            said = json.loads(row["words"])
            found.append(
                Allowance(
                    trap=row["trap"], who=str(said["who"]), why=str(said["why"]), since_ms=row["since_ms"],
                    until_ms=int(said["until_ms"]),
                )
            )  # fmt: skip
        except (ValueError, KeyError, TypeError):
            continue  # it allows nothing
    return found
