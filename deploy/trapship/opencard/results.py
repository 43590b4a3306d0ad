"""What came off a card, as files: pictures, sealed objects for any base, a table of sightings, a summary."""

import csv
import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trapkit import parcel
from trapkit.files import write_atomically
from trapship.opencard.found import Named, Seen, Unit
from trapship.opencard.notewords import row_of, time_of
from trapship.opencard.secrets import Keys, ending, sample_files
from trapwire.alert import SPECIES, Alert, decode_alert
from trapwire.errors import WireError
from trapwire.objects import ALERT, NOTE, RUNG_NAMES, SCENE, Envelope, ObjectKey

COLUMNS = (
    "trap", "epoch", "number", "time", "uncertainty_ms", "category", "species", "confidence", "count",
    "x", "y", "width", "height", "pictures", "still_sealed", "missing", "received",
)  # fmt: skip
NOTE_COLUMNS = ("trap", "epoch", "number", "kind", "time", "uncertainty_ms", "says", "picture", "state")
UNJUDGED = "unjudged"  # the category of what a trap without a model kept
UNKNOWN = Unit(0, 0, 0)


@dataclass(kw_only=True)
class _Line:
    alert: Alert | None = None
    seen: Seen | None = None
    pictures: list[str] = field(default_factory=list)
    still_sealed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    received: list[str] = field(default_factory=list)


