"""The rows of `trapcam evaluate`, from made scores: the people rule, few sequences, people and vehicles."""

from trapcam.evaluate.by_group import Row, Scored, feline_rows, people_rows, sequence_rows
from trapcam.evaluate.manifest import Labelled
from trapcam.evaluate.pages import cell
from trapcam.evaluate.statistics import Draws


def seen(number: int, group: str, score: float, *, sequence: str = "", kept: bool = False, **more: object) -> Scored:
    picture = Labelled(
        file=f"{number}.jpg", label=str(more.get("label", group)), group=group, camera_trap=bool(more.get("trap")),
        night=False, sequence=f"sequence: {sequence}" if sequence else f"picture: {number}", source="made", box=None,
    )  # fmt: skip
    return Scored(
        picture=picture, scores={"feline": score, group: score}, kept=kept, withheld=bool(more.get("withheld"))
    )


def by_name(rows: list[Row]) -> dict[str, Row]:
    return {row.name: row for row in rows}


def test_what_the_people_rule_costs() -> None:
    """Of 4 cats 3 pass, 1 of them is withheld; of 5 others 2 are kept."""
    scored = [
        seen(0, "felid", 0.9, kept=True), seen(1, "felid", 0.8, kept=True), seen(2, "felid", 0.7, withheld=True),
        seen(3, "felid", 0.1), seen(4, "empty", 0.6, kept=True), seen(5, "empty", 0.6, kept=True),
        *(seen(6 + n, "empty", 0.0) for n in range(3)),
    ]  # fmt: skip
    draws = Draws([one.picture.sequence for one in scored], count=100, seed=1)
    row = by_name(feline_rows(scored, 0.5, draws))["all pictures"]
    found = {name: figure[0] for name, figure in row.figures.items() if figure}
    assert (found["recall_at_threshold"], found["felines_kept"], found["felines_withheld"]) == (0.75, 0.5, 0.25)
    assert (found["false_keeps_at_threshold"], found["others_kept"]) == (0.4, 0.4)


def test_few_sequences_are_marked() -> None:
    scored = [seen(n, "felid", n / 40, sequence=f"s{n % 3}") for n in range(40)]
    scored += [seen(40 + n, "empty", 0.0) for n in range(40)]
    draws = Draws([one.picture.sequence for one in scored], count=100, seed=1)
    row = by_name(feline_rows(scored, 0.5, draws))["all pictures"]
    assert (row.feline_sequences, row.other_sequences) == (3, 40)
    assert cell(row, "recall_at_threshold").endswith("*")
    assert cell(row, "roc_area").endswith("*")
    assert cell(row, "false_keeps_at_threshold") == "0.0 (0.0–8.8)"


def test_people_and_vehicles_are_counted_apart() -> None:
    scored = [seen(n, "person", n / 10, withheld=n > 2, trap=n < 5) for n in range(10)]
    draws = Draws([one.picture.sequence for one in scored], count=100, seed=1)
    rows = by_name(people_rows(scored, {"person": 0.5, "vehicle": 0.5}, draws))
    assert set(rows) == {"person, all", "person, camera trap"}
    assert {name: figure[0] for name, figure in rows["person, all"].figures.items() if figure} == {
        "recall_at_threshold": 0.5, "withheld": 0.7
    }  # fmt: skip
    assert rows["person, camera trap"].others == 5


def test_a_sequence_counts_as_its_best_picture_and_one_person_withholds_it() -> None:
    """Three cats' sequences: found and kept; found, but with a person in it; missed. One of others, kept by mistake."""
    scored = [
        seen(0, "empty", 0.1, sequence="a"), seen(1, "felid", 0.9, sequence="a", kept=True),
        seen(2, "felid", 0.8, sequence="b", kept=True), seen(3, "person", 0.0, sequence="b", withheld=True),
        seen(4, "felid", 0.2, sequence="c"), seen(5, "felid", 0.3, sequence="c"),
        seen(6, "other_animal", 0.6, sequence="d", kept=True), seen(7, "felid", 0.9, kept=True),
    ]  # fmt: skip
    draws = Draws([one.picture.sequence for one in scored], count=100, seed=1)
    (row,) = sequence_rows(scored, 0.5, draws)
    assert (row.felines, row.others, row.feline_sequences, row.other_sequences) == (3, 1, 3, 1)
    found = {name: round(figure[0], 4) for name, figure in row.figures.items() if figure}
    assert (found["recall_at_threshold"], found["felines_kept"], found["felines_withheld"]) == (0.6667, 0.3333, 0.3333)
    assert (found["false_keeps_at_threshold"], found["roc_area"]) == (1.0, 0.6667)
    assert sequence_rows(scored[-1:], 0.5, draws) == []
