"""The settings page lists every key of every program, and is not stale."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from trapkit.settings import rows

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_page_is_what_the_generator_writes() -> None:
    command = [sys.executable, str(DEPLOY / "make-settings-page"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("module", "name"), [("trapcam.config", "TrapSettings"), ("trapbase.config", "Settings")])
def test_every_key_has_its_row_and_its_text(module: str, name: str) -> None:
    page = (DEPLOY / "settings.md").read_text()
    for key, allowed, _, text in rows(getattr(import_module(module), name)):
        assert text, f"{module}: {key} has no description"
        assert allowed, f"{module}: {key} does not say what is allowed"
        assert f"| `{key}` |" in page
