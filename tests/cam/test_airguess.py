"""How long a picture takes from here, against the simulated link."""

import math
from statistics import median

import pytest

from trapcam.airguess import LOSS_MOST, loss_guess, picture_seconds
from trapsim.linkrun import OURS, Case, measure
from trapwire.airtime import usable_frame

PLACES = [("cn470", 7), ("cn470", 9), ("cn470", 11), ("eu868", 9), ("eu868", 12), ("as923", 9)]
WITHIN = 0.25


@pytest.mark.parametrize("margin_db", [20, 8, 4])
@pytest.mark.parametrize(("plan", "sf"), PLACES)
def test_a_picture_takes_as_long_as_the_simulated_link_needs(plan: str, sf: int, margin_db: int) -> None:
    case = Case(size=8192, plan=plan, sf=sf, loss=loss_guess(margin_db), burst="none")
    took_s = median(measure(case, OURS, seed).seconds for seed in range(1, 6))
    said_s = picture_seconds(sf, usable_frame(plan, sf), margin_db)
    assert said_s == pytest.approx(took_s, rel=WITHIN)


def test_less_margin_never_makes_it_quicker() -> None:
    said = [picture_seconds(9, 197, margin) for margin in range(25, 2, -1)]
    assert said == sorted(said, key=lambda seconds: seconds or math.inf)
    assert said[0] is not None
    assert (said[-1] or 0) > 1.4 * said[0]


def test_no_time_is_named_where_none_can_be() -> None:
    assert loss_guess(2) > LOSS_MOST > loss_guess(3)
    assert picture_seconds(9, 197, 2) is None
    assert picture_seconds(9, 197, -20) is None
    for known in [(None, 197, 20), (9, None, 20), (9, 197, None), (6, 197, 20), (9, 3, 20)]:
        assert picture_seconds(*known) is None
