"""The guide's "## A unit updates itself": each of its commands, typed at a base and at a trap that takes releases."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.base.updates.parts import SEED as PERMITTING_SEED
from tests.ship.guide_parts import GUIDE, commands
from tests.ship.release_bench import Bench
from update_parts import TRAP, KnowingJudge, Rig

from trapbase import cli as trapbase_cli
from trapbase.store import Store
from trapcam import cli as trapcam_cli
from trapcam.outbox import Outbox
from trapkit.sealing import public_of
from trapkit.update import reasons
from trapkit.update.permits import Permit

# What needs a root's right or systemd
NOT_HERE = ("mount -o ro ", "journalctl -u pugmark-trap ")
RELEASE, BAD = "2026.12.1", "2026.12.2"


def section() -> str:
    """The guide's part about what a unit does by itself."""
    return GUIDE.read_text().split("\n## A unit updates itself\n")[1].split("\n## ")[0]


class Reader:
    """Somebody who types it. stick: /media/stick; base: /var/lib/pugmark there; root: the unit's slots."""

    def __init__(self, stick: Path, base: Path, root: Path, say: Callable[[], str]) -> None:
        self._stick, self._base, self._root, self._said = stick, base, root, say
        self.typed: list[str] = []

    def types(self, line: str) -> str:
        if line in ("sudo -u pugmark bash", "exit"):
            return ""
        words = line.removeprefix("sudo ").removeprefix("-u pugmark ")
        self.typed.append(words)
        if words.startswith(NOT_HERE):
            return ""
        words = words.replace("/media/stick", str(self._stick)).replace("/var/lib/pugmark", str(self._base))
        words = words.replace("base.toml", str(self._base / "base.toml"))  # where `cd` leads
        program, *rest = shlex.split(words)
        if program == "trapcam":
            assert trapcam_cli.main([*rest, "--root", str(self._root)]) == 0
        elif program == "trapbase":
            assert trapbase_cli.main(rest) == 0
        elif program != "cd":
            assert (program, rest[0]) == ("cp", "-r"), f"{line}: is not run by this test"
            for source in map(Path, rest[1:-1]):
                shutil.copytree(source, Path(rest[-1]) / source.name, dirs_exist_ok=True)
        return self._said()


def mirrored(bench: Bench, base: Path, now_ms: int, release: str, number: int) -> None:
    """The base has it, and lets the trap take it."""
    mirror = base / "data/updates"
    shutil.copytree(bench.repository.folder / "metadata", mirror / "metadata", dirs_exist_ok=True)
    shutil.copytree(bench.repository.folder / "targets", mirror / "targets", dirs_exist_ok=True)
    permit = Permit(trap=TRAP, number=number, release=release, issued_ms=now_ms, until_ms=now_ms + 86_400_000)
    (mirror / "permits").mkdir(exist_ok=True)
    (mirror / f"permits/{TRAP}.permit").write_bytes(permit.signed(PERMITTING_SEED))


def test_every_command_of_the_guide_does_what_it_says(
    tmp_path: Path, outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(tmp_path / "operator")
    (tmp_path / "permit.pub").write_text(public_of(PERMITTING_SEED).hex())
    stick, base = tmp_path / "stick", tmp_path / "base"
    stick.mkdir()
    base.mkdir()
    (base / "base.toml").write_text(f'folder = "{base}/data"\n')
    rig = Rig(tmp_path, outbox, bench, sticks=(), permit_key=str(tmp_path / "permit.pub"))
    rig.judges[BAD] = KnowingJudge(shift=0.3)
    bench.release(RELEASE, "ONE = 1")
    mirrored(bench, base, rig.ms(), RELEASE, 1)
    reader = Reader(stick, base, rig.root, lambda: capsys.readouterr().out)

    watch, status, copy, ask, why = [
        commands(block) for block in re.findall(r"^```sh\n(.*?)^```$", section(), re.M | re.S)
    ]
    Store(base / "data").close()
    reader.types(watch[1])
    assert "no release is on its way" in reader.types(watch[2])
    assert "running: what was installed" in reader.types(status[0])
    reader.types(copy[0])
    said = [reader.types(line) for line in ask]
    assert f"looks at: {stick}" in said[-1]
    rig.lives()
    assert f"last: runs {RELEASE}, proved" in reader.types(ask[-1])

    bench.release(BAD, "TWO = 2")
    bench.later(hours=2)
    mirrored(bench, base, rig.ms(), BAD, 2)
    reader.types(copy[0])
    rig.lives()
    told = reader.types(why[0])
    assert f"running: {RELEASE}" in told
    assert told.endswith(f"not taken: {BAD}: {reasons.words('model-judges-badly')}, once\nlooks at: {stick}\n")
    reader.types(why[1])
    assert json.loads(reader.types("trapcam update --json"))["gone"][0]["code"] == "model-judges-badly"
    assert len(set(reader.typed)) == 8


def test_the_guide_says_what_to_do_for_every_code_of_a_unit() -> None:
    text = section()
    for code in filter(None, [*reasons.INSTALLING, *reasons.PERMITTING]):
        assert f"`{code}`" in text, code
