"""From pictures with their scores to figures by group (pure): what `trapcam evaluate` says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trapcam.detections import PEOPLE
from trapcam.evaluate.manifest import Labelled
from trapcam.evaluate.statistics import FIGURES, RECALLS, Bools, Draws, Floats, Group, Indices, interval

BIG_CATS = ("tiger", "leopard", "snow_leopard")  # whom the traps are for
BOXES = ("under 5 %", "5 to 20 %", "over 20 %", "no box")
OF_OTHERS = ("false_keeps_at_threshold", "others_kept")  # figures of the others alone, and of both
OF_BOTH = (*RECALLS, "roc_area")
Picture = Labelled


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A picture, its best score of each category, and what the trap does: keeps it, withholds it (a person or a
    vehicle), or neither."""

    picture: Labelled
    scores: Mapping[str, float]
    kept: bool
    withheld: bool


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table: so many pictures and their sequences, and each figure with its interval (None: cannot be
    told)."""

    kind: str
    name: str
    felines: int
    others: int
    feline_sequences: int
    other_sequences: int
    figures: Mapping[str, tuple[float, tuple[float, float] | None] | None] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        figures = {
            name: None if found is None else {"value": round(found[0], 4), "interval": _rounded(found[1])}
            for name, found in self.figures.items()
        }
        head = {
            "kind": self.kind, "name": self.name, "felines": self.felines, "others": self.others,
            "feline_sequences": self.feline_sequences, "other_sequences": self.other_sequences,
        }  # fmt: skip
        return {**head, **figures}

    def sequences(self, figure: str) -> int:
        """How many independent witnesses a figure has."""
        if self.kind == "people" or figure in OF_OTHERS:
            return self.other_sequences
        return min(self.feline_sequences, self.other_sequences) if figure in OF_BOTH else self.feline_sequences


def box_size(box: float | None) -> str:
    """The line of a table that a box belongs to; `box`: its share of the picture."""
    if box is None:
        return BOXES[3]
    return BOXES[0] if box < 0.05 else BOXES[1] if box < 0.2 else BOXES[2]


def score_of(scored: Sequence[Scored], category: str) -> Floats:
    """The best score of a category in each picture."""
    return np.array([one.scores.get(category, 0.0) for one in scored], np.float64)


def feline_rows(scored: Sequence[Scored], threshold: float, draws: Draws) -> list[Row]:
    """A row for all, and for each group of pictures."""
    score = score_of(scored, "feline")
    kept = np.array([one.kept for one in scored], bool)
    withheld = np.array([one.withheld for one in scored], bool)
    named = [
        (kind, name, Group(felines, others, score, threshold, kept, withheld))
        for kind, name, felines, others in groups([one.picture for one in scored])
    ]
    drawn: list[list[Floats]] = [[] for _ in named]
    for weights in draws.weights():
        for place, (_, _, group) in enumerate(named):
            drawn[place].append(group.figures(weights))
    return [
        _row(kind, name, group, np.concatenate(found), draws)
        for (kind, name, group), found in zip(named, drawn, strict=True)
    ]


def _row(kind: str, name: str, group: Group, drawn: Floats, draws: Draws) -> Row:
    figures: dict[str, tuple[float, tuple[float, float] | None] | None] = {}
    of_felines, of_others = (len(np.unique(draws.member[some])) for some in (group.felines, group.others))
    for place, (figure, value) in enumerate(zip(FIGURES, group.point().tolist(), strict=True)):
        sequences = of_others if figure in OF_OTHERS else of_felines
        known = np.isfinite(value)
        around = interval(value, drawn[:, place], sequences, share=figure != "roc_area")
        figures[figure] = (value, around) if known else None
    return Row(
        kind=kind, name=name, felines=len(group.felines), others=len(group.others), feline_sequences=of_felines,
        other_sequences=of_others, figures=figures,
    )  # fmt: skip


def groups(pictures: Sequence[Picture]) -> list[tuple[str, str, Indices, Indices]]:
    """Kind, name, felines and others of each group. A group by place or light has its own others; what says which cat
    it is has all others, for those are what this cat is to be told from."""
    feline = np.array([p.feline for p in pictures], bool)
    found: list[tuple[str, str, Indices, Indices]] = []

    def add(kind: str, name: str, chosen: Callable[[Picture], bool], *, own: bool) -> None:
        inside: Bools = np.array([chosen(p) for p in pictures], bool)
        felines = np.flatnonzero(inside & feline)
        if (inside if own else inside & feline).any():
            found.append((kind, name, felines, np.flatnonzero(inside & ~feline if own else ~feline)))

    add("all", "all pictures", lambda p: True, own=True)
    add("place", "camera trap", lambda p: p.camera_trap, own=True)
    add("place", "camera trap, day", lambda p: p.camera_trap and not p.night, own=True)
    add("place", "camera trap, night", lambda p: p.camera_trap and p.night, own=True)
    add("place", "not a camera trap", lambda p: not p.camera_trap, own=True)
    add("light", "day", lambda p: not p.night, own=True)
    add("light", "night", lambda p: p.night, own=True)
    add("cats", "wild cats", lambda p: p.group == "felid", own=False)
    add("cats", "domestic cats", lambda p: p.group == "domestic_cat", own=False)
    add("cats", "tiger, leopard, snow leopard", lambda p: p.feline and p.label in BIG_CATS, own=False)
    for label in sorted({p.label for p in pictures if p.feline}):
        add("species", label.replace("_", " "), lambda p, label=label: p.label == label, own=False)  # type: ignore[misc]
    for size in BOXES:
        add("box", size, lambda p, size=size: box_size(p.box) == size, own=False)  # type: ignore[misc]
    for source in sorted({p.source for p in pictures}):
        add("source", source, lambda p, source=source: p.source == source, own=True)  # type: ignore[misc]
    for group in sorted({p.group for p in pictures if not p.feline}):
        add("others", group.replace("_", " "), lambda p, group=group: p.group == group, own=True)  # type: ignore[misc]
    for label in sorted({p.label for p in pictures if p.group == "other_animal"}):
        chosen = lambda p, label=label: p.group == "other_animal" and p.label == label  # noqa: E731
        add("other animals", label.replace("_", " "), chosen, own=True)
    return found


def sequence_rows(scored: Sequence[Scored], threshold: float, draws: Draws) -> list[Row]:
    """The same for whole sequences, as far as the manifest names any: a sequence's score is its best picture's, and
    the trap keeps it, as one burst, when it keeps a picture and withholds none."""
    members: dict[str, list[Scored]] = {}
    for one in scored:
        if one.picture.in_sequence:
            members.setdefault(one.picture.sequence, []).append(one)
    bursts = [_burst(some) for some in members.values()]
    if not bursts:
        return []
    again = Draws([one.picture.sequence for one in bursts], count=draws.count, seed=draws.seed)
    everything = next(row for row in feline_rows(bursts, threshold, again) if row.kind == "all")
    return [replace(everything, kind="sequences", name="whole sequences")]


def _burst(members: Sequence[Scored]) -> Scored:
    names = {name for one in members for name in one.scores}
    withheld = any(one.withheld for one in members)
    return Scored(
        picture=next((one.picture for one in members if one.picture.feline), members[0].picture),
        scores={name: max(one.scores.get(name, 0.0) for one in members) for name in names},
        kept=any(one.kept for one in members) and not withheld,
        withheld=withheld,
    )


def people_rows(scored: Sequence[Scored], thresholds: Mapping[str, float], draws: Draws) -> list[Row]:
    """Of the pictures that show a person or a vehicle: how many are found as such, and how many the trap withholds."""
    rows = []
    for category in PEOPLE:
        found = score_of(scored, category) >= thresholds.get(category, 1.0)
        withheld = np.array([one.withheld for one in scored], bool)
        for where in ("all", "camera trap"):
            chosen = np.array(
                [one.picture.group == category and (where == "all" or one.picture.camera_trap) for one in scored], bool
            )
            if chosen.any():
                rows.append(_people(f"{category}, {where}", np.flatnonzero(chosen), found, withheld, draws))
    return rows


def _people(name: str, chosen: Indices, found: Bools, withheld: Bools, draws: Draws) -> Row:
    sequences = len(np.unique(draws.member[chosen]))
    drawn: list[Floats] = []
    for weights in draws.weights():
        own = weights[:, chosen]
        with np.errstate(invalid="ignore"):
            drawn.append(np.stack([own @ found[chosen], own @ withheld[chosen]], axis=1) / own.sum(axis=1)[:, None])
    all_drawn = np.concatenate(drawn)
    figures = {}
    for place, (figure, hit) in enumerate((("recall_at_threshold", found), ("withheld", withheld))):
        value = float(hit[chosen].mean())
        figures[figure] = (value, interval(value, all_drawn[:, place], sequences))
    return Row(
        kind="people", name=name, felines=0, others=len(chosen), feline_sequences=0, other_sequences=sequences,
        figures=figures,
    )  # fmt: skip


def _rounded(around: tuple[float, float] | None) -> list[float] | None:
    return None if around is None else [round(value, 4) for value in around]
