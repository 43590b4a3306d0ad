"""A base with updates for tests: its store, what its traps say, its steward; time is the test's."""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from tests.base.parts import EPOCH, NOW, TRAPS
from trapbase.config import TrapSettings
from trapbase.places import Places
from trapbase.store import DATABASE, Store
from trapbase.update_settings import UpdateSettings
from trapbase.updates.kept import Row, UpdateStore
from trapbase.updates.steward import Steward
from trapkit.sealing import public_of
from trapkit.update.permits import Permit, read

SEED = bytes(range(96, 128))
KEY = public_of(SEED)
HOUR_MS = 3_600_000
OLD, NEW, NEXT = "2026.11.3", "2026.12.1", "2026.12.2"
SETTINGS = UpdateSettings(source="stick", first="S001", healthy_h=24, pair_h=12, silent_h=6)


class Updating:
    """A base whose traps 1 and 2 stand at S001, 3 at S002; or others."""

    def __init__(
        self, folder: Path, settings: UpdateSettings = SETTINGS, traps: Mapping[int, TrapSettings] = TRAPS
    ) -> None:
        self.traps = traps
        self.shut_out: frozenset[int] = frozenset()
        self.folder = folder
        self.mirror = folder / "updates"
        Store(folder).close()
        self.settings = settings
        self.now_ms = NOW
        self._number = 0
        self._db = sqlite3.connect(folder / DATABASE, isolation_level=None)
        self.start()

    def start(self) -> None:
        """As after a restart."""
        self.kept = UpdateStore(self.folder)
        self.steward = Steward(
            self.folder, self.mirror, SEED, self.settings, self.kept,
            lambda reader: Places(listed=self.traps, shut_out=self.shut_out),
        )  # fmt: skip

    def close(self) -> None:
        self.steward.close()
        self.kept.close()
        self._db.close()

    def hear(self, *traps: int, fault: int = 0) -> None:
        for trap in traps:
            health = json.dumps({"battery": 80, "fault": fault})
            said = (trap, self.now_ms, "north", -90, 6.0, health)
            self._db.execute("INSERT OR REPLACE INTO traps VALUES (?, ?, ?, ?, ?, ?)", said)

    def says(self, trap: int, running: str, phase: str, tried: str = "", code: str = "") -> None:
        """A note of a unit has come."""
        self._number += 1
        said = json.dumps({"running": running, "tried": tried, "phase": phase, "code": code})
        self._db.execute(
            "INSERT INTO notes (trap, epoch, number, kind, time_ms, uncertainty_ms, day, marks, said, proof, stored_ms)"
            " VALUES (?, ?, ?, 6, ?, 100, NULL, 0, ?, 'verified', ?)",
            (trap, EPOCH, self._number, self.now_ms, said, self.now_ms),
        )

    def judges(self, trap: int, **counts: int) -> None:
        """A note of a unit about its new model has come."""
        self._number += 1
        self._db.execute(
            "INSERT INTO notes (trap, epoch, number, kind, time_ms, uncertainty_ms, day, marks, said, proof, stored_ms)"
            " VALUES (?, ?, ?, 7, ?, 100, NULL, 0, ?, 'verified', ?)",
            (trap, EPOCH, self._number, self.now_ms, json.dumps(counts), self.now_ms),
        )

    def step(self, hours: float = 0.1) -> None:
        self.now_ms += round(hours * HOUR_MS)
        self.steward.step(self.now_ms - NOW + 1, self.now_ms)
        assert self.steward.trouble == ""

    def heard_for(self, hours: float) -> None:
        """So much later; all traps were heard all the time."""
        for _ in range(round(hours * 2)):
            self.now_ms += HOUR_MS // 2
            self.hear(*self.traps)
            self.step(0.001)

    def permit(self, trap: int) -> Permit | None:
        """What that trap is served."""
        path = self.mirror / "permits" / f"{trap}.permit"
        return read(path.read_bytes(), KEY) if path.exists() else None

    def released_to(self) -> dict[int, str]:
        """Which release each trap may take."""
        found = {trap: self.permit(trap) for trap in self.traps}
        return {trap: permit.release for trap, permit in found.items() if permit is not None}

    def rollout(self) -> Row:
        row = self.kept.current()
        assert row is not None
        return row
