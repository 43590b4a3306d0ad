"""`trapsim link --repeater`: the figures that PROTOCOL.md names."""

import json

import pytest

from trapsim.cli import main


@pytest.mark.parametrize(("loss", "least"), [(0.0, 0.46), (0.1, 0.37), (0.3, 0.19)])
def test_an_object_arrives_by_a_repeater_at_no_less_than_the_stated_efficiency(
    capsys: pytest.CaptureFixture[str], loss: float, least: float
) -> None:
    assert main(["link", "--repeater", "--loss", str(loss), "--runs", "3", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["delivered"]
    assert figures["by_repeater"]["efficiency"] >= least
    assert figures["by_repeater"]["efficiency"] < figures["directly"]["efficiency"]


def test_what_does_not_go_with_a_repeater_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link", "--repeater", "--compare"]) == 2
    assert "--repeater goes with" in capsys.readouterr().err
    assert main(["link", "--repeater", "--plan", "cn470", "--sf", "11"]) == 2
    assert "--repeater --plan cn470 --sf 11: frames of 36 bytes leave no room" in capsys.readouterr().err
