"""A release's firmware over the Pi's line into the supervisor's other slot: read back, started, in step with the Pi."""

import json
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from tests.ship.release_bench import Bench, wheel
from update_parts import Rig

from trapcam.config import TriggerSettings
from trapcam.outbox import Outbox
from trapkit.update.firmware import Handover, listing_of, name_of, turning
from trapkit.update.slots import Slots
from trapmcu import boot
from trapmcu.slots import Slots as McuSlots
from trapship.compiler import MPY_VERSION
from trapwire.slotask import Word
from trapwire.slotwords import DONE, NO_ROOM, NONE, ON_TRIAL, OUT_OF_ORDER

OLD = {"trapmcu/unit.mpy": b"old" * 100}
NEW = {"trapmcu/unit.mpy": b"new" * 900, "trapwire/frame.mpy": b"wire"}


def bundle(folder: Path, files: dict[str, bytes]) -> Path:
    """What `trapship bundle` leaves, as far as a release reads it."""
    for path, data in files.items():
        (folder / "xiao-s3" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "xiao-s3" / path).write_bytes(data)
    told = {
        "format": 1,
        "version": sha256(json.dumps(sorted(map(str, files.items()))).encode()).hexdigest()[:12],
        "mpy": MPY_VERSION,
        "files": {"xiao-s3": {path: sha256(data).hexdigest() for path, data in files.items()}},
        "start": {},
        "declares": {"gives": {"protocol": [3], "serial_line": [1]}, "needs": {"serial_line": [1]}},
    }
    (folder / "bundle.json").write_text(json.dumps(told))
    return folder


@pytest.fixture
def rig(tmp_path: Path, outbox: Outbox) -> Rig:
    flash = tmp_path / "flash"
    (flash / "a/trapmcu").mkdir(parents=True)
    (flash / "a/trapmcu/unit.mpy").write_bytes(OLD["trapmcu/unit.mpy"])
    (flash / "a" / boot.LIST[1:]).write_bytes(listing_of(OLD))
    bench = Bench(tmp_path / "operator")
    app = wheel(tmp_path / "in", "ONE = 1")
    bench.release("2026.12.1", application=[app], supervisor=[bundle(tmp_path / "bundle", NEW)])
    rig = Rig(tmp_path, outbox, bench)
    rig.flash = flash
    return rig


def restart_supervisor(rig: Rig, *, heard: bool) -> str:
    """As after its reset; the slot that runs."""
    rig.running = boot.choose(str(rig.flash), False)
    if heard:
        McuSlots(str(rig.flash), rig.running).confirm()
    rig._loader = None
    return rig.running


def test_both_machines_change_together_and_are_proved_together(rig: Rig) -> None:
    rig.start().steps(60)
    record = Slots(rig.root).read()
    assert rig.app.again
    assert record.trial is not None
    assert (record.trial.supervisor, record.supervisor) == (name_of(NEW), name_of(OLD))
    assert restart_supervisor(rig, heard=False) == "b"
    rig.start().steps(20)
    assert rig.said.phase == "trial", "its supervisor has not heard the base yet"
    restart_supervisor(rig, heard=True)
    rig.steps(20)
    assert rig.said.phase == "confirmed"
    assert Slots(rig.root).read().supervisor == name_of(NEW)


def test_without_a_supervisor_its_part_is_left_out_and_the_rest_is_taken(rig: Rig) -> None:
    rig.flash = None
    rig.settings = msgspec.structs.replace(rig.settings, trigger=TriggerSettings(source="interval"))
    rig.lives()
    assert rig.said.words() == "runs 2026.12.1, proved"
    left_out = "updates: the release brings a supervisor's part; none is configured, it is left out"
    assert rig.lines.count(left_out) == 1
    assert Slots(rig.root).read().supervisor == ""


