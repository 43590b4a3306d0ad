"""The statistics of `trapcam evaluate`, against numbers worked by hand and against what must always hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trapcam.evaluate.statistics import FIGURES, Draws, Floats, Group, curves, interval

SCORE = st.integers(0, 20).map(lambda n: n / 20)  # coarse: ties are common
SCORES = st.lists(SCORE, min_size=1, max_size=40)


def group(felines: list[float], others: list[float], threshold: float = 0.5) -> tuple[Group, Floats]:
    score = np.array([*felines, *others], np.float64)
    places = np.arange(len(score))
    kept, nobody = score >= threshold, np.zeros(len(score), bool)
    return Group(places[: len(felines)], places[len(felines) :], score, threshold, kept, nobody), score


def figures(felines: list[float], others: list[float], threshold: float = 0.5) -> dict[str, float]:
    made, _ = group(felines, others, threshold)
    return dict(zip(FIGURES, made.point().tolist(), strict=True))


def test_figures_worked_by_hand() -> None:
    """20 others at 0.00, 0.05 … 0.95: 5 % false keeps are one of them, so the threshold lies just above 0.90."""
    found = figures([0.97, 0.92, 0.90, 0.30], [n / 20 for n in range(20)], threshold=0.5)
    assert found["recall_at_threshold"] == 0.75
    assert found["false_keeps_at_threshold"] == 0.5  # 0.50 … 0.95
    assert found["recall_at_5pct_false_keeps"] == 0.5  # 0.90 ties with an other: it does not count
    assert np.isnan(found["recall_at_2pct_false_keeps"]), "20 others cannot tell 2 %"
    # 0.97 is above all 20; 0.92 above 19; 0.90 above 18 and level with one; 0.30 above 6 and level with one.
    assert found["roc_area"] == pytest.approx((20 + 19 + 18.5 + 6.5) / 80)


def test_a_perfect_a_useless_and_a_wrong_score() -> None:
    perfect = figures([0.9] * 10, [0.1] * 100)
    assert all(perfect[name] == 1 for name in FIGURES if name.startswith("recall") or name == "roc_area")
    assert perfect["false_keeps_at_threshold"] == 0
    useless = figures([0.7] * 10, [0.7] * 100)
    assert (useless["roc_area"], useless["recall_at_5pct_false_keeps"]) == (0.5, 0.0)
    wrong = figures([0.1] * 10, [0.9] * 100)
    assert (wrong["roc_area"], wrong["recall_at_threshold"]) == (0.0, 0.0)


def test_a_group_of_one_kind_tells_what_it_can() -> None:
    only_others = figures([], [0.1, 0.9])
    assert only_others["false_keeps_at_threshold"] == 0.5
    assert all(np.isnan(only_others[name]) for name in ("recall_at_threshold", "roc_area", "felines_kept"))
    only_felines = figures([0.1, 0.9], [])
    assert only_felines["recall_at_threshold"] == 0.5
    assert all(np.isnan(only_felines[name]) for name in ("false_keeps_at_threshold", "roc_area", "others_kept"))


@given(felines=SCORES, others=st.lists(SCORE, min_size=100, max_size=140))
def test_more_false_keeps_never_find_fewer(felines: list[float], others: list[float]) -> None:
    found = figures(felines, others)
    recalls = [found[f"recall_at_{share}pct_false_keeps"] for share in (1, 2, 5)]
    assert recalls == sorted(recalls)
    loose = figures(felines, others, threshold=0.25)
    assert loose["recall_at_threshold"] >= found["recall_at_threshold"]
    assert loose["false_keeps_at_threshold"] >= found["false_keeps_at_threshold"]


@given(felines=SCORES, others=SCORES)
def test_the_area_is_the_chance_to_score_higher(felines: list[float], others: list[float]) -> None:
    wins = [(f > o) + 0.5 * (f == o) for f in felines for o in others]
    assert figures(felines, others)["roc_area"] == pytest.approx(np.mean(wins))
    found = curves(np.array(felines), np.array(others))
    assert np.trapezoid(found.recall, found.false_keeps) == pytest.approx(np.mean(wins))


@given(felines=SCORES, others=st.lists(SCORE, min_size=20, max_size=60), times=st.data())
def test_a_weight_is_so_many_copies_of_the_picture(
    felines: list[float], others: list[float], times: st.DataObject
) -> None:
    """The bootstrap's weighted figures are those of a list in which each picture stands so often."""
    size = len(felines) + len(others)
    counts = times.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    made, score = group(felines, others)
    weighted = made.figures(np.array([counts], np.float64))[0]
    copies = np.repeat(score, counts)
    feline = np.repeat(np.arange(size) < len(felines), counts)
    if not feline.any() or feline.all():
        assert np.isnan(weighted[FIGURES.index("roc_area")])
        return
    plain = figures(copies[feline].tolist(), copies[~feline].tolist())
    for name, value in zip(FIGURES, weighted, strict=True):
        if not np.isnan(plain[name]) and not np.isnan(value):
            assert value == pytest.approx(plain[name]), name


