"""How a unit's new model does beside the one that decides, as its signed notes say it (kind 7). Pure.

They come once a day while it judges, and once with the verdict; their numbers are above that of the note by which the
release was on the card, so that nobody looks through a unit's whole past for them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from trapbase.unit_keys import FORGED
from trapwire.notes import VERDICTS

Row = Mapping[str, Any]
JUDGES, DECIDES, REFUSED = 0, 1, 2  # as in trapwire.notes.VERDICTS


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Of `bursts`: kept by one of the two models alone, withheld for people by one alone; all others alike. model: the
    first four bytes of the new one's SHA-256; said_ms: when that came (Unix ms)."""

    model: int
    bursts: int
    only_old: int
    only_new: int
    people_old: int
    people_new: int
    verdict: int
    said_ms: int

    @property
    def alike(self) -> int:
        return max(0, self.bursts - self.only_old - self.only_new - self.people_old - self.people_new)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "model": f"{self.model:08x}", "alike": self.alike, "verdict": VERDICTS[self.verdict]}

    def words(self) -> str:
        """For a person."""
        found = f"{self.alike} alike; kept by the new one alone {self.only_new}, by the old one alone {self.only_old}"
        if self.people_new or self.people_old:
            found += (
                f"; withheld for people by the new one alone {self.people_new}, by the old one alone {self.people_old}"
            )
        what = f"new model beside the old one, {self.bursts} bursts: {found}"
        return what + ("; it goes on" if self.verdict == JUDGES else f"; {VERDICTS[self.verdict]}")


def staged(notes: Iterable[Row]) -> str:
    """Where to look: after which note of each unit. notes: rows of kind UPDATE; the answer is for `update_shadows`."""
    newest: dict[int, tuple[int, int, int]] = {}
    for row in notes:
        if row["proof"] == FORGED or _phase(row) != "staged":
            continue
        found = (row["stored_ms"], row["epoch"], row["number"])
        newest[row["trap"]] = max(found, newest.get(row["trap"], found))
    return json.dumps([[trap, epoch, number] for trap, (_, epoch, number) in sorted(newest.items())])


def _phase(row: Row) -> str:
    said = json.loads(row["said"])
    return str(said.get("phase", "")) if isinstance(said, dict) else ""


def judged(rows: Iterable[Row]) -> dict[int, Judged]:
    """The newest word of each unit, by trap; rows: answers of `update_shadows`, by number."""
    found = {}
    for row in rows:
        if row["proof"] == FORGED:
            continue
        said = json.loads(row["said"])
        try:
            values = {name: int(said[name]) for name in Judged.__dataclass_fields__ if name != "said_ms"}
        except (KeyError, TypeError, ValueError):
            continue
        if 0 <= values["verdict"] < len(VERDICTS):
            found[row["trap"]] = Judged(**values, said_ms=row["stored_ms"])
    return found
