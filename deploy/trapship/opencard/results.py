"""What came off a card, as files: pictures, sealed objects for any base, a table of sightings, a summary."""

import csv
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from trapkit.files import write_atomically
from trapship.opencard.found import Named, Unit
from trapship.opencard.secrets import Keys, ending, sample_files
from trapwire.alert import SPECIES, Alert, decode_alert
from trapwire.errors import WireError
from trapwire.objects import ALERT, RUNG_NAMES, Envelope, ObjectKey

COLUMNS = (
    "trap", "epoch", "number", "time", "uncertainty_ms", "species", "confidence", "count",
    "x", "y", "width", "height", "pictures", "still_sealed", "missing", "received",
)  # fmt: skip
UNKNOWN = Unit(0, 0, 0)


@dataclass(kw_only=True)
class _Line:
    alert: Alert | None = None
    pictures: list[str] = field(default_factory=list)
    still_sealed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    received: list[str] = field(default_factory=list)


class Results:
    """Writes to `folder`. `counts`: objects by what became of them."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self._folder = folder
        self._keys = keys
        self._lines: dict[tuple[Unit, int], _Line] = {}
        self.counts: Counter[str] = Counter()
        self.units: dict[Unit, str] = {}

    def add_object(self, unit: Unit, named: Named, body: bytes | None) -> None:
        """An object of the card: its sealed bytes, None where they are gone; damaged ones open as far as they go."""
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
        name = f"{_name(unit)}-{named.number:06d}-{rung}{'' if whole else '-damaged'}{ending(plain)}"
        self._write(f"pictures/{name}", plain)
        line.pictures.append(name)

    def add_received(self, unit: Unit, named: Named) -> None:
        """An object that the back end has signed for: the trap has let it go."""
        self.counts["received"] += 1
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

    def finish(self, source: str, notes: list[str]) -> dict[str, object]:
        """The tables; the summary."""
        rows = [self._row(*key, line) for key, line in sorted(self._lines.items())]
        with (self._folder / "sightings.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        units = [
            {"trap": unit.trap, "epoch": f"{unit.epoch:08x}", "since": _time(unit.created_ms), "where": where}
            for unit, where in self.units.items()
        ]
        summary: dict[str, object] = {
            "source": source,
            "units": units,
            "sightings": sum(line.alert is not None for line in self._lines.values()),
            "objects": dict(sorted(self.counts.items())),
            "notes": notes,
        }
        self._write("summary.json", (json.dumps(summary, indent=1, ensure_ascii=False) + "\n").encode())
        return summary

    def _row(self, unit: Unit, number: int, line: _Line) -> dict[str, object]:
        row: dict[str, object] = {"trap": unit.trap, "epoch": f"{unit.epoch:08x}", "number": number}
        alert = line.alert
        if alert is not None:
            places = (f"{v / 255:.3f}" for v in alert.box)
            row |= {
                "time": _time(alert.time_ms),
                "uncertainty_ms": "" if alert.uncertainty_ms is None else alert.uncertainty_ms,
                "species": SPECIES[alert.species],
                "confidence": f"{alert.confidence / 255:.2f}",
                "count": alert.count,
            } | dict(zip(("x", "y", "width", "height"), places, strict=True))
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
        name = f"{named.number:06d}-{RUNG_NAMES[named.rung]}.obj"
        self._write(f"parcels/{unit.trap}-{unit.epoch:08x}/{name}", Envelope(key, body).encode())

    def _write(self, name: str, data: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data, mode=0o600)


def _name(unit: Unit) -> str:
    return f"{unit.trap:05d}-{unit.epoch:08x}" if unit.trap else "unknown"


def _time(unix_ms: int) -> str:
    moment = datetime.fromtimestamp(unix_ms // 1000, UTC) if unix_ms else None
    return "" if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}.{unix_ms % 1000:03d}Z"
