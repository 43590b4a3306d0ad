"""A second copy of a program on the same data: refused by name and process, under whatever path it comes."""

import io
import json
import os
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from tests.base.running import Site
from tests.support import wait_for
from trapkit.files import lock_folder
from trapsim.cli import main as trapsim


@pytest.fixture
def running(site: Site) -> Site:
    """A base with all its parts."""
    site.base()
    wait_for(lambda: site.log.count("running") == 4)
    return site


def test_no_part_of_a_base_runs_twice(running: Site) -> None:
    first = running.processes[0].pid
    seconds = {part: running.base("--only", part) for part in ("gateway", "ingest", "forward", "page")}
    for part, process in seconds.items():
        assert process.wait(15) == 2
        words = f"{part}: {running.folder}/base: another trapbase-{part} (process {first}) is running on this data"
        assert f"{words}; stop it first" in running.log
    assert running.processes[0].poll() is None, "the first goes on"
    assert "Traceback" not in running.log


def test_another_path_to_the_same_folder_is_the_same_folder(running: Site, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(tmp_path / "base")
    text = running.config.read_text()
    running.config.write_text(text.replace(f'"{tmp_path}/base"', f'"{tmp_path}/elsewhere"'))
    assert running.base("--only", "ingest").wait(15) == 2
    assert f"{tmp_path}/elsewhere: another trapbase-ingest (process {running.processes[0].pid})" in running.log


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize(
    ("command", "name"), [("demo", "demo"), ("backend", "trapsim backend"), ("unit", "trapsim unit")]
)
def test_no_program_of_the_demo_runs_twice(tmp_path: Path, command: str, name: str, link: bool) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    given = tmp_path / "link" if link else folder
    (tmp_path / "key").write_text("00" * 32)
    (folder / "mcu.json").write_text(json.dumps({"role": "modem", "plan": "cn470"}))
    arguments = {
        "demo": ["--state", str(given)],
        "backend": ["--folder", str(given), "--port", "1", "--key", str(tmp_path / "key")],
        "unit": ["--folder", str(given), "--serial", str(tmp_path / "key"), "--channel", "1"],
    }[command]
    before = sorted(p.name for p in folder.iterdir())
    stderr = io.StringIO()
    with lock_folder(folder, name), redirect_stderr(stderr):
        assert trapsim([command, *arguments]) == 2
    words = f"trapsim: {given}: another {name} (process {os.getpid()}) is running on this data; stop it first\n"
    assert words in stderr.getvalue()
    assert sorted({*before, f"{name}.lock"}) == sorted(p.name for p in folder.iterdir()), "nothing was touched"
