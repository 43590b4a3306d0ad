"""`trapcam update --from DIR` beside a running trap: each asking ends with an outcome and an exit code, in time."""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.base.updates.parts import SEED as PERMITTING_SEED
from tests.ship.release_bench import Bench
from update_parts import Rig

from trapcam import cmd_update
from trapcam.cli import main
from trapcam.clock import Clock
from trapcam.outbox import Outbox
from trapcam.updating import asking
from trapcam.updating.taking import Found, Taking
from trapkit.sealing import public_of

RELEASE = "2026.12.1"
Ask = Callable[..., tuple[int, str]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path / "operator")
    made.release(RELEASE, "ONE = 1")
    return made


@pytest.fixture
def rig(tmp_path: Path, outbox: Outbox, bench: Bench) -> Rig:
    return Rig(tmp_path, outbox, bench, sticks=()).start()


@pytest.fixture
def ask(rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """(exit code, what is said) of the command; while it waits, the trap goes on where it is `at_work`."""

    def ask(folder: Path, *options: str, at_work: bool = True, trap: Rig = rig) -> tuple[int, str]:
        def moment() -> None:
            trap.bench.now += timedelta(seconds=1)
            if at_work and not (trap.app.again or trap.app.left):
                trap.steps(1)

        monkeypatch.setattr(cmd_update, "_now_s", lambda: trap.ms() / 1000)
        monkeypatch.setattr(cmd_update, "_sleep", moment)
        code = main(["update", "--root", str(trap.root), "--from", str(folder), *options])
        return code, capsys.readouterr().out.strip()

    return ask


def test_a_release_that_is_taken_is_on_the_card_and_then_there_is_nothing_newer(
    rig: Rig, bench: Bench, ask: Ask
) -> None:
    stick = bench.repository.folder
    assert ask(stick, "--wait", "3000") == (0, f"taken: {RELEASE} is on the card")
    rig.lives()
    assert rig.said.words() == f"runs {RELEASE}, proved"
    code, said = ask(stick)
    assert (code, said) == (0, "nothing-newer: nothing newer than what it runs lies there")
    assert json.loads(ask(stick, "--json")[1])["outcome"] == "nothing-newer", "asked again it is looked at again"


def test_another_operators_release_is_refused_also_where_a_good_one_lies_elsewhere(
    tmp_path: Path, outbox: Outbox, bench: Bench, ask: Ask
) -> None:
    rig = Rig(tmp_path, outbox, bench).start()  # its own lies on its stick
    other = Bench(tmp_path / "other")
    other.release(RELEASE, "ONE = 1")
    folder = other.repository.folder
    for path in (folder / "metadata").glob("*.json"):  # the same operator made it, for tests: signed by others now
        told = json.loads(path.read_bytes())
        for signature in told["signatures"]:
            signature["sig"] = "5a" * 64
        path.write_text(json.dumps(told))
    code, said = ask(folder, trap=rig)
    assert (code, said.split(":")[:2]) == (1, ["refused", " not-signed"])
    assert str(folder) in said


def test_a_copy_of_which_a_part_is_missing_waits_for_it(bench: Bench, ask: Ask, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    shutil.copytree(bench.repository.folder, stick)
    for path in (stick / "targets").rglob("*.zip"):
        path.unlink()
    for path in (stick / "targets").rglob("*.whl"):
        path.unlink()
    code, said = ask(stick)
    assert (code, said.split(":")[:2]) == (1, ["waits", " incomplete"])
    shutil.copytree(bench.repository.folder, stick, dirs_exist_ok=True)
    assert ask(stick, "--wait", "3000")[0] == 0


def test_one_that_its_base_has_not_permitted_waits_for_it(
    tmp_path: Path, outbox: Outbox, bench: Bench, ask: Ask
) -> None:
    (tmp_path / "permit.pub").write_text(public_of(PERMITTING_SEED).hex())
    rig = Rig(tmp_path, outbox, bench, sticks=(), permit_key=str(tmp_path / "permit.pub")).start()
    code, said = ask(bench.repository.folder, trap=rig)
    assert code == 1
    assert said == f"waits: no-permit: {RELEASE}: its base has not said yet that this unit may take it"


def test_a_trap_that_tries_another_release_looks_later(rig: Rig, bench: Bench, ask: Ask) -> None:
    assert ask(bench.repository.folder, "--wait", "3000")[0] == 0
    rig.steps(60)
    code, said = ask(bench.repository.folder)
    assert (code, said) == (1, f"later: it tries {RELEASE}, and looks when that is settled")


def test_a_trap_without_the_operators_root_says_that_it_takes_none(
    tmp_path: Path, outbox: Outbox, bench: Bench, ask: Ask
) -> None:
    rig = Rig(tmp_path, outbox, bench, sticks=())
    rig.settings = msgspec.structs.replace(
        rig.settings, update=msgspec.structs.replace(rig.settings.update, trusted="")
    )
    code, said = ask(bench.repository.folder, trap=rig.start())
    assert (code, said.split(": ")[:2]) == (1, ["refused", "no-source"])
    assert "'update.trusted'" in said


def test_a_trap_that_is_not_there_is_not_waited_for(rig: Rig, bench: Bench, ask: Ask) -> None:
    begun_ms = rig.ms()
    code, said = ask(bench.repository.folder, at_work=False)
    assert (code, said.split(":")[0]) == (1, "no-answer")
    assert "systemctl status pugmark-trap" in said
    assert rig.ms() - begun_ms <= 22_000
    assert main(["update", "--root", str(rig.root)]) == 0


def test_another_time_to_wait_than_is_allowed_is_said(bench: Bench, rig: Rig, ask: Ask) -> None:
    assert ask(bench.repository.folder, "--wait", "-1")[0] == 2
    assert ask(bench.repository.folder, "--wait", "nan")[0] == 2
    assert not (rig.root / "asked").exists()


def test_where_what_came_by_radio_goes_first_the_next_look_answers(tmp_path: Path, bench: Bench) -> None:
    clock = Clock(20, system_ms=lambda: 0, monotonic_ms=lambda: 0)
    taking = Taking(dict, tmp_path / "tuf", clock, b"", 7)
    desk, question = asking.Desk(tmp_path, taking), asking.ask(tmp_path, bench.repository.folder)
    desk.begin()
    desk.answer("")
    assert asking.answered(tmp_path) == asking.Answer(mark=question.mark, outcome=asking.LOOKS)
    taking.seen[question.folder] = Found()
    desk.begin()
    desk.answer("")
    said = asking.answered(tmp_path)
    assert said is not None
    assert (said.mark, said.outcome) == (question.mark, asking.NOTHING)


def test_a_damaged_question_or_answer_is_none(tmp_path: Path) -> None:
    for name, read in ((asking.ASKED, asking.asked), (asking.ANSWERED, asking.answered)):
        for data in (b"", b"\xff\xfe", b"[]", b'{"mark": '):
            (tmp_path / name).write_bytes(data)
            found = read(tmp_path)
            assert found is None or (name == asking.ASKED and isinstance(found, asking.Question) and not found.mark)
