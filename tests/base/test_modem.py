"""The modem as the base sees it: what passes on its line is counted, written down, read again and shown in words."""

import json
import os
import struct
import tty
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.base.parts import NOW
from tests.base.test_view import view
from trapbase.cli import main
from trapbase.modem import FILE, WRITE_EVERY_MS, ModemLine, ModemState, modem_words, read_modem
from trapbase.store import Store
from trapkit.serialport import SerialPort
from trapsim.cable import Cable
from trapwire.serialline import HEARD, HELLO, SENT, TRANSMIT, TUNE, SerialDecoder, encode_message

UTC = ZoneInfo("UTC")
STATE = {"written_ms": NOW, "said_ms": NOW - 1000, "trouble": "", "heard": 211, "given": 102, "sent": 99}


def wait_for_messages(line: ModemLine, count: int) -> None:
    found = 0
    while found < count:
        found += len(line.read())


def test_what_passes_is_counted_and_what_the_modem_kept_back_shows(tmp_path: Path) -> None:
    cable = Cable(tmp_path / "base", tmp_path / "modem")
    cable.start()
    try:
        port, modem = SerialPort(str(tmp_path / "base")), SerialPort(str(tmp_path / "modem"))
        line = ModemLine(port)
        state = ModemState([line], tmp_path / FILE)
        for _ in range(3):
            assert line.send(TRANSMIT, b"frame")
        assert line.send(TUNE, b"\x09\x00\x01")
        state.step(0, NOW)
        assert read_modem(tmp_path) == {**STATE, "written_ms": NOW, "said_ms": None, "heard": 0, "given": 3, "sent": 0}
        modem.send(SENT, b"\x01")
        modem.send(HEARD, b"\x00\x00\x00frame")
        wait_for_messages(line, 2)
        state.step(1, NOW + 1)  # its first word is written at once
        assert read_modem(tmp_path) == {
            **STATE,
            "written_ms": NOW + 1,
            "said_ms": NOW + 1,
            "heard": 1,
            "given": 3,
            "sent": 1,
        }
        modem.send(SENT, b"\x00")
        wait_for_messages(line, 1)
        state.step(2, NOW + 2)
        assert (read_modem(tmp_path) or {})["sent"] == 1
        state.step(1 + WRITE_EVERY_MS, NOW + 3)
        assert (read_modem(tmp_path) or {})["sent"] == 2
    finally:
        cable.close()


def test_a_modem_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    line = ModemLine(SerialPort(str(tmp_path / "ttyUSB0")))
    assert line.read() == []
    ModemState([line], tmp_path / FILE).step(0, NOW)
    state = read_modem(tmp_path)
    assert state is not None
    assert "ttyUSB0: cannot be opened" in state["trouble"]
    assert "ttyUSB0: cannot be opened" in modem_words(state, UTC)
    assert [note for note in view(modem=state).notes if note.startswith("Modem: ") and "is it plugged in?" in note]


def test_a_disk_that_refuses_does_not_stop_the_radio(tmp_path: Path) -> None:
    line = ModemLine(SerialPort(str(tmp_path / "ttyUSB0")))
    ModemState([line], tmp_path / "no such folder" / FILE).step(0, NOW)
    assert read_modem(tmp_path / "no such folder") is None


def test_words() -> None:
    assert modem_words(STATE, UTC) == (
        "last word 21 Nov 2025, 00:59:59 UTC, 211 frames heard, 99 of 102 answers sent "
        "(since its gateway started; as of 21 Nov 2025, 01:00:00)"
    )
    assert "no word from it yet" in modem_words({**STATE, "said_ms": None}, UTC)
    assert "no gateway has run" in modem_words(None, UTC)
    assert view(modem=STATE).modem["counts"] == "211 frames heard, 99 of 102 answers sent"  # type: ignore[index]
    assert view(modem=None).modem is None


class Pty:
    """The real port on a pty, whose far end is the test's."""

    def __init__(self, folder: Path) -> None:
        self.far, near = os.openpty()
        tty.setraw(near)
        os.set_blocking(self.far, False)
        self._near = near
        folder.mkdir(exist_ok=True)
        (folder / "tty").symlink_to(os.ttyname(near))
        self.port = SerialPort(str(folder / "tty"))
        self.line = ModemLine(self.port, 9)
        self.decoder = SerialDecoder()

    def asked(self) -> list[tuple[int, bytes]]:
        with suppress(BlockingIOError):
            return self.decoder.feed(os.read(self.far, 65536))
        return []

    def say(self, kind: int, payload: bytes) -> None:
        os.write(self.far, encode_message(kind, payload))
        while not self.line.read():
            pass

    def close(self) -> None:
        self.port.reopen()
        os.close(self.far)
        os.close(self._near)


