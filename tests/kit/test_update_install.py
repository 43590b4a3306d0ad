"""Which slot starts, and how a trial ends: decided without a disk."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trapkit.update import install
from trapkit.update.install import MAX_REFUSED, MAX_TRIES, RETRY_MS, STARTS, TRIAL_MS, WAKES, Record
from trapkit.update.recordfile import check, checked, decode, encode

NOW = 1_800_000_000_000


def whole(*names: str) -> Callable[[str], bool]:
    return lambda name: name in names


BOTH = whole("a", "b")
OLD = Record(good="a", release="2026.12.1", serial=1, supervisor="11" * 16)


def on_trial(record: Record = OLD) -> Record:
    return install.begin(record, "2026.12.2", 2, "22" * 16, "11" * 16, NOW)


def test_a_release_that_is_proved_stays() -> None:
    record = install.start(on_trial(), BOTH, NOW)
    assert (record.in_force, record.wanted_supervisor()) == ("b", "22" * 16)
    record = install.confirm(install.alive(record, "not-heard"), NOW + 5)
    assert (record.good, record.release, record.serial, record.trial) == ("b", "2026.12.2", 2, None)
    assert (record.supervisor, record.idle) == ("22" * 16, "a")
    assert record.said.words() == "runs 2026.12.2, proved"


def test_one_that_does_not_start_goes_back_after_so_many_starts() -> None:
    record, starts = on_trial(), 0
    while install.start(record, BOTH, NOW).in_force == "b":
        record, starts = install.start(record, BOTH, NOW), starts + 1
    record = install.start(record, BOTH, NOW)
    assert starts == STARTS
    assert (record.in_force, record.said.code, record.wanted_supervisor()) == ("a", "does-not-start", "11" * 16)


def test_the_reason_is_what_its_application_said_last() -> None:
    record = install.troubled(on_trial(), "camera-gives-nothing")
    for _ in range(STARTS + 1):
        record = install.start(record, BOTH, NOW)
    assert (
        record.said.words() == "went back to 2026.12.1 from 2026.12.2: the camera gave no frame under the new release"
    )


def test_one_that_comes_up_and_is_never_heard_goes_back_after_so_many_wakes() -> None:
    record, wakes = on_trial(), 0
    while record.trial is not None:
        record, wakes = install.alive(install.start(record, BOTH, NOW), "not-heard"), wakes + 1
    assert (wakes - 1, record.said.code) == (WAKES, "not-heard")


def test_a_unit_that_is_always_on_gives_a_trial_two_days() -> None:
    assert install.overdue(on_trial(), NOW + TRIAL_MS - 1) == ""
    assert install.overdue(on_trial(), NOW + TRIAL_MS) == "trial-too-long"
    assert install.overdue(install.alive(on_trial(), "not-heard"), NOW + TRIAL_MS) == "not-heard"
    assert install.overdue(OLD, NOW + TRIAL_MS) == ""


def test_a_damaged_file_leads_to_what_is_whole() -> None:
    assert install.start(on_trial(), whole("a"), NOW).said.code == "slot-damaged"
    record = install.start(replace(OLD, supervisor=""), whole("b"), NOW)
    assert (record.in_force, record.said.phase, record.said.code) == ("b", "reverted", "slot-damaged")
    assert install.start(OLD, whole(), NOW).in_force == ""
    assert install.start(on_trial(), whole(), NOW).in_force == ""
    assert install.start(Record(), whole(), NOW) == Record()


def test_a_release_of_its_own_fault_is_not_taken_again_and_another_one_is() -> None:
    record = install.revert(on_trial(), "model-judges-badly", NOW)
    assert install.may_take(record, "2026.12.2", NOW + 100 * RETRY_MS) == "model-judges-badly"
    assert install.may_take(record, "2026.12.3", NOW) == ""
    assert install.may_take(record, "2026.12.1", NOW) == "runs-already"
    assert install.may_take(on_trial(), "2026.12.3", NOW) == "trial-goes-on"


def test_what_may_be_otherwise_another_day_is_tried_again_a_few_times() -> None:
    record, now_ms, tries = OLD, NOW, 0
    while install.may_take(record, "2026.12.2", now_ms) == "":
        record, tries = install.revert(on_trial(record), "not-heard", now_ms), tries + 1
        assert install.may_take(record, "2026.12.2", now_ms + RETRY_MS - 1) == "not-heard"
        now_ms += RETRY_MS
    assert tries == MAX_TRIES


def test_what_was_refused_is_remembered_within_a_bound() -> None:
    record = OLD
    for number in range(MAX_REFUSED + 3):
        record = install.refuse(record, f"2026.11.{number}", "unpack-refused", NOW)
    assert len(record.gone) == MAX_REFUSED
    assert install.may_take(record, f"2026.11.{MAX_REFUSED + 2}", NOW) == "unpack-refused"


def test_a_state_is_said_with_the_time_since_when() -> None:
    record = install.say(OLD, "2026.12.2", "waiting", "no-permit", NOW)
    assert install.say(record, "2026.12.2", "waiting", "no-permit", NOW + 9) is record
    assert install.say(record, "2026.12.2", "staged", "", NOW + 9).said.at_ms == NOW + 9


@given(
    st.lists(st.sampled_from(["begin", "start", "damaged", "alive", "confirm", "revert", "turn", "say"]), max_size=30)
)
def test_whatever_happens_a_slot_that_may_start_is_good_or_on_trial_and_the_record_survives_its_file(
    events: list[str],
) -> None:
    record = OLD
    for event in events:
        if event == "begin" and record.trial is None:
            record = on_trial(record)
            assert record.trial is not None
            assert record.trial.slot != record.good
        elif event == "start":
            record = install.start(record, BOTH, NOW)
        elif event == "damaged":
            record = install.start(record, whole("b"), NOW)
        elif event == "alive":
            record = install.alive(record, "")
        elif event == "confirm":
            record = install.confirm(record, NOW)
        elif event == "revert":
            record = install.revert(record, "operator", NOW)
        elif event == "turn":
            record = install.turned(record)
        elif event == "say":
            record = install.say(record, "2027.1.0", "waiting", "held", NOW)
        assert record.in_force in ("", "a", "b")
        assert record.idle in ("a", "b")
        assert record.idle != record.good
        assert decode(encode(record)) == record


@given(st.binary(max_size=300))
def test_garbage_is_no_record(data: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        decode(data)


def test_a_later_version_may_say_more_and_an_earlier_one_less() -> None:
    told = checked(encode(on_trial()))
    told["weather"], told["trial"]["mood"] = "fine", "good"
    del told["gone"], told["turns"]
    assert decode(check(told)) == on_trial()
    for wrong in ([], {"good": "c"}, {"trial": 5}, {"trial": {"slot": "x"}}, {"said": {}}):
        with pytest.raises(ValueError):  # noqa: PT011  (whatever is wrong with it)
            decode(check(wrong))
