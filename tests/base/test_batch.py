"""Which objects make a batch, and which sightings are one event: pure decisions."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trapbase.batch import URGENT_WAIT_MS, CutRules, batch_id, cut
from trapbase.eventid import MAX_UNCERTAINTY_MS, WINDOW_MS, event_ids
from trapbase.model import Event, StoredObject, Waiting
from trapwire.alert import TIME_BASE_UNIX_MS, TIME_LAST_UNIX_MS
from trapwire.objects import ALERT, CROP, NOTE
from trapwire.receipt import MAX_OBJECTS

RULES = CutRules(max_events=3, max_bytes=10_000, max_age_ms=1000, max_wait_ms=60_000)
ids = iter(range(1, 10**9))


def stored(number: int, rung: int, at_ms: int = 0, trap: int = 1, size: int = 100, epoch: int = 1) -> StoredObject:
    return StoredObject(
        id=next(ids), trap=trap, epoch=epoch, number=number, rung=rung, sha256=bytes([number % 256, rung]) * 16,
        size=size, body=b"x" if rung == ALERT else None, received_ms=at_ms, stored_ms=at_ms,
    )  # fmt: skip


def pair(number: int, at_ms: int = 0, **more: int) -> list[Waiting]:
    objects = stored(number, ALERT, at_ms, **more), stored(number, CROP, at_ms, **more)
    return [Waiting(object=o, alert_ms=at_ms, crop_ms=at_ms) for o in objects]


def alone(number: int, rung: int, at_ms: int = 0, alert_ms: int | None = None, crop_ms: int | None = None) -> Waiting:
    return Waiting(object=stored(number, rung, at_ms), alert_ms=alert_ms, crop_ms=crop_ms)


def numbers(objects: list[StoredObject]) -> list[tuple[int, int]]:
    return [(o.number, o.rung) for o in objects]


def test_a_ready_sighting_waits_for_others_until_it_is_old() -> None:
    assert cut(pair(1), 999, RULES) == []
    assert numbers(cut(pair(1), 1000, RULES)) == [(1, ALERT), (1, CROP)]


def test_a_batch_is_cut_when_enough_are_ready() -> None:
    assert numbers(cut(pair(1) + pair(2) + pair(3) + pair(4), 0, RULES)) == [
        (n, r) for n in (1, 2, 3) for r in (ALERT, CROP)
    ]


def test_an_alert_waits_for_its_crop_but_not_for_ever() -> None:
    lonely = [alone(1, ALERT, alert_ms=0)]
    assert cut(lonely, 59_999, RULES) == []
    assert numbers(cut(lonely, 60_000, RULES)) == [(1, ALERT)]


def test_a_crop_after_its_alert_was_sent_follows_at_once() -> None:
    late = [alone(1, CROP, at_ms=70_000, alert_ms=0, crop_ms=70_000)]
    assert numbers(cut(late, 71_000, RULES)) == [(1, CROP)]


def test_a_crop_without_an_alert_goes_when_it_has_waited() -> None:
    assert cut([alone(1, CROP, crop_ms=0)], 59_999, RULES) == []
    assert numbers(cut([alone(1, CROP, crop_ms=0)], 60_000, RULES)) == [(1, CROP)]


def test_a_clock_that_was_set_back_does_not_stop_the_batches() -> None:
    assert numbers(cut(pair(1, at_ms=10_000_000), 0, RULES)) == [(1, ALERT), (1, CROP)]
    # A row stamped a moment after `now` was taken is no such clock.
    assert cut([alone(1, ALERT, at_ms=5, alert_ms=5)], 0, RULES) == []


def test_one_receipt_can_name_all_objects_of_an_outbox() -> None:
    rules = CutRules(max_events=1000, max_bytes=10**9, max_age_ms=0, max_wait_ms=0)
    many = [w for n in range(100) for w in pair(n)] + pair(1, trap=2) + pair(1, epoch=2)
    chosen = cut(many, 0, rules)
    assert sum((o.trap, o.epoch) == (1, 1) for o in chosen) == MAX_OBJECTS
    assert len(chosen) == MAX_OBJECTS + 4


def test_bytes_are_bounded_and_one_large_object_still_goes() -> None:
    assert numbers(cut(pair(1, size=4000) + pair(2, size=4000), 1000, RULES)) == [(1, ALERT), (1, CROP)]
    assert numbers(cut(pair(1, size=50_000), 1000, RULES)) == [(1, ALERT)]


@given(st.permutations([stored(n, r) for n in range(4) for r in (ALERT, CROP)]))
def test_a_batch_has_one_name_in_any_order(objects: list[StoredObject]) -> None:
    assert batch_id(objects) == batch_id(sorted(objects, key=lambda o: o.identity))
    assert batch_id(objects) != batch_id(objects[1:])


def test_the_name_of_a_batch_is_frozen() -> None:
    objects = [stored(2, CROP), stored(1, ALERT)]
    assert batch_id(objects) == "6ad46d0ba8bcf07d7c23ce62bb996a305ddc8f5289ce8eb49dab388d84b44f79"


def seen(trap: int, number: int, time_ms: int, uncertainty_ms: int | None = 0, event_id: str | None = None) -> Event:
    return Event(
        trap=trap, epoch=1, number=number, time_ms=time_ms, uncertainty_ms=uncertainty_ms, species=1, confidence=200,
        count=1, box=(0, 0, 9, 9), battery=None, event_id=event_id,
    )  # fmt: skip


STATIONS = {1: "S1", 2: "S1", 3: "S2"}


def station_at(trap: int, time_ms: int) -> str | None:
    return STATIONS.get(trap)


@pytest.mark.parametrize(
    ("left", "right", "one"),
    [
        (seen(1, 1, 0), seen(2, 1, WINDOW_MS), True),
        (seen(1, 1, 0), seen(2, 1, WINDOW_MS + 1), False),
        (seen(1, 1, 0, 500), seen(2, 1, WINDOW_MS + 1500, 1000), True),
        (seen(1, 1, 0, 500), seen(2, 1, WINDOW_MS + 1501, 1000), False),
        (seen(1, 1, 0), seen(3, 1, 0), False),
        (seen(1, 1, 0), seen(1, 2, 30_000), True),
        (seen(8, 1, 0), seen(9, 1, 0), False),
        (seen(1, 1, 0, None), seen(2, 1, WINDOW_MS, None), True),
        (seen(1, 1, TIME_BASE_UNIX_MS, None), seen(1, 2, TIME_BASE_UNIX_MS, None), False),
        (seen(1, 1, TIME_LAST_UNIX_MS, None), seen(2, 1, TIME_LAST_UNIX_MS - 5, None), False),
        (seen(1, 1, 0, 10**9), seen(2, 1, WINDOW_MS + MAX_UNCERTAINTY_MS + 1), False),
    ],
)
def test_two_views_within_a_minute_are_one_event(left: Event, right: Event, one: bool) -> None:
    ids = event_ids([right, left], station_at)
    assert (ids[left.sighting] == ids[right.sighting]) is one
    assert ids == event_ids([left, right], station_at)


def test_a_published_event_id_stays_and_is_joined() -> None:
    old, new = seen(1, 1, 50_000, event_id="S1-published"), seen(2, 1, 0)
    assert set(event_ids([old, new], station_at).values()) == {"S1-published"}


def test_a_blurred_clock_joins_two_groups() -> None:
    first, second, blurred = seen(1, 1, 0), seen(1, 2, 130_000), seen(2, 1, 140_000, 90_000)
    assert len(set(event_ids([first, second, blurred], station_at).values())) == 1


events = st.lists(
    st.builds(
        seen, st.sampled_from([1, 2, 3]), st.integers(0, 50), st.integers(0, 600_000), st.sampled_from([0, 500, 90_000])
    ),
    max_size=12,
    unique_by=lambda e: e.sighting,
)


@given(events, st.randoms())
def test_pairs_share_and_order_does_not_matter(found: list[Event], random: Callable[..., None]) -> None:
    ids = event_ids(found, station_at)
    assert set(ids) == {e.sighting for e in found}
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert event_ids(shuffled, station_at) == ids
    for a in found:
        for b in found:
            near = abs(a.time_ms - b.time_ms) <= WINDOW_MS + (a.uncertainty_ms or 0) + (b.uncertainty_ms or 0)
            if near and STATIONS[a.trap] == STATIONS[b.trap]:
                assert ids[a.sighting] == ids[b.sighting]


def urgent(number: int, at_ms: int = 0, **more: int) -> list[Waiting]:
    return [replace(item, urgent=True) for item in pair(number, at_ms, **more)]


def test_an_urgent_sighting_waits_for_no_others_and_takes_those_that_are_ready_along() -> None:
    assert numbers(cut(pair(1) + urgent(2), 0, RULES)) == [(2, ALERT), (2, CROP), (1, ALERT), (1, CROP)]
    assert cut(pair(1), 0, RULES) == []


def test_the_urgent_go_first_where_a_batch_has_not_room_for_all() -> None:
    waiting = pair(1) + pair(2) + pair(3) + pair(4) + urgent(5)
    assert [n for n, rung in numbers(cut(waiting, 0, RULES)) if rung == ALERT] == [5, 1, 2]
    large = pair(1, size=4000) + urgent(2, size=4000)
    assert numbers(cut(large, 1000, RULES)) == [(2, ALERT), (2, CROP)], "within max_bytes"


def test_an_urgent_alert_waits_for_its_crop_two_minutes_at_most() -> None:
    rules = replace(RULES, max_wait_ms=3_600_000)
    lonely = [replace(alone(1, ALERT, alert_ms=0), urgent=True)]
    assert cut(lonely, URGENT_WAIT_MS - 1, rules) == []
    assert numbers(cut(lonely, URGENT_WAIT_MS, rules)) == [(1, ALERT)]
    late = [replace(alone(1, CROP, at_ms=200_000, alert_ms=0, crop_ms=200_000), urgent=True)]
    assert numbers(cut(late, 200_000, rules)) == [(1, CROP)], "its crop goes as soon as it is here"


def test_an_alarm_is_a_batch_at_once() -> None:
    note = Waiting(object=stored(9, NOTE), alert_ms=None, crop_ms=None, urgent=True)
    assert numbers(cut([note], 0, RULES)) == [(9, NOTE)]
