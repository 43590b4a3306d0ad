"""The table of levers: differences on the same pictures, and how sure they are."""

import json
from pathlib import Path

import pytest
from train import data, lever_table, recipe

TITLES = [title for *_, title in lever_table.COLUMNS]


def picture(number: int, **changed: object) -> data.Picture:
    usual = {
        "file": f"{number}.png", "source": "a/zoo", "licence": "", "tier": "", "group": "felid", "label": "tiger",
        "sequence": f"s{number // 2}", "camera_trap": False, "night": False, "boxes": (), "boxed": False,
    }  # fmt: skip
    return data.Picture(**{**usual, **changed})  # type: ignore[arg-type]


CATS = [picture(i) for i in range(40)]
OTHERS = [picture(100 + i, group="other_animal", label="deer") for i in range(100)]
PICTURES = [*CATS, *OTHERS]
DEER = [0.5] * 100  # so the limit lies just above, whichever of them are drawn
GOOD = [0.95] * 40 + DEER
WORSE = [0.95] * 30 + [0.2] * 10 + DEER


def run(name: str, scores: list[float], against: str = "full-1") -> lever_table.Run:
    how = {"epochs": 1, "steps_per_epoch": 250, "batch": 32}
    return lever_table.Run(
        name=name, what=name, against=against, scores={"validation": scores, "test": scores}, settings=how
    )


def test_figures_and_differences_by_hand() -> None:
    table = lever_table.compare(PICTURES, {"a": GOOD, "b": WORSE}, {"a": "a", "b": "a"})
    assert (table["a"]["all"]["value"], table["b"]["all"]["value"]) == (1.0, 0.75)
    assert (table["a"]["all"]["difference"], table["b"]["all"]["difference"]) == (None, -0.25)
    low, high = table["b"]["all"]["interval"]
    # Ten of forty cats, but five of twenty sequences: about ten points either way, not the six of single pictures.
    assert -0.48 < low < -0.40
    assert -0.10 < high < -0.02
    assert table["b"]["big cats"] == table["b"]["all"], "they are all tigers"
    assert table["b"]["camera trap"] is None
    assert table["b"]["night"] is None
    assert table["b"]["ROC area"]["value"] == pytest.approx(0.75), "a found cat outscores all others, a missed one none"


def test_two_nets_that_say_the_same_do_not_differ_however_sequences_are_drawn() -> None:
    table = lever_table.compare(PICTURES, {"a": WORSE, "b": WORSE}, {"a": "a", "b": "a"})
    assert {title: (table["b"][title] or {}).get("interval") for title in TITLES} == {
        "all": [0, 0], "camera trap": None, "night": None, "big cats": [0, 0], "ROC area": [0, 0],
    }  # fmt: skip


def test_the_page_and_the_numbers_behind_it(tmp_path: Path) -> None:
    out = tmp_path / "new" / "LEVERS.md"
    parts = {"test": PICTURES, "validation": PICTURES}
    few = [run("both", GOOD, "both"), run("grey", WORSE, "both"), run("int8", GOOD, "both"), run("float", GOOD, "int8")]
    lever_table.write(out, parts, [run("full-1", GOOD), run("without-night", WORSE)], few)
    page = out.read_text("utf-8")
    assert page.index("| **test** |") < page.index("| **validation** |")
    assert "| cats / others | 40 / 100 |  |  | 40 / 100 | 40 / 100 |" in page
    assert "| full-1 | 100.0 | – | – | 100.0 | 100.0 |" in page
    assert "| without-night | 75.0<br>−25.0 (−4" in page
    assert "250 steps of 32" in page
    assert "Compared with the first line, “float” with “int8”." in page
    content = json.loads(out.with_suffix(".json").read_text("utf-8"))
    assert [one["name"] for one in content["learned"]] == ["full-1", "without-night"]
    assert content["learned"][1]["test"]["all"]["difference"] == -0.25
    assert not list(out.parent.glob("*.part"))
    assert page.endswith(
        "**Not measured yet:** the recipe without weights, lesson, pasted, weather, negatives, near.\n"
    )
    lever_table.write(out, parts, [run(f"without-{name}", GOOD, f"without-{name}") for name in recipe.NAMES])
    assert "Not measured" not in out.read_text("utf-8")


def test_a_figure_of_few_sequences_is_starred() -> None:
    cats = [picture(i, sequence="one") for i in range(20)]
    table = lever_table.compare([*cats, *OTHERS], {"a": GOOD[20:]}, {"a": "a"})
    assert lever_table.cell(table["a"]["all"]) == "100.0\\*"
