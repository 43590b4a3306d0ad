"""The raw REPL of a real MicroPython, through a cable that fails in every way that cables do."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ship.bench import Bench, need_bench

from trapkit.errors import SetupError
from trapkit.serialport import ByteLine
from trapship.rawrepl import BoardRefused, NoAnswer, RawRepl


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    need_bench()
    made = Bench(tmp_path)
    yield made
    made.close()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_a_board_says_who_it_is_and_takes_a_file(bench: Bench) -> None:
    repl = RawRepl(ByteLine(bench.start().port))
    told = repl.call("who")
    assert (told["machine"], told["version"], told["ran"]) == ("Raspberry Pi Pico with RP2040", [1, 25, 0], False)
    repl.call("folder", "/state/up")
    data = os.urandom(1500)
    for at in (0, 700, 0, 700, 1400):  # said again, as after a damaged answer
        size = repl.call("piece", "/state/up/x", at, encoded(data[at : at + 700]))
    assert size == 1500
    assert bench.files() == {"state/up/x": data}
    assert repl.call("tree", "/state") == [["/state/up/x", 1500]]
    repl.call("remove", "/state")
    assert bench.files() == {}


def test_the_boards_own_words_come_through(bench: Bench) -> None:
    repl = RawRepl(ByteLine(bench.start().port))
    with pytest.raises(BoardRefused, match="TypeError") as refused:
        repl.call("shas", 3)
    assert refused.value.kind == "TypeError"
    assert repl.call("shas", ["/none"]) == [None], "it goes on"


class Damaging:
    """A line on which every n-th byte is another, either way."""

    def __init__(self, line: ByteLine, every: int) -> None:
        self._line, self._every, self._seen = line, every, 0

    def _harm(self, data: bytes) -> bytes:
        harmed = bytearray(data)
        for place in range(len(harmed)):
            self._seen += 1
            if self._seen % self._every == 0:
                harmed[place] ^= 0x15
        return bytes(harmed)

    def read(self, timeout_s: float) -> bytes:
        return self._harm(self._line.read(min(timeout_s, 0.5)))

    def write(self, data: bytes) -> None:
        self._line.write(self._harm(data))


@pytest.mark.parametrize("every", [9001, 12007, 17011])
def test_damaged_bytes_are_noticed_and_what_they_hit_is_said_again(bench: Bench, every: int) -> None:
    repl = RawRepl(Damaging(ByteLine(bench.start().port), every))
    data = os.urandom(6000)
    for at in range(0, 6000, 600):
        assert repl.call("piece", "/x", at, encoded(data[at : at + 600]), timeout_s=2.0) == at + 600
    assert bench.files() == {"x": data}


def test_a_line_full_of_damage_is_given_up_in_words(bench: Bench) -> None:
    repl = RawRepl(Damaging(ByteLine(bench.start().port), 40))
    with pytest.raises(NoAnswer, match=r"cable|prompt|command|answer|words"):
        repl.call("who", timeout_s=0.5)


def test_noise_before_the_first_word_does_no_harm(bench: Bench) -> None:
    line = ByteLine(bench.start().port)
    line.write(b"while True: pass  # half a line \x01\x02\x80\xff'''")
    assert RawRepl(line).call("shas", ["/none"]) == [None]


def test_a_program_that_was_killed_in_the_raw_repl_leaves_no_trace(bench: Bench) -> None:
    line = ByteLine(bench.start().port)
    RawRepl(line).call("who")
    line.write(b"_r('eyJ")
    line.close()
    assert RawRepl(ByteLine(bench.port)).call("shas", ["/none"]) == [None]


def test_a_board_without_power_is_one_that_does_not_answer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trapship.rawrepl.ENTER_S", 0.05)
    with pytest.raises(NoAnswer, match="no answer"):
        RawRepl(ByteLine(bench.port)).call("who")


def test_a_cable_that_is_pulled_is_said(bench: Bench) -> None:
    line = ByteLine(bench.start().port)
    repl = RawRepl(line)
    repl.call("who")
    bench.close_master()
    with pytest.raises(ConnectionError, match="went away"):
        repl.call("who")


def test_a_port_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be opened"):
        ByteLine(str(tmp_path / "ttyX"))


def test_a_port_that_another_program_holds_is_named(bench: Bench) -> None:
    line = ByteLine(bench.start().port)
    with pytest.raises(SetupError, match="no other program"):
        ByteLine(bench.port)
    line.close()
