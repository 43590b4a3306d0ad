"""The units of deploy/systemd: what systemd itself says of them, that they fit the programs, and the steps to them."""

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.base.systemd import KEEPALIVE_S, Systemd
from tests.ship.test_pages import blocks
from tests.support import Broker

from trapbase.cli import main
from trapkit.notify import Notifier

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy" / "systemd"
NAMES = ("pugmark-base.service", "pugmark-broker.service")
MOST_EXPOSED = 25  # in tenths: 100 is a service without any bounds; a modem's line and a network are needed
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
    for name in NAMES:
        text = (UNITS / name).read_text().replace("/opt/pugmark/bin/trapbase", "/bin/true")
        (tmp_path / name).write_text(text.replace("/usr/sbin/mosquitto", "/bin/true"))
        paths.append(str(tmp_path / name))
    return paths


@needs_systemd
def test_systemd_takes_the_units_without_a_word(installed: list[str]) -> None:
    done = subprocess.run([str(ANALYZE), "verify", "--man=no", *installed], capture_output=True, text=True, check=False)
    # The machine's own units may have faults; of ours nothing is said.
    assert "pugmark" not in done.stderr, done.stderr


@needs_systemd
def test_what_a_unit_can_do_to_its_machine_is_little(installed: list[str]) -> None:
    for path in installed:
        command = [str(ANALYZE), "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "unrecognized option" in done.stderr:
            pytest.skip("this systemd is older than 250 and cannot look at a file")
        assert done.returncode == 0, done.stdout.splitlines()[-1:] + done.stderr.splitlines()


def test_the_units_fit_the_programs() -> None:
    base, broker = (Unit(name)["Service"] for name in NAMES)
    assert base["Type"] == broker["Type"] == "notify"
    assert base["Restart"] == broker["Restart"] == "always"
    assert int(base["WatchdogSec"]) == KEEPALIVE_S
    assert base["LimitCORE"] == "0"
    notifier = Notifier({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": f"{KEEPALIVE_S}000000"}, os.getpid())
    assert notifier.keepalive_ms == KEEPALIVE_S * 500
    program, *arguments = base["ExecStart"].split()
    assert program.endswith("/trapbase")
    assert main([*arguments[:1], "--only", "none", *arguments[1:-1], "/nowhere/base.toml"]) == 2
    assert {section["User"] for section in (base, broker)} == {"pugmark"}
    assert "u pugmark " in (UNITS / "pugmark.conf").read_text()


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


# What root would do on the machine, done in a folder in its place.
IN_A_FOLDER = """
there() { for one in "$@"; do case $one in /*) printf '%s\\n' "$ROOT$one" ;; *) printf '%s\\n' "$one" ;; esac; done; }
apt-get() { [ "$1" = install ] && [ "$2" = -y ]; }
python3() { [ "$1 $2" = "-m venv" ] && mkdir -p "$ROOT$3/bin" && command ln -s "$TOOLS"/* "$ROOT$3/bin/"; }
/opt/pugmark/bin/pip() { [ "$1" = install ]; }
ln() { command mkdir -p "$ROOT/usr/local/bin"; mapfile -t to < <(there "$@"); command ln "${to[@]}"; }
install() { mapfile -t to < <(there "$@"); command mkdir -p "$ROOT/etc/systemd/system" "$ROOT/var/lib"
  set -- "${to[@]}"; [ "$1 $2" = "-o pugmark" ] && shift 4; command install "$@"; }
systemd-sysusers() { command systemd-sysusers --root="$ROOT"; }
systemctl() { case $1 in
  enable|disable) command systemctl --root="$ROOT" "$1" "${@:3}" ;; daemon-reload) ;; *) false ;; esac; }
"""


@pytest.mark.skipif(not shutil.which("systemctl"), reason="no systemctl on this machine: Debian has it")
def test_the_steps_from_a_fresh_debian_to_units_that_start(tmp_path: Path) -> None:
    machine, start = blocks("basestation/README.md", "A machine of its own")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "usr" / "lib" / "systemd" / "system").mkdir(parents=True)
    unit = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
    (root / "usr" / "lib" / "systemd" / "system" / "mosquitto.service").write_text(unit)
    environ = os.environ | {"ROOT": str(root), "TOOLS": str(Path(shutil.which("trapbase") or "").parent)}
    for block in (machine, start):
        done = subprocess.run(
            ["bash", "-euc", IN_A_FOLDER + block], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert "pugmark" in (root / "etc" / "passwd").read_text()
    wanted = root / "etc" / "systemd" / "system" / "multi-user.target.wants"
    assert sorted(path.name for path in wanted.iterdir()) == sorted(NAMES)
    assert os.access(root / "usr" / "local" / "bin" / "trapship", os.X_OK)
    assert (root / "var" / "lib" / "pugmark").stat().st_mode & 0o777 == 0o700
