"""The guide's "## From the stick to the units": each of its commands, typed at a base and at a trap."""

import json
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.base.updates.parts import SEED as PERMITTING_SEED
from tests.ship.guide_parts import GUIDE, commands
from tests.ship.release_bench import Bench, Trap
from update_parts import STEP_MS, KnowingJudge, Rig

from trapbase import cli as trapbase_cli
from trapbase import cmd_updates
from trapbase.config import Settings
from trapbase.store import DATABASE, Store
from trapbase.updates import build as base_updates
from trapcam import cli as trapcam_cli
from trapcam import cmd_update
from trapcam.outbox import Outbox
from trapkit.sealing import public_of
from trapkit.settings import load_settings
from trapkit.update import reasons
from trapship.certificates import PROGRAMS, make_fleet

# What needs a root's right or systemd
NOT_HERE = ("mount -o ro ", "journalctl -u pugmark-trap ", "systemctl restart pugmark-base")
RELEASE, BAD = "2026.12.1", "2026.12.2"
TRAPS = '[[trap]]\nnumber = {}\nstation = "S001"\nside = "{}"\nlatitude = 43.1\nlongitude = 131.4\n'


def section() -> str:
    """The guide's part about how a release comes to the units."""
    return GUIDE.read_text().split("\n## From the stick to the units\n")[1].split("\n## ")[0]


class Base:
    """/var/lib/pugmark of a base that runs: what its loop does is done when it is looked at."""

    def __init__(self, folder: Path, bench: Bench, now_ms: Callable[[], int]) -> None:
        self.folder, self.toml, self._now_ms = folder, folder / "base.toml", now_ms
        (folder / "box.key").write_text("07" * 32)
        make_fleet(folder / "certificates", PROGRAMS)
        radio = f'[bus]\ncertificates = "{folder}/certificates"\n[gateway]\nplan = "ru864"\nkeys = "{folder}"\n'
        head = f'folder = "{folder}/data"\nbox_key = "{folder}/box.key"\n{radio}'
        self.toml.write_text(head + TRAPS.format(7, "left") + TRAPS.format(8, "right"))
        (folder / "root.json").write_bytes(bench.root)
        (folder / "permit.key").write_text(PERMITTING_SEED.hex())
        Store(folder / "data").close()

    def add(self, text: str) -> None:
        """To base.toml; what was provisioned is beside it in unit.toml on a real one."""
        keys = f'root = "{self.folder}/root.json"\npermit_key = "{self.folder}/permit.key"\n'
        self.toml.write_text(self.toml.read_text() + text + keys)

    def runs(self) -> None:
        """One start: it hears trap 7, looks for releases, and decides."""
        with sqlite3.connect(self.folder / "data" / DATABASE) as db:
            heard = (7, self._now_ms(), "north", -90, 6.0, json.dumps({"battery": 80, "fault": 0}))
            db.execute("INSERT OR REPLACE INTO traps VALUES (?, ?, ?, ?, ?, ?)", heard)
        built = base_updates.build(load_settings(Settings, self.toml), lambda work: work())
        for turn in range(1, 4):
            built.step(turn * 3_600_000, self._now_ms())
        assert built.trouble() == ""
        built.close()


class Reader:
    """Somebody who types it. stick: /media/stick; root: the unit's slots."""

    def __init__(self, stick: Path, base: Base, root: Path, said: Callable[[], str]) -> None:
        self._stick, self._base, self._root, self._said = stick, base, root, said
        self.typed: list[str] = []

    def types(self, line: str, code: int = 0) -> str:
        if line in ("sudo -u pugmark bash", "exit"):
            return ""
        words = line.removeprefix("sudo ").removeprefix("-u pugmark ")
        self.typed.append(words)
        if words.startswith(NOT_HERE):
            return ""
        words = words.replace("/media/stick", str(self._stick)).replace("/var/lib/pugmark", str(self._base.folder))
        words = words.replace("base.toml", str(self._base.toml))  # where `cd` leads
        program, *rest = shlex.split(words)
        if program == "trapcam":
            assert trapcam_cli.main([*rest, "--root", str(self._root)]) == code, line
        elif program == "trapbase":
            if rest[0] == "updates":
                self._base.runs()
            assert trapbase_cli.main(rest) == code, line
            self._base.runs()
        elif program != "cd":
            assert (program, rest[0]) == ("cp", "-r"), f"{line}: is not run by this test"
            for source in map(Path, rest[1:-1]):
                shutil.copytree(source, Path(rest[-1]) / source.name, dirs_exist_ok=True)
        return self._said()


