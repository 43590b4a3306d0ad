"""The demo's folder: what it empties and never empties, what it refuses; its processes; its cables."""

import os
import select
import signal
import socket
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from trapbase.keyring import read_link_keys
from trapcam.config import TrapSettings
from trapcam.fromsettings import open_bus
from trapkit.errors import SetupError
from trapkit.settings import load_settings
from trapsim.cable import Cable
from trapsim.cli import main
from trapsim.pictures import default_pictures
from trapsim.processes import Keeper, ProcessGaveUp, Switched
from trapsim.site import MARK, Plan, _quoted, build_site, check_port, clear_folder, free_port


def test_a_folder_that_no_demo_made_is_never_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(SetupError, match="neither empty nor a demo's"):
        clear_folder(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_a_demo_folder_is_emptied_without_following_links(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "demo"
    outside.mkdir()
    (outside / "keep.txt").write_text("x")
    clear_folder(folder)
    (folder / "link").symlink_to(outside)
    (folder / "old").mkdir()
    clear_folder(folder)
    assert sorted(p.name for p in folder.iterdir()) == [".pugmark-demo"]
    assert (outside / "keep.txt").exists()


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        with pytest.raises(SetupError, match=f"--port {sock.getsockname()[1]}"):
            check_port("127.0.0.1", sock.getsockname()[1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--loss", "1.5"], "1.5 is out of bounds; allowed is 0–0.9"),
        (["--speed", "fast"], "'fast' is no number"),
        (["--sf", "12"], "allowed is 7–10"),
        (["--seed", "1.5"], "no whole number"),
        (["--network", "3"], "'3' is no trap of the demo; allowed are 1, 2, all"),
    ],
)
def test_bad_arguments_are_named(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["demo", *arguments])
    assert end.value.code == 2
    assert words in capsys.readouterr().err


def test_pictures_that_are_not_there_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    for images in (tmp_path / "nowhere", tmp_path):
        assert main(["demo", "--images", str(images), "--state", str(state)]) == 2
        assert str(images) in capsys.readouterr().err


def test_a_trap_with_a_network_carries_its_own_certificate_and_no_other_key(tmp_path: Path) -> None:
    clear_folder(tmp_path)
    pictures = dict.fromkeys((1, 2), tmp_path)
    site = build_site(
        Plan(
            folder=tmp_path, pictures=pictures, loss=0, speed=1, seed=1, sf=9, page_host="127.0.0.1", page_port=1,
            pir_every_s=1, networked=frozenset({2}),
        )
    )  # fmt: skip
    own = site.trap(2) / "certificates"
    assert {p.name for p in own.iterdir()} == {"ca.crt", "2.crt", "2.key"}
    assert (own / "2.key").stat().st_mode & 0o77 == 0
    bus = open_bus(load_settings(TrapSettings, site.trap(2) / "trapcam.toml"))
    assert bus is not None
    assert not (site.trap(1) / "certificates").exists()
    assert open_bus(load_settings(TrapSettings, site.trap(1) / "trapcam.toml")) is None


def test_every_trap_of_the_demo_carries_its_own_link_key_and_no_other(tmp_path: Path) -> None:
    clear_folder(tmp_path)
    site = build_site(
        Plan(
            folder=tmp_path, pictures=dict.fromkeys((1, 2), tmp_path), loss=0, speed=1, seed=1, sf=9,
            page_host="127.0.0.1", page_port=1, pir_every_s=1,
        )
    )  # fmt: skip
    keys = {number: read_link_keys(tmp_path / "keys" / "link", number)[0].hex() for number in (1, 2)}
    for number in (1, 2):
        (unit,) = [path for path in site.trap(number).rglob("*") if path.is_file() and keys[number] in path.read_text()]
        assert (unit.name, unit.stat().st_mode & 0o77) == ("mcu.json", 0)
    for name, strange in (("trap1", keys[2]), ("trap2", keys[1]), ("modem", keys[1]), ("modem", keys[2])):
        assert not any(strange in p.read_text() for p in (tmp_path / name).rglob("*") if p.is_file())


@pytest.mark.parametrize("where", [("state", "state/mine"), ("mine/state", "mine"), ("same", "same")])
def test_the_users_pictures_are_never_emptied_with_the_state(
    where: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, images = (tmp_path / name for name in where)
    images.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(images / "1.png")
    state.mkdir(exist_ok=True)
    (state / MARK).touch()
    assert main(["demo", "--images", str(images), "--state", str(state)]) == 2
    assert "one lies in the other" in capsys.readouterr().err
    assert (images / "1.png").is_file()


def test_paths_and_hosts_of_any_kind(tmp_path: Path) -> None:
    path = tmp_path / 'a "quoted" \U0001f42f \u00e9'
    assert tomllib.loads(f"folder = {_quoted(path)}")["folder"] == str(path)
    check_port("::1", free_port())
    with pytest.raises(SetupError, match=r"--host nowhere\.invalid"):
        check_port("nowhere.invalid", 8080)


def test_the_default_pictures_hold_the_cat(tmp_path: Path) -> None:
    names = {p.name for p in default_pictures(tmp_path).iterdir()}
    assert {"chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg"} <= names


def test_a_process_that_ends_by_itself_again_and_again_is_a_fault(tmp_path: Path) -> None:
    keeper = Keeper(name="sulky", command=[sys.executable, "-c", "raise SystemExit('no')"], log=tmp_path / "log")
    keeper.start()
    now = keeper.starts[0]

    def watch_for_a_while() -> None:
        for second in range(40):
            assert keeper.process is not None
            keeper.process.wait(20)
            keeper.watch(now + second)

    with pytest.raises(ProcessGaveUp, match=r"sulky ends by itself \(exit 1\): no"):
        watch_for_a_while()


def test_a_killed_process_is_started_again(tmp_path: Path) -> None:
    keeper = Keeper(name="cat", command=["cat", "/dev/zero"], log=Path(os.devnull))
    keeper.start()
    first = keeper.process
    keeper.kill()
    assert first is not None
    assert first.returncode == -signal.SIGKILL
    assert not keeper.watch(100.0)
    assert keeper.watch(101.0)
    assert keeper.process is not first
    keeper.kill()


def switched(folder: Path, program: str) -> Switched:
    return Switched(
        name="pi", command=[sys.executable, "-c", program], log=folder / "log",
        switch=folder / "pi-power", halted=folder / "pi-halted",
    )  # fmt: skip


def test_a_pi_runs_while_it_is_switched_on_and_says_when_it_has_halted(tmp_path: Path) -> None:
    pi = switched(tmp_path, "")
    pi.watch(0.0)
    pi.switch.write_text("0")
    pi.watch(1.0)
    assert (pi.process, pi.runs) == (None, 0)
    for run, on in enumerate(("500", "900"), start=1):  # the second time it was off for less than a look
        pi.switch.write_text(on)
        pi.watch(2.0)
        assert not pi.halted.exists()
        assert pi.process is not None
        pi.process.wait(20)
        pi.watch(3.0)
        pi.watch(9.0)
        assert pi.halted.exists()
        assert (pi.runs, pi.cuts) == (run, 0)


def test_a_pi_that_is_switched_off_while_it_runs_is_cut(tmp_path: Path) -> None:
    pi = switched(tmp_path, "import time; time.sleep(60)")
    pi.switch.write_text("500")
    pi.watch(0.0)
    first = pi.process
    pi.switch.write_text("0")
    pi.watch(1.0)
    assert first is not None
    assert first.returncode == -signal.SIGKILL
    assert (pi.process, pi.runs, pi.cuts) == (None, 1, 1)
    assert not pi.halted.exists()


def read_all(fd: int, count: int) -> bytes:
    data = b""
    while len(data) < count and select.select([fd], [], [], 10)[0]:
        data += os.read(fd, 4096)
    return data


def test_a_cable_carries_bytes_both_ways_and_outlives_an_end(tmp_path: Path) -> None:
    cable = Cable(tmp_path / "a", tmp_path / "b")
    cable.start()
    a = os.open(tmp_path / "a", os.O_RDWR | os.O_NOCTTY)
    b = os.open(tmp_path / "b", os.O_RDWR | os.O_NOCTTY)
    every_byte = bytes(range(256)) * 4
    os.write(a, every_byte)
    assert read_all(b, 1024) == every_byte
    os.close(b)
    os.write(a, b"to nobody")
    b = os.open(tmp_path / "b", os.O_RDWR | os.O_NOCTTY)
    os.write(b, b"back")
    assert read_all(a, 4) == b"back"
    os.close(a)
    os.close(b)
    cable.close()
    assert not (tmp_path / "a").exists()
