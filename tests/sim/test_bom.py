"""The bill of materials: complete against the drawings, honest about the cold, and a wrong row is named."""

import json
from pathlib import Path

import pytest

from trapkit.errors import SetupError
from trapsim.bom import COLD_C, NO, RATED, UNITS, YES, missing, read_bom, totals
from trapsim.cli import main
from trapsim.pinmap import HARDWARE, read_wiring

BOM = (HARDWARE / "bom.csv").read_text("utf-8")


def test_every_box_of_every_drawing_is_in_the_bill() -> None:
    assert missing(read_bom(), read_wiring()) == []


def test_a_box_that_the_bill_lacks_is_found() -> None:
    without = [row for row in read_bom() if row.key != "pir"]
    assert missing(without, read_wiring()) == ["trap: PIR drawn, 0 of 'pir' in the bill"]


def test_every_part_answers_for_the_cold_and_names_who_says_so() -> None:
    for row in read_bom():
        assert row.temperature, row.key
        assert row.source, row.key
        assert row.at_minus_30 == YES or row.at_minus_30.startswith(NO), row.key
        rated = RATED.match(row.temperature)
        if row.at_minus_30 == YES and rated:
            assert int(rated[1]) <= COLD_C, row.key


def test_totals_are_the_sum_of_the_rows() -> None:
    rows = read_bom()
    for total in totals(rows):
        own = [row for row in rows if row.unit == total.unit]
        assert total.price_eur == round(sum(r.quantity * r.price_eur for r in own), 2)
        assert total.pieces == sum(r.quantity for r in own)
    assert [total.unit for total in totals(rows)] == list(UNITS)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bom", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["lacking"] == []
    assert figures["units"][0]["unit"] == "trap"
    assert "pi-zero" in figures["units"][0]["not_rated_for_minus_30"]
    assert main(["bom"]) == 0
    assert "not rated for −30 °C: " in capsys.readouterr().out
    assert main(["bom", "--unit", "repeater"]) == 0
    assert "Pico-LoRa-SX1262" in capsys.readouterr().out
    assert main(["bom", "--unit", "cn470"]) == 0
    assert "E22-400M22S" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("-40…+65 °C", "", "line 2: xiao says nothing under temperature"),
        (
            ",trap,1,supervisor,", ",trapp,1,supervisor,",
            "line 2: unit 'trapp' is unknown; allowed are: trap, base, repeater",
        ),
        (",trap,1,supervisor,", ",trap,none,supervisor,", "line 2: Expected `int`, got `str` - at `$.quantity`"),
        (",trap,1,supervisor,", ",trap,0,supervisor,", "allowed is a quantity of 1–1000"),
        (
            "-20…+70 °C,outside rating; chamber test needed", "-20…+70 °C,yes",
            "pi-zero is made for -20…+70 °C, and answers",
        ),
        (
            "outside rating; chamber test needed", "perhaps",
            "pi-zero answers 'perhaps' for -30 °C; allowed is 'yes', or what",
        ),
        ("\npi-zero,", "\nxiao,", "'xiao' is there twice for a trap"),
        ("key,part", "key,parts", "line 2: Object contains unknown field `parts`"),
    ],
)  # fmt: skip
def test_a_row_that_is_wrong_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "bom.csv"
    path.write_text(BOM.replace(old, new, 1), "utf-8")
    with pytest.raises(SetupError) as caught:
        read_bom(path)
    assert words in str(caught.value)
