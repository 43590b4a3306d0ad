"""What the page counts from: the last visit or card, and one visit whose page was opened twice is one."""

import pytest

from trapcam.service.since import SAME_VISIT_MS, Mark, card_saved, counted_from, visit_over

DAY = 86_400_000
NOW = 1_800_000_000_000


def mark(at_ms: int) -> Mark:
    return Mark(at_ms, 20, 9, 2)


def test_a_new_memory_card_counts_from_its_beginning() -> None:
    assert counted_from("", NOW) is None


def test_a_card_is_counted_from_at_once_and_the_visit_s_end_by_the_next_one() -> None:
    line = card_saved(mark(NOW))
    assert counted_from(line, NOW + 1) == mark(NOW)
    line = visit_over(line, mark(NOW + 60_000))
    assert counted_from(line, NOW + DAY) == mark(NOW + 60_000)


def test_a_page_that_closed_and_was_opened_again_is_the_same_visit() -> None:
    line = visit_over(visit_over("", mark(NOW)), mark(NOW + 30 * DAY))
    for minutes in (1, 20, 200):
        line = visit_over(line, mark(NOW + 30 * DAY + minutes * 60_000))
        assert counted_from(line, NOW + 30 * DAY + minutes * 60_000) == mark(NOW)
    assert counted_from(line, NOW + 30 * DAY + 200 * 60_000 + SAME_VISIT_MS) == mark(NOW + 30 * DAY + 200 * 60_000)


@pytest.mark.parametrize("line", ["", ";", "x;y", "1 2 3;1", "1 2 3 4 5;-1 2 3 4", ";;;;"])
def test_a_line_that_cannot_be_read_counts_from_the_beginning(line: str) -> None:
    assert counted_from(line, NOW) is None
    assert counted_from(visit_over(line, mark(NOW)), NOW + DAY) == mark(NOW)