@pytest.fixture
def desk(tmp_path: Path, outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> tuple[Rig, Base, Path]:
    """A trap, its base and a stick; the time is the rig's."""
    bench = Bench(tmp_path / "operator")
    (tmp_path / "permit.pub").write_text(public_of(PERMITTING_SEED).hex())
    rig = Rig(tmp_path, outbox, bench, sticks=(), permit_key=str(tmp_path / "permit.pub"))
    rig.judges[BAD] = KnowingJudge(shift=0.3)
    stick, base = tmp_path / "stick", tmp_path / "base"
    stick.mkdir()
    base.mkdir()
    monkeypatch.setattr(base_updates, "OwnClock", lambda folder, fixed: Trap(bench, tmp_path / "unused", ""))
    monkeypatch.setattr(cmd_updates, "time", SimpleNamespace(time_ns=lambda: rig.ms() * 1_000_000))
    monkeypatch.setattr(cmd_update, "_now_s", lambda: rig.ms() / STEP_MS)  # a second for a turn of the application
    monkeypatch.setattr(cmd_update, "_sleep", lambda: None if rig.app.again else rig.steps(1))
    return rig, Base(base, bench, rig.ms), stick


def published(rig: Rig, stick: Path, release: str, text: str) -> None:
    """The operator's release, on the stick that goes to the base."""
    rig.bench.release(release, text)
    for name in ("metadata", "targets"):
        shutil.copytree(rig.bench.repository.folder / name, stick / name, dirs_exist_ok=True)


def test_every_command_of_the_guide_does_what_it_says(
    desk: tuple[Rig, Base, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rig, base, stick = desk
    reader = Reader(stick, base, rig.root, lambda: "".join(capsys.readouterr()))
    found = re.findall(r"^```(sh|toml)\n(.*?)^```$", section(), re.M | re.S)
    (settings,) = [text for language, text in found if language == "toml"]
    begin, word, copy, ask, status, why = [commands(text) for language, text in found if language == "sh"]

    published(rig, stick, RELEASE, "ONE = 1")
    base.add(settings.replace("/media/stick", str(stick)))
    assert "good" in "".join(reader.types(line) for line in begin)
    at_the_base = "".join(reader.types(line) for line in word[:3])
    assert f"{RELEASE}, wave 1 of 1: 0 of 2 units run it" in at_the_base
    assert f"here: {RELEASE} (application" in at_the_base
    assert "waits: trap 8 is not heard" in at_the_base

    rig.start()
    reader.types(copy[0].replace("/var/lib/pugmark/data/updates/permits ", ""))  # as somebody who forgets them
    no = f"waits: no-permit: {RELEASE}: its base has not said yet that this unit may take it\n"
    assert no in reader.types(ask[1], code=1)
    stopped, goes, allowed, shown, _ = [reader.types(line) for line in word[3:]]
    assert "nobody else may take it" in stopped
    assert "goes on" in goes
    assert "trap 7 may take 2026.12.1 though trap 8 beside it is not heard, for 14 days" in allowed
    assert f"may take {RELEASE}" in shown
    reader.types(copy[0])
    reader.types(ask[0])
    assert f"taken: {RELEASE} is on the card\n" in reader.types(ask[1])
    rig.lives()
    assert f"last: runs {RELEASE}, proved" in reader.types(status[0])
    rig.start()
    assert reader.types(ask[1]).startswith("nothing-newer: ")

    published(rig, stick, BAD, "TWO = 2")
    rig.bench.later(hours=2)
    for line in (word[2], word[5], word[2], copy[0]):
        reader.types(line)
    rig.start()
    assert f"taken: {BAD} is on the card\n" in reader.types(ask[1])
    rig.lives()
    told = reader.types(why[0])
    assert f"running: {RELEASE}" in told
    assert f"not taken: {BAD}: {reasons.words('model-judges-badly')}, once\n" in told
    reader.types(why[1])
    assert json.loads(reader.types("trapcam update --json"))["gone"][0]["code"] == "model-judges-badly"
    every = {line for text in (begin, word, copy, ask, status, why) for line in text}
    typed = {line for each in reader.typed for line in (each, f"sudo {each}", f"sudo -u pugmark {each}")}
    assert every <= typed | {"sudo -u pugmark bash", "exit"}


def test_the_guide_says_what_to_do_for_every_code_and_outcome_of_a_unit() -> None:
    text = section()
    for code in filter(None, [*reasons.INSTALLING, *reasons.PERMITTING]):
        assert f"`{code}`" in text, code
    for outcome in ("taken", "nothing-newer", "waits", "refused", "later", "no-answer", "goes-on"):
        assert f"`{outcome}" in text, outcome
