"""Boards on the bench: skipped where none is named. tests/hil/README.md says how they are connected."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.hil.repl import Repl

# Where trapship puts the firmware: its two slots; a board without slots has it in /lib or /.
PATHS = "import sys\nfor p in ('/b', '/a'):\n    sys.path.insert(0, p)\n"
PLAN = os.environ.get("PUGMARK_HIL_PLAN", "eu868")
TRAP = PATHS + (
    "from trapmcu.boards import pins_xiao_s3 as pins\n"
    "from trapmcu.boards.xiao_s3 import XiaoS3\n"
    f"board = XiaoS3({{'plan': '{PLAN}', 'sf': 7, 'freq_khz': 0}})\n"
)
MODEM = PATHS + (f"from trapmcu.boards.pico import Pico\nboard = Pico({{'plan': '{PLAN}', 'sf': 7, 'freq_khz': 0}})\n")
RESET = "import machine\nmachine.reset()\n"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).parent == Path(__file__).parent and item.path.name != "test_repl.py":
            item.add_marker(pytest.mark.hil)


def _board(variable: str, what: str) -> Iterator[Repl]:
    port = os.environ.get(variable)
    if not port:
        pytest.skip(f"no {what}: set {variable} to its serial port, for example /dev/ttyACM0")
    repl = Repl(port)
    yield repl
    # The board's watchdog cannot be stopped: a reset, so that the next test begins with a board that was just made.
    repl.start(RESET)
    repl.close()


@pytest.fixture
def trap() -> Iterator[Repl]:
    """The trap's board (XIAO ESP32-S3 on its carrier), in its raw REPL, no `Board` made yet."""
    yield from _board("PUGMARK_TRAP_PORT", "trap board")


@pytest.fixture
def modem() -> Iterator[Repl]:
    """The modem's board (Pico with Waveshare's radio), likewise."""
    yield from _board("PUGMARK_MODEM_PORT", "modem board")


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """A question to whoever stands at the bench; skipped unless PUGMARK_HIL_HANDS=1 says that somebody does."""
    if os.environ.get("PUGMARK_HIL_HANDS") != "1":
        pytest.skip("needs hands or a meter: set PUGMARK_HIL_HANDS=1 and run pytest with -s")

    def question(text: str) -> str:
        with capsys.disabled():
            return input(f"\n{text} ").strip()

    return question
