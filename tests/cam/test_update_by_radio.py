"""A trap without a network: a settings pack comes down the supervisor's line, is tried and kept, or refused by name."""

from pathlib import Path

import pytest
from tests.ship.release_bench import Bench, pack
from update_parts import SEED, TRAP, Rig

from trapcam.downpack import BY_RADIO, DownPack, keep_pack
from trapcam.outbox import Outbox
from trapkit.sealing import public_of
from trapkit.update.permits import Permit
from trapkit.update.radiopack import with_permit
from trapkit.update.slots import PACK as PACK_FILE
from trapkit.update.slots import Slots
from trapwire import serialline as kinds
from trapwire.errors import WireError
from trapwire.objects import PACK, Envelope, ObjectKey, pack_keys

ONE, TWO, THREE = "2026.12.1", "2026.12.2", "2026.12.3"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path / "operator")
    bench.release(ONE, settings=[pack(tmp_path / "one", "one")])
    return bench


@pytest.fixture
def rig(tmp_path: Path, outbox: Outbox, bench: Bench) -> Rig:
    return Rig(tmp_path, outbox, bench, sticks=())


def on_air(bench: Bench, release: str) -> bytes:
    targets = bench.repository.read().targets
    assert targets is not None
    path = targets.signed.targets[f"radio/{release}.pack"].get_prefixed_paths()[0]
    return (bench.repository.targets / path).read_bytes()


def down(rig: Rig, body: bytes, number: int = 1, trap: int = TRAP) -> tuple[ObjectKey, list[bytes]]:
    """It comes from the supervisor; its key, and what the Pi answers."""
    key, answers = ObjectKey(trap, 1, number, PACK), []
    line = rig.uplink._line
    send = line.send
    line.send = lambda kind, payload: answers.append(payload) if kind == kinds.RECEIPT_TAKEN else send(kind, payload)  # type: ignore[method-assign,func-returns-value]
    line._out.append((kinds.DOWN, Envelope(key, body).encode()))  # type: ignore[attr-defined]
    rig.uplink.step(rig.ms())
    line.send = send  # type: ignore[method-assign]
    return key, answers


def settings_of(rig: Rig) -> bytes:
    """The settings pack in force."""
    folder = Slots(rig.root).part(rig.slot, "settings")
    return b"" if folder is None else (folder / PACK_FILE).read_bytes()


def test_it_is_kept_answered_tried_heard_and_in_force_then_forgotten(rig: Rig, tmp_path: Path) -> None:
    rig.start()
    key, answers = down(rig, with_permit(b"", on_air(rig.bench, ONE)))
    assert answers == [pack_keys([key])]
    rig.lives()
    assert rig.said.words() == f"runs {ONE}, proved"
    assert [state.phase for state in rig.told()] == ["running", "staged", "trial", "confirmed"]
    assert settings_of(rig) == (tmp_path / "one/pack.toml").read_bytes()
    rig.bench.later(hours=2)
    rig.start().steps(10)
    assert rig.outbox.told(BY_RADIO) == "", "it runs: nobody has to look at it again"
    assert rig.said.phase == "confirmed"


def test_the_next_one_keeps_what_else_the_unit_has(rig: Rig, tmp_path: Path) -> None:
    rig.start()
    down(rig, with_permit(b"", on_air(rig.bench, ONE)))
    rig.lives()
    rig.bench.release(TWO, settings=[pack(tmp_path / "two", "two")])
    rig.start()
    down(rig, with_permit(b"", on_air(rig.bench, TWO)), 2)
    rig.lives()
    assert (rig.said.running, rig.slot) == (TWO, "b")
    assert settings_of(rig) == (tmp_path / "two/pack.toml").read_bytes()


def test_a_power_cut_between_its_arrival_and_the_look_loses_nothing(rig: Rig) -> None:
    rig.start()
    down(rig, with_permit(b"", on_air(rig.bench, ONE)))
    rig.lives()  # another start: what the supervisor was answered for lies in the outbox
    assert rig.said.running == ONE


def test_one_that_no_base_hears_goes_back(rig: Rig) -> None:
    rig.start()
    down(rig, with_permit(b"", on_air(rig.bench, ONE)))
    rig.delivers = False
    rig.steps(60)
    for _ in range(4):
        rig.start().steps(10)
        rig.bench.later(days=1)
    assert (rig.said.phase, rig.said.code, rig.slot) == ("reverted", "not-heard", "")


