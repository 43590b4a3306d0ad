"""Where traps stand by rangers' cards: every rule of `stays`, in any order of arrival."""

import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.base.card_parts import DAY_MS, HOUR_MS, card, sample, told
from tests.base.parts import NOW, TRAPS
from trapbase.places import Places, listed_besides
from trapbase.stays import Bounds, Said, Stays, stays_of

WORLD = Bounds()


def spans(stays: Stays, trap: int = 7) -> list[tuple[str, int, int | None]]:
    """Station, and begin and end in hours after `NOW`."""
    return [
        (s.station, (s.start_ms - NOW) // HOUR_MS, None if s.end_ms is None else (s.end_ms - NOW) // HOUR_MS)
        for s in stays.by_trap.get(trap, [])
    ]


def test_a_place_begins_and_an_end_ends_it_in_whatever_order_they_come() -> None:
    cards = [told(7, 1, card()), told(7, 5, card("end", NOW + DAY_MS)), told(7, 9, card("place", NOW + 2 * DAY_MS))]
    for order in itertools.permutations(cards):
        found = stays_of(order, WORLD)
        assert spans(found) == [("S9", 0, 24), ("S9", 48, None)]
        assert found.problems == []


def test_the_same_card_saved_twice_is_one_deployment_with_the_later_words() -> None:
    first, again = told(7, 1, card(height_cm=45)), told(7, 2, card(at_ms=NOW + HOUR_MS, height_cm=60, note="higher"))
    found = stays_of([again, first], WORLD)
    (stay,) = found.by_trap[7]
    assert (stay.start_ms, stay.height_cm, stay.note, len(stay.cards)) == (NOW, 60, "higher", 2)


def test_a_place_at_a_later_visit_is_another_deployment() -> None:
    found = stays_of([told(7, 1, card()), told(7, 2, card(at_ms=NOW + 30 * DAY_MS))], WORLD)
    assert spans(found) == [("S9", 0, 720), ("S9", 720, None)]


def test_a_trap_that_was_moved_without_taking_it_down_ends_where_it_was() -> None:
    found = stays_of([told(7, 1, card()), told(7, 2, card(at_ms=NOW + HOUR_MS, station="S8"))], WORLD)
    assert spans(found) == [("S9", 0, 1), ("S8", 1, None)]
    assert "without one that took it down" in found.by_trap[7][0].ended


def test_a_unit_that_takes_over_ends_the_former_ones_deployment_there_and_no_other() -> None:
    cards = [
        told(7, 1, card()),
        told(8, 1, card(side="right")),
        told(9, 1, card("take over", NOW + DAY_MS)),
        told(7, 2, card("end", NOW + 2 * DAY_MS)),
    ]
    found = stays_of(cards, WORLD)
    assert (spans(found, 7), spans(found, 8), spans(found, 9)) == (
        [("S9", 0, 24)], [("S9", 0, None)], [("S9", 24, None)],
    )  # fmt: skip
    assert found.by_trap[7][0].ended == "taken over by trap 9"
    assert found.problems == []


def test_two_traps_at_one_side_both_stay_and_that_is_said() -> None:
    found = stays_of([told(7, 1, card()), told(8, 1, card(at_ms=NOW + DAY_MS))], WORLD)
    assert (spans(found, 7), spans(found, 8)) == ([("S9", 0, None)], [("S9", 24, None)])
    (problem,) = found.problems
    assert "S9, left: traps 7 and 8" in problem


def test_an_end_without_a_beginning_changes_nothing_and_is_said() -> None:
    found = stays_of([told(7, 1, card("end"))], WORLD)
    assert found.by_trap == {}
    assert "no card had put it up" in found.problems[0]


def test_an_end_at_another_station_ends_what_stands_and_is_said() -> None:
    found = stays_of([told(7, 1, card()), told(7, 2, card("end", NOW + DAY_MS, station="S8"))], WORLD)
    assert spans(found) == [("S9", 0, 24)]
    assert "stood at S9" in found.problems[0]


def test_a_clock_that_went_back_between_two_cards_leaves_their_order_and_a_doubt() -> None:
    found = stays_of([told(7, 1, card()), told(7, 2, card("end", NOW - 400 * DAY_MS))], WORLD)
    assert spans(found) == [("S9", 0, 0)]
    assert found.by_trap[7][0].doubt


@pytest.mark.parametrize(("uncertainty_ms", "doubt"), [(None, True), (60_001, True), (60_000, False)])
def test_an_unsure_clock_is_a_doubt(uncertainty_ms: int | None, doubt: bool) -> None:
    (stay,) = stays_of([told(7, 1, card(uncertainty_ms=uncertainty_ms))], WORLD).by_trap[7]
    assert stay.doubt is doubt


@pytest.mark.parametrize(
    ("latitude", "longitude", "holds"),
    [(43.2, 131.5, True), (0.0, 0.0, False), (39.9, 131.5, False), (43.2, 129.9, False), (50.1, 131.5, False)],
)
def test_a_place_out_of_bounds_is_kept_said_and_not_used(latitude: float, longitude: float, holds: bool) -> None:
    bounds = Bounds(south=40, north=50, west=130, east=140)
    found = stays_of([told(7, 1, card(latitude=latitude, longitude=longitude))], bounds)
    assert (7 in found.by_trap) is holds
    assert [("outside the bounds" in p) for p in found.problems] == ([] if holds else [True])


def test_bounds_may_go_over_the_180th_meridian_and_nobody_stands_at_zero_zero() -> None:
    over = Bounds(west=170, east=-170)
    assert over.holds(60, 175)
    assert over.holds(60, -175)
    assert not over.holds(60, 0)
    assert not WORLD.holds(0, 0)


def test_what_could_not_be_opened_or_proved_is_said_and_not_used() -> None:
    found = stays_of([told(7, 3, None, refusal="is not signed with that trap's key")], WORLD)
    assert found.by_trap == {}
    assert found.problems == ["Trap 7, card c0ffee01-3: is not signed with that trap's key. It is kept and not used."]


def test_many_bad_cards_are_counted_and_not_all_named() -> None:
    found = stays_of([told(7, n, card("end")) for n in range(1, 80)], WORLD)
    assert len(found.problems) == 51
    assert "29 more" in found.problems[-1]


def test_deployments_of_one_minute_have_names_of_their_own() -> None:
    cards = [told(7, 1, card()), told(7, 2, card("end", NOW + 1000)), told(7, 3, card(at_ms=NOW + 2000))]
    places = Places(listed={}, stays=stays_of(cards, WORLD))
    names = [places.site_of(stay).id for stay in places.stays.by_trap[7]]
    assert names == ["S9-left-7-20251121T0100", "S9-left-7-20251121T0100-2"]


def test_before_its_first_card_the_settings_hold_and_the_rangers_own_test_belongs_to_the_card() -> None:
    places = Places(listed=TRAPS, stays=stays_of([told(1, 1, card())], WORLD))
    assert places.station(1, NOW - DAY_MS) == "S001"
    assert places.station(1, NOW - HOUR_MS) == "S9"
    assert places.station(1, NOW + DAY_MS) == "S9"
    assert places.station(2, NOW) == "S001"
    assert places.station(7, NOW) is None
    assert places.known()[1].deployed == "2025-11-21T01:00:00Z"
    assert places.traps_at("S001") == [1, 2]


def test_what_came_between_two_deployments_belongs_to_the_nearer() -> None:
    cards = [told(7, 1, card()), told(7, 2, card("end", NOW + DAY_MS)), told(7, 3, card(at_ms=NOW + 9 * DAY_MS))]
    places = Places(listed={}, stays=stays_of(cards, WORLD))
    first, second = (places.site_of(stay).id for stay in places.stays.by_trap[7])
    assert places.site(7, NOW + 2 * DAY_MS).id == first
    assert places.site(7, NOW + 8 * DAY_MS).id == second
    assert places.site(7, NOW - 90 * DAY_MS).id == first  # nobody else knows this trap


def test_a_trap_of_the_settings_is_pointed_out_where_another_stands_by_card() -> None:
    stays = stays_of([told(7, 1, card(station="S001"))], WORLD)
    (problem,) = listed_besides(TRAPS, stays)
    assert "trap 7 stands there by its card, and the settings have trap 1" in problem


def test_texts_of_a_hostile_hand_are_one_line() -> None:
    (stay,) = stays_of([told(7, 1, card(note="=1+1\r\nx\x1b[2J\u202e", who="A\nB"))], WORLD).by_trap[7]
    assert (stay.who, stay.note) == ("A B", "=1+1 x [2J")


numbers = st.integers(1, 6)
cards_drawn = st.builds(
    lambda trap, number, epoch, action, hours, station, side: told(
        trap, number, card(action, NOW + hours * HOUR_MS, station=station, side=side), epoch=epoch
    ),
    st.integers(1, 3),
    numbers,
    st.integers(1, 2),
    st.sampled_from(["place", "take over", "end"]),
    st.integers(-100, 100),
    st.sampled_from(["S8", "S9"]),
    st.sampled_from(["left", "right"]),
)


@given(st.lists(cards_drawn, max_size=12, unique_by=lambda c: c.sighting), st.randoms())
def test_any_cards_in_any_order_give_the_same_stays_that_never_overlap(
    cards: list[Said], chance: random.Random
) -> None:
    found = stays_of(cards, WORLD)
    shuffled: list[Any] = [*cards, told(1, 9, sample())]
    chance.shuffle(shuffled)
    assert stays_of(shuffled, WORLD) == found
    names = []
    for trap, own in found.by_trap.items():
        assert all(s.trap == trap for s in own)
        assert all(s.end_ms is None or s.start_ms <= s.end_ms for s in own)
        assert [s.end_ms is None for s in own[:-1]] == [False] * (len(own) - 1)
        names += [Places(listed={}, stays=found).site_of(s).id for s in own]
    assert len(set(names)) == len(names)