class Results:
    """Writes to `folder`. `counts`: objects by what became of them; now_ms: when (Unix ms), for the parcels."""

    def __init__(self, folder: Path, keys: Keys, *, now_ms: int) -> None:
        self._now_ms = now_ms
        self._notes: dict[tuple[Unit, int], dict[str, object]] = {}
        self._parcels: dict[Unit, dict[str, parcel.Entry]] = {}
        self._folder = folder
        self._keys = keys
        self._lines: dict[tuple[Unit, int], _Line] = {}
        self.counts: Counter[str] = Counter()
        self.units: dict[Unit, str] = {}

    def tell(self, unit: Unit, events: dict[int, Seen], notes: dict[int, tuple[str, int]]) -> None:
        """What rows say besides objects: of an event without an alert they alone know the time."""
        for number, seen in events.items():
            self._lines.setdefault((unit, number), _Line()).seen = seen
        for number, (kind, at_ms) in notes.items():
            self._notes[unit, number] = {"kind": kind, "time": time_of(at_ms)}

    def add_object(self, unit: Unit, named: Named, body: bytes | None) -> None:
        """An object of the card: its sealed bytes, None where they are gone; damaged ones open as far as they go."""
        if named.rung in (NOTE, SCENE):
            self._add_note(unit, named, body)
            return
        line = self._lines.setdefault((unit, named.number), _Line())
        rung = RUNG_NAMES[named.rung]
        if body is None:
            self.counts["missing"] += 1
            line.missing.append(rung)
            return
        whole = hashlib.sha256(body).digest() == named.sha256
        if whole and unit.trap:
            self._envelope(unit, named, body)
        if named.rung == ALERT:
            try:
                line.alert = decode_alert(body)
            except WireError:
                whole = False
            self.counts["opened" if whole else "damaged"] += 1
            return
        plain, to_its_end = self._keys.open(named.rung, body)
        if plain is None:
            self.counts["still sealed" if whole else "damaged"] += 1
            (line.still_sealed if whole else line.missing).append(rung)
            return
        whole = whole and to_its_end
        self.counts["opened" if whole else "damaged"] += 1
        line.pictures.append(self._picture(unit, named, plain, whole=whole))

    def _picture(self, unit: Unit, named: Named, plain: bytes, *, whole: bool) -> str:
        rung = RUNG_NAMES[named.rung]
        name = f"{_name(unit)}-{named.number:06d}-{rung}{'' if whole else '-damaged'}{ending(plain)}"
        self._write(f"pictures/{name}", plain)
        return name

    def _add_note(self, unit: Unit, named: Named, body: bytes | None) -> None:
        row = self._notes.setdefault((unit, named.number), {"kind": RUNG_NAMES[named.rung]})
        state = "missing"
        if body is not None:
            whole = hashlib.sha256(body).digest() == named.sha256
            if whole and unit.trap:
                self._envelope(unit, named, body)
            plain, _ = self._keys.open(named.rung, body)
            said = row_of(body) if named.rung == NOTE else {}
            if not whole or said is None:
                state = "damaged"
            elif plain is None:
                state = "still sealed"
            else:
                state = "opened"
                row |= said or {"picture": self._picture(unit, named, plain, whole=True)}
        row["state"] = state
        self.counts[state] += 1

    def add_received(self, unit: Unit, named: Named) -> None:
        """An object that the back end has signed for: the trap has let it go."""
        self.counts["received"] += 1
        if named.rung in (NOTE, SCENE):
            self._notes.setdefault((unit, named.number), {"kind": RUNG_NAMES[named.rung]})["state"] = "received"
            return
        self._lines.setdefault((unit, named.number), _Line()).received.append(RUNG_NAMES[named.rung])

    def add_sample(self, unit: Unit, sha256: bytes, body: bytes | None) -> None:
        """An audit sample."""
        plain, whole = self._keys.open_age(body) if body is not None else (None, False)
        if body is None:
            self.counts["missing"] += 1
        elif plain is None:
            self.counts["still sealed"] += 1
        else:
            self._files(f"samples/{_name(unit)}-{sha256.hex()[:12]}", plain, whole=whole)

    def add_stray(self, unit: Unit, offset: int, plain: bytes, *, whole: bool) -> None:
        """Something sealed that no row names, found on the bare device."""
        self._files(f"strays/{_name(unit)}-at-{offset:012x}", plain, whole=whole)

    def add_unnamed(self, unit: Unit, name: str, body: bytes) -> None:
        """A sealed file that lies with an outbox and that no row of it names."""
        plain, whole = self._keys.open_age(body)
        if plain is None:
            self.counts["still sealed"] += 1
        else:
            self._files(f"strays/{_name(unit)}-{name[:12]}", plain, whole=whole)

    def finish(self, source: str, notes: list[str]) -> dict[str, object]:
        """The tables; the summary."""
        rows = [self._row(*key, line) for key, line in sorted(self._lines.items())]
        self._table("sightings.csv", COLUMNS, rows)
        notes_rows = [_head(*key) | row for key, row in sorted(self._notes.items())]
        self._table("notes.csv", NOTE_COLUMNS, notes_rows)
        for unit, entries in self._parcels.items():
            index = parcel.Index(
                trap=unit.trap, epoch=f"{unit.epoch:08x}", parcel=secrets.token_hex(4), written_ms=self._now_ms,
                objects=tuple(entry for _, entry in sorted(entries.items())),
            )  # fmt: skip
            self._write(f"{_parcel(unit)}/{parcel.INDEX}", parcel.encode_index(index))
        units = [
            {"trap": unit.trap, "epoch": f"{unit.epoch:08x}", "since": time_of(unit.created_ms), "where": where}
            for unit, where in self.units.items()
        ]
        summary: dict[str, object] = {
            "source": source,
            "units": units,
            "sightings": sum(line.alert is not None or line.seen is not None for line in self._lines.values()),
            "notes_and_scenes": len(self._notes),
            "objects": dict(sorted(self.counts.items())),
            "notes": notes,
        }
        self._write("summary.json", (json.dumps(summary, indent=1, ensure_ascii=False) + "\n").encode())
        return summary

    def _row(self, unit: Unit, number: int, line: _Line) -> dict[str, object]:
        row = _head(unit, number)
        alert, seen = line.alert, line.seen
        if seen is not None:
            row |= _facts(seen.taken_ms, seen.uncertainty_ms)
            row["category"] = seen.category
            if seen.category != UNJUDGED and seen.species in SPECIES:
                row |= _judged(SPECIES[seen.species], seen.confidence, seen.count, seen.box)
        if alert is not None:
            row |= _facts(alert.time_ms, alert.uncertainty_ms)
            box = [place / 255 for place in alert.box]
            row |= _judged(SPECIES[alert.species], alert.confidence / 255, alert.count, box)
        for name in ("pictures", "still_sealed", "missing", "received"):
            row[name] = " ".join(getattr(line, name))
        return row

    def _files(self, name: str, plain: bytes, *, whole: bool) -> None:
        self.counts["opened" if whole else "damaged"] += 1
        parts = sample_files(plain) if whole else {}
        if parts:
            for part, data in parts.items():
                self._write(f"{name}-{part}", data)
        else:
            self._write(f"{name}{'' if whole else '-damaged'}{ending(plain)}", plain)

    def _envelope(self, unit: Unit, named: Named, body: bytes) -> None:
        key = ObjectKey(unit.trap, unit.epoch, named.number, named.rung)
        name = parcel.file_name(named.number, named.rung)
        self._write(f"{_parcel(unit)}/{name}", Envelope(key, body).encode())
        entry = parcel.Entry(file=name, bytes=len(body), sha256=named.sha256.hex())
        self._parcels.setdefault(unit, {})[name] = entry

    def _table(self, name: str, columns: Sequence[str], rows: Iterable[dict[str, object]]) -> None:
        with (self._folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def _write(self, name: str, data: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data, mode=0o600)


def _name(unit: Unit) -> str:
    return f"{unit.trap:05d}-{unit.epoch:08x}" if unit.trap else "unknown"


def _head(unit: Unit, number: int) -> dict[str, object]:
    return {"trap": unit.trap, "epoch": f"{unit.epoch:08x}", "number": number}


def _facts(time_ms: int, uncertainty_ms: int | None) -> dict[str, object]:
    return {"time": time_of(time_ms), "uncertainty_ms": "" if uncertainty_ms is None else uncertainty_ms}


def _judged(species: str, confidence: float, count: int, box: Sequence[float]) -> dict[str, object]:
    places = dict(zip(("x", "y", "width", "height"), (f"{place:.3f}" for place in box), strict=True))
    return {"species": species, "confidence": f"{confidence:.2f}", "count": count} | places


def _parcel(unit: Unit) -> str:
    return f"parcels/{parcel.FOLDER}/{parcel.folder_name(unit.trap, unit.epoch)}"
