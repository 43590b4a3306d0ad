"""What a base keeps of an update, and whom it lets take it: over restarts, after stops, when another release comes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.base.parts import NOW, TRAPS
from tests.base.updates.parts import HOUR_MS, KEY, NEW, NEXT, OLD, SEED, Updating
from trapbase.places import Places
from trapbase.updates.kept import DONE, GOING, STOPPED
from trapbase.updates.look import look
from trapkit.update.permits import HELD, Permit, refusal
from trapkit.update.permits import OLD as OLD_PERMIT
from trapwire import events

DAY_MS = 86_400_000


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Updating]:
    base = Updating(tmp_path)
    base.hear(1, 2, 3)
    for trap in (1, 2, 3):
        base.says(trap, OLD, "running")
    yield base
    base.close()


def test_nobody_may_take_anything_before_a_release_is_on_its_way(base: Updating) -> None:
    base.step()
    assert base.released_to() == {}


def test_the_first_camera_may_then_its_partner_then_the_next_station(base: Updating) -> None:
    base.kept.begin(NEW, NOW)
    base.step()
    assert base.released_to() == {1: NEW}
    base.says(1, NEW, "confirmed")
    base.heard_for(11.5)
    assert base.released_to() == {1: NEW}
    base.heard_for(1)
    assert base.released_to() == {1: NEW, 2: NEW}
    base.says(2, NEW, "confirmed")
    base.heard_for(25)
    assert base.released_to() == {1: NEW, 2: NEW, 3: NEW}
    base.says(3, NEW, "confirmed")
    base.heard_for(25)
    assert (base.rollout()["state"], base.rollout()["wave"]) == (DONE, 2)


def test_one_that_goes_back_stops_it_and_what_nobody_used_yet_is_held(base: Updating) -> None:
    base.kept.begin(NEW, NOW)
    base.step()
    first = base.permit(1)
    assert first is not None
    base.says(1, OLD, "reverted", NEW, "camera-gives-nothing")
    base.step()
    row = base.rollout()
    assert row["state"] == STOPPED
    assert row["why"] == f"trap 1 went back to {OLD}: the camera gave no frame under the new release"
    held = base.permit(1)
    assert held is not None
    assert (held.release, held.number > first.number) == ("", True)
    data = (base.mirror / "permits" / "1.permit").read_bytes()
    assert refusal(data, KEY, 1, NEW, first.number, base.now_ms)[0] == HELD
    assert refusal(first.signed(SEED), KEY, 1, NEW, held.number, base.now_ms)[0] == OLD_PERMIT, "kept by somebody"


def test_a_stop_and_a_go_outlast_a_restart(base: Updating) -> None:
    base.kept.begin(NEW, NOW)
    base.step()
    base.says(1, OLD, "reverted", NEW, "not-heard")
    base.step()
    base.steward.close()
    base.kept.close()
    base.start()
    base.hear(1, 2, 3)
    base.step(48)
    assert base.rollout()["state"] == STOPPED
    base.hear(1, 2, 3)
    base.kept.go(base.rollout(), base.now_ms)
    base.step()
    assert base.rollout()["state"] == GOING
    assert base.released_to() == {1: "", 2: NEW}, "the one that went back keeps what it has"


def test_by_the_operators_word_nobody_else_may(base: Updating) -> None:
    base.kept.begin(NEW, NOW)
    base.step()
    base.kept.stop(base.rollout(), "", base.now_ms)
    base.step()
    assert base.released_to() == {1: ""}
    assert (base.rollout()["state"], base.rollout()["why"]) == (STOPPED, "")


def test_a_word_that_comes_while_it_is_decided_is_not_lost(base: Updating) -> None:
    base.kept.begin(NEW, NOW)
    base.step()
    before = base.rollout()
    base.kept.stop(before, "", base.now_ms)
    seen = look(base.settings, base.kept.rows, [], Places(listed=TRAPS), base.now_ms)
    assert seen.decision is not None
    base.kept.moved(before, replace(seen.decision, wave=2), "", base.now_ms)
    assert base.rollout()["state"] == STOPPED


def test_another_release_ends_the_one_before_it(base: Updating) -> None:
    base.kept.begin(NEW, NOW)
    base.step()
    base.kept.begin(NEXT, base.now_ms)
    base.step()
    assert base.released_to() == {1: NEXT}
    assert [row["state"] for row in base.kept.rows("rollouts", 9)] == [GOING, "over"]


def test_a_permission_is_renewed_before_it_is_over_and_a_file_that_is_gone_made_again(base: Updating) -> None:
    base.kept.begin(NEW, NOW)
    base.step()
    first = base.permit(1)
    assert first is not None
    assert first.until_ms - first.issued_ms == 30 * DAY_MS
    (base.mirror / "permits" / "1.permit").unlink()
    base.step()
    assert base.permit(1) == first
    for _ in range(70):
        base.hear(1, 2, 3)
        base.step(5)
    again = base.permit(1)
    assert again == first, "half of its time is not over"
    for _ in range(5):
        base.hear(1, 2, 3)
        base.step(5)
    again = base.permit(1)
    assert again is not None
    assert again.until_ms - base.now_ms > 29 * DAY_MS


def test_a_base_that_came_back_from_a_backup_counts_on_by_the_clock(base: Updating) -> None:
    base.kept.begin(NEW, NOW)
    base.step()
    permit = base.permit(1)
    assert permit is not None
    assert permit.number == base.now_ms // 1000


def test_a_fault_that_was_there_before_or_is_the_weathers_stops_nothing_and_a_new_one_does(base: Updating) -> None:
    base.hear(1, fault=events.CARD_FAULT)
    base.kept.begin(NEW, NOW)
    base.step()
    base.says(1, OLD, "trial", NEW)
    for fault in (events.CARD_FAULT, events.BUDGET_SPENT, events.BATTERY_LOW, events.LID_ALARM):
        base.hear(1, fault=fault)
        base.step()
        assert base.rollout()["state"] == GOING
    base.hear(1, fault=events.PI_NO_SHOW)
    base.step()
    assert base.rollout()["why"] == ("trap 1 has a fault that it had not before: camera computer (Pi) did not start")


def test_without_a_clock_nobody_is_told_anything(base: Updating) -> None:
    base.kept.begin(NEW, 0)
    base.steward.step(1, 5000)
    assert base.steward.trouble.startswith("this base's clock was never set")
    assert base.released_to() == {}


def test_a_disk_that_refuses_is_said_and_it_is_tried_again(base: Updating) -> None:
    base.kept.begin(NEW, NOW)
    base.mirror.write_text("a file where a folder belongs")
    base.steward.step(1, NOW)
    assert "updates" in base.steward.trouble
    base.mirror.unlink()
    base.now_ms += HOUR_MS
    base.step()
    assert base.released_to() == {1: NEW}


def test_a_permission_has_all_that_its_file_says(base: Updating) -> None:
    base.kept.begin(NEW, NOW)
    base.step()
    (row,) = base.kept.rows("permits", 9)
    assert base.permit(1) == Permit(
        trap=1, number=row["number"], release=NEW, issued_ms=row["issued_ms"], until_ms=row["until_ms"]
    )


def test_who_is_shut_out_is_gone_and_its_partner_stands_alone(base: Updating) -> None:
    """Stolen in the middle of its station's turn: nobody waits for it, and what it was allowed is held."""
    base.kept.begin(NEW, NOW)
    base.step()
    assert base.released_to() == {1: NEW}
    base.now_ms += 10 * HOUR_MS
    base.hear(2, 3)
    base.step()
    assert base.rollout()["state"] == STOPPED, "a unit that fell silent in its turn stops it"
    base.shut_out = frozenset({1})
    base.kept.go(base.rollout(), base.now_ms)
    base.hear(2, 3)
    base.step()
    assert base.released_to()[2] == NEW, "trap 2 waits for nobody"
    assert base.released_to()[1] == "", "what the stolen one was allowed is taken back"
