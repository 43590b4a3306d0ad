"""A running trap takes releases from a real repository: tried, proved or taken back, told to the base."""

import struct
from pathlib import Path

import pytest
from cam_parts import CAT
from tests.ship.release_bench import Bench, pack, wheel
from update_parts import KnowingJudge, Rig, pictures_of

from trapcam.outbox import Outbox
from trapkit.errors import SetupError, StorageError
from trapkit.sealing import make_sign_key, public_of
from trapkit.update.permits import Permit
from trapkit.update.slots import Slots
from trapwire import serialline as kinds


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "operator")


@pytest.fixture
def rig(tmp_path: Path, outbox: Outbox, bench: Bench) -> Rig:
    bench.release("2026.12.1", "ONE = 1")
    return Rig(tmp_path, outbox, bench)


def phases(rig: Rig) -> list[str]:
    return [state.phase for state in rig.told()]


def test_a_release_from_a_stick_is_staged_tried_heard_and_kept(rig: Rig) -> None:
    rig.lives()
    assert rig.said.words() == "runs 2026.12.1, proved"
    assert phases(rig) == ["running", "staged", "trial", "confirmed"]
    assert Slots(rig.root).read().good == rig.slot == "a"
    rig.bench.release("2026.12.2", "TWO = 2")
    rig.bench.later(hours=2)
    rig.lives()
    assert (rig.said.running, rig.slot) == ("2026.12.2", "b")
    assert all(note.signature for note in rig.notes())


def test_one_that_no_base_hears_goes_back(rig: Rig) -> None:
    rig.delivers = False
    rig.start().steps(60)
    for _ in range(3):
        rig.start().steps(10)
        assert rig.slot == "a"
        rig.bench.later(days=1)
    rig.start().steps()
    assert rig.slot == ""
    assert rig.said.code == "not-heard"
    rig.bench.later(hours=2)
    rig.start().steps(60)
    assert rig.slot == "", "and it is not tried again at once"


def test_what_was_delivered_before_the_trial_does_not_count_as_heard(rig: Rig) -> None:
    rig.start().steps(60)
    rig.delivers = False
    rig.start().steps(40)
    assert rig.said.phase == "trial"
    rig.delivers = True
    rig.steps(5)
    assert rig.said.phase == "confirmed"


def test_a_model_that_misses_the_known_cat_goes_back_at_once(rig: Rig) -> None:
    rig.judges["2026.12.1"] = KnowingJudge(shift=0.3)
    rig.lives()
    assert (rig.slot, rig.said.phase, rig.said.code) == ("", "reverted", "model-judges-badly")
    assert phases(rig)[-1] == "reverted"


def test_a_camera_that_gives_nothing_goes_back_after_three_starts(rig: Rig) -> None:
    rig.start().steps(60)
    starts = 0
    while rig.start().slot == "a":
        rig.updater._proof._checks.__dict__["glance"] = lambda: False
        rig.steps(100)
        starts += 1
        assert rig.app.again
    assert starts == 3
    rig.steps(5)
    assert rig.said.code == "camera-gives-nothing"
    assert rig.told()[-1].words().endswith("the camera gave no frame under the new release")


def test_bursts_go_before_updates_and_nothing_of_them_is_lost(rig: Rig, tmp_path: Path) -> None:
    pictures_of(tmp_path / "pictures", {f"{number}.png": CAT for number in range(6)})
    rig.start()
    for number in range(6):
        rig.uplink._line._out.append((kinds.WAKE, struct.pack(">IB", number, 0)))  # type: ignore[attr-defined]
    rig.steps(5)
    assert rig.outbox.position(rig.app._camera.source) >= 4
    assert Slots(rig.root).slot("a") is None, "no step of it while a trigger waits"
    rig.steps(60)
    rig.lives()
    assert rig.said.phase == "confirmed"
    assert rig.outbox.totals()[1] == 6


def test_without_a_burst_a_release_has_to_last_a_while(rig: Rig) -> None:
    """One that fails at its first burst shall not be proved before it."""
    rig.start().steps(60)
    rig.start().steps(25)
    assert rig.said.phase == "trial"
    rig.steps(10)
    assert rig.said.phase == "confirmed"


def test_in_service_no_update_goes_on(rig: Rig) -> None:
    rig.start()
    rig.steps(2)
    rig.uplink.in_service = lambda now_ms: True  # type: ignore[method-assign]
    rig.steps(50)
    assert not rig.app.again


def test_a_unit_without_a_proved_time_waits_and_says_so(rig: Rig) -> None:
    rig.trusted = False
    rig.lives()
    assert (rig.said.phase, rig.said.code) == ("waiting", "time-unknown")
    rig.trusted = True
    rig.bench.later(hours=2)
    rig.lives()
    assert rig.said.phase == "confirmed"


def test_a_forged_release_is_refused_by_name_and_what_runs_stays(rig: Rig) -> None:
    for path in (rig.bench.repository.folder / "targets").rglob("*.whl"):
        path.write_bytes(path.read_bytes() + b"x")
    for path in (rig.bench.repository.folder / "targets").rglob("*.zip"):
        path.write_bytes(path.read_bytes() + b"x")
    rig.lives()
    assert (rig.slot, rig.said.phase) == ("", "refused")
    assert rig.said.code in ("altered", "too-large")
    assert any("updates: refused" in line for line in rig.lines)


