"""A program's words go to stderr; a log that takes none of them changes nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trapkit.progress import say

WORDS = "from trapkit.progress import say\nfor number in range(3):\n    say(f'line {number}')\nprint('done')\n"


def run(stderr: int | None, words: str = WORDS, **more: str) -> "subprocess.CompletedProcess[bytes]":
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, "-c", words], stdout=subprocess.PIPE, stderr=stderr, env=plain | more, check=False
    )


@pytest.mark.parametrize("buffer", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_a_full_log_changes_no_exit_code(buffer: dict[str, str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(full.fileno(), **buffer)
    assert (done.returncode, done.stdout) == (0, b"done\n")


def test_a_log_that_nobody_reads_any_more_changes_no_exit_code() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run(writer)
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, b"done\n")


def test_a_log_that_takes_words_again_gets_them(tmp_path: Path) -> None:
    """The disk is full for one line, which may come late or never."""
    words = (
        "import resource, signal\nfrom trapkit.progress import say\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))\nsay('refused')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\nsay('taken: ü')\n"
    )
    with (tmp_path / "log").open("wb") as log:
        assert run(log.fileno(), words).returncode == 0
    assert (tmp_path / "log").read_text().splitlines()[0] == "taken: ü"


def test_words_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    say("one")
    say("two")
    assert capsys.readouterr().err == "one\ntwo\n"
