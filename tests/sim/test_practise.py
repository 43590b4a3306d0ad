"""`trapsim practise`: units as `trapship provision` wrote them live on this machine, and are heard."""

import re
import shlex
import shutil
import tomllib
from contextlib import chdir
from pathlib import Path

import pytest
from tests.ship.desk_parts import LEFT, NORTH, Say, fresh_operator, operator, provision, say, stocked, stocked_register
from tests.ship.guide_parts import GUIDE

from trapbase.cli import main as trapbase
from trapcam.cli import main as trapcam
from trapkit.errors import SetupError
from trapship.desk.texts import toml
from trapsim.cli import main
from trapsim.pictures import default_pictures
from trapsim.practise import machines
from trapsim.practise.local import dotted, merged, moved
from trapsim.practise.station import Ports, Station, Trap
from trapsim.site import free_port
from trapsim.staging import CAT

__all__ = ["fresh_operator", "operator", "provision", "say", "stocked", "stocked_register"]


@pytest.fixture
def desk(tmp_path: Path, operator: Path, provision: Say) -> Path:
    """Where somebody followed the guide up to its step 3: STICK, base-1/modem.json, CARD, trap-7/mcu.json."""
    (tmp_path / "stick").rename(tmp_path / "STICK")
    (tmp_path / "card").rename(tmp_path / "CARD")

    def write(kind: str, number: int, out: str, *words: object) -> None:
        papers = tmp_path / f"{kind}-{number}"
        papers.mkdir(exist_ok=True)
        said = provision(kind, number, *words, "--out", tmp_path / out, "--papers", papers)
        assert said[0] == 0, said

    write("base", 1, "STICK", *NORTH)
    write("trap", 7, "CARD", *LEFT, "--network", "--battery", "lithium-primary")
    write("base", 1, "STICK")
    return tmp_path


def pictures(folder: Path) -> Path:
    """One cat."""
    default_pictures(folder / "all")
    (folder / "shown").mkdir()
    shutil.copyfile(folder / "all" / CAT, folder / "shown" / CAT)
    return folder / "shown"


def station(desk: Path) -> Station:
    state = desk / "state"
    machines.take_over("base", desk / "STICK", state / "base")
    machines.take_over("trap", desk / "CARD", state / "trap-7/etc")
    (desk / "seen").mkdir(exist_ok=True)
    trap = Trap(number=7, mcu=desk / "trap-7/mcu.json", pictures=desk / "seen", page_port=8081)
    ports = Ports(bus=free_port(), channel=free_port(), page=8080, updates=free_port())
    modem = desk / "base-1/modem.json"
    made = Station(state, [trap], modem, ports, parked=False, pir_s=1.0, say=lambda text: None)
    made.settle()
    return made


def test_the_guides_line_brings_up_ones_own_base_and_trap_and_a_cat_arrives(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = GUIDE.read_text().split("\n## Practise without hardware\n")[1].split("\n## ")[0]
    (line,) = re.findall(r"^trapsim practise .*$", section, re.M)
    monkeypatch.chdir(desk)
    given = ["--once", "--pir", "1", "--port", str(free_port()), "--images", str(pictures(desk / "pictures"))]
    assert main([*shlex.split(line)[1:], *given]) == 0, capsys.readouterr().err
    said = capsys.readouterr().err
    assert "trap-7/etc/identity: this is trap 7, issue 1" in said
    assert "trap 7: is heard; 1 sightings" in said
    assert (desk / "CARD/pugmark/identity").exists(), "what was provisioned is still there"


def test_what_was_provisioned_passes_its_own_checks_here_and_keeps_what_the_reader_says(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = station(desk)
    own = made.base / "base.toml"
    own.write_text(own.read_text() + "[updates]\nhealthy_h = 3\npair_h = 1\n")
    with chdir(made.base):
        assert trapbase(["config", "check", "--config", "base.toml"]) == 0, capsys.readouterr()
        settings = made.base_settings()
    assert (settings.updates.healthy_h, settings.updates.host) == (3, "127.0.0.1")
    assert (settings.bus.port, settings.page.port, settings.name) == (made.ports.bus, 8080, "north")
    assert settings.gateway.serial == str(made.state / "run/modem.base")
    card = made.state / "trap-7/etc/trap.toml"
    capsys.readouterr()
    assert trapcam(["config", "show", "--config", str(card)]) == 0
    shown = tomllib.loads(capsys.readouterr().out)
    assert shown["data"] == str(made.state / "trap-7/var/trapcam")
    assert shown["update"]["sticks"] == [str(made.state / "stick"), "/mnt/stick"]
    assert shown["network"]["host"] == "127.0.0.1"
    assert shown["supervisor"]["port"] == str(made.state / "run/7.pi")


def test_to_settle_again_changes_nothing_and_a_newer_card_is_settled_too(desk: Path, provision: Say) -> None:
    made = station(desk)
    files = [made.base / "unit.toml", made.state / "trap-7/etc/unit.toml", made.state / "trap-7/etc/trap.toml"]
    before = [path.read_bytes() for path in files]
    made.settle()
    assert [path.read_bytes() for path in files] == before
    assert provision("base", 1, "--name", "south", "--out", desk / "STICK")[0] == 0
    machines.take_over("base", desk / "STICK", made.base)
    assert b"/dev/" in (made.base / "unit.toml").read_bytes()
    made.settle()
    text = (made.base / "unit.toml").read_text()
    assert "run/modem.base" in text
    assert 'name = "south"' in text


def test_what_was_not_provisioned_is_named(desk: Path) -> None:
    with pytest.raises(SetupError, match="no trap lies there; `trapship provision trap … --out"):
        machines.take_over("trap", desk / "papers", desk / "etc")
    with pytest.raises(SetupError, match="is for the role 'modem'; allowed here is 'supervisor'"):
        machines.read_mcu(desk / "base-1/modem.json", "supervisor")
    with pytest.raises(SetupError, match="cannot be read"):
        machines.read_mcu(desk / "none.json", "modem")
    (desk / "bad.json").write_text('{"role": "supervisor", "trap": true}')
    with pytest.raises(SetupError, match="trap is True; allowed is the trap's number"):
        machines.read_mcu(desk / "bad.json", "supervisor")


def test_tables_within_tables_are_read_back_as_they_were() -> None:
    table = {"a": 1, "camera": {"kind": "replay", "replay": {"folder": "x", "loop": True}}, "trap": [{"number": 7}]}
    assert tomllib.loads(toml(dotted(table)).decode()) == table
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}, "d": 4}) == {"a": {"b": 1, "c": 3}, "d": 4}
    moves = {"/etc/pugmark": "/here/etc"}
    assert moved({"a": ["/etc/pugmark/x", "/etc/pugmarks", 3]}, moves) == {"a": ["/here/etc/x", "/etc/pugmarks", 3]}
