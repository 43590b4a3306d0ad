"""What the soak wrote down of a season, in memory or in a file that outlives a killed process.

Of each try at a burst: which frames the camera gave and what the detector said of each. What a trap may leave behind
of a burst is decided here again, from that alone and without the trap's own code.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from trapcam.camera import Camera
from trapcam.effort import DAY_MS, EPOCH_2020_MS, Moment
from trapcam.frames import Burst, Image, Unreadable
from trapcam.judge import Description, Judge, Seen
from trapcam.note_store import NoteStore
from trapcam.trigger import Trigger
from trapsim.trapsoak.marks import Box, Mark, read

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


class Journaled:
    """A camera whose bursts are in the journal: the mark of every frame that it gave; `hook`: before each of them."""

    def __init__(self, camera: Camera, journal: Journal, place: Box, hook: Callable[[], None]) -> None:
        self._camera = camera
        self._journal = journal
        self._place = place
        self._hook = hook
        self.source, self.total, self.about = camera.source, camera.total, camera.about
        self.start, self.close = camera.start, camera.close

    def frames(self, trigger: Trigger, position: int) -> Burst | Unreadable | None:
        self._hook()
        taken = self._camera.frames(trigger, position)
        if taken is not None:
            images = [frame.image for frame in taken.frames] if isinstance(taken, Burst) else []
            marks = [None if mark is None else list(astuple(mark)) for mark in (read(i, self._place) for i in images)]
            note = taken.note if isinstance(taken, Burst) else taken.reason
            self._journal.write(what="given", burst=position, marks=marks, note=note)
        return taken


class Watched:
    """A detector whose every word is in the journal; `hook`: before each of them."""

    def __init__(self, judge: Judge, journal: Journal, hook: Callable[[], None]) -> None:
        self._judge = judge
        self._journal = journal
        self._hook = hook

    @property
    def description(self) -> Description:
        return self._judge.description

    def detect(self, image: Image, moved: Box | None = None) -> Sequence[Seen]:
        self._hook()
        seen = self._judge.detect(image, moved)
        surest: dict[str, float] = {}
        for one in seen:
            surest[one.category] = max(surest.get(one.category, 0.0), one.confidence)
        self._journal.write(what="seen", surest=surest)
        return seen


def watch_notes(notes: NoteStore, journal: Journal) -> None:
    """What this store has made durable is in the journal: days that were counted, alarms."""
    advance, add_alarm = notes.advance, notes.add_alarm

    def counted(moment: Moment, *rest: Any) -> int:
        said = advance(moment, *rest)
        journal.write(what="counted", day=(moment.at_ms - EPOCH_2020_MS) // DAY_MS, trusted=moment.trusted)
        return said

    def raised(kind: int, at_ms: int, trigger_no: int | None, make: Any) -> int | None:
        number = add_alarm(kind, at_ms, trigger_no, make)
        journal.write(what="alarm", kind=kind, trigger=trigger_no, number=number)
        return number

    setattr(notes, "advance", counted)  # noqa: B010 - one object's own
    setattr(notes, "add_alarm", raised)  # noqa: B010


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Its lines; a last one that was cut is none."""
    lines = path.read_text().split("\n") if path.exists() else []
    return [json.loads(line) for line in lines[:-1]]


@dataclass
class Told:
    """Of one burst: `allowed`: what may have become of it, an outcome for each try of which the trap saw all frames;
    `marks`: all that the camera gave of it; `note`: what was said of the last try;
    `unmarked`: it gave a frame without a mark, as one of a covered lens is."""

    allowed: set[str] = field(default_factory=set)
    marks: set[Mark] = field(default_factory=set)
    note: str = ""
    unmarked: bool = False


def told_of(lines: Sequence[Mapping[str, Any]], thresholds: Mapping[str, float]) -> dict[int, Told]:
    """By burst; a word of the detector is of the burst that was given last."""
    bursts: dict[int, Told] = {}
    current, given, seen = -1, 0, list[Mapping[str, float]]()
    for line in lines:
        if line["what"] == "given":
            current, given, seen = line["burst"], len(line["marks"]), []
            told = bursts.setdefault(current, Told())
            told.marks |= {Mark(*mark) for mark in line["marks"] if mark is not None}
            told.note = line["note"]
            told.unmarked |= None in line["marks"]
            if not given:
                told.allowed.add("unreadable")
        elif line["what"] == "seen" and current >= 0:
            seen.append(line["surest"])
            if len(seen) == given:
                bursts[current].allowed.add(_outcome(seen, thresholds))
    return bursts


def _outcome(frames: Sequence[Mapping[str, float]], thresholds: Mapping[str, float]) -> str:
    def passes(category: str) -> bool:
        return any(frame.get(category, 0.0) >= thresholds[category] for frame in frames)

    if any(passes(category) for category in PEOPLE):
        return "withheld"
    return "kept" if passes(KEEP) else "rejected"
