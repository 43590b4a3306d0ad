"""The books of a season: everything that is on the card and at the base, opened with the keys and compared.

What should be there follows from the plan and the journal alone. Whatever may not be is a violation, in words.
"""

import hashlib
import io
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pictures
from PIL import UnidentifiedImageError

from trapcam.audit_pack import unpack
from trapcam.outbox import Outbox, open_outbox
from trapcam.rungs import CROP_MARGIN
from trapcam.seal import open_reader
from trapkit.errors import StorageError
from trapkit.sealing import open_box
from trapsim.trapsoak.journal import Told, told_of
from trapsim.trapsoak.marks import PRIVATE, WORDS, Box, Mark, in_crop, read
from trapsim.trapsoak.notebook import Notebook
from trapsim.trapsoak.outside import TRAP, Outside
from trapsim.trapsoak.plan import UTC_MS, Season
from trapsim.trapsoak.planted import CORNER, MIDDLE
from trapwire.alert import decode_alert
from trapwire.errors import WireError
from trapwire.objects import ALERT, CROP, FRAME, FULLS, ObjectKey

# What a picture or an archive begins with, long enough that sealed bytes do not look so by chance.
CLEAR = re.compile(rb"\xff\xd8\xff[\xe0\xe1]..(JFIF|Exif)|RIFF....WEBPVP8|\x89PNG\r\n\x1a\n|PK\x03\x04.{26}facts", re.S)


@dataclass
class Books:
    """`violations`: in words, none when all is well; `counts`: what was found."""

    violations: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def close_books(
    season: Season,
    folder: Path,
    outside: Outside,
    journal: Sequence[Mapping[str, Any]],
    thresholds: Mapping[str, float],
    said: Sequence[str],
) -> Books:
    """Compare what a season left in `folder` and at the base with what was planted. said: the trap's log."""
    books = Books(violations=list(outside.violations))
    told = told_of(journal, thresholds)
    with closing(open_outbox(folder / "data", TRAP, UTC_MS)) as box:
        page = _Page(season, folder, outside, box, told, books)
        page.bursts(said)
        page.objects(journal)
        page.samples()
    page.in_the_clear()
    return books


