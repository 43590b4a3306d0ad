"""deploy/install: what it lays into a folder, keeps, refuses and takes away again. On a real system: tests/install."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trapbase.config import MODEM
from trapship.desk.register import Base
from trapship.machine import machine, program
from trapship.machine.cli import main
from trapship.machine.errors import InstallError
from trapship.machine.host import Host
from trapship.machine.plan import BASE, DATA, FIREWALL, READ_ONLY_FILES, ROLES, TRAP, UNITS
from trapship.machine.source import BUNDLE, SUMS, Source

ROOT = Path(__file__).resolve().parents[2]
needs_systemctl = pytest.mark.skipif(
    not shutil.which("systemctl"), reason="no systemctl on this machine: Debian has it"
)


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """Another machine's root, nearly empty."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    return root


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """A copy of what is laid down, to be changed; without the programs, which nothing here starts."""
    top = tmp_path / "clone"
    for name in ("machines", "systemd"):
        shutil.copytree(ROOT / "deploy" / name, top / "deploy" / name)
    shutil.copy(ROOT / "pyproject.toml", top)
    shutil.copy(ROOT / "deploy" / "constraints.txt", top / "deploy")
    (top / "models").mkdir()
    for name in ("feline.toml", "feline.tflite"):
        (top / "models" / name).write_text(name)
    return top / "deploy"


def install(*arguments: str, root: Path, deploy: Path | None = None) -> int:
    return main([*arguments, "--root", str(root)], deploy)