def forged(rig: Rig) -> bytes:
    data = on_air(rig.bench, ONE)
    return with_permit(b"", data[:-1] + bytes([data[-1] ^ 1]))


@pytest.mark.parametrize(
    ("what", "code"),
    [("forged", "not-signed"), ("oversized", "too-large"), ("nothing", "garbage"), ("cut", "not-signed")],
)
def test_what_is_wrong_is_refused_by_name_once_and_answered_all_the_same(rig: Rig, what: str, code: str) -> None:
    data = with_permit(b"", on_air(rig.bench, ONE))
    bodies = {"forged": forged(rig), "oversized": bytes(4_050), "nothing": b"\x09", "cut": data[:-200]}
    rig.start()
    _, answers = down(rig, bodies[what])
    assert len(answers) == 1
    rig.steps(20)
    assert (rig.said.phase, rig.said.code) == ("refused", code)
    assert [state.code for state in rig.told()] == ["", code]
    assert rig.outbox.told(BY_RADIO) == ""
    down(rig, data, 2)
    rig.lives()
    assert rig.said.running == ONE, "the right one is taken after it"


def test_an_older_one_played_again_is_a_downgrade(rig: Rig, tmp_path: Path) -> None:
    older = with_permit(b"", on_air(rig.bench, ONE))
    rig.start()
    down(rig, older)
    rig.lives()
    rig.bench.release(TWO, settings=[pack(tmp_path / "two", "two")])
    rig.start()
    down(rig, with_permit(b"", on_air(rig.bench, TWO)), 2)
    rig.lives()
    rig.start()
    down(rig, older, 3)
    rig.steps(20)
    assert (rig.said.phase, rig.said.code, rig.slot) == ("refused", "downgrade", "b")


def test_the_same_one_twice_is_tried_once(rig: Rig) -> None:
    body = with_permit(b"", on_air(rig.bench, ONE))
    rig.start()
    down(rig, body)
    down(rig, body)
    rig.lives()
    rig.start()
    _, answers = down(rig, body)
    rig.bench.later(hours=2)
    rig.steps(20)
    assert len(answers) == 1
    assert [state.phase for state in rig.told()].count("trial") == 1
    assert rig.outbox.told(BY_RADIO) == ""


def test_it_needs_its_bases_permission_which_comes_with_it(tmp_path: Path, outbox: Outbox, bench: Bench) -> None:
    (tmp_path / "permit.pub").write_text(public_of(SEED).hex() + "\n")
    rig = Rig(tmp_path, outbox, bench, sticks=(), permit_key=str(tmp_path / "permit.pub"))
    data = on_air(bench, ONE)
    rig.start()
    down(rig, with_permit(b"", data))
    rig.steps(20)
    assert (rig.said.phase, rig.said.code) == ("waiting", "no-permit")
    permit = Permit(trap=TRAP, number=9, release=ONE, issued_ms=rig.ms(), until_ms=rig.ms() + 10**9)
    down(rig, with_permit(permit.signed(SEED), data), 2)
    rig.lives()
    assert rig.said.running == ONE


def test_without_a_known_time_it_waits_and_is_kept(rig: Rig) -> None:
    rig.trusted = False
    rig.start()
    down(rig, with_permit(b"", on_air(rig.bench, ONE)))
    rig.steps(20)
    assert rig.said.code == "time-unknown"
    assert rig.outbox.told(BY_RADIO)
    rig.trusted = True
    rig.bench.later(hours=2)
    rig.lives()
    assert rig.said.running == ONE


def test_a_stick_that_has_more_goes_before_it(tmp_path: Path, outbox: Outbox, bench: Bench) -> None:
    rig = Rig(tmp_path, outbox, bench)
    rig.start()
    down(rig, forged(rig))
    rig.lives()
    assert rig.said.running == ONE
    rig.bench.later(hours=2)
    rig.start().steps(10)
    assert (rig.said.phase, rig.outbox.told(BY_RADIO)) == ("confirmed", "")


def test_what_is_no_pack_for_this_trap_is_not_kept(outbox: Outbox) -> None:
    for key, size in ((ObjectKey(TRAP + 1, 1, 1, PACK), 10), (ObjectKey(TRAP, 1, 1, PACK), 4_097)):
        with pytest.raises(WireError, match="no pack for this trap"):
            keep_pack(outbox, Envelope(key, bytes(size)))
    assert DownPack(outbox).take() == b""
