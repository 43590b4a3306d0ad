"""The bench's own hand: the raw REPL's side of the line, against a board that is none. Runs everywhere."""

import contextlib
import io
import os
import pty
import threading
import tty
from collections.abc import Iterator

import pytest
from tests.hil.repl import ENTERED, BoardError, Repl


def board(fd: int) -> None:
    """Answers as MicroPython's raw REPL does (docs: reference/repl), with CPython behind it."""
    code, names = b"", {}
    with contextlib.suppress(OSError):
        while (byte := os.read(fd, 1)) != b"":
            if byte == b"\x01":
                os.write(fd, ENTERED)
            elif byte == b"\x04":
                out, error = io.StringIO(), ""
                with contextlib.redirect_stdout(out):
                    try:
                        exec(code.decode(), names)
                    except Exception as wrong:
                        error = f"Traceback\r\n{wrong!r}"
                os.write(fd, b"OK" + out.getvalue().encode() + b"\x04" + error.encode() + b"\x04>")
                code = b""
            elif byte not in b"\r\x03" or code:
                code += byte


@pytest.fixture
def port() -> Iterator[str]:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    thread = threading.Thread(target=board, args=(ours,), daemon=True)
    thread.start()
    yield os.ttyname(theirs)
    os.close(theirs)
    thread.join(10)  # it reads an error now; later it would take letters of the next test's line, under the same number
    assert not thread.is_alive()
    os.close(ours)


def test_code_goes_in_and_what_it_printed_comes_out(port: str) -> None:
    repl = Repl(port)
    assert repl.run("print(6 * 7)") == "42"
    assert repl.run("a = 1\nprint('x' * 500, a)") == "x" * 500 + " 1"
    repl.close()


def test_a_traceback_is_the_error(port: str) -> None:
    repl = Repl(port)
    with pytest.raises(BoardError, match="ZeroDivisionError"):
        repl.run("1 / 0")
    assert repl.run("print('still there')") == "still there"
    repl.close()


def test_it_comes_back_after_the_board_was_gone(port: str) -> None:
    repl = Repl(port)
    repl.run("kept = 5")
    repl.gone()
    assert repl.run("print(kept)") == "5"
    repl.close()


def test_a_port_with_nobody_there_is_named(tmp_path: object) -> None:
    with pytest.raises(BoardError, match="/dev/no-such-board: no MicroPython answers"):
        Repl("/dev/no-such-board", back_within_s=0.1)
