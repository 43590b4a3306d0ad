"""`trapship doctor` on a real MicroPython: a healthy unit, and everything that can be wrong with one on the bench."""

import json
import struct
from binascii import crc32
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.ship.bench import XIAO, Bench
from tests.ship.test_flash import KEY, MODEM, bench, bundle, modem, newer, put

from trapship.boards import BOARDS
from trapship.cli import main
from trapship.doctor import Report, _hardware
from trapship.eventwords import last_entries
from trapship.layout import SlotState, encode_settings, encode_slots
from trapwire.events import BROWN_OUT, START

__all__ = ["bench", "bundle", "modem", "newer"]
Ask = Callable[..., tuple[int, dict[str, str], dict[str, Any]]]
SUPERVISOR = {"role": "supervisor", "trap": 7, "plan": "cn470", "link_key": KEY}
WELL = {**XIAO, "clock_kept": True, "battery_mv": 7200, "temperature_c": -18, "reset_cause": 0, "pi_halted": None}


def record(sequence: int, time_s: int, code: int, value: int) -> bytes:
    data = struct.pack(">IIBH", sequence, time_s, code, value)
    return data + struct.pack(">H", crc32(data) & 0xFFFF)


@pytest.fixture
def ask(modem: Bench, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs the command: exit code, findings by what they are about, all of its JSON."""

    def run(*words: object) -> tuple[int, dict[str, str], dict[str, Any]]:
        code = main(["doctor", "--port", modem.port, "--wait", "3", "--json", *map(str, words)])
        out, _ = capsys.readouterr()
        told = json.loads(out) if out else {"findings": []}
        return code, {found["about"]: found["words"] for found in told["findings"]}, told

    return run


def test_a_healthy_modem(modem: Bench, ask: Ask) -> None:
    before = modem.start().files()
    code, found, told = ask()
    assert (code, found) == (0, {})
    assert (told["healthy"], told["role"], told["holds"]) == (True, "modem", "slot a, modem")
    assert modem.files() == before


def test_a_healthy_supervisor_and_its_last_events(modem: Bench, ask: Ask) -> None:
    put(modem, "settings/mcu.json", encode_settings(SUPERVISOR, 3))
    put(modem, "state/log0", record(630, 86400, START | 0x80, 2) + b"torn")
    modem.start(**WELL)
    code, found, told = ask()
    assert (code, found) == (0, {})
    assert (told["trap"], told["battery_mv"], told["temperature_c"]) == (7, 7200, -18)
    assert told["events"] == [
        {"time": "2020-01-02 00:00:00Z", "code": START, "name": "start", "value": 2, "is_fault": False}
    ]


def test_what_a_supervisors_hardware_lacks(modem: Bench, ask: Ask) -> None:
    put(modem, "settings/mcu.json", encode_settings(SUPERVISOR, 3))
    put(modem, "state/log1", record(631, 50, BROWN_OUT, 1))
    modem.start(**WELL | {"clock_kept": False, "battery_mv": None})
    code, found, told = ask()
    assert code == 1
    assert found["clock"].startswith("it lost its time")
    assert found["battery"].startswith("it cannot be measured")
    assert found["event log"] == "50 s of its own clock: brown out (1)"
    assert not told["healthy"]
    modem.start(radio_broken="SX1262 not found")
    assert "SX1262 not found" in ask()[1]["radio"]


def test_slots_that_do_not_fit(modem: Bench, ask: Ask, newer: Any) -> None:
    put(modem, "slot", encode_slots(SlotState("a", "b", 100)))
    put(modem, "a/trapwire/frame.mpy", b"other bytes")
    code, _, told = ask_all(modem, ask, "--bundle", newer)
    assert code == 1
    words = " | ".join(found["words"] for found in told["findings"])
    assert "slot b is on trial, 50 of its starts' worth are left" in words
    assert "slot a has files with other hashes than its list; the unit runs from the other one" in words
    assert "is not the bundle's version" in words


def ask_all(modem: Bench, ask: Ask, *words: object) -> tuple[int, dict[str, str], dict[str, Any]]:
    modem.start()
    return ask(*words)


def test_what_is_missing_or_damaged(modem: Bench, ask: Ask) -> None:
    put(modem, "slot", b"no slot file")
    put(modem, "settings/mcu.json", b'{"version": 3')
    (modem.flash / "main.py").unlink()
    code, found, _ = ask_all(modem, ask)
    assert code == 1
    assert "/slot, which says what starts, is damaged; it starts slot a" in found["slots"]
    assert "/settings/mcu.json is damaged; there are none before either" in found["settings"]
    assert "/main.py, which starts a slot, is missing" in found["firmware"]


def test_settings_without_plan_or_key(modem: Bench, ask: Ask) -> None:
    put(modem, "settings/mcu.json", json.dumps({"role": "supervisor", "trap": 7}).encode())
    code, found, told = ask_all(modem, ask)
    assert (code, told["role"]) == (1, "supervisor")
    assert "the unit does not start; name one in mcu.json" in found["plan"]
    assert "the firmware refuses them and does not start: radio plan '' is unknown" in found["settings"]
    assert "link_key is missing" in found["key"]
    assert told["battery"] == "none is named: no percent, no days left, no saving"


def test_settings_that_the_firmware_refuses_are_said_in_its_words(modem: Bench, ask: Ask) -> None:
    put(modem, "settings/mcu.json", json.dumps({**MODEM, "plan": "mn433"}).encode())
    code, found, _ = ask_all(modem, ask)
    assert code == 1
    assert "the firmware refuses them and does not start: radio plan 'mn433' is unknown" in found["settings"]


def test_a_board_that_is_none_of_ours_or_too_old(modem: Bench, ask: Ask) -> None:
    modem.start(machine="Arduino Nano ESP32 with ESP32S3", version=[1, 22, 0])
    code, found, _ = ask()
    assert code == 1
    assert "it says that it is 'Arduino Nano ESP32 with ESP32S3'" in found["board"]
    modem.start(machine="Raspberry Pi Pico with RP2040")
    assert "MicroPython is 1.22.0; allowed is 1.25.0 or newer" in ask()[1]["MicroPython"]


def test_a_full_flash_and_a_bare_board(modem: Bench, ask: Ask) -> None:
    size = sum(map(len, modem.files().values()))
    modem.start(flash_bytes=size + 10000)
    assert "is nearly full" in ask()[1]["flash"]
    for path in list(modem.flash.rglob("files.sha256")):
        path.unlink()
    modem.start(flash_bytes=0)
    assert "there is none that is whole" in ask()[1]["firmware"]


def test_a_unit_that_does_not_answer(modem: Bench, ask: Ask) -> None:
    code, found, told = ask()
    assert (code, told["healthy"]) == (1, False)
    assert "is it a data cable" in found["answer"]


def test_a_port_that_is_none_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--port", "/dev/none", "--wait", "0"]) == 2
    assert "/dev/none: cannot be opened" in capsys.readouterr().err


def test_a_port_that_is_not_there_is_said_at_once_with_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("trapship.reach.time.sleep", lambda seconds: pytest.fail("it waited"))
    gone = str(tmp_path / "ttyACM9")
    assert main(["doctor", "--port", gone]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"trapship: {gone}: is not there; plugged in: ")
    assert "press" in said.partition("--wait 30")[2]


def test_the_log_is_read_in_order_over_both_files_and_damage() -> None:
    first = b"".join(record(n, n, START, n) for n in range(630, 634))
    second = record(945, 9, START, 1) + b"\xff" * 13
    harmed = first[:13] + b"\x00" + first[14:]
    assert [e["value"] for e in last_entries([harmed, second], 3)] == [632, 633, 1]
    assert MODEM["role"] == "modem"


def test_firmware_that_is_broken_is_not_laid_to_the_radio() -> None:
    report = Report(port="x")
    _hardware({"broken": "ImportError: can't import name Pin"}, BOARDS["pico"], report)
    assert [about for about, _ in report.findings] == ["firmware"]
