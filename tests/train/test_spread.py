"""Figures over several splits: each, their mean and spread."""

import json
from pathlib import Path

import pytest
from train import spread


def write(folder: Path, recall: float, felines: int, *, night: bool = True) -> Path:
    folder.mkdir()
    figure = {"value": recall, "interval": [recall - 0.05, recall + 0.02]}
    rows = [{"kind": "all", "name": "all pictures", "felines": felines, "others": 50, spread.FIGURE: figure}]
    if night:
        rows.append({"kind": "light", "name": "night", "felines": 3, "others": 50, spread.FIGURE: figure})
    (folder / "figures.json").write_text(json.dumps({"groups": rows}))
    return folder


def test_mean_and_deviation_by_hand(tmp_path: Path) -> None:
    folders = [write(tmp_path / "1", 0.8, 100), write(tmp_path / "2", 0.9, 20), write(tmp_path / "3", 0.1, 9)]
    everything, *rest = spread.spread(folders)
    assert everything["mean"] == pytest.approx(0.85), "nine cats are too few to count"
    assert everything["deviation"] == pytest.approx(0.0707, abs=1e-4)
    night = next(line for line in rest if line["name"] == "night")
    assert (night["mean"], night["deviation"]) == (None, None)
    page = spread.table([everything, night], ["1", "2", "3"])
    assert "| all pictures | 80.0 (75–82; 100) | 90.0 (85–92; 20) | 10.0 (5–12; 9) | 85.0 | 7.1 |" in page


def test_what_a_split_lacks_is_a_dash_and_what_is_no_folder_of_figures_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [write(tmp_path / "a", 0.8, 100), write(tmp_path / "b", 0.9, 20, night=False)]
    monkeypatch.setattr("sys.argv", ["spread", *map(str, folders), "--out", str(tmp_path / "spread.json")])
    assert spread.main() == 0
    assert "| night | 80.0 (75–82; 3) | – | – | – |" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "spread.json").read_text())["groups"]) == len(spread.ROWS)
    monkeypatch.setattr("sys.argv", ["spread", str(tmp_path), "--out", str(tmp_path / "spread.json")])
    assert spread.main() == 1
    assert "figures.json" in capsys.readouterr().err
