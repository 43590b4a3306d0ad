"""The shipped net beside another: figures of both, in words that name a wrong file."""

from pathlib import Path

import pytest

from trapcam.config import TrapSettings, model_path
from trapkit.errors import SetupError
from trapsim.against import bench_against
from trapsim.cmd_bench import table

MODEL = model_path(TrapSettings())


def silent(text: str) -> None:
    assert text


def test_a_net_beside_itself_takes_as_long_and_as_much() -> None:
    figures = bench_against(MODEL, MODEL, silent)
    assert figures["file_ratio"] == 1
    assert 0.3 < figures["time_ratio"] < 3, "the same net: what differs is the machine's load"
    assert figures["ms_one_look"] > 0
    assert abs(figures["mb_process"] - figures["mb_process_against"]) < 15
    assert 20 < figures["mb_process"] < 200
    page = table({"machine": "m", "commit": "c", "against": figures})
    assert f"beside `{MODEL.name}`" in page
    assert "latency" not in page


def test_what_is_no_net_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="there is no such file"):
        bench_against(MODEL, tmp_path / "none.tflite", silent)
    garbage = tmp_path / "garbage.tflite"
    garbage.write_bytes(b"TFL3" * 100)
    with pytest.raises(SetupError, match=r"garbage\.tflite: the runtime refuses"):
        bench_against(MODEL, garbage, silent)
