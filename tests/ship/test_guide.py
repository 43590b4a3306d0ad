"""The rangers' guide in the repo is what the catalogues say now: every task in every language, with its pictures."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from trapcam.service.words import LANGUAGES, Words

DEPLOY = Path(__file__).parents[2] / "deploy"
GUIDE = DEPLOY / "guide"
TASKS = {
    "place": "Place it",
    "walk": "Walk test",
    "card": "Deployment card",
    "visit": "Service visit",
    "end": "Take down",
}
MOST_PICTURE_BYTES = 60_000
MOST_BYTES = 4_000_000  # all of it: a repo is fetched over bad lines


def test_the_sheets_are_what_the_generator_writes() -> None:
    command = [sys.executable, str(DEPLOY / "make-guide"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_task_with_its_pictures(language: str) -> None:
    folder = GUIDE / language
    assert {path.stem for path in folder.glob("*.html")} == set(TASKS)
    for name, title in TASKS.items():
        text = (folder / f"{name}.html").read_text()
        assert f'<html lang="{language}">' in text
        assert f"<h1>{Words(language)(title)}</h1>" in text
        assert len(re.findall("<li>", text)) >= 8
        pictures = re.findall(r'<img src="([^"]+)"', text)
        assert len(pictures) == 2
        for picture in pictures:
            assert 1_000 < (folder / picture).stat().st_size < MOST_PICTURE_BYTES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_five_pages_to_print(language: str) -> None:
    pdf = (GUIDE / language / "guide.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b(?!s)", pdf)) == 5


def test_no_picture_lies_there_that_no_sheet_shows() -> None:
    for language in LANGUAGES:
        folder = GUIDE / language
        shown = set(re.findall(r'<img src="([^"]+)"', "".join(p.read_text() for p in folder.glob("*.html"))))
        assert {path.name for path in folder.glob("*.png")} == shown


def test_the_guide_is_small() -> None:
    assert sum(path.stat().st_size for path in GUIDE.rglob("*") if path.is_file()) < MOST_BYTES
