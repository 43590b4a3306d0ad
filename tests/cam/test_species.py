"""The likely species: what the output means, over looks and bursts, and that it never discards anything."""

import math

import numpy as np
import pytest
from cam_parts import FakeDetection
from hypothesis import given
from hypothesis import strategies as st

from trapcam.decode import decode_grid
from trapcam.detections import Detection
from trapcam.look import SecondLook, merge
from trapcam.sighting import Event, decide
from trapcam.species import NAMED_FROM, SpeciesOutput, code, mean
from trapcam.states import priority
from trapwire.alert import SPECIES
from trapwire.objects import ALERT, CROP, FRAME, FULL

CATS = ("tiger", "leopard", "domestic cat")
OUTPUT = SpeciesOutput(of="feline", names=CATS, share=0.5)
SHARES = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(lambda v: tuple(zip(CATS, v, strict=True)))


def grid(feline: float, logits: list[float]) -> dict[str, np.ndarray]:
    """One cell: certain of an object, as much a cat as `feline` says; the picture's judgement is undecided."""
    return {
        "objectness": np.full((1, 1, 1), 20, np.float32),
        "box": np.zeros((1, 1, 4), np.float32),
        "classes": np.array([[[math.log(feline / (1 - feline)), 0]]], np.float32),
        "picture": np.zeros((1, 1, 2), np.float32),
        "species": np.array([[logits]], np.float32),
    }


def test_the_output_says_which_cat_and_whether_any() -> None:
    odds, likely = OUTPUT.read(np.array([3, 1, 0, 2], np.float32))
    assert [name for name, _ in likely] == list(CATS)
    assert sum(share for _, share in likely) == pytest.approx(1)
    assert dict(likely)["tiger"] == pytest.approx(math.exp(3) / (math.exp(3) + math.e + 1))
    # By hand: the sum of the three cats' shares against the share of none, as log-odds.
    assert odds == pytest.approx(math.log((math.exp(3) + math.e + 1) / math.exp(2)))


def test_it_is_a_third_opinion_on_its_category_alone() -> None:
    classes = ("feline", "other_animal")
    raw = grid(0.8, [3, 1, 0, 2])
    without = {d.category: d for d in decode_grid(raw, classes, 0.5, 0.5)}
    together = {d.category: d for d in decode_grid(raw, classes, 0.5, 0.5, OUTPUT)}
    odds = 0.5 * 0.5 * math.log(0.8 / 0.2) + 0.5 * OUTPUT.read(raw["species"].reshape(-1))[0]
    assert together["feline"].confidence == pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-4)
    assert together["other_animal"].confidence == without["other_animal"].confidence
    assert dict(together["feline"].likely)["tiger"] > 0.8
    assert together["other_animal"].likely == ()
    assert without["feline"].likely == ()


@given(looks=st.lists(SHARES | st.just(()), max_size=4))
def test_the_mean_of_looks_is_shares_again(looks: list[tuple[tuple[str, float], ...]]) -> None:
    together = mean(looks)
    assert bool(together) == any(looks)
    if together:
        assert sum(share for _, share in together) == pytest.approx(1)
        assert all(0 <= share <= 1 for _, share in together)


def test_the_closer_look_has_its_say() -> None:
    plan = SecondLook(grow=2, share=0.5, from_confidence=0.01)
    first = Detection(
        category="feline", confidence=0.5, bbox=(0.4, 0.4, 0.2, 0.2), likely=(("tiger", 0.5), ("puma", 0.5))
    )
    second = Detection(
        category="feline", confidence=0.9, bbox=(0.2, 0.2, 0.6, 0.6), likely=(("tiger", 0.9), ("puma", 0.1))
    )
    (found,) = merge([first], [second], (30, 30, 70, 70), 100, 100, plan)
    assert dict(found.likely)["tiger"] == pytest.approx(0.75)  # √(0.5·0.9) against √(0.5·0.1)


def test_a_burst_is_named_by_all_its_frames() -> None:
    def cat(confidence: float, tiger: float) -> FakeDetection:
        return FakeDetection(confidence=confidence, likely=(("tiger", tiger), ("domestic cat", 1 - tiger)))

    event = decide([[cat(0.9, 0.4), cat(0.6, 0.01)], [cat(0.8, 0.9)], [FakeDetection(category="other_animal")]], {})
    assert isinstance(event, Event)
    assert SPECIES[event.species] == "tiger", "the surest cat of each frame counts"
    unsure = decide([[cat(0.9, 0.5 - 1e-6), cat(0.9, 0.2)]], {})
    assert isinstance(unsure, Event)
    assert SPECIES[unsure.species] == "domestic cat"


@pytest.mark.parametrize(
    ("category", "looks", "named"),
    [
        ("feline", [], "feline"),
        ("feline", [()], "feline"),
        ("feline", [(("tiger", 0.4), ("leopard", 0.35), ("puma", 0.25))], "feline"),
        ("feline", [(("snow leopard", NAMED_FROM), ("puma", 1 - NAMED_FROM))], "snow leopard"),
        ("feline", [(("jaguarundi", 1.0),)], "feline"),
        ("crane", [()], "other animal"),
        ("crane", [(("white-naped crane", 1.0),)], "other animal"),
    ],
)
def test_what_is_not_sure_or_not_known_is_not_named(category: str, looks: list, named: str) -> None:
    assert SPECIES[code(category, looks)] == named


@given(share=st.floats(0, 1), names=st.permutations(CATS))
def test_no_species_is_ever_discarded(share: float, names: list[str]) -> None:
    likely = ((names[0], share), (names[1], 1 - share))
    assert isinstance(decide([[FakeDetection(confidence=0.6, likely=likely)]], {"feline": 0.5}), Event)


def test_flagship_cats_first_and_domestic_cats_later() -> None:
    codes = {name: number for number, name in SPECIES.items()}
    order = sorted(
        (priority(rung, codes[name]), rung, name)
        for rung in (ALERT, CROP, FRAME, FULL)
        for name in ("tiger", "lynx", "domestic cat")
    )
    assert [(rung, name) for number, rung, name in order if number < 4] == [
        (ALERT, "tiger"), (ALERT, "lynx"), (CROP, "tiger"), (CROP, "lynx"),
    ]  # fmt: skip
    assert max(number for number, _, _ in order) < 256, "one byte on the serial line"
    assert priority(ALERT, codes["domestic cat"]) == priority(FRAME, codes["tiger"]) > priority(CROP, codes["feline"])
