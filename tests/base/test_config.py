"""What only a lookup can tell of a setting: plans and time zones that do not exist are named with those that do."""

from pathlib import Path

import pytest

from trapbase.cli import main
from trapbase.config import GatewaySettings, Settings, TrapSettings, check_traps, frame_bytes
from trapkit.errors import SetupError


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
