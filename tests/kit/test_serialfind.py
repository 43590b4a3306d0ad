"""A modem by what it is and not by where it is: USB serial numbers, vendor and product, an adapter that was renamed.

What is plugged in is the test's; what is opened are real ptys.
"""

import os
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from serial.tools.list_ports import comports
from serial.tools.list_ports_common import ListPortInfo

from trapkit import serialport
from trapkit.serialfind import find_usb, follow, identity_of
from trapkit.serialport import SerialPort, why_absent
from trapwire.serialline import SerialDecoder


@dataclass
class Adapter:
    """As pyserial lists it."""

    device: str
    vid: int | None = 0x1A86
    pid: int | None = 0x7523
    serial_number: str | None = None
    location: str | None = "1-1.2"


class Usb:
    """Adapters on ptys that come and go, and what a program sees of them."""

    def __init__(self) -> None:
        self.plugged: list[Adapter] = []
        self.far: dict[str, int] = {}
        self._near: dict[str, int] = {}
        self.looks = 0

    def plug(self, serial_number: str | None = None, location: str = "1-1.2", pid: int = 0x7523) -> Adapter:
        far, near = os.openpty()
        tty.setraw(near)
        device = os.ttyname(near)
        self.far[device], self._near[device] = far, near
        adapter = Adapter(device, pid=pid, serial_number=serial_number, location=location)
        self.plugged.append(adapter)
        return adapter

    def unplug(self, adapter: Adapter) -> None:
        self.plugged.remove(adapter)
        os.close(self.far.pop(adapter.device))
        os.close(self._near.pop(adapter.device))

    def ports(self) -> list[Adapter]:
        self.looks += 1
        return list(self.plugged)

    def hears(self, adapter: Adapter) -> list[tuple[int, bytes]]:
        return SerialDecoder().feed(os.read(self.far[adapter.device], 1000))

    def close(self) -> None:
        for fd in (*self.far.values(), *self._near.values()):
            os.close(fd)


@pytest.fixture
def usb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Usb]:
    monkeypatch.setattr(serialport, "LOOK_EVERY_S", 0.0)
    usb = Usb()
    yield usb
    usb.close()


def test_a_modem_is_found_by_its_serial_number_wherever_it_is(usb: Usb) -> None:
    port = SerialPort("usb:34851804", adapters=usb.ports)
    assert not port.send(1, b"x")
    assert port.last_error == "usb:34851804: no USB adapter is usb:34851804; plugged in: none; is it plugged in?"
    usb.plug("another")
    assert not port.open()
    assert "plugged in: usb:another (/dev/pts/" in port.last_error
    modem = usb.plug("34851804", "1-1.3")
    assert port.send(1, b"x")
    assert usb.hears(modem) == [(1, b"x")]
    usb.unplug(modem)
    while port.is_open:
        port.read()
    modem = usb.plug("34851804", "1-1.1")
    assert port.send(1, b"y")
    assert (usb.hears(modem), port.device) == ([(1, b"y")], modem.device)
    port.reopen()


def test_vendor_and_product_name_one_only(usb: Usb) -> None:
    first = usb.plug(location="1-1")
    port = SerialPort("usb:1a86:7523", adapters=usb.ports)
    assert port.open()
    assert port.device == first.device
    port.reopen()
    usb.plug(location="1-2")
    assert not port.open()
    assert "2 adapters are usb:1a86:7523" in port.last_error
    assert "name one by its serial number or /dev/serial/by-path" in port.last_error


@pytest.mark.parametrize("serial_number", ["A10KZP", None])
def test_an_adapter_that_comes_back_under_another_name_is_followed(usb: Usb, serial_number: str | None) -> None:
    modem = usb.plug(serial_number)
    port = SerialPort(modem.device, adapters=usb.ports)
    assert port.open()
    usb.unplug(modem)
    while port.is_open:
        port.read()
    usb.plug("GNSS", location="1-1.4")  # takes the old name, say
    modem = usb.plug(serial_number)
    assert port.send(1, b"x")
    assert usb.hears(modem) == [(1, b"x")]
    port.reopen()


def test_two_that_cannot_be_told_apart_are_not_guessed_at() -> None:
    known = identity_of(Adapter("/dev/ttyUSB0", serial_number="0001"))
    twins = [Adapter("/dev/ttyUSB1", serial_number="0001"), Adapter("/dev/ttyUSB2", serial_number="0001")]
    assert follow("/dev/ttyUSB0", known, twins) == "/dev/ttyUSB0"
    assert follow("/dev/ttyUSB0", known, twins[:1]) == "/dev/ttyUSB1"
    assert follow("/dev/ttyUSB0", None, twins[:1]) == "/dev/ttyUSB0"
    moved = Adapter("/dev/ttyUSB1", location="1-9")
    assert follow("/dev/ttyUSB0", identity_of(Adapter("/dev/ttyUSB0")), [moved]) == "/dev/ttyUSB0"


def test_what_is_no_usb_adapter_is_never_one() -> None:
    plain = Adapter("/dev/ttyS0", vid=None, pid=None, serial_number="x")
    assert identity_of(plain) is None
    assert find_usb("usb:x", [plain])[0] == ""


def test_what_is_plugged_in_is_not_listed_at_every_turn(tmp_path: Path) -> None:
    usb = Usb()
    port = SerialPort("usb:none", adapters=usb.ports)
    for _ in range(1000):
        port.read()
    assert usb.looks <= 2
    assert "no USB adapter" in port.last_error
    plain = SerialPort(str(tmp_path / "ttyUSB0"), adapters=usb.ports)
    for _ in range(100):
        plain.read()
    assert usb.looks <= 2, "a path that never was an adapter's needs no list"


def test_pyserial_lists_what_we_read() -> None:
    assert {"device", "vid", "pid", "serial_number", "location"} <= set(vars(ListPortInfo("/dev/ttyX")))
    assert all(identity_of(port) is None or port.device for port in comports())


def test_a_line_that_is_not_there_is_said_with_what_is_plugged_in_and_nothing_is_opened(tmp_path: Path) -> None:
    there = [Adapter("/dev/ttyACM0", vid=0x2E8A, pid=5, serial_number="E660")]
    line = tmp_path / "pugmark-modem"
    assert why_absent(str(line), lambda: there) == f"{line}: is not there; plugged in: usb:E660 (/dev/ttyACM0)"
    assert why_absent(str(line), list) == f"{line}: is not there; plugged in: none"
    line.touch()  # no tty: whoever opened it would say so
    assert why_absent(str(line), list) == ""
    assert why_absent("usb:2E8A:0005", lambda: there) == ""
    assert "usb:2E8A:0005: no USB adapter is usb:2E8A:0005" in why_absent("usb:2E8A:0005", list)
