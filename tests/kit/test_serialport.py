"""The serial port over real ptys: what arrives, what is damaged, what goes away and comes back."""

import os
import pty
import select
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trapkit.serialport import SerialPort
from trapwire.errors import WireError
from trapwire.serialline import MAX_PAYLOAD_BYTES, SerialDecoder, encode_message


class Line:
    """A pty behind a link, as udev names an adapter; the test holds the far end."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.plug()

    def plug(self) -> None:
        self.far, near = pty.openpty()
        tty.setraw(near)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(near))
        os.close(near)

    def unplug(self) -> None:
        os.close(self.far)
        self.link.unlink()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path / "tty")
    yield line
    if line.link.is_symlink():
        line.unplug()


def receive(port: SerialPort, count: int) -> list[tuple[int, bytes]]:
    """The next `count` messages; waits for the kernel, not for a time."""
    messages = port.read()
    while len(messages) < count:
        fd = port.fileno()
        assert fd is not None
        assert select.select([fd], [], [], 10)[0], "nothing came"
        messages += port.read()
    return messages


def test_messages_both_ways(line: Line) -> None:
    port = SerialPort(str(line.link))
    assert port.fileno() is None
    assert port.read() == []
    assert port.is_open
    os.write(line.far, encode_message(5, b"down \xc0\xdb") + encode_message(6, b""))
    assert receive(port, 2) == [(5, b"down \xc0\xdb"), (6, b"")]
    assert port.send(7, b"up")
    assert SerialDecoder().feed(os.read(line.far, 100)) == [(7, b"up")]


def test_one_byte_at_a_time(line: Line) -> None:
    port = SerialPort(str(line.link))
    port.open()
    for byte in encode_message(5, b"slowly"):
        assert port.read() == []
        os.write(line.far, bytes([byte]))
        fd = port.fileno()
        assert fd is not None
        select.select([fd], [], [], 10)
    assert receive(port, 1) == [(5, b"slowly")]


def test_damage_is_counted_and_the_next_message_is_whole(line: Line) -> None:
    port = SerialPort(str(line.link))
    port.open()
    broken = bytearray(encode_message(5, b"broken"))
    broken[4] ^= 1
    os.write(line.far, b"noise" + bytes(broken) + encode_message(5, b"whole"))
    assert receive(port, 1) == [(5, b"whole")]
    assert port.damaged == 2


def test_a_missing_line_is_no_error_and_is_found_when_it_comes(tmp_path: Path) -> None:
    port = SerialPort(str(tmp_path / "tty"))
    assert port.read() == []
    assert not port.send(1, b"")
    assert not port.is_open
    assert str(tmp_path / "tty") in port.last_error
    line = Line(tmp_path / "tty")
    assert port.send(1, b"hello")
    assert SerialDecoder().feed(os.read(line.far, 100)) == [(1, b"hello")]
    line.unplug()


@pytest.mark.parametrize("use", [lambda port: port.read(), lambda port: port.send(1, b"x")])
def test_an_unplugged_line_closes_and_opens_again(line: Line, use: Callable[[SerialPort], object]) -> None:
    port = SerialPort(str(line.link))
    assert port.send(1, b"")
    line.unplug()
    assert not use(port)
    assert not port.is_open
    assert port.fileno() is None
    line.plug()
    assert port.read() == []
    os.write(line.far, encode_message(9, b"back"))
    assert receive(port, 1) == [(9, b"back")]


def test_an_oversized_message_is_the_caller_s_mistake(line: Line) -> None:
    port = SerialPort(str(line.link))
    with pytest.raises(WireError, match="allowed are"):
        port.send(1, bytes(MAX_PAYLOAD_BYTES + 1))
    assert port.is_open


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    messages=st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=4), noise=st.binary(max_size=20)
)
def test_whatever_is_sent_arrives_even_after_noise(
    tmp_path_factory: pytest.TempPathFactory, messages: list[tuple[int, bytes]], noise: bytes
) -> None:
    line = Line(tmp_path_factory.mktemp("line") / "tty")
    port = SerialPort(str(line.link))
    port.open()
    os.write(line.far, noise + b"".join(encode_message(kind, payload) for kind, payload in messages))
    received = receive(port, len(messages))
    assert received[-len(messages) :] == messages if messages else True
    line.unplug()


def test_a_line_that_is_not_there_or_goes_away_says_so_in_words(line: Line, tmp_path: Path) -> None:
    missing = SerialPort(str(tmp_path / "ttyUSB9"))
    assert missing.read() == []
    assert missing.last_error == f"{tmp_path}/ttyUSB9: cannot be opened: No such file or directory; is it plugged in?"
    port = SerialPort(str(line.link))
    assert port.open()
    os.close(line.far)
    line.far = os.open(os.devnull, os.O_RDWR)
    while port.is_open:
        port.read()
    assert port.last_error == f"{line.link}: went away: Input/output error; it is opened again by itself"