@given(felines=SCORES, others=SCORES)
def test_curves_go_from_nothing_to_everything(felines: list[float], others: list[float]) -> None:
    found = curves(np.array(felines), np.array(others))
    assert (found.recall[0], found.false_keeps[0], found.recall[-1], found.false_keeps[-1]) == (0, 0, 1, 1)
    assert (np.diff(found.recall) >= 0).all()
    assert (np.diff(found.false_keeps) >= 0).all()
    assert found.precision[-1] == pytest.approx(len(felines) / (len(felines) + len(others)))


def drawn(made: Group, draws: Draws) -> Floats:
    return np.concatenate([made.figures(weights) for weights in draws.weights()])


@given(felines=SCORES, others=st.lists(SCORE, min_size=20, max_size=60), seed=st.integers(0, 5))
def test_an_interval_holds_its_figure(felines: list[float], others: list[float], seed: int) -> None:
    made, score = group(felines, others)
    draws = Draws([f"s{n // 2}" for n in range(len(score))], count=60, seed=seed)
    for name, point, values in zip(FIGURES, made.point().tolist(), drawn(made, draws).T, strict=True):
        around = interval(point, values, 9, share=name != "roc_area")
        if around is not None:
            assert 0 <= around[0] <= point <= around[1] <= 1, name


def test_whole_sequences_are_drawn_and_the_same_every_time() -> None:
    draws = Draws(["a", "b", "a", "c", "b"], count=120, seed=3)
    weights = np.concatenate(list(draws.weights()))
    assert weights.shape == (120, 5)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all(), "as many sequences as there are"
    assert (weights == np.concatenate(list(draws.weights()))).all()
    assert (weights != np.concatenate(list(Draws(list("abacb"), count=120, seed=4).weights()))).any()


def test_bursts_are_no_independent_witnesses() -> None:
    """Twenty pictures of one animal say less than twenty animals: the interval by sequence is the wider one."""
    rng = np.random.default_rng(5)
    felines = np.repeat(rng.random(10), 20)
    made, score = group(felines.tolist(), [0.0] * 50)
    place = FIGURES.index("recall_at_threshold")
    widths = []
    for names in ([f"s{n // 20}" for n in range(250)], [f"p{n}" for n in range(250)]):
        around = interval(made.point()[place], drawn(made, Draws(names, count=400, seed=1))[:, place], 10)
        assert around is not None
        widths.append(around[1] - around[0])
    assert widths[0] > 2 * widths[1]
    assert len(score) == 250


def test_an_interval_covers_as_often_as_it_says() -> None:
    """60 animals of which each is found with chance 0.8, a hundred times over: the truth lies in 95 % of intervals,
    give or take what a hundred trials can tell (binomial: 88 or fewer happen once in 100)."""
    rng = np.random.default_rng(11)
    place, covered = FIGURES.index("recall_at_threshold"), 0
    for trial in range(100):
        made, score = group((rng.random(60) < 0.8).astype(float).tolist(), [0.0])
        draws = Draws([str(n) for n in range(len(score))], count=200, seed=trial)
        around = interval(made.point()[place], drawn(made, draws)[:, place], 60)
        assert around is not None
        covered += around[0] <= 0.8 <= around[1]
    assert covered >= 88


def test_where_all_say_the_same_the_bound_is_clopper_and_pearsons() -> None:
    """8 of 8: the lower 95 % bound is 0.025 ** (1/8), as in any table."""
    ones = np.ones(50)
    low, high = interval(1.0, ones, 8) or (0, 0)
    assert (low, high) == (pytest.approx(0.6306, abs=1e-4), 1.0)
    assert interval(0.0, ones * 0, 8) == (0.0, pytest.approx(0.3694, abs=1e-4))
    assert interval(1.0, ones, 1) is None
    assert interval(1.0, ones, 8, share=False) == (1.0, 1.0)
    assert interval(float("nan"), ones, 8) is None
    assert interval(0.5, ones * np.nan, 8) is None