def everything(root: Path) -> dict[str, bytes]:
    """Bytes by path; of what only root may read (Debian's `groupadd` leaves such a file) when it was written."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    readable = {path: os.access(path, os.R_OK) for path in files}
    return {str(p): p.read_bytes() if readable[p] else str(p.stat().st_mtime_ns).encode() for p in files}


@pytest.mark.parametrize("role", ROLES)
def test_every_file_lies_where_it_belongs_and_the_same_again_changes_nothing(
    role: str, there: Path, deploy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install(role, root=there, deploy=deploy) == 0
    said = capsys.readouterr().out
    for file in ROLES[role].files:
        target = there / file.target.lstrip("/")
        assert target.read_bytes() == (deploy / file.source).read_bytes()
        assert target.stat().st_mode & 0o7777 == file.mode
        assert f"{file.target}: new\n" in said
    for folder in ROLES[role].folders:
        assert (there / folder.path.lstrip("/")).stat().st_mode & 0o7777 == folder.mode
    before = everything(there)
    assert install(role, root=there, deploy=deploy) == 0
    assert "as it should be, nothing to do" in capsys.readouterr().out
    assert everything(there) == before


@needs_systemctl
def test_its_units_start_with_the_machine_and_its_user_is_there(there: Path, deploy: Path) -> None:
    install("trap", root=there, deploy=deploy)
    started = {path.name for path in (there / "etc/systemd/system").glob("*.wants/*")}
    assert started == set(TRAP.units)
    if shutil.which("systemd-sysusers"):
        assert "pugmark:" in (there / "etc/passwd").read_text()
        assert "gpio:" in (there / "etc/group").read_text()


def test_a_removal_takes_what_was_laid_and_leaves_what_was_kept(
    there: Path, deploy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("base", root=there, deploy=deploy)
    (there / "var/lib/pugmark/base.toml").write_text('name = "north"')
    firewall = there / "etc/nftables.d/pugmark.nft"
    firewall.write_text("# mine\n")
    capsys.readouterr()
    assert install("--remove", root=there) == 0
    said = capsys.readouterr().out
    assert "/etc/nftables.d/pugmark.nft: was changed here and is kept" in said
    assert f"{DATA}: stays" in said
    left = {file.target for file in BASE.files if (there / file.target.lstrip("/")).exists()}
    assert left == {"/etc/nftables.d/pugmark.nft"}
    assert (there / "var/lib/pugmark/base.toml").exists()
    assert not (there / "opt/pugmark").exists()
    assert not (there / "etc/chrony").exists(), "a folder that held nothing but ours"
    assert list((there / "etc/systemd/system").glob("*.wants/*")) == []
    assert install("base", "--remove", root=there) == 0
    assert "nothing of ours is installed here" in capsys.readouterr().out


def test_a_file_that_was_changed_here_is_kept_and_ours_lies_beside_it(
    there: Path, deploy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("base", root=there, deploy=deploy)
    mine = there / "etc/systemd/journald.conf.d/pugmark.conf"
    mine.write_text("[Journal]\nSystemMaxUse=2G\n")
    capsys.readouterr()
    install("base", root=there, deploy=deploy)
    assert "as it should be" in capsys.readouterr().out, "nothing new of ours, so there is nothing to say"
    newer = deploy / "machines" / "journald-base.conf"
    newer.write_text(newer.read_text() + "# newer\n")
    install("base", root=there, deploy=deploy)
    assert "journald.conf.d/pugmark.conf: was changed here and is kept" in capsys.readouterr().out
    assert "2G" in mine.read_text()
    assert mine.with_name("pugmark.conf.pugmark-new").read_text().endswith("# newer\n")


def test_an_update_replaces_what_is_new_and_takes_away_what_is_no_more(
    there: Path, deploy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("base", root=there, deploy=deploy)
    unit = deploy / "systemd" / "pugmark-base.service"
    unit.write_text(unit.read_text() + "# newer\n")
    record = there / "opt/pugmark/installed.json"
    said = json.loads(record.read_text())
    old = there / "etc/systemd/system/pugmark-old.service"
    old.write_text("[Unit]\n")
    said["files"]["/etc/systemd/system/pugmark-old.service"] = hashlib.sha256(old.read_bytes()).hexdigest()
    record.write_text(json.dumps(said))
    capsys.readouterr()
    assert install("base", root=there, deploy=deploy) == 0
    out = capsys.readouterr().out
    assert f"{UNITS}/pugmark-base.service: replaced" in out
    assert f"{UNITS}/pugmark-old.service: removed" in out
    assert not old.exists()


def test_a_trap_keeps_what_is_its_own_apart_from_the_root(there: Path, deploy: Path) -> None:
    install("trap", root=there, deploy=deploy)
    assert str((there / "etc/pugmark").readlink()) == f"{DATA}/etc"
    assert (there / "var/lib/pugmark/etc").is_dir()


def test_what_lies_in_the_way_is_named_and_kept(there: Path, deploy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (there / "etc/pugmark").mkdir()
    assert install("trap", root=there, deploy=deploy) == 1
    assert "/etc/pugmark is there and is no link" in capsys.readouterr().err


def test_a_link_in_the_users_own_folder_leads_root_nowhere(
    there: Path, deploy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = there / "victim"
    victim.mkdir(mode=0o755)
    (there / "var/lib/pugmark").mkdir(parents=True)
    (there / "var/lib/pugmark/etc").symlink_to(victim)
    assert install("trap", root=there, deploy=deploy) == 1
    assert "is no folder of its own" in capsys.readouterr().err
    assert victim.stat().st_mode & 0o777 == 0o755


def test_a_dry_run_says_all_and_does_nothing(there: Path, deploy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install("trap", "--dry-run", root=there, deploy=deploy) == 0
    assert f"{UNITS}/pugmark-trap.service: new" in capsys.readouterr().out
    assert [path.name for path in there.rglob("*")] == ["etc"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "say what this machine shall become: base or trap"),
        (["trap", "--country", "RUS"], "--country 'RUS': allowed are two letters"),
        (["base", "--read-only"], "--read-only and --country are a trap's"),
        (["trap", "--wheels", "nowhere"], "a bundle is made by deploy/make-wheels"),
    ],
)
def test_what_was_asked_wrongly_is_said(
    arguments: list[str], words: str, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install(*arguments, root=there) == 2
    assert words in capsys.readouterr().err
    assert list(there.rglob("*")) == [there / "etc"]


def test_another_role_is_refused_until_the_first_is_removed(
    there: Path, deploy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("base", root=there, deploy=deploy)
    assert install("trap", root=there, deploy=deploy) == 1
    assert install("trap", "--remove", root=there) == 2
    said = capsys.readouterr().err
    assert "this machine is a base: `deploy/install --remove` first" in said
    assert "nothing was removed" in said


@pytest.mark.parametrize(
    "damage", ["{", "[]", '{"role": 7}', '{"files": {"a": 1}}', '{"no": 1}', "\xff", " " * (1 << 21)]
)
def test_a_damaged_record_stops_before_anything_is_removed(
    damage: str, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = there / "opt/pugmark/installed.json"
    record.parent.mkdir(parents=True)
    record.write_text(damage)
    assert install("base", "--remove", root=there) == 1
    assert "installed.json: is damaged" in capsys.readouterr().err


def bundle(
    folder: Path, *, arch: str = os.uname().machine, files: tuple[str, ...] = ("pugmark-1-py3-none-any.whl",)
) -> Path:
    """A bundle as make-wheels lays it out; its wheels are only text."""
    wheels = folder / "wheels"
    wheels.mkdir()
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    (wheels / BUNDLE).write_text(json.dumps({"version": "1", "arch": arch, "python": [python]}))
    lines = []
    for name in files:
        (wheels / name).write_text(name)
        lines.append(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n")
    (wheels / SUMS).write_text("".join(lines))
    return wheels


def refused(wheels: Path, there: Path, deploy: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert install("base", "--wheels", str(wheels), root=there, deploy=deploy) == 2
    assert list(there.rglob("*")) == [there / "etc"]
    return capsys.readouterr().err


def test_a_whole_bundle_is_taken(tmp_path: Path, there: Path, deploy: Path) -> None:
    assert install("base", "--wheels", str(bundle(tmp_path)), root=there, deploy=deploy) == 0


def test_a_damaged_or_missing_wheel_is_named_before_anything_is_done(
    tmp_path: Path, there: Path, deploy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheels = bundle(tmp_path)
    wheel = wheels / "pugmark-1-py3-none-any.whl"
    wheel.write_text("half")
    assert f"{wheel}: is damaged" in refused(wheels, there, deploy, capsys)
    wheel.unlink()
    assert f"{wheel}: cannot be read" in refused(wheels, there, deploy, capsys)


def test_a_bundle_for_another_computer_says_so(
    tmp_path: Path, there: Path, deploy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(bundle(tmp_path, arch="riscv64"), there, deploy, capsys)
    assert f"is for riscv64 with Python {sys.version_info[0]}.{sys.version_info[1]}; this is " in said


@pytest.mark.parametrize("line", ["00  ../x", "00  .hidden", "00", "", "00  a\n" * 501])
def test_a_list_of_sums_that_leads_elsewhere_is_refused(
    line: str, tmp_path: Path, there: Path, deploy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheels = bundle(tmp_path)
    (wheels / SUMS).write_text(line)
    assert str(wheels / SUMS) in refused(wheels, there, deploy, capsys)


class Machine(Host):
    """A machine whose root is a folder, and on which programs are made: venvs are folders, `tried` fails when told."""

    def __init__(self, root: Path) -> None:
        self.lines: list[str] = []
        super().__init__(root, dry=False, say=self.lines.append)
        self.here = True
        self.ill = False

    def do(self, *command: str, env: object = None) -> None:
        if command[:3] == ("python3", "-m", "venv"):
            (self.root / command[-1].lstrip("/") / "bin").mkdir(parents=True)
        if command[-1] == "--help" and self.ill:
            raise InstallError("`trapbase --help` failed (1)")


def version(number: int) -> Source:
    return Source(deploy=ROOT / "deploy", version=f"1.{number}", digest=f"{number:08x}" * 8)


def test_a_version_that_does_not_start_never_comes_into_force(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "ROOM_MB", {"base": 0})
    host = Machine(there)
    assert program.install_program(host, BASE, version(1))
    assert not program.install_program(host, BASE, version(1)), "it is in force already"
    host.ill = True
    with pytest.raises(InstallError, match="--help"):
        program.install_program(host, BASE, version(2))
    assert str((there / "opt/pugmark/current").readlink()) == "1.1-00000001"
    host.ill = False
    assert program.install_program(host, BASE, version(2)), "the same again goes on from there"
    assert str((there / "usr/local/bin/trapbase").readlink()) == "/opt/pugmark/current/bin/trapbase"


def test_the_version_before_stays_and_older_ones_go(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "ROOM_MB", {"base": 0})
    host = Machine(there)
    for number in (1, 2, 3):
        program.install_program(host, BASE, version(number))
        os.utime(there / f"opt/pugmark/1.{number}-0000000{number}", (number, number))
    program.install_program(host, BASE, version(3))
    left = sorted(path.name for path in (there / "opt/pugmark").iterdir())
    assert left == ["1.2-00000002", "1.3-00000003", "current"]


def test_a_full_disk_is_said_before_anything_is_made(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "ROOM_MB", {"base": 1 << 40})
    with pytest.raises(InstallError, match="MB free; a base needs"):
        program.install_program(Machine(there), BASE, version(1))
    assert not (there / "opt").exists()


@pytest.mark.parametrize(
    ("os_release", "trouble"),
    [
        ('ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n', ""),
        ('ID=debian\nVERSION_ID="13"\n', ""),
        ('ID=raspbian\nVERSION_ID="12"\n', ""),
        ('PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\nID=debian\nVERSION_ID="11"\n', "12 is the oldest"),
        (
            'PRETTY_NAME="Ubuntu 24.04"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n',
            "this is Ubuntu 24.04; Debian 12",
        ),
        ("", "a system without a name"),
    ],
)
def test_a_system_that_is_none_of_ours_is_named(os_release: str, trouble: str) -> None:
    said = machine.os_trouble(os_release)
    assert trouble in said
    assert bool(said) == bool(trouble)


def test_nothing_is_installed_into_a_root_that_forgets() -> None:
    mounts = "/dev/mmcblk0p2 /media/root-ro ext4 ro 0 0\noverlayroot / overlay rw,lowerdir=/media/root-ro 0 0\n"
    assert "overlayroot-chroot" in machine.root_trouble(mounts)
    assert machine.root_trouble("/dev/sda1 / ext4 rw 0 0\n") == ""


def test_the_plan_is_whole() -> None:
    """Each file of ours is somebody's, each unit can be enabled, none is a firewall's twice."""
    laid = {file.source for role in ROLES.values() for file in role.files} | {file.source for file in READ_ONLY_FILES}
    ours = {
        f"{folder}/{path.name}" for folder in ("machines", "systemd") for path in (ROOT / "deploy" / folder).iterdir()
    }
    assert {name for name in ours - laid if not name.endswith("README.md")} == set()
    for role in ROLES.values():
        targets = [file.target for file in role.files]
        assert len(set(targets)) == len(targets)
        assert FIREWALL in role.units
        for unit in role.units:
            (file,) = (file for file in role.files if file.target == f"{UNITS}/{unit}")
            assert "[Install]" in (ROOT / "deploy" / file.source).read_text()


def test_a_base_looks_for_its_modem_where_the_rule_puts_it() -> None:
    """What `provision base` writes without --modem, what trapbase takes by itself, and the link that udev makes."""
    (rules,) = (file for file in BASE.files if file.target.startswith("/etc/udev/rules.d/"))
    text = (ROOT / "deploy" / rules.source).read_text()
    named = [line for line in text.splitlines() if line.startswith("ATTRS{idVendor}")]
    assert len(named) == 3
    assert all('SYMLINK+="pugmark-modem"' in line for line in named)
    assert Base(plan="ru864", name="north", country="RU", number=1).modem == MODEM == "/dev/pugmark-modem"
    if shutil.which("udevadm") and subprocess.run(["udevadm", "verify", "--help"], capture_output=True).returncode == 0:
        subprocess.run(["udevadm", "verify", str(ROOT / "deploy" / rules.source)], check=True)


def test_the_engineers_guide_says_what_works(there: Path, deploy: Path) -> None:
    guide = (ROOT / "deploy/guide-engineer.md").read_text()
    section = guide.partition("## A Debian becomes a trap, or a base")[2].partition("\n## ")[0]
    lines = [line.split()[2:] for line in section.splitlines() if line.startswith("sudo deploy/install ")]
    lines.append(section.partition("`sudo deploy/install ")[2].partition("`")[0].split())
    assert [line[-1] for line in lines] == ["--dry-run", "RU", "--remove"]
    for line in lines:
        assert install(*line, root=there, deploy=deploy) == 0
    assert not (there / "opt/pugmark").exists()


def test_it_needs_nothing_but_python() -> None:
    """What installs packages cannot wait for them: -S leaves every package out."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from trapship.machine.cli import main; sys.exit(main(['--help']))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", code, str(ROOT / "deploy")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "base,trap" in done.stdout
