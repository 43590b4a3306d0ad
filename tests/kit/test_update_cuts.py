"""The power goes at any write of an update: the unit is the old one or the new one, entirely, and comes to its end."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from trapsim.powercut import recorder
from trapsim.powercut.recorder import Op
from trapsim.updatesoak import cuts
from trapsim.updatesoak.life import drawn
from trapsim.updatesoak.releases import GOOD

WHOLE = 14  # a good release with all four parts
BAD = 25  # the application does not start, and the supervisor's part is new, too
CUTS = 4  # of each; `trapsim soak --updates 1000` makes many

pytestmark = pytest.mark.skipif(recorder.strace() is None, reason="no strace, or this machine forbids tracing")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Op]]:
    folder = tmp_path_factory.mktemp("update") / "life"
    return folder, cuts.record(folder, WHOLE)


def test_a_good_release_comes_through_any_cut(whole: tuple[Path, list[Op]]) -> None:
    folder, ops = whole
    assert drawn(WHOLE).kind == GOOD
    counts: Counter[str] = Counter()
    assert [wrong for wrong in cuts.cut(ops, folder, WHOLE, 2 * CUTS, counts) if wrong] == []
    assert counts["ended: confirmed"] == 2 * CUTS


def test_a_bad_one_goes_back_through_any_cut_and_says_why(tmp_path: Path) -> None:
    ops = cuts.record(tmp_path / "life", BAD)
    assert drawn(BAD).kind != GOOD
    assert [wrong for wrong in cuts.cut(ops, tmp_path / "life", BAD, CUTS, Counter()) if wrong] == []


FAULTS: dict[str, Callable[[Op], bool]] = {
    "files of a slot are never synced": lambda op: "/application/" in op.path and op.path.endswith(".py"),
    "their folders are never synced": lambda op: op.path.endswith("/application/trapcam"),
    "a slot's list is never synced": lambda op: "/.slot.json" in op.path,
    "the record is never synced": lambda op: "/.slots.json" in op.path,
    "its folder is never synced": lambda op: op.path.endswith("/unit/pi"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(whole: tuple[Path, list[Op]], fault: str) -> None:
    """What a program would write that forgot this one sync: some state shows it."""
    folder, ops = whole
    without = [op for op in ops if not (op.kind == "sync" and FAULTS[fault](op))]
    assert len(without) < len(ops)
    switched = max(at for at, op in enumerate(without) if op.kind == "symlink")
    assert any(cuts.cut(without, folder, WHOLE, 60, Counter(), twice=False, first=switched))
