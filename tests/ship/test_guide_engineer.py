"""Every command of the engineers' guide, run in its order as a reader types it: one operator, a base, a trap, a theft.

Folders of other machines are folders here, and sudo is nobody. What needs a board, a disk, systemd or the internet is
named in ELSEWHERE with the test that runs it; a line that is neither run nor named fails.
"""

import getpass
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.base.parts import NOW, deliver, sighting
from tests.ship import guide_parts
from tests.ship.card_parts import Card
from tests.ship.guide_parts import GUIDE, blocks, commands

from trapbase import cli as trapbase_cli
from trapbase import ingest
from trapbase.ingest import Ingest
from trapbase.store import Store
from trapcam import cli as trapcam_cli
from trapship import cli as trapship_cli
from trapship.vault import Cost
from trapsim.memorybus import MemoryBroker

TESTS = Path(__file__).resolve().parents[1]
# By how a line begins: where it is run instead, or why no test can.
ELSEWHERE = {
    "trapship flash ": "ship/test_flash.py",
    "trapship doctor ": "ship/test_flash.py",
    "trapship bundle ": "ship/test_bundle.py",
    "systemctl restart pugmark-": "ship/test_systemd.py",
    "journalctl -u pugmark-": "ship/test_systemd.py",
    "trapcam config check ": "cam/test_config_cli.py",  # it looks for the Pi's camera, which is not here
    "pip install esptool": "hil/README.md",  # Espressif's own tool, and a board whose flash it empties
    "esptool.py ": "hil/README.md",
    # What `make` does by deploy/make-venv before any test; that the parts exist and nobody is sent elsewhere: there.
    "python3 -m venv .venv": "house/test_house.py",
    ". .venv/bin/activate": "house/test_house.py",
    "pip install '.[": "house/test_house.py",
}
PROGRAMS: dict[str, Callable[[list[str]], int]] = {
    "trapship": trapship_cli.main,
    "trapbase": trapbase_cli.main,
    "trapcam": trapcam_cli.main,
}


class Reader:
    """Somebody who types what the guide says, at a desk, a base and a trap."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        self.is_pugmark = False
        self.places = {
            "/var/lib/pugmark": folder / "var",
            "/etc/pugmark": folder / "etc",
            "/media/stick": folder / "STICK",
            "/boot/firmware": folder / "CARD",
            "/dev/sdb": folder / "dead",
        }
        for name in ("STICK", "CARD"):
            (folder / name).mkdir()

    def at_the_desk(self) -> None:
        self._monkeypatch.chdir(self.folder)

    def types(self, command: str) -> str:
        """Run one command; where it is run instead, if not here."""
        if command in ("sudo -u pugmark bash", "exit"):
            assert self.is_pugmark == (command == "exit"), "who is what he becomes, or was never"
            self.is_pugmark = command != "exit"
            return ""
        assert not (self.is_pugmark and command.startswith("sudo ")), f"{command}: user pugmark may not"
        line = command.removeprefix("sudo ").removeprefix("-u pugmark ").replace("$(which trapship)", "trapship")
        if "/var/lib/pugmark" in line or line.startswith("trapbase "):
            # The folder is that user's alone, and what root writes there stays root's.
            assert self.is_pugmark or line.startswith("trapbase identity "), f"{command}: is not said as its user"
        for begins, where in ELSEWHERE.items():
            if line.startswith(begins):
                return where
        for path, place in self.places.items():
            line = line.replace(path, str(place))
        words = shlex.split(line.replace(" --owner pugmark", "")) if "<<" not in line else []
        if words[:2] == ["trapship", "open-card"]:
            self._trap_dies()
        if words and words[0] == "cd":
            self._monkeypatch.chdir(words[1])
        elif words and words[0] in PROGRAMS:
            assert PROGRAMS[words[0]](words[1:]) == 0, command
            self._settle()
        else:
            assert line.startswith(("cat > ", "echo ", "rm ")), f"{command}: is neither run nor named in ELSEWHERE"
            subprocess.run(["bash", "-euc", line], check=True)
        return ""

    def _trap_dies(self) -> None:
        """Its card in a reader: one sighting, sealed to this operator's keys."""
        shutil.copytree("OPENING", self.folder / "other" / "keys")
        Card(self.folder / "other", sightings=1).root.rename(self.places["/dev/sdb"])

    def _settle(self) -> None:
        """A unit's absolute paths are this test's folders."""
        for path in (self.folder / "etc").glob("*.toml"):
            text = path.read_text()
            for name, place in self.places.items():
                text = text.replace(f'"{name}', f'"{place}')
            path.write_text(text)


def a_base_that_has_run(folder: Path) -> None:
    """With one sighting of trap 7, as the running base would have it by now."""
    broker, store = MemoryBroker(), Store(folder)
    part = Ingest(broker.connect("ingest", ingest.SUBSCRIPTIONS), store)
    deliver(broker, *sighting(7, 1))
    part.step(NOW)
    store.close()


def test_every_command_of_the_guide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = Reader(tmp_path, monkeypatch)
    monkeypatch.setattr("trapship.vault.read_passphrase", lambda file, **more: b"five words on two sheets of paper")
    # A vault's guess costs 0.3 s on purpose; the tests' own makes as much sense of the guide.
    monkeypatch.setattr("trapship.vault.Cost", partial(Cost, n_log2=4))
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "482913")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    a_base_that_has_run(tmp_path / "var" / "data")
    ran = 0
    for language, text in blocks():
        reader.at_the_desk()
        if language == "toml":
            base = tmp_path / "var" / "base.toml"
            base.write_text(base.read_text() + text)
            continue
        assert not reader.is_pugmark, "a block ends as whoever began it"
        for command in commands(text):
            where = reader.types(command)
            assert not where or (TESTS / where).exists(), f"{command}: there is no {where}"
            ran += not where
    said, complaints = capsys.readouterr()
    # Of the base that was just made, whose modem is plugged in a section later.
    assert ("/dev/pugmark-modem: is not there; plugged in: " in complaints) != Path("/dev/pugmark-modem").exists()
    assert ran >= 25
    for words in (
        "Amur survey 2026.12.1, 3 settings, signed",
        "base.toml: good; 1 traps",
        "trap 7 is shut out: list",
        "trap 7: shut out since",
    ):
        assert words in said, words
    assert (tmp_path / "var/for-partners/datapackage.json").exists()
    assert len(list((tmp_path / "found/pictures").iterdir())) == 3


def test_a_section_that_is_run_elsewhere_is_there_and_so_is_its_test() -> None:
    for section, where in guide_parts.ELSEWHERE.items():
        assert f"\n## {section}\n" in GUIDE.read_text()
        assert f"## {section}" in (TESTS / where).read_text()


def test_each_link_within_the_guide_leads_somewhere() -> None:
    import re

    text = GUIDE.read_text()
    heads = {re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
             for line in text.splitlines() if line.startswith("#")}  # fmt: skip
    for link in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = link.partition("#")
        if path and not path.startswith("http"):
            assert (GUIDE.parent / path).exists(), link
        if not path:
            assert anchor in heads, link
