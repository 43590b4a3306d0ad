"""What one burst costs the card, by what becomes of it; `python -m tests.card.written` prints the table."""

from pathlib import Path

import pytest

from tests.card import written
from trapsim.powercut import recorder

pytestmark = pytest.mark.skipif(recorder.strace() is None, reason="no strace, or this machine forbids tracing")


def test_what_is_not_kept_costs_pages_and_no_file(tmp_path: Path) -> None:
    found = written.table(tmp_path, bursts=3)
    assert found["rejected"]["files"] == found["withheld"]["files"] == 0
    assert 0 < found["withheld"]["database"] < found["rejected"]["database"] < 40_000
    kept, sample = found["kept"], found["audit sample"]
    assert kept["picture"] < kept["files"] < kept["picture"] + 2_000, "the full frame once, sealed, and nothing besides"
    assert kept["database"] < 100_000
    assert found["rejected"]["database"] < sample["database"] < kept["database"]
