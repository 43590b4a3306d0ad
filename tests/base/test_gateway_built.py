"""The gateway as its settings build it: two modems on real ptys, a base that only listens, a clock."""

import json
import os
import select
import struct
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.base.parts import NOW, alert, envelope
from tests.support import wait_for
from trapbase.cli import main
from trapbase.config import Settings, check_traps
from trapbase.modem import FILE, read_modem
from trapbase.parts import Part, build_gateway
from trapbase.radio.clock import read_clock
from trapkit.aes import AesCcm
from trapkit.settings import convert_settings
from trapship.certificates import make_fleet
from trapship.linkkeys import make_link_keys, make_listen_keys
from trapwire.frame import ALERT, HEARTBEAT
from trapwire.linkkeys import UP, LinkKey, parse_key
from trapwire.objects import ALERT as ALERT_RUNG
from trapwire.payloads import Heartbeat, encode_alert_payload
from trapwire.serialline import HEARD, HELLO, TRANSMIT, SerialDecoder, encode_message


class Modem:
    """A modem's end of a pty."""

    def __init__(self, sf: int) -> None:
        self.far, self.near = os.openpty()
        tty.setraw(self.near)
        os.set_blocking(self.far, False)
        self.path = os.ttyname(self.near)
        self.sf = sf
        self._decoder = SerialDecoder()
        self.sent: list[bytes] = []

    def step(self) -> None:
        try:
            messages = self._decoder.feed(os.read(self.far, 65536))
        except BlockingIOError:
            return
        self.sent += [payload for kind, payload in messages if kind == TRANSMIT]
        if any(kind == HELLO for kind, _ in messages):
            os.write(self.far, encode_message(HELLO, struct.pack(">BIBH", self.sf, 470300, 0, 0)))

    def hear(self, frame: bytes, snr: int) -> None:
        """Returns when the other end can read it."""
        os.write(self.far, encode_message(HEARD, struct.pack(">hb", -90, snr) + frame))
        assert select.select([self.near], [], [], 60)[0]

    def close(self) -> None:
        os.close(self.far)
        os.close(self.near)


class Base:
    """The part, driven by the test; no broker runs, and none is needed to answer a heartbeat."""

    def __init__(self, folder: Path, **gateway: object) -> None:
        self.folder = folder
        self.modems = [Modem(9), Modem(9), Modem(10)]
        make_fleet(folder / "fleet", ("gateway", "forwarder-south"))
        make_link_keys(folder / "keys", [1], [])
        make_listen_keys(folder / "keys", [1])
        self.key = LinkKey(parse_key((folder / "keys" / "link" / "1.key").read_text()), 1, UP, AesCcm)
        own: dict[str, Any] = {"plan": "cn470", "keys": str(folder / "keys" / "link"), "commit_wait_ms": 0}
        settings = {
            "folder": str(folder / "base"),
            "bus": {"certificates": str(folder / "fleet"), "port": 1},
            "gateway": own | gateway,
            "modem": [{"serial": m.path, "sf": m.sf} for m in self.modems],
            "trap": [{"number": 1, "station": "S1", "latitude": 1.0, "longitude": 2.0}],
        }
        self.settings = convert_settings(Settings, settings, "base.toml")
        check_traps(self.settings)
        self.part: Part = build_gateway(self.settings)
        self.now = 0
        self.counter = 0
        self.step()

    def step(self, ms: int = 10) -> bool:
        self.now += ms
        self.part.step(self.now, NOW + self.now)
        for modem in self.modems:
            modem.step()
        return False

    def beat(self) -> bytes:
        self.counter += 1
        return self.key.seal(HEARTBEAT, True, self.counter, Heartbeat({"uptime_s": self.counter}).encode())

    def answers(self) -> list[bool]:
        found = [bool(modem.sent) for modem in self.modems]
        for modem in self.modems:
            modem.sent.clear()
        return found

    def answered(self) -> list[bool]:
        """Wait for an answer; which modem was given it."""
        wait_for(lambda: self.step() or any(modem.sent for modem in self.modems))
        return self.answers()

    def close(self) -> None:
        self.part.close()
        for modem in self.modems:
            modem.close()


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Base]:
    base = Base(tmp_path)
    yield base
    base.close()


def test_three_modems_at_two_spreading_factors_are_one_base(base: Base) -> None:
    for snrs, expected in (((4, 30, None), [False, True, False]), ((None, None, -20), [False, False, True])):
        frame = base.beat()
        for modem, snr in zip(base.modems, snrs, strict=True):
            if snr is not None:
                modem.hear(frame, snr)
        assert base.answered() == expected
    wait_for(lambda: base.step(5000) or all(m.get("sf") for m in (read_modem(base.folder / "base") or {})["modems"]))
    state = json.loads((base.folder / "base" / FILE).read_text())
    assert [m["sf"] for m in state["modems"]] == [9, 9, 10]
    assert "modem:" not in base.part.trouble()
    os.close(base.modems[2].far)
    base.modems[2].far = os.open(os.devnull, os.O_RDWR | os.O_NONBLOCK)
    wait_for(lambda: base.step() or f"modem: {base.modems[2].path}: " in base.part.trouble())


def test_the_clock_is_written_down_by_a_base_that_runs(base: Base) -> None:
    state = read_clock(base.folder / "base")
    assert state is not None
    assert state["words"]


def test_the_settings_of_both_kinds_of_base_are_checked_before_they_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_fleet(tmp_path / "fleet", ("forwarder-south",))
    make_link_keys(tmp_path / "keys", [1], [])
    make_listen_keys(tmp_path / "keys", [1])
    config = tmp_path / "base.toml"
    config.write_text(f"""
[bus]
certificates = "{tmp_path}/fleet"
[gateway]
plan = "cn470"
keys = "{tmp_path}/keys/listen"
home = false
certificate = "forwarder-south"
[[modem]]
serial = "usb:34851804"
sf = 11
[[trap]]
number = 1
station = "S1"
latitude = 1.0
longitude = 2.0
""")
    assert main(["config", "check", "--config", str(config)]) == 0
    assert "no link key" not in capsys.readouterr().err
    (tmp_path / "fleet" / "forwarder-south.crt").unlink()
    assert main(["config", "check", "--config", str(config)]) == 2
    assert "forwarder-south.crt: certificate cannot be read" in capsys.readouterr().err
    config.write_text(config.read_text().replace("sf = 11", "sf = 12"))
    assert main(["config", "check", "--config", str(config)]) == 2
    assert "'cn470', 12" in capsys.readouterr().err


def test_a_base_that_is_not_home_says_nothing_on_the_air(tmp_path: Path) -> None:
    keys = str(tmp_path / "keys" / "listen")
    base = Base(tmp_path, home=False, certificate="forwarder-south", keys=keys)
    try:
        heard = encode_alert_payload(envelope(1, 5, ALERT_RUNG, alert()).key, alert())
        base.counter += 1
        base.modems[0].hear(base.key.seal(ALERT, True, base.counter, heard), 20)
        base.modems[1].hear(base.beat(), 20)
        state = base.folder / "base"
        wait_for(lambda: base.step(5000) or (read_modem(state) or {"heard": 0})["heard"] == 2)
        for _ in range(20):
            base.step(100)
        assert base.answers() == [False, False, False]
        assert "link key" not in base.part.trouble()
    finally:
        base.close()
