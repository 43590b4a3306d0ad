"""What the soak wrote down of a season, in memory or in a file that outlives a killed process.

Of each try at a burst: which frames the camera gave and what the detector said of each. What a trap may leave behind
of a burst is decided here again, from that alone and without the trap's own code.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trapcam.frames import Image
from trapcam.judge import Description, Judge, Seen
from trapsim.trapsoak.marks import Box, read

PEOPLE = ("person", "vehicle")
KEEP = "feline"


class Journal:
    """Lines in memory; with `path` in a file too, one write a line, so that a killed process leaves its own behind."""

    def __init__(self, path: Path | None = None) -> None:
        self.lines: list[dict[str, Any]] = []
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, **facts: Any) -> None:
        self.lines.append(facts)
        if self._file is not None:
            os.write(self._file, (json.dumps(facts) + "\n").encode())


class Watched:
    """A detector whose every word is in the journal; `place`: where the frames' marks are."""

    def __init__(self, judge: Judge, journal: Journal, place: Box) -> None:
        self._judge = judge
        self._journal = journal
        self._place = place

    @property
    def description(self) -> Description:
        return self._judge.description

    def detect(self, image: Image, moved: Box | None = None) -> Sequence[Seen]:
        seen = self._judge.detect(image, moved)
        mark = read(image, self._place)
        surest: dict[str, float] = {}
        for one in seen:
            surest[one.category] = max(surest.get(one.category, 0.0), one.confidence)
        self._journal.write(
            what="seen", burst=None if mark is None else mark.burst, frame=None if mark is None else mark.frame,
            surest=surest,
        )  # fmt: skip
        return seen


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Its lines; a last one that was cut is none."""
    lines = path.read_text().split("\n") if path.exists() else []
    return [json.loads(line) for line in lines[:-1]]


def allowed_outcomes(lines: Sequence[Mapping[str, Any]], thresholds: Mapping[str, float]) -> dict[int, set[str]]:
    """By burst, what may have become of it: one outcome for each try of which the trap saw all that the camera gave."""
    given: dict[int, list[int]] = {}
    seen: dict[int, dict[int, Mapping[str, float]]] = {}
    allowed: dict[int, set[str]] = {}
    for line in lines:
        burst = line["burst"]
        if line["what"] == "given":
            given[burst], seen[burst] = line["frames"], {}
            if not line["frames"]:
                allowed.setdefault(burst, set()).add("unreadable")
        elif line["what"] == "seen" and burst in seen:
            seen[burst][line["frame"]] = line["surest"]
            if set(seen[burst]) == set(given[burst]):
                allowed.setdefault(burst, set()).add(_outcome(list(seen[burst].values()), thresholds))
    return allowed


def _outcome(frames: Sequence[Mapping[str, float]], thresholds: Mapping[str, float]) -> str:
    def passes(category: str) -> bool:
        return any(frame.get(category, 0.0) >= thresholds[category] for frame in frames)

    if any(passes(category) for category in PEOPLE):
        return "withheld"
    return "kept" if passes(KEEP) else "rejected"