class _Page:
    def __init__(
        self, season: Season, folder: Path, outside: Outside, box: Outbox, told: dict[int, Told], books: Books
    ) -> None:
        self._season = season
        self._folder = folder
        self._outside = outside
        self._box = box
        self._told = told
        self._books = books
        self._place: Box = CORNER if season.real else MIDDLE
        self._was_short = any(name.startswith("card") and name.endswith("full") for name, _, _ in season.spells)
        self._db = sqlite3.connect(f"file:{folder / 'data' / 'outbox.sqlite'}?mode=ro", uri=True)
        self._db.row_factory = sqlite3.Row
        self._read: Callable[[bytes], bytes] = open_reader(folder / "keys" / "review.key")
        self._base_key = bytes.fromhex((folder / "keys" / "base.key").read_text())
        self._outcome: dict[int, str] = {}
        if box.missing:
            self._wrong("lost", f"{box.missing} full frames are gone")

    def _wrong(self, kind: str, text: str) -> None:
        self._books.counts[kind] += 1
        self._books.violations.append(f"{kind}: {text}")

    def bursts(self, said: Sequence[str]) -> None:
        """Each burst has one outcome, one that its pictures allow."""
        total, counts = len(self._season.bursts), self._books.counts
        rows = self._db.execute("SELECT burst_no, source, position, outcome FROM bursts").fetchall()
        for row in rows:
            if row["position"] in self._outcome:
                self._wrong("doubled", f"burst {row['position']} has two outcomes")
            self._outcome[row["position"]] = row["outcome"]
        (position,) = self._db.execute("SELECT max(position) FROM progress").fetchone()
        if position < total:
            self._wrong("lost", f"{total - position} bursts have no outcome")
        private = set()
        for burst in range(position):
            got, told = self._outcome.get(burst, "withheld"), self._told.get(burst, Told())
            counts["bursts"] += 1
            counts[got] += 1
            counts["bursts cut short by the camera"] += bool(told.note)
            for shown in {mark.shown for mark in told.marks}:
                counts[f"bursts with {WORDS[shown]}"] += 1
            if told.allowed == {"withheld"}:
                private.add(burst)
            if got not in told.allowed:
                kind = {frozenset({"kept"}): "lost", frozenset({"withheld"}): "human on the card"}
                may = sorted(told.allowed) or "nothing: none was seen"
                self._wrong(kind.get(frozenset(told.allowed), "wrong"), f"burst {burst} is {got}; allowed is {may}")
        for line in said:
            named = re.match(r"burst (\d+), frame \d+: ", line)
            if named and int(named[1]) in private:
                self._wrong("human on the card", f"the log names a burst with people: {line}")

    def objects(self, journal: Sequence[Mapping[str, Any]]) -> None:
        """Every rung of every sighting, every note and scene, on the card or at the base, opened; nothing else at the
        base."""
        rows = self._db.execute(
            "SELECT o.*, b.position AS burst, e.left_out FROM objects o JOIN events e ON e.number = o.number "
            "JOIN bursts b ON b.burst_no = e.burst_no"
        ).fetchall()
        base = dict(self._outside.base)
        rungs: dict[tuple[int, int], set[int]] = {}
        left_out: dict[int, int] = {}
        digests: dict[bytes, ObjectKey] = {}
        for row in rows:
            key = self._box.key(row["number"], row["rung"])
            rungs.setdefault((row["number"], row["burst"]), set()).add(row["rung"])
            left_out[row["number"]] = row["left_out"]
            body = self._body(row, key, base.pop(key, None))
            if body is None:
                continue
            # Alerts are not sealed: those of a clock that is off the alert's scale may say the same.
            if key.rung != ALERT and digests.setdefault(bytes(row["sha256"]), key) != key:
                self._wrong("doubled", f"{key!r} has the bytes of {digests[bytes(row['sha256'])]!r}")
            self._opened(row["burst"], key, body)
        self._notes(base, journal)
        for key in base:
            self._wrong("doubled", f"{key!r} is at the base and the card never knew it")
        sighted = [burst for _, burst in rungs]
        for (number, burst), made in rungs.items():
            self._books.counts["sightings"] += 1
            fulls, lacking = sorted(made - {ALERT, CROP, FRAME}), left_out[number]
            self._books.counts["full frames left out"] += lacking
            whole = {ALERT, CROP, FRAME} <= made and tuple(fulls) == FULLS[: len(fulls)]
            if not whole or not 1 <= len(fulls) + lacking <= len(FULLS):
                self._wrong("lost", f"sighting {number} of burst {burst} has only rungs {sorted(made)}")
            if lacking and not self._was_short:
                self._wrong("lost", f"sighting {number} has left out {lacking} full frames, and there was room")
            if sighted.count(burst) > 1:
                self._wrong("doubled", f"burst {burst} has {sighted.count(burst)} sightings")
        for burst, outcome in self._outcome.items():
            if outcome == "kept" and burst not in sighted:
                self._wrong("lost", f"burst {burst} is kept and has no objects")

    def _notes(self, base: dict[ObjectKey, bytes], journal: Sequence[Mapping[str, Any]]) -> None:
        """Notes and scenes; what of them is at the base is taken out of `base`."""

        def fetch(row: sqlite3.Row) -> tuple[ObjectKey, bytes | None]:
            key = self._box.key(row["number"], row["rung"])
            return key, self._body(row, key, base.pop(key, None))

        notebook = Notebook(self._db, self._folder, fetch, self._wrong)
        notebook.open_all(self._base_key, lambda data: _mark(data, self._place))
        notebook.compare(journal, self._outside.lids)
        self._books.counts["days told"] += notebook.days
        self._books.counts["alarms"] += notebook.alarms
        self._books.counts["scenes opened"] += notebook.scenes

    def _body(self, row: sqlite3.Row, key: ObjectKey, at_base: bytes | None) -> bytes | None:
        """The object's bytes, wherever it is; the two places agree."""
        body = at_base
        if row["state"] == "deleted":
            self._books.counts["objects let go by a receipt"] += 1
            if (key.number, key.rung) not in self._outside.receipted:
                self._wrong("lost", f"{key!r} was deleted, and the back end never signed for it")
        else:
            try:
                envelope = self._box.envelope(key.number, key.rung)
            except StorageError as error:
                self._wrong("lost", f"{key!r} cannot be read: {error}")
                return None
            body = None if envelope is None else envelope.body
            if at_base is not None and body != at_base:
                self._wrong("doubled", f"{key!r} has other bytes at the base than on the card")
        if row["state"] == "delivered" and at_base is None:
            self._wrong("lost", f"{key!r} is said to be delivered, and the base has it not")
        if body is None or hashlib.sha256(body).digest() != row["sha256"]:
            self._wrong("lost", f"{key!r} is nowhere whole")
            return None
        return body

    def _opened(self, burst: int, key: ObjectKey, body: bytes) -> None:
        """Open one object with its key: it shows its own burst, and nobody private."""
        self._books.counts["objects opened"] += 1
        try:
            if key.rung == ALERT:
                decode_alert(body)
                return
            data = self._read(body) if key.rung in FULLS else open_box(self._base_key, body)
        except (ValueError, WireError) as error:
            self._wrong("lost", f"{key!r} does not open: {error}")
            return
        if data is None:
            self._wrong("lost", f"{key!r} does not open with the base's key")
            return
        place = in_crop(self._place, CROP_MARGIN) if key.rung == CROP else self._place
        self._shown(repr(key), data, burst, place, marked=not (self._season.real and key.rung == CROP))

    def _shown(self, what: str, data: bytes, burst: int, place: Box, *, marked: bool) -> None:
        mark = _mark(data, place)
        if mark is None and (not marked or self._told.get(burst, Told()).unmarked):
            return
        if mark is None:
            self._wrong("lost", f"{what} is no picture with a mark")
            return
        self._books.counts["pictures opened"] += 1
        told = self._told.get(burst, Told())
        if mark not in told.marks:
            self._wrong("wrong", f"{what} of burst {burst} shows {mark}, which the camera never gave for it")
        if mark.shown in PRIVATE and told.allowed == {"withheld"}:
            self._wrong("human on the card", f"{what} shows a {WORDS[mark.shown]}")

    def samples(self) -> None:
        """Audit samples are of rejected bursts, and show nobody private."""
        rows = self._db.execute(
            "SELECT a.*, b.position AS burst, b.outcome FROM audit a JOIN bursts b ON b.burst_no = a.burst_no "
            "WHERE a.file IS NOT NULL AND a.state IN ('held', 'exported')"
        ).fetchall()
        there = {path.name for path in (self._folder / "data" / "audit").iterdir()}
        if there != {row["file"] for row in rows}:
            self._wrong("wrong", "the samples in audit/ are not those of the table")
        for row in rows:
            self._books.counts["audit samples opened"] += 1
            if row["outcome"] != "rejected":
                self._wrong("wrong", f"an audit sample is of burst {row['burst']}, which is {row['outcome']}")
            path = self._folder / "data" / "audit" / row["file"]
            try:
                _, pictures = unpack(self._read(path.read_bytes()))
            except (OSError, ValueError) as error:
                self._wrong("lost", f"audit sample {row['file']} does not open: {error}")
                continue
            for picture in pictures:
                self._shown("an audit sample", picture, row["burst"], self._place, marked=True)

    def in_the_clear(self) -> None:
        """No picture lies open on the card, in whatever file, in use or deleted within it."""
        for path in sorted((self._folder / "data").rglob("*")):
            found = CLEAR.search(path.read_bytes()) if path.is_file() else None
            if found:
                self._wrong("in the clear", f"{path.name} holds {found[0][:12]!r} at byte {found.start()}")
        self._db.close()


def _mark(data: bytes, place: Box) -> Mark | None:
    try:
        with Pictures.open(io.BytesIO(data)) as picture:
            pixels: Any = np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError):
        return None
    return read(pixels, place)
