"""Of a season's end what belongs to no sighting: every day's line once, alarms, scenes; opened and compared."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trapcam.fromsettings import SIGN_KEY
from trapkit.sealing import open_box, public_of, read_key, signature_is_valid
from trapsim.trapsoak.marks import PRIVATE, WORDS, Mark
from trapwire.errors import WireError
from trapwire.notes import DAY, KIND_NAMES, OPENED, decode_note, statement
from trapwire.objects import NOTE, SCENE, ObjectKey

# An object's row to its key and bytes, wherever they are; None where they are nowhere whole, which is told by then.
Fetch = Callable[[sqlite3.Row], tuple[ObjectKey, bytes | None]]
Wrong = Callable[[str, str], None]  # kind and words of a violation
ROWS = "SELECT o.*, n.kind FROM notes n LEFT JOIN objects o USING (number)"


class Notebook:
    """`days`, `alarms`, `scenes`: how many were opened."""

    def __init__(self, db: sqlite3.Connection, folder: Path, fetch: Fetch, wrong: Wrong) -> None:
        self._db = db
        self._folder = folder
        self._fetch = fetch
        self._wrong = wrong
        self._days: dict[int, int] = {}  # to the number of its line
        self._opened: set[int] = set()  # triggers
        self.days = self.alarms = self.scenes = 0

    def open_all(self, base_key: bytes, mark_of: Callable[[bytes], Mark | None]) -> None:
        """Every note and scene, at its place; mark_of: what a picture shows."""
        for row in self._db.execute(ROWS).fetchall():
            if row["number"] is None or row["rung"] != (SCENE if row["kind"] == "scene" else NOTE):
                self._wrong("lost", f"a note ({row['kind']}) has no object of its own")
                continue
            key, body = self._fetch(row)
            if body is None:
                continue
            if row["rung"] == NOTE:
                self._note(key, body, row["kind"])
            else:
                self._scene(key, open_box(base_key, body), mark_of)

    def _note(self, key: ObjectKey, body: bytes, kind: str) -> None:
        try:
            note = decode_note(body)
        except WireError as error:
            self._wrong("lost", f"{key!r} is no note: {error}")
            return
        public = public_of(read_key(self._folder / "data" / SIGN_KEY, "the trap's key"))
        if not signature_is_valid(public, statement(key.trap, key.epoch, key.number, note.fields()), note.signature):
            self._wrong("wrong", f"{key!r} is not signed by the trap")
        if KIND_NAMES[note.kind] != kind:
            self._wrong("wrong", f"{key!r} is of kind {note.kind}, its row says {kind}")
        if note.kind != DAY:
            self.alarms += 1
        if note.kind == DAY:
            self.days += 1
            first = self._days.setdefault(note.values["day"], key.number)
            if first != key.number:
                self._wrong("doubled", f"day {note.values['day']} has the lines {first} and {key.number}")
        elif note.kind == OPENED:
            if note.values["trigger"] in self._opened:
                self._wrong("doubled", f"trigger {note.values['trigger']} made two alarms")
            self._opened.add(note.values["trigger"])

    def _scene(self, key: ObjectKey, data: bytes | None, mark_of: Callable[[bytes], Mark | None]) -> None:
        if data is None:
            self._wrong("lost", f"{key!r} does not open with the base's key")
            return
        self.scenes += 1
        mark = mark_of(data)
        if mark is not None and mark.shown in PRIVATE:
            self._wrong("human on the card", f"{key!r} shows a {WORDS[mark.shown]}")

    def compare(self, journal: Sequence[Mapping[str, Any]], lids: Iterable[int]) -> None:
        """With what was durable when the trap was told so, and with the lids that were opened."""
        trusted = [line["day"] for line in journal if line["what"] == "counted" and line["trusted"]]
        for day in sorted(set(trusted)):
            if day < max(trusted) and day not in self._days:
                self._wrong("lost", f"day {day} was counted, and no line says so")
        for line in journal:
            if line["what"] == "alarm" and line["kind"] == OPENED and line["trigger"] not in self._opened:
                self._wrong("lost", f"the alarm of trigger {line['trigger']} is nowhere")
        for trigger in self._opened - set(lids):
            self._wrong("wrong", f"trigger {trigger} made an alarm and was of no lid")
