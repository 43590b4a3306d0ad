"""Audit samples on the operator's machine: opened with the review key, for a person to look at.

From the folders that `export` wrote it makes `review.csv` and `pictures/`. A person fills in the column `label`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trapcam.audit_pack import unpack
from trapcam.audit_tables import key, manifest, population, read_table, write_table
from trapkit.files import write_atomically

REVIEW = "review.csv"
PICTURES_FOLDER = "pictures"
REVIEW_COLUMNS = (
    "sample", "trap", "season", "stratum", "score", "probability", "label", "pictures"
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Opened:
    """How many samples were opened, how many wait for a label, and what could not be opened and why, by file."""

    samples: int
    unlabelled: int
    failures: tuple[str, ...]


def open_samples(folder: Path, read: Callable[[bytes], bytes]) -> Opened:
    """Open everything that lies in `folder`; labels of an earlier `review.csv` there stay.

    read: opens one `age` file (`trapcam.seal.open_reader`).  Raises: SetupError, OSError.
    """
    review = folder / REVIEW
    labels = {row["sample"]: row["label"] for row in read_table(review, ("sample", "label"), missing_is_empty=True)}
    probabilities = {key(row): row["probability"] for row in population(folder)}
    (folder / PICTURES_FOLDER).mkdir(exist_ok=True, mode=0o700)
    rows: list[dict[str, object]] = []
    failures, unlabelled = [], 0
    for where, row in manifest(folder):
        path = where / row["file"]
        try:
            body = path.read_bytes()
            if hashlib.sha256(body).hexdigest() != row["sha256"]:
                raise ValueError("it is not what the trap wrote: copy it again")
            facts, pictures = unpack(read(body))
        except (OSError, ValueError) as error:
            failures.append(f"{path}: {error}")
            if row["sample"] in labels:  # somebody has looked at it before
                rows.append({**row, "label": labels[row["sample"]]})
            continue
        names = [f"{PICTURES_FOLDER}/{row['sample']}-{number}.jpg" for number in range(1, len(pictures) + 1)]
        for name, picture in zip(names, pictures, strict=True):
            write_atomically(folder / name, picture, mode=0o600)
        score = facts.get("score")
        said = {
            "score": score if isinstance(score, int | float) else "",
            "probability": probabilities.get(key(row), row["share"]),
        }
        label = labels.get(row["sample"], "")
        unlabelled += not label.strip()
        rows.append({**row, **said, "label": label, "pictures": " ".join(names)})
    write_table(review, REVIEW_COLUMNS, rows)
    return Opened(samples=len(rows), unlabelled=unlabelled, failures=tuple(failures))