def test_a_supervisor_that_went_back_by_itself_takes_the_release_back(rig: Rig) -> None:
    rig.start().steps(60)
    while restart_supervisor(rig, heard=False) == "b":
        pass
    for _ in range(4):
        rig.start().steps(20)
        while restart_supervisor(rig, heard=False) == "b":
            pass
    assert (rig.slot, rig.said.phase, rig.said.code) == ("", "reverted", "supervisor-reverted")


def test_when_the_pi_goes_back_its_supervisor_does_too(rig: Rig) -> None:
    rig.start().steps(60)
    restart_supervisor(rig, heard=True)
    rig.delivers = False
    for _ in range(6):
        rig.start().steps(20)
        rig.bench.later(days=1)
        if rig.slot == "":
            break
    assert rig.said.code == "not-heard"
    rig.steps(20)
    assert restart_supervisor(rig, heard=True) == "a"
    rig.start().steps(20)
    assert name_of(OLD) == McuSlots(str(rig.flash), "a").digest("a").hex()


def test_a_supervisor_from_before_updates_leaves_the_release_waiting(rig: Rig) -> None:
    rig.flash = None
    rig.start().steps(200)
    assert (rig.said.phase, rig.said.code, rig.slot) == ("waiting", "supervisor-silent", "")


def test_firmware_that_was_flashed_by_hand_stays(rig: Rig) -> None:
    rig.start().steps(60)
    restart_supervisor(rig, heard=True)
    rig.lives()
    assert rig.said.phase == "confirmed"
    (rig.flash or Path()).joinpath("b", boot.LIST[1:]).write_text("another\n")
    rig.start().steps(10)
    assert Slots(rig.root).read().supervisor == ""
    assert any("it stays" in line for line in rig.lines)


def test_a_supervisor_whose_slot_has_no_list_takes_firmware_and_has_nothing_to_go_back_to(rig: Rig) -> None:
    (rig.flash or Path()).joinpath("a", boot.LIST[1:]).unlink()
    rig.start().steps(60)
    record = Slots(rig.root).read()
    assert record.trial is not None
    assert (record.trial.supervisor, record.supervisor) == (name_of(NEW), "")


# --- the conversation ------------------------------------------------------------------------------------------------


def word(op: int, outcome: int = DONE, at: int = 0, other: bytes = NONE) -> Word:
    return Word(op, outcome, "a", 0, at, b"\x01" * 16, other)


def test_silence_is_asked_again_and_ends() -> None:
    handover, said, now_ms = Handover(NEW), 0, 0
    while not handover.outcome:
        said += handover.step(None, now_ms) is not None
        now_ms += 500
    assert (handover.outcome, said) == ("supervisor-silent", 10)


def test_a_supervisor_that_forgot_all_is_told_from_the_beginning() -> None:
    handover = Handover(NEW)
    handover.step(None, 0)
    begun = handover.step(word(0), 1)
    assert begun is not None
    assert begun[0] == 1
    handover.step(word(1), 2)
    piece = handover.step(word(2, at=500), 3)
    assert piece is not None
    assert piece[:5] == bytes([2, 0, 0, 1, 244])
    assert handover.step(word(2, OUT_OF_ORDER, at=0), 4) == begun
    assert 0 < handover.share < 1


@pytest.mark.parametrize(("outcome", "code"), [(NO_ROOM, "supervisor-refused"), (ON_TRIAL, "supervisor-on-trial")])
def test_what_the_supervisor_refuses_is_named(outcome: int, code: str) -> None:
    handover = Handover(NEW)
    handover.step(None, 0)
    handover.step(word(0), 1)
    assert handover.step(word(1, outcome), 2) is None
    assert handover.outcome == code


def test_what_is_there_already_is_not_sent_again() -> None:
    handover = Handover(NEW)
    handover.step(None, 0)
    handover.step(word(0, other=bytes.fromhex(name_of(NEW))), 1)
    assert handover.outcome == "done"
    for wrong in ("", "00" * 16, "11" * 15, "zz"):
        with pytest.raises(ValueError):  # noqa: PT011  (whatever is wrong with it)
            turning(wrong)
