"""From the scores of several nets on the same pictures to a table of figures and differences (no TensorFlow)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trapcam.evaluate.by_group import groups
from trapcam.evaluate.manifest import ALONE, Labelled
from trapcam.evaluate.statistics import FIGURES, Draws, Floats, Group, interval

from .data import Picture
from .recipe import NAMES

RECALL = "recall_at_2pct_false_keeps"
COLUMNS = (
    ("all", "all pictures", RECALL, "all"),
    ("place", "camera trap", RECALL, "camera trap"),
    ("light", "night", RECALL, "night"),
    ("cats", "tiger, leopard, snow leopard", RECALL, "big cats"),
    ("all", "all pictures", "roc_area", "ROC area"),
)
"""Kind and name of a group (`trapcam.evaluate.by_group`), its figure, and what the table calls it."""
DRAWS, SEED = 1000, 1
FIRM = 10  # feline sequences; an interval of fewer is starred
HEAD = """# What each part of the recipe brings

Written by `make levers` ([how](train/README.md)); do not edit. In per cent: feline recall at 2 % false keeps, and ROC
area × 100, through the trap's own int8 detector. Under each figure its difference to the line it is compared with, and
where 95 % of 1,000 draws of whole sequences (of the same pictures for both) put that difference. \\* fewer than ten
sequences with a cat: not firm. The draws know nothing of the luck of a training: **what the seeds of the full recipe
differ by is noise, and a lever that differs by no more has shown nothing.**
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A net's feline scores (0–1) of each split's pictures, in their order; `against`: the run it is compared with."""

    name: str
    what: str
    against: str
    scores: Mapping[str, Sequence[float]]
    settings: Mapping[str, Any]


def labelled(picture: Picture) -> Labelled:
    """A training picture as `trapcam evaluate` knows it."""
    sequence = f"sequence: {picture.source}, {picture.sequence}" if picture.sequence else f"{ALONE}{picture.file}"
    return Labelled(
        file=picture.file, label=picture.label, group=picture.group, camera_trap=picture.camera_trap,
        night=picture.night, sequence=sequence, source=picture.source, box=None,
    )  # fmt: skip


def compare(pictures: Sequence[Picture], scores: Mapping[str, Sequence[float]], pairs: Mapping[str, str]) -> Any:
    """Of each run its figures, by COLUMNS' last names: value, felines, others, feline sequences, and the difference to
    the run that `pairs` names with its interval (both None for a run against itself). None where it cannot be told.

    scores: of each run one for each picture.
    """
    known = [labelled(p) for p in pictures]
    draws = Draws([p.sequence for p in known], count=DRAWS, seed=SEED)
    chosen = {(kind, name): (felines, others) for kind, name, felines, others in groups(known)}
    nobody = np.zeros(len(known), bool)
    table: dict[str, dict[str, Any]] = {run: {} for run in pairs}
    for kind, name, figure, title in COLUMNS:
        if (kind, name) not in chosen:
            table = {run: {**row, title: None} for run, row in table.items()}
            continue
        felines, others = chosen[kind, name]
        column = FIGURES.index(figure)
        points, drawn = {}, {}
        for run in pairs:
            group = Group(felines, others, np.array(scores[run], np.float64), 0.5, nobody, nobody)
            points[run] = float(group.point()[column])
            drawn[run] = np.concatenate([group.figures(weights)[:, column] for weights in draws.weights()])
        sequences = len(np.unique(draws.member[felines]))
        counts = {"felines": len(felines), "others": len(others), "feline_sequences": sequences}
        for run, base in pairs.items():
            if not np.isfinite(points[run]):
                table[run][title] = None
                continue
            table[run][title] = {
                **counts, "value": round(points[run], 4), **_difference(run, base, points, drawn, sequences)
            }  # fmt: skip
    return table


def _difference(
    run: str, base: str, points: Mapping[str, float], drawn: Mapping[str, Floats], sequences: int
) -> dict[str, Any]:
    if run == base:
        return {"difference": None, "interval": None}
    change = points[run] - points[base]
    around = interval(change, drawn[run] - drawn[base], sequences, share=False)
    return {"difference": round(change, 4), "interval": around and [round(end, 4) for end in around]}


def cell(entry: Mapping[str, Any] | None) -> str:
    """Markdown: the figure, and under it the difference with its interval, in per cent."""
    if entry is None:
        return "–"
    star = "\\*" if entry["feline_sequences"] < FIRM else ""
    text = f"{entry['value'] * 100:.1f}{star}"
    if entry["difference"] is not None:
        text += f"<br>{_signed(entry['difference'])}"
        if entry["interval"]:
            text += f" ({_signed(entry['interval'][0])} to {_signed(entry['interval'][1])})"
    return text


def _signed(share: float) -> str:
    return f"{share * 100:+.1f}".replace("-", "−")


def write(
    out: Path, parts: Mapping[str, Sequence[Picture]], learned: Sequence[Run], same_net: Sequence[Run] = ()
) -> None:
    """Write `out` (Markdown) and the same as JSON beside it; the splits are those that the runs have scores for.

    Raises: OSError.
    """
    content: dict[str, Any] = {"draws": DRAWS, "seed": SEED, "learned": [], "same_net": []}
    text = [HEAD]
    for key, title, runs in (("learned", _recipe(learned), learned), ("same_net", _ways(same_net), same_net)):
        if not runs:
            continue
        pairs = {run.name: run.against for run in runs}
        compared = {
            part: compare(parts[part], {run.name: run.scores[part] for run in runs}, pairs)
            for part in reversed(runs[0].scores)
        }
        text.append(title)
        for part, table in compared.items():
            text.append(_table(part, table, runs))
        content[key] = [
            {"name": run.name, "what": run.what, "against": run.against, "settings": dict(run.settings),
             **{part: table[run.name] for part, table in compared.items()}}
            for run in runs
        ]  # fmt: skip
    left = [name for name in NAMES if f"without-{name}" not in {run.name for run in learned}]
    content["not_measured"] = left
    if left:
        text.append(f"**Not measured yet:** the recipe without {', '.join(left)}.\n")
    out.parent.mkdir(parents=True, exist_ok=True)
    for path, page in ((out, "\n".join(text)), (out.with_suffix(".json"), json.dumps(content, indent=1) + "\n")):
        new = path.with_name(path.name + ".part")
        new.write_text(page, "utf-8")
        new.replace(path)


def _recipe(runs: Sequence[Run]) -> str:
    if not runs:
        return ""
    how = runs[0].settings
    steps = how["epochs"] * how["steps_per_epoch"]
    return (
        "## Left out while learning\n"
        f"Short runs: {steps:,} steps of {how['batch']} pictures, where the shipped net had 2,800;\n"
        "so a lever that needs time to work looks weaker here than it is. The first three blocks rest, except\n"
        "where the net starts by lot. Compared with the first line.\n"
    )


def _ways(runs: Sequence[Run]) -> str:
    compared = [f"“{run.what}” with “{base.what}”" for run in runs for base in runs
                if run.against == base.name != runs[0].name]  # fmt: skip
    with_others = f", {'; '.join(compared)}" if compared else ""
    return f"## One trained net, looked at in other ways\nCompared with the first line{with_others}.\n"


def _table(part: str, table: Mapping[str, Mapping[str, Any]], runs: Sequence[Run]) -> str:
    titles = [title for *_, title in COLUMNS]
    first = table[runs[0].name]
    counts = [f"{first[t]['felines']} / {first[t]['others']}" if first[t] else "" for t in titles]
    rows = [[f"**{part}**", *titles], ["---"] * (len(titles) + 1), ["cats / others", *counts]]
    rows += [[run.what, *(cell(table[run.name][t]) for t in titles)] for run in runs]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
