"""The modem as the base sees it: what passes on its line is counted, written down, read again and shown in words."""

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.base.parts import NOW
from tests.base.test_view import view
from trapbase.cli import main
from trapbase.modem import FILE, WRITE_EVERY_MS, ModemLine, modem_words, read_modem
from trapbase.store import Store
from trapkit.serialport import SerialPort
from trapsim.cable import Cable
from trapwire.serialline import HEARD, SENT, TRANSMIT, TUNE

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
        line = ModemLine(port, tmp_path / FILE)
        for _ in range(3):
            assert line.send(TRANSMIT, b"frame")
        assert line.send(TUNE, b"\x09\x00\x01")
        line.step(0, NOW)
        assert read_modem(tmp_path) == {**STATE, "written_ms": NOW, "said_ms": None, "heard": 0, "given": 3, "sent": 0}
        modem.send(SENT, b"\x01")
        modem.send(HEARD, b"\x00\x00\x00frame")
        wait_for_messages(line, 2)
        line.step(1, NOW + 1)  # its first word is written at once
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
        line.step(2, NOW + 2)
        assert (read_modem(tmp_path) or {})["sent"] == 1
        line.step(1 + WRITE_EVERY_MS, NOW + 3)
        assert (read_modem(tmp_path) or {})["sent"] == 2
    finally:
        cable.close()


def test_a_modem_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    line = ModemLine(SerialPort(str(tmp_path / "ttyUSB0")), tmp_path / FILE)
    assert line.read() == []
    line.step(0, NOW)
    state = read_modem(tmp_path)
    assert state is not None
    assert "ttyUSB0: cannot be opened" in state["trouble"]
    assert "ttyUSB0: cannot be opened" in modem_words(state, UTC)
    assert [note for note in view(modem=state).notes if note.startswith("Modem: ") and "is it plugged in?" in note]


def test_a_disk_that_refuses_does_not_stop_the_radio(tmp_path: Path) -> None:
    line = ModemLine(SerialPort(str(tmp_path / "ttyUSB0")), tmp_path / "no such folder" / FILE)
    line.step(0, NOW)
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
