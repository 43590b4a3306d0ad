"""Audit samples onto a stick at a service visit, beside a running trap: copied, read back, then marked.

Each outbox has a folder of its own there, `TRAP-EPOCH`: the sealed samples as they are, `manifest.csv` with a row each
and `population.csv` with a row for each cell of bursts that they stand for. Neither tells what a picture shows.
"""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trapcam.audit_store import AUDIT_FOLDER, AuditStore
from trapcam.audit_tables import MANIFEST, MANIFEST_COLUMNS, POPULATION, POPULATION_COLUMNS, read_table, write_table
from trapcam.outbox import DATABASE
from trapcam.outbox_rows import SQL as OUTBOX_SQL
from trapkit.database import open_database
from trapkit.errors import SetupError
from trapkit.files import write_and_read_back

MAX_TURNS = 5  # a running trap may let go of samples while they are copied


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export did: samples that lie on the stick now, those let go of here, and those whose file is not what was
    sealed, by name; `folder`: where."""

    folder: Path
    copied: int
    deleted: int
    damaged: tuple[str, ...]


def export(data: Path, trap: int, to: Path, *, delete: bool) -> Exported:
    """Copy the samples of the outbox in `data` to a folder of its own in `to`, and mark them as copied.

    delete: let go of those that were read back from there as they were sealed.
    Raises: SetupError: no outbox of this trap; OSError, StorageError: a disk refused; a repeat goes on.
    """
    if not (data / DATABASE).is_file():
        raise SetupError(f"{data}: there is no outbox here; is 'data' the trap's?")
    with closing(open_database(data / DATABASE, "trapcam")) as db:
        identity = db.execute(OUTBOX_SQL["identity"]).fetchone()
        if identity is None or identity["trap"] != trap:
            raise SetupError(f"{data}: this outbox is not of trap {trap}, as the setting `trap` says")
        store = AuditStore(db, data)
        folder = to / f"{trap}-{identity['epoch']:08x}"
        folder.mkdir(parents=True, exist_ok=True)
        copied: dict[int, Mapping[str, Any]] = {}
        for _ in range(MAX_TURNS):
            db.execute("BEGIN")  # samples and cells of one moment: the one is divided by the other
            samples, cells = store.samples(), store.cells()
            db.execute("COMMIT")
            missing = 0
            for row in samples:
                if row["burst_no"] in copied:
                    continue
                try:
                    body = (data / AUDIT_FOLDER / row["file"]).read_bytes()
                except FileNotFoundError:
                    missing += 1  # let go of since, or lost: the next turn's rows tell
                    continue
                if hashlib.sha256(body).digest() == row["sha256"]:
                    write_and_read_back(folder / _file(trap, identity["epoch"], row["burst_no"]), body)
                    copied[row["burst_no"]] = row
            if not missing:
                break
        _write_tables(folder, trap, identity["epoch"], list(copied.values()), cells)
        mark = "mark_collected" if delete else "mark_exported"
        gone = [row["file"] for row in copied.values()] if delete else []
        store.change([(mark, (number,)) for number in copied], gone)
    lost = tuple(_name(trap, identity["epoch"], r["burst_no"]) for r in samples if r["burst_no"] not in copied)
    return Exported(folder=folder, copied=len(copied), deleted=len(gone), damaged=lost)


def _name(trap: int, epoch: int, burst_no: int) -> str:
    return f"{trap}-{epoch:08x}-{burst_no}"


def _file(trap: int, epoch: int, burst_no: int) -> str:
    return f"{_name(trap, epoch, burst_no)}.age"


def _write_tables(
    folder: Path, trap: int, epoch: int, samples: Iterable[Mapping[str, Any]], cells: Iterable[Mapping[str, Any]]
) -> None:
    """Rows of earlier exports to this folder stay as long as their sample lies there."""
    rows = {row["sample"]: row for row in read_table(folder / MANIFEST, MANIFEST_COLUMNS, missing_is_empty=True)}
    rows = {name: row for name, row in rows.items() if (folder / row["file"]).is_file()}
    of = {"trap": str(trap), "epoch": f"{epoch:08x}"}
    for row in samples:
        name = _name(trap, epoch, row["burst_no"])
        said = {"sample": name, "burst": row["burst_no"], "file": _file(trap, epoch, row["burst_no"])}
        rows[name] = dict(row) | of | said | {"sha256": row["sha256"].hex()}
    write_table(folder / MANIFEST, MANIFEST_COLUMNS, rows.values())
    write_table(folder / POPULATION, POPULATION_COLUMNS, (dict(cell) | of for cell in cells))
