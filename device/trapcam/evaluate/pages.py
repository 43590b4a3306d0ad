"""What `trapcam evaluate` leaves in its folder: figures.json, tables.md, scores.csv and the two charts."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trapcam.evaluate.by_group import OF_OTHERS, Row, Scored
from trapcam.evaluate.charts import precision_png, roc_png
from trapcam.evaluate.statistics import RECALLS
from trapcam.examine.spreadsheet import safe
from trapkit.files import write_atomically

TITLES = {
    "all": "All", "place": "Camera trap or not", "light": "Day and night", "cats": "Kinds of cat",
    "species": "Species (the sources' labels)", "box": "Size of the largest box, share of the picture",
    "sequences": "Whole sequences, as a trap decides over a burst",
    "source": "Sources", "others": "What is no cat", "other animals": "Other animals (the sources' labels)",
}  # fmt: skip
COLUMNS = {
    "recall_at_threshold": "found at the threshold", "false_keeps_at_threshold": "others over it",
    **{name: f"found at {name.split('_')[2].removesuffix('pct')} % false keeps" for name in RECALLS},
    "roc_area": "ROC area", "felines_kept": "kept by the trap", "others_kept": "others kept by it",
    "felines_withheld": "lost to the people rule",
}  # fmt: skip
FEW = 10  # sequences; fewer say little about how much others would differ
PEOPLE = {"recall_at_threshold": "found at the threshold", "withheld": "withheld by the trap"}


def write_pages(
    folder: Path, about: Mapping[str, Any], scored: Sequence[Scored], rows: Sequence[Row], people: Sequence[Row],
    threshold: float,
) -> list[Path]:  # fmt: skip
    """Write all of them; their paths. `about`: the model and what it was measured on.  Raises: OSError."""
    figures = {**about, "groups": [row.as_json() for row in rows], "people": [row.as_json() for row in people]}
    pages = {
        "figures.json": (json.dumps(figures, indent=1, ensure_ascii=False) + "\n").encode(),
        "tables.md": tables(about, rows, people).encode(),
        "scores.csv": _scores(scored).encode("utf-8-sig"),
    }
    if any(row.kind == "all" and row.felines and row.others for row in rows):
        pages["roc.png"] = roc_png(scored, rows, threshold)
        pages["precision_recall.png"] = precision_png(scored, rows, threshold)
    for name, data in pages.items():
        write_atomically(folder / name, data)
    return [folder / name for name in pages]


def tables(about: Mapping[str, Any], rows: Sequence[Row], people: Sequence[Row]) -> str:
    """All figures as Markdown, in per cent but for the ROC area."""
    text = [
        f"# {about['model']}",
        f"{about['pictures']} pictures, {about['sequences']} sequences; threshold {about['threshold']:g}. Figures are "
        f"in per cent but for the ROC area, with their 95 % interval: {about['draws']} draws of whole sequences, seed "
        f"{about['seed']}; where all sequences say the same, Clopper–Pearson. Sequences are those of the felines + of "
        f"the others; an interval marked * rests on fewer than {FEW} and is a guess itself. – cannot be told.",
    ]
    if about["unreadable"]:
        text.append(f"**{len(about['unreadable'])} pictures could not be read and are in no figure.**")
    for kind, title in TITLES.items():
        chosen = [row for row in rows if row.kind == kind]
        only_others = kind in ("others", "other animals")
        if only_others:
            chosen.sort(key=lambda row: -_value(row, "false_keeps_at_threshold"))
        if chosen:
            columns = {name: words for name, words in COLUMNS.items() if not only_others or name in OF_OTHERS}
            text.append(f"## {title}\n{_table(chosen, columns, felines=not only_others)}")
    if people:
        text.append(f"## People and vehicles\n{_table(people, PEOPLE, felines=False)}")
    return "\n\n".join(text) + "\n"


def _value(row: Row, name: str) -> float:
    figure = row.figures[name]
    return figure[0] if figure else 0.0


def _table(rows: Sequence[Row], columns: Mapping[str, str], *, felines: bool) -> str:
    head = ["", *(["felines", "others"] if felines else ["pictures"]), "sequences", *columns.values()]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        counts = [str(row.felines), str(row.others)] if felines else [str(row.others)]
        name = row.name.replace("|", "\\|").replace("\n", " ")
        sequences = f"{row.feline_sequences} + {row.other_sequences}" if felines else str(row.other_sequences)
        lines.append([name, *counts, sequences, *(cell(row, column) for column in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(row: Row, name: str) -> str:
    """One figure with its interval."""
    figure = row.figures[name]
    if figure is None:
        return "–"
    value, around = figure
    scale, digits = (1, 3) if name == "roc_area" else (100, 1)
    text = f"{value * scale:.{digits}f}"
    if around is None:
        return text
    few = "*" if row.sequences(name) < FEW else ""
    return f"{text} ({around[0] * scale:.{digits}f}–{around[1] * scale:.{digits}f}){few}"


def _scores(scored: Iterable[Scored]) -> str:
    """Every picture with its scores, the surest misses and false keeps to be looked for in a spreadsheet."""
    out = io.StringIO(newline="")
    table = csv.writer(out, quoting=csv.QUOTE_ALL)
    names = sorted({name for one in scored for name in one.scores})
    table.writerow(("file", "label", "group", "source", "camera_trap", "night", "sequence", "outcome", *names))
    for one in scored:
        picture = one.picture
        outcome = "withheld" if one.withheld else "kept" if one.kept else "rejected"
        texts = (picture.file, picture.label, picture.group, picture.source)
        light = ("yes" if picture.camera_trap else "no", "yes" if picture.night else "no", safe(picture.sequence))
        table.writerow((*map(safe, texts), *light, outcome, *(round(one.scores.get(name, 0.0), 4) for name in names)))
    return out.getvalue()
