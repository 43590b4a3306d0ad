"""The units of deploy/systemd: what systemd itself says of them, and that they fit the programs."""

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.base.systemd import KEEPALIVE_S, Systemd
from tests.support import Broker

from trapbase.cli import main
from trapkit.notify import Notifier

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy" / "systemd"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
TABLE = ROOT / "deploy" / "machines" / "README.md"
PROGRAM = re.compile(r"(?m)^(ExecStart|ExecReload|ExecStop)=(-?)(/opt|/usr)[^ \n]*")
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze on this machine: Debian has it")


class Unit(configparser.RawConfigParser):
    """A unit file; of a key that stands there several times the last one."""

    def __init__(self, name: str) -> None:
        super().__init__(strict=False)
        self.read(UNITS / name)

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.fixture
def installed(tmp_path: Path) -> list[str]:
    """The units where the programs are those of this machine: systemd looks whether they are there."""
    paths = []
    for path in sorted(UNITS.iterdir()):
        target = tmp_path / path.name
        target.write_text(PROGRAM.sub(r"\1=\2/bin/true", path.read_text()))
        paths.append(str(target))
    # The two roles' are installed under one name, by which the others know it.
    shutil.copy(tmp_path / "pugmark-identity-trap.service", tmp_path / "pugmark-identity.service")
    return paths


@needs_systemd
def test_systemd_takes_the_units_without_a_word(installed: list[str]) -> None:
    done = subprocess.run([str(ANALYZE), "verify", "--man=no", *installed], capture_output=True, text=True, check=False)
    # The machine's own units may have faults; of ours nothing is said.
    assert "pugmark" not in done.stderr, done.stderr


@needs_systemd
def test_what_a_unit_can_do_to_its_machine_is_little_and_stands_in_the_table(installed: list[str]) -> None:
    table = dict(re.findall(r"(?m)^\| `(pugmark-[a-z-]+\.service)` \|.*\| ([0-9.]+) \|$", TABLE.read_text()))
    assert sorted(table) == SERVICES
    for path in installed:
        name = Path(path).name
        if name not in table:
            continue
        most = round(float(table[name]) * 10)  # in tenths: 100 is a service without any bounds
        command = [str(ANALYZE), "security", "--offline=true", "--no-pager", f"--threshold={most}", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "unrecognized option" in done.stderr:
            pytest.skip("this systemd is older than 250 and cannot look at a file")
        assert done.returncode == 0, done.stdout.splitlines()[-1:] + done.stderr.splitlines()


def test_the_units_fit_the_programs() -> None:
    base, broker, trap = (Unit(f"pugmark-{name}.service")["Service"] for name in ("base", "broker", "trap"))
    assert base["Type"] == broker["Type"] == trap["Type"] == "notify"
    assert base["Restart"] == broker["Restart"] == trap["Restart"] == "always"
    assert int(base["WatchdogSec"]) == int(trap["WatchdogSec"]) == KEEPALIVE_S
    assert base["LimitCORE"] == trap["LimitCORE"] == "0"
    notifier = Notifier({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": f"{KEEPALIVE_S}000000"}, os.getpid())
    assert notifier.keepalive_ms == KEEPALIVE_S * 500
    program, *arguments = base["ExecStart"].split()
    assert program.endswith("/trapbase")
    assert main([*arguments[:1], "--only", "none", *arguments[1:-1], "/nowhere/base.toml"]) == 2
    assert {section["User"] for section in (base, broker, trap)} == {"pugmark"}
    for role in ("base", "trap"):
        assert "u pugmark " in (ROOT / "deploy" / "machines" / f"sysusers-{role}.conf").read_text()


def test_the_broker_says_when_it_is_ready(mosquitto: str, fleet: Path, tmp_path: Path) -> None:
    systemd = Systemd(tmp_path)
    broker = Broker(mosquitto, tmp_path / "broker", fleet)
    command = [mosquitto, "-c", str(broker.config)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"NOTIFY_SOCKET": systemd.path})
    try:
        systemd.wait_for("READY=1")
    finally:
        process.kill()
        process.wait()
        systemd.close()