def test_a_permission_of_the_base_is_waited_for(tmp_path: Path, outbox: Outbox, bench: Bench) -> None:
    bench.release("2026.12.1", "ONE = 1")
    seed = make_sign_key()
    (tmp_path / "permit.pub").write_text(public_of(seed).hex())
    rig = Rig(tmp_path, outbox, bench, permit_key=str(tmp_path / "permit.pub"))
    rig.lives()
    assert (rig.said.phase, rig.said.code) == ("waiting", "no-permit")
    until_ms = rig.ms() + 10 * 86_400_000
    permit = Permit(trap=7, number=4, release="2026.12.1", issued_ms=rig.ms(), until_ms=until_ms)
    (bench.repository.folder / "permits").mkdir()
    (bench.repository.folder / "permits/7.permit").write_bytes(permit.signed(seed))
    bench.later(hours=2)
    rig.lives()
    assert rig.said.phase == "confirmed"


def test_a_card_that_refuses_is_said_and_asked_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start()

    def refuse(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Slots, "write", refuse)
        rig.steps(60)
        assert any("updates: " in line and "No space left" in line for line in rig.lines)
    rig.bench.later(minutes=2)
    rig.steps(60)
    rig.lives()
    assert rig.said.phase == "confirmed"


def test_a_trial_that_cannot_be_counted_is_no_reason_to_start_for_ever(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.start().steps(60)
    with monkeypatch.context() as patched:
        patched.setattr("trapkit.update.slots.write_atomically", _refused)
        rig.start().steps(20)
    assert rig.slot == ""
    assert not rig.app.again
    assert any("could not be started" in line for line in rig.lines)
    rig.lives()
    assert rig.said.phase == "confirmed"


def _refused(*args: object, **kwargs: object) -> None:
    raise OSError(30, "Read-only file system")


def test_a_parked_pi_stays_on_until_camera_and_detector_were_seen(rig: Rig) -> None:
    rig.start().steps(60)
    rig.start()
    rig.updater._proof._checks.__dict__["glance"] = lambda: False
    rig.steps(2)
    assert rig.updater.busy
    rig.start().steps(2)
    assert not rig.updater.busy


def test_a_release_for_which_there_is_no_room_waits(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trapkit.update.slots.SPARE_BYTES", 1 << 60)
    rig.lives()
    assert (rig.said.phase, rig.said.code) == ("waiting", "no-room")
    monkeypatch.setattr("trapkit.update.slots.SPARE_BYTES", 0)
    rig.bench.later(hours=2)
    rig.lives()
    assert rig.said.phase == "confirmed"


def test_only_what_changed_is_brought_and_the_rest_stays(rig: Rig, tmp_path: Path) -> None:
    rig.lives()
    rig.bench.release("2026.12.2", settings=[pack(tmp_path / "in", "two")])
    rig.bench.later(hours=2)
    rig.lives()
    told = Slots(rig.root).slot("b")
    assert told is not None
    assert set(told.versions) == {"application", "settings"}
    assert "# two" in (rig.root / "current/settings/pack.toml").read_text()


def test_the_operator_takes_a_release_back(rig: Rig) -> None:
    rig.lives()
    rig.bench.release("2026.12.2", "TWO = 2")
    rig.bench.later(hours=2)
    rig.lives()
    assert rig.said.running == "2026.12.2"
    rig.bench.rollback("2026.12.1")
    rig.bench.later(hours=2)
    rig.lives()
    assert rig.said.words() == "runs 2026.12.1, proved"


def test_a_wrong_setting_is_named_at_the_start(tmp_path: Path, outbox: Outbox, bench: Bench) -> None:
    for wrong, name in (({"base_url": "ftp://x"}, "update.base_url"), ({"permit_key": "/nowhere"}, "/nowhere")):
        with pytest.raises(SetupError, match=name):
            Rig(tmp_path, outbox, bench, **wrong).start()
    rig = Rig(tmp_path, outbox, bench)
    (tmp_path / "root.json").unlink()
    with pytest.raises(SetupError, match=r"update\.trusted"):
        rig.start()


def test_sources_that_go_wrong_while_it_runs_end_the_look_and_nothing_else(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.start()

    def gone(*args: object) -> None:
        raise SetupError("no certificate")

    monkeypatch.setattr("trapcam.updating.build.sources_of", gone)
    rig.steps(20)
    assert not rig.updater.busy
    assert rig.said.phase == "running"


def test_an_outbox_that_refuses_is_said_and_the_trap_goes_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start()

    def refuse(part: str) -> str:
        raise StorageError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(rig.outbox, "told", refuse)
        rig.steps(10)
    assert any("updates: database is locked" in line for line in rig.lines)
    rig.lives()
    assert rig.said.phase == "confirmed"


def test_a_wheel_that_is_none_is_refused_for_good(rig: Rig, tmp_path: Path) -> None:
    path = wheel(tmp_path / "in", "def (")
    rig.bench.release("2026.12.2", application=[path])
    rig.bench.later(hours=2)
    rig.lives()
    assert (rig.said.phase, rig.said.code, rig.slot) == ("refused", "unpack-refused", "")
