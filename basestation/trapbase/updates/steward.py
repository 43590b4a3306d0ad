"""The step that takes a release to the units: decides by `waves`, keeps what it decided, signs who may take it now.

What is decided follows from rows alone, so a base that was cut off in between decides the same again. A permission is
in the database before its file is there to be fetched; the file is made again from the row where it is missing. One
that must not be used any more is replaced by a hold under a higher number: a unit that has seen that takes nothing.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from trapbase.places import Places
from trapbase.reader import Reader
from trapbase.update_settings import UpdateSettings
from trapbase.updates.kept import OVER, STOPPED, Row, UpdateStore
from trapbase.updates.look import Look, look
from trapbase.updates.waves import PROVES, RUNS, Unit
from trapbase.updates.words import stop_words
from trapkit.errors import SetupError, StorageError
from trapkit.files import refusal, write_atomically
from trapkit.update.permits import Permit

EVERY_MS = 5_000
DAY_MS = 86_400_000
NEVER_SET_MS = 1_735_689_600_000  # 2025-01-01: a permission that is dated before it would be over at once
PERMITS = "permits"  # below the folder of the mirror


class Steward:
    """base: the base's folder; mirror: what is served to units; seed: what it signs permissions with (32 bytes);
    places: where the traps stand, asked at every step."""

    def __init__(
        self,
        base: Path,
        mirror: Path,
        seed: bytes,
        settings: UpdateSettings,
        kept: UpdateStore,
        places: Callable[[Reader], Places],
    ) -> None:
        self._base = base
        self._folder = mirror / PERMITS
        self._seed = seed
        self._settings = settings
        self._kept = kept
        self._places = places
        self._reader: Reader | None = None
        self._at_ms: int | None = None
        self.trouble = ""

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def soon(self) -> None:
        """Something has changed: the next step decides, however short a time has passed."""
        self._at_ms = None

    def step(self, now_ms: int, utc_ms: int) -> bool:
        """Decide where it is due; whether anybody's permission changed. `now_ms` must never go back."""
        if self._at_ms is not None and now_ms - self._at_ms < EVERY_MS:
            return False
        self._at_ms = now_ms
        if utc_ms < NEVER_SET_MS:
            self.trouble = "this base's clock was never set: no unit is told that it may take an update"
            return False
        try:
            if self._reader is None:
                self._reader = Reader(self._base)
            reader = self._reader
            seen = look(self._settings, self._kept.rows, reader.traps(), self._places(reader), utc_ms)
            moved = self._decided(seen, utc_ms)
            self._write(seen if not moved else None)
        except (StorageError, SetupError) as error:
            self.trouble = str(error)
            return False
        except OSError as error:
            self.trouble = refusal(self._folder, error)
            return False
        self.trouble = ""
        return moved

    def _decided(self, seen: Look, utc_ms: int) -> bool:
        row, decision = seen.rollout, seen.decision
        if row is None or decision is None:
            return False
        self._kept.moved(row, decision, stop_words(decision.stops), utc_ms)
        allowed = set(decision.allow) if row["state"] not in (STOPPED, OVER) else set()
        done = {s.trap for s in decision.standings if s.step in (PROVES, RUNS)}
        units = {unit.trap: unit for unit in seen.units}
        fresh = [
            *(self._allow(units[trap], seen.permits.get(trap), row, utc_ms) for trap in sorted(allowed)),
            *(
                self._hold(trap, permit, utc_ms)
                for trap, permit in sorted(seen.permits.items())
                if trap not in allowed and permit["release"] and not (trap in done and permit["rollout"] == row["id"])
            ),
        ]
        signed = [one for one in fresh if one is not None]
        if signed:
            self._kept.permit(signed, row["id"])
        return bool(signed)

    def _allow(self, unit: Unit, last: Row | None, row: Row, utc_ms: int) -> tuple[Permit, str] | None:
        """A permission, where the unit has none or it has come to half of its time."""
        lasts_ms = self._settings.permit_days * DAY_MS
        same = last is not None and (last["release"], last["rollout"]) == (row["release"], row["id"])
        if last is not None and same and last["until_ms"] - utc_ms > lasts_ms // 2:
            return None
        return self._next(unit.trap, row["release"], last, utc_ms, utc_ms + lasts_ms), unit.fault

    def _hold(self, trap: int, last: Row, utc_ms: int) -> tuple[Permit, str]:
        return self._next(trap, "", last, utc_ms, utc_ms + self._settings.permit_days * DAY_MS), ""

    @staticmethod
    def _next(trap: int, release: str, last: Row | None, utc_ms: int, until_ms: int) -> Permit:
        # By the clock too: a base that came back from a backup must not count again what its units have seen.
        number = max(last["number"] + 1 if last else 1, utc_ms // 1000)
        return Permit(trap=trap, number=number, release=release, issued_ms=utc_ms, until_ms=until_ms)

    def _write(self, seen: Look | None) -> None:
        """Every permission that holds as a file."""
        rows: Mapping[int, Row] = seen.permits if seen else {p["trap"]: p for p in self._kept.rows("permits", 1000)}
        if not rows:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        for trap, row in rows.items():
            path = self._folder / f"{trap}.permit"
            permit = Permit(
                trap=trap, number=row["number"], release=row["release"], issued_ms=row["issued_ms"],
                until_ms=row["until_ms"],
            )  # fmt: skip
            data = permit.signed(self._seed)
            if not path.exists() or path.read_bytes() != data:
                write_atomically(path, data, mode=0o644)
