"""`trapsim soak --updates`: a small one is clean and fills its page; what goes wrong is named with its seed."""

import json

import pytest

from trapkit.update.slots import Slots
from trapsim.cli import main
from trapsim.powercut import recorder
from trapsim.updatesoak import command, cuts
from trapsim.updatesoak.page import page
from trapsim.updatesoak.releases import BAD, GOOD


@pytest.mark.skipif(recorder.strace() is None, reason="no strace, or this machine forbids tracing")
def test_a_small_soak_is_clean_and_a_planted_fault_is_named_by_its_seed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "CUTS", 3)
    assert main(["soak", "--updates", "1", "--seed", "3", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["counts"]["lives"], figures["violations"]) == (1, [])
    assert figures["counts"]["interruptions"] >= 3
    monkeypatch.setattr(Slots, "is_whole", lambda slots, name: False)  # no slot is ever good enough to start
    monkeypatch.setattr(cuts, "WAYS", ("",))
    found = command.soak(1, 3, lambda text: None)
    assert found["violations"]
    assert all(text.startswith("seed 300000") for text in found["violations"])


def test_the_page_says_what_struck_and_how_it_ended() -> None:
    counts = {"interruptions": 9, "lives": 2, "starts": 30, "power cuts, torn": 4, "ended: reverted, not-heard": 3}
    kinds = {GOOD: 1, next(iter(BAD)): 1}
    said = page(
        {"command": "x", "commit": "c", "seed": 1, "counts": counts, "kinds": kinds, "violations": ["seed 5: y"]}
    )
    assert "9 interruptions in 2 lives" in said
    assert "1 violations" in said
    assert "- seed 5: y" in said
    assert "| reverted `not-heard` | 3 | the base did not hear the unit under the new release |" in said
