"""The results as a table for spreadsheets: a row a detection, and one for each file without any.

UTF-8 with the mark at its head by which spreadsheets know it. A name that a spreadsheet would take for a formula is
led by an apostrophe (OWASP, "CSV Injection"): a card may come from anybody.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trapcam.examine.atomic import writing

COLUMNS = ("file", "frame_number", "category", "confidence", "x", "y", "width", "height", "failure", "species", "share")
FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "＝",
    "＋",
    "－",
    "＠",
)  # the wide ones are the same to Excel in Japanese


def safe(text: str) -> str:
    """The text as a cell that is never a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def write_csv(
    path: Path, entries: Iterable[Mapping[str, Any]], names: Mapping[str, str], species: Sequence[str]
) -> None:
    """Write the entries of a results file (`mdjson.entry`), whole or not at all; `names`: its categories by their
    keys; `species`: its classes; a detection's likeliest is shown.  Raises: OSError."""
    with writing(path, encoding="utf-8-sig") as file:
        # Quoted in full, so that a spreadsheet that splits at semicolons finds none to split at in a file's name.
        table = csv.writer(file, quoting=csv.QUOTE_ALL)
        table.writerow(COLUMNS)
        for entry in entries:
            name = safe(entry["file"])
            found = entry["detections"] or ()
            for one in found:
                key, share = (one.get("classifications") or [("", "")])[0]
                likely = (species[int(key)], share) if key else ("", "")
                row = (one.get("frame_number", ""), names[one["category"]], one["conf"], *one["bbox"], "", *likely)
                table.writerow((name, *row))
            if not found:
                table.writerow((name, *[""] * 7, safe(entry.get("failure") or ""), "", ""))