ANSWER = struct.pack(">BIBH", 9, 470300, 0, 3)


@pytest.fixture
def pty(tmp_path: Path) -> Iterator[Pty]:
    pty = Pty(tmp_path / "pty")
    yield pty
    pty.close()


def test_a_silent_modem_is_asked_and_one_that_answers_is_well(pty: Pty) -> None:
    for now in range(0, 600_000, 1000):
        pty.line.read()
        pty.line.step(now, NOW + now)
        for kind, payload in pty.asked():
            assert (kind, payload) == (HELLO, b"")
            pty.say(HELLO, ANSWER)
    assert pty.line.trouble == ""
    assert pty.line.state()["freq_khz"] == 470300
    assert (pty.line.said_ms or 0) > NOW + 580_000


def test_a_modem_that_hangs_is_opened_anew_with_growing_pauses_until_it_answers(
    pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    pty.line.read()
    pty.line.step(0, NOW)
    pty.say(HELLO, ANSWER)
    opened: list[int] = []
    real = pty.port.reopen
    monkeypatch.setattr(pty.port, "reopen", lambda: (opened.append(now), real()))
    news = 0
    for now in range(0, 3_600_000, 500):
        pty.line.read()
        news += pty.line.step(now, NOW + now)
        pty.asked()
    assert "is open, and the modem no longer answers: it is opened anew" in pty.line.trouble
    assert opened[:4] == [35_000, 105_500, 246_000, 526_500], "a board may need seconds to start"
    assert len(opened) < 12
    assert news < 40
    pty.say(HELLO, ANSWER)
    assert pty.line.step(3_600_000, NOW)
    assert pty.line.trouble == ""


def test_a_line_with_nobody_at_its_end_is_said(pty: Pty) -> None:
    for now in range(0, 40_000, 1000):
        pty.line.read()
        pty.line.step(now, NOW + now)
    assert "is open, and nobody answers there: is it the modem, with its firmware?" in pty.line.trouble


def test_a_line_that_brings_only_noise_is_said(pty: Pty) -> None:
    for now in range(0, 40_000, 1000):
        os.write(pty.far, b"\xc0noise at another speed\xc0")
        pty.line.read()
        pty.line.step(now, NOW + now)
    assert "brings only noise; is its speed (baud) the modem's" in pty.line.trouble


def test_a_modem_with_firmware_from_before_the_question_is_left_alone(pty: Pty) -> None:
    pty.line.read()
    pty.line.step(0, NOW)
    pty.say(HEARD, b"\x00\x00\x00frame")
    for now in range(1000, 3_600_000, 5000):
        pty.line.read()
        pty.line.step(now, NOW + now)
    assert pty.line.trouble == ""
    assert pty.line.is_open


def test_a_modem_at_another_spreading_factor_is_said(pty: Pty) -> None:
    pty.line.read()
    pty.say(HELLO, struct.pack(">BIBH", 10, 470300, 0, 0))
    pty.line.step(0, NOW)
    assert pty.line.trouble.endswith("the modem is at SF10, these settings say 9: change one of the two")
    pty.say(HELLO, b"short")
    assert pty.line.answer["sf"] == 10


def test_several_modems_are_shown_each_and_together(pty: Pty, tmp_path: Path) -> None:
    gone = ModemLine(SerialPort(str(tmp_path / "ttyUSB7")), 10)
    state = ModemState([pty.line, gone], tmp_path / FILE)
    pty.line.read()
    gone.read()
    pty.say(HEARD, b"\x00\x00\x00frame")
    state.step(0, NOW)
    found = read_modem(tmp_path)
    assert found is not None
    assert (found["heard"], found["said_ms"], len(found["modems"])) == (1, NOW, 2)
    said = modem_words(found, UTC)
    assert f"{tmp_path}/pty/tty: last word" in said
    assert f"{tmp_path}/ttyUSB7: {tmp_path}/ttyUSB7: cannot be opened" in said
    (tmp_path / FILE).write_text(json.dumps({**found, "modems": [1]}))
    assert read_modem(tmp_path) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "[" * 4000, json.dumps({**STATE, "sent": "9"}), json.dumps({"sent": 1})]
)
def test_a_damaged_file_is_no_state(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_modem(tmp_path) is None


def test_status_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(tmp_path / "base").close()
    config = tmp_path / "base.toml"
    config.write_text(f'folder = "{tmp_path}/base"\n')
    assert main(["status", "--config", str(config)]) == 0
    assert "modem:   not known yet" in capsys.readouterr().out
    (tmp_path / "base" / FILE).write_text(json.dumps(STATE))
    assert main(["status", "--json", "--config", str(config)]) == 0
    assert json.loads(capsys.readouterr().out)["modem"] == STATE
