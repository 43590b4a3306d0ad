"""What only a lookup can tell of a setting: plans and time zones that do not exist are named with those that do."""

from pathlib import Path
from typing import Any

import pytest

from trapbase.cli import main
from trapbase.config import GatewaySettings, ModemSettings, Settings, TrapSettings, check_traps, frame_bytes, modems
from trapkit.errors import SetupError
from trapkit.settings import convert_settings


@pytest.mark.parametrize(("plan", "sf", "size"), [("cn470", 9, 197), ("cn470", 11, 36), ("as923", 9, 66)])
def test_the_plan_and_spreading_factor_give_the_frame_size(plan: str, sf: int, size: int) -> None:
    assert frame_bytes(GatewaySettings(plan=plan, sf=sf)) == size


@pytest.mark.parametrize(("plan", "sf"), [("", 9), ("mongolia", 9), ("cn470", 12), ("as923", 10)])
def test_a_base_without_a_usable_plan_does_not_transmit(
    plan: str, sf: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "base.toml"
    config.write_text(f'folder = "{tmp_path}/base"\n[gateway]\nplan = "{plan}"\nsf = {sf}\n')
    assert main(["config", "check", "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert "gateway.plan" in said
    assert repr(plan) in said


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "Asia/\x00", "asia"])
def test_a_time_zone_that_does_not_exist_is_named(name: str) -> None:
    with pytest.raises(SetupError, match=r"Asia/Vladivostok or UTC"):
        check_traps(Settings(zone=name))
    trap = TrapSettings(number=7, station="S1", latitude=0, longitude=0, zone=name)
    with pytest.raises(SetupError, match="'zone' of trap 7"):
        check_traps(Settings(trap=(trap,)))


def test_a_station_may_have_a_zone_of_its_own() -> None:
    trap = TrapSettings(number=7, station="S1", latitude=0, longitude=0, zone="Asia/Ulaanbaatar")
    check_traps(Settings(zone="Asia/Vladivostok", trap=(trap,)))


@pytest.mark.parametrize(
    ("gateway", "modems", "words"),
    [
        ({}, [{"serial": "a"}, {"serial": "a"}], "key 'serial' of two [[modem]] is 'a'; each has a line of its own"),
        ({"serial": "/dev/x"}, [{"serial": "a"}], "key 'gateway.serial' is '/dev/x' beside 1 [[modem]]"),
        ({}, [{"serial": "a", "sf": 3}], "key 'sf' of modem a is 3; allowed are 7–12, or 0"),
        ({}, [{"serial": str(n)} for n in range(9)], "there are 9 [[modem]]; allowed are 8"),
        ({"home": False}, [], "key 'gateway.certificate' is 'gateway' where gateway.home is false"),
        ({"certificate": "forwarder-x"}, [], "key 'gateway.certificate' is 'forwarder-x' where gateway.home is true"),
    ],
)
def test_modems_and_homes_that_cannot_be_are_named(
    gateway: dict[str, Any], modems: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(SetupError) as refused:
        check_traps(convert_settings(Settings, {"gateway": gateway, "modem": modems}, "base.toml"))
    assert words in str(refused.value)


def test_one_modem_or_several_each_with_its_spreading_factor() -> None:
    one = convert_settings(Settings, {"gateway": {"serial": "usb:1A86:7523", "baud": 9600, "sf": 8}}, "")
    assert modems(one) == (ModemSettings(serial="usb:1A86:7523", baud=9600, sf=8),)
    several = convert_settings(Settings, {"modem": [{"serial": "a"}, {"serial": "b", "sf": 11}]}, "")
    assert [(m.serial, m.sf) for m in modems(several)] == [("a", 9), ("b", 11)]
    assert frame_bytes(GatewaySettings(plan="cn470"), 11) == 36
    with pytest.raises(SetupError, match="'cn470', 12"):
        frame_bytes(GatewaySettings(plan="cn470"), 12)
