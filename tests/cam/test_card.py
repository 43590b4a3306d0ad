"""The model's card says what `figures.json` and the description say; a new model without a new card is noticed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pictures

from trapcam.config import TrapSettings, model_path
from trapcam.description import load_description

MODELS = model_path(TrapSettings()).parent
CARD = (MODELS / "CARD.md").read_text("utf-8")
DESCRIBED = load_description(model_path(TrapSettings()).with_suffix(".toml"))
ROWS = {  # line of the table: where `figures.json` has it, in shares
    "found at 2 % false keeps": ("all", "recall_at_2pct_false_keeps"),
    "the same, camera trap": ("camera_trap", "recall_at_2pct_false_keeps"),
    "at its own threshold: found": ("all", "recall_at_threshold"),
    "… camera trap": ("camera_trap", "recall_at_threshold"),
    "… others over it": ("all", "false_keeps_at_threshold"),
    "… others over it, camera trap": ("camera_trap", "false_keeps_at_threshold"),
    "people found (25 / 104 pictures)": ("person_recall",),
    "vehicles found (32 / 12 pictures)": ("vehicle_recall",),
    "ROC area": ("all", "auc"),
    "ROC area, camera trap": ("camera_trap", "auc"),
}


def test_it_is_this_model_s_card() -> None:
    assert CARD.startswith(f"# Model card: {DESCRIBED.name} {DESCRIBED.version}\n")
    for category, threshold in DESCRIBED.thresholds.items():
        assert f"*{category}* {threshold:.3f}" in CARD


@pytest.mark.parametrize("row", ROWS)
def test_its_table_has_the_measured_figures(row: str) -> None:
    figures = json.loads((MODELS / "figures.json").read_text("utf-8"))
    (line,) = [line for line in CARD.splitlines() if line.startswith(f"| {row} | ")]
    cells = [float(re.sub(r"[*\\]", "", cell).split()[0]) for cell in line.strip("| ").split(" | ")[1:3]]
    measured: list[Any] = []
    for split in ("test", "validation"):
        found = figures[f"{split}_int8"]
        for step in ROWS[row]:
            found = found[step]
        measured.append(found if "auc" in ROWS[row] else found * 100)
    assert cells == pytest.approx(measured, abs=0.001 if "auc" in ROWS[row] else 0.06)


@pytest.mark.parametrize("name", ["roc.png", "precision_recall.png"])
def test_its_charts_are_there(name: str) -> None:
    assert f"]({name})" in CARD
    assert (MODELS / name).stat().st_size < 100_000
    with Pictures.open(MODELS / name) as chart:
        assert chart.format == "PNG"


def test_what_it_links_to_is_there() -> None:
    missing = [link for link in re.findall(r"\]\(([^)#]+)\)", CARD) if not (MODELS / Path(link)).exists()]
    assert missing == []
