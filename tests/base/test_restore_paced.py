"""A base that came back asks its back end within the way's hours, day's bytes and pauses."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.base.parts import NOW, TRAPS
from tests.base.valley import VERIFY_KEY, Valley
from trapbase.config import UploadSettings
from trapbase.custody.reconcile import Reconcile
from trapbase.gate import ForgetfulLedger, Gate
from trapsim.backend_direct import DirectOutlet

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@pytest.fixture
def valley(tmp_path: Path) -> Iterator[Valley]:
    made = Valley(tmp_path)
    yield made
    made.close()


class Counting(DirectOutlet):
    """What a list and a batch's receipts cost on the line is told to `count`, as HTTP would."""

    count: Callable[[int], None] = staticmethod(lambda size: None)
    asked = 0

    def batches(self, after: str) -> tuple[list[str], str | None]:
        self._line()
        return super().batches(after)

    def receipts(self, batch_id: str) -> bytes | None:
        self._line()
        return super().receipts(batch_id)

    def _line(self) -> None:
        self.asked += 1
        self.count(1000)


def forgotten_week(valley: Valley, batches: int) -> None:
    """A base comes back from a backup; the back end has so many batches that it has forgotten."""
    valley.outlet = Counting(valley.outlet.store)
    valley.make(1, 1)
    valley.run(40_000)
    backup = valley.backup()
    for number in range(2, 2 + batches):
        valley.make(1, number)
        valley.run(40_000)
    valley.come_back(backup)


def ask_with(valley: Valley, **pace: object) -> tuple[Reconcile, Gate, ForgetfulLedger]:
    ledger = ForgetfulLedger()
    gate = Gate(UploadSettings(retry_min_s=1, retry_max_s=64, **pace), lambda: 1.0, None, ledger)  # type: ignore
    valley.outlet.count = gate.count  # type: ignore[attr-defined]
    return Reconcile(valley.restored, valley.outlet, VERIFY_KEY, TRAPS, gate), gate, ledger


def test_a_base_that_came_back_asks_within_its_hours_alone(valley: Valley) -> None:
    forgotten_week(valley, 3)
    reconcile, *_ = ask_with(valley, hours="22:00-06:00")
    noon = NOW - NOW % DAY_MS + DAY_MS // 2
    before = valley.outlet.asked  # type: ignore[attr-defined]
    for now_ms in range(0, HOUR_MS, 60_000):
        assert not reconcile.step(now_ms, noon + now_ms)
    assert valley.outlet.asked == before  # type: ignore[attr-defined]
    assert reconcile.pending(), "and nothing is sent meanwhile"
    assert reconcile.trouble == "", "that is as its settings want it"
    for now_ms in range(DAY_MS // 2, DAY_MS // 2 + 60_000, 1000):
        reconcile.step(now_ms, noon + now_ms)
    assert not reconcile.pending()
    assert (reconcile.adopted, reconcile.elsewhere) == (0, 6)


def test_a_base_that_came_back_asks_for_no_more_than_a_days_bytes(valley: Valley) -> None:
    forgotten_week(valley, 5)
    reconcile, gate, ledger = ask_with(valley, budget_kib=4)  # the list and two batches: then less than 2 kB are left
    days = 0
    while reconcile.pending() and days < 9:
        for now_ms in range(days * DAY_MS, days * DAY_MS + 100_000, 1000):
            reconcile.step(now_ms, NOW - NOW % DAY_MS + now_ms)
        days += 1
    assert days == 2
    assert (reconcile.elsewhere, sorted(ledger.days.values())) == (10, [3000, 3000])
    assert gate.room(NOW - NOW % DAY_MS) == 1096


def test_a_base_that_came_back_leaves_a_dead_back_end_in_peace(valley: Valley) -> None:
    """Pauses grow, as for uploads."""
    forgotten_week(valley, 1)
    reconcile, gate, ledger = ask_with(valley)
    store, valley.outlet.store = valley.outlet.store, None
    before = valley.outlet.asked  # type: ignore[attr-defined]
    for now_ms in range(0, 100_000, 100):
        reconcile.step(now_ms, NOW + now_ms)
    assert valley.outlet.asked - before == 7, "after 10, 20, 30, 40, 56 and 88 seconds"  # type: ignore[attr-defined]
    assert (gate.state(100_000), "nothing is sent before" in ledger.standing.error) == ("open", True)
    valley.outlet.store = store
    for now_ms in range(100_000, 170_000, 100):
        reconcile.step(now_ms, NOW + now_ms)
    assert (reconcile.pending(), reconcile.trouble, ledger.standing.failures) == (False, "", 0)
