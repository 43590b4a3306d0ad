"""`python -m train.spread DIR DIR … --out FILE`: the same figures over several splits: each, their mean and spread.

Each DIR is what `trapcam evaluate` left for one split. No picture is in two of the tests, and no model saw its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

ROWS = (
    ("all", "all pictures"), ("place", "camera trap"), ("light", "night"), ("cats", "wild cats"),
    ("cats", "tiger, leopard, snow leopard"), ("cats", "domestic cats"),
)  # fmt: skip
FIGURE = "recall_at_2pct_false_keeps"
FEWEST = 10  # felines; a share of fewer is left out of the mean


def load(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The groups of a folder's figures.json by kind and name.  Raises: OSError, ValueError, KeyError, TypeError."""
    content = json.loads((folder / "figures.json").read_text("utf-8"))
    return {(row["kind"], row["name"]): row for row in content["groups"]}


def spread(folders: list[Path], figure: str = FIGURE) -> list[dict[str, Any]]:
    """Of each group: the figure in each split with its interval and number of felines, mean and standard deviation."""
    splits = [load(folder) for folder in folders]
    lines = []
    for key in ROWS:
        found = [split[key] if key in split and split[key].get(figure) else None for split in splits]
        enough = [row[figure]["value"] for row in found if row and row["felines"] >= FEWEST]
        lines.append(
            {
                "name": key[1],
                "splits": [
                    row and {"felines": row["felines"], "others": row["others"], **row[figure]} for row in found
                ],
                "mean": round(statistics.fmean(enough), 4) if enough else None,
                "deviation": round(statistics.stdev(enough), 4) if len(enough) > 1 else None,
            }
        )
    return lines


def table(lines: list[dict[str, Any]], names: list[str]) -> str:
    """Markdown, in per cent: value (interval; felines)."""
    rows = [["", *names, "mean", "±"], ["---"] * (len(names) + 3)]
    for line in lines:
        cells = [line["name"]]
        for one in line["splits"]:
            around = one and one["interval"]
            inside = f"{around[0] * 100:.0f}–{around[1] * 100:.0f}; " if around else ""
            cells.append(f"{one['value'] * 100:.1f} ({inside}{one['felines']})" if one else "–")
        cells += ["–" if line[key] is None else f"{line[key] * 100:.1f}" for key in ("mean", "deviation")]
        rows.append(cells)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def main() -> int:
    """Write FILE (JSON) and print the table.  Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m train.spread", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="what `trapcam evaluate --out` left")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    args = parser.parse_args()
    try:
        lines = spread(args.folders)
        args.out.write_text(json.dumps({"figure": FIGURE, "groups": lines}, indent=1) + "\n", "utf-8")
    except OSError as error:
        print(f"train.spread: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except (ValueError, KeyError, TypeError) as error:
        print(f"train.spread: {error!r}: a folder that `trapcam evaluate` wrote is needed", file=sys.stderr)
        return 1
    print(table(lines, [folder.name for folder in args.folders]), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
