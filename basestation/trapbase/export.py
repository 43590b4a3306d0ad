"""`trapbase export --camtrap-dp DIR`: the whole store as one package in a folder, the same tables as in batches."""

import json
from dataclasses import replace
from pathlib import Path

from trapbase.borders import agreement_with
from trapbase.coarser import EXACT
from trapbase.config import Settings
from trapbase.cutter import Cutter
from trapbase.deployments import by_trap
from trapbase.effort import day_lines
from trapbase.model import StoredObject
from trapbase.package import build_files
from trapbase.results.kept import ResultStore
from trapbase.store import Store
from trapkit.errors import SetupError, StorageError
from trapkit.files import refusal, write_atomically
from trapkit.sealing import read_key

DESCRIPTOR = "datapackage.json"
MAX_LINES = 400_000  # of the effort ledger: a hundred traps for ten years
MAX_OBJECTS = 100_000  # rows of one export: what fits in memory; beyond it export from the back end


def export_camtrap(
    folder: Path, target: Path, settings: Settings, receiver: str = "", coordinates: str = EXACT
) -> dict[str, int]:
    """Write the package into `target`, which must be new or empty; how many objects and sightings it has.

    `receiver`: the country it goes to; the agreement with it is named in `datapackage.json`. `coordinates`: exact, or
    rounded to so many degrees (`coarser`).

    Raises: SetupError, StorageError.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SetupError(f"--camtrap-dp {target}: is neither new nor an empty folder; name another")
    if not folder.is_dir():
        raise SetupError(f"key 'folder' is {str(folder)!r}: there is no such folder")
    secret = read_key(Path(settings.box_key), "the key that opens crops") if settings.box_key else None
    store, kept = Store(folder), ResultStore(folder)
    try:
        traps = {trap.number: trap for trap in settings.trap}
        cutter = Cutter(store, traps, settings.batch, secret, settings.cards)
        known = cutter.places().known()
        objects = store.all_objects(known, MAX_OBJECTS + 1)
        if not objects:
            raise SetupError(f"{folder}: holds nothing of a trap that the settings or a ranger's card know")
        if len(objects) > MAX_OBJECTS:
            raise SetupError(f"{folder}: holds over {MAX_OBJECTS} objects; export them from the back end")
        name, contents = cutter.contents(objects)
        effort = by_trap(day_lines(store.day_notes(known, MAX_LINES)))
        identified = {i.sighting: i for i in kept.all_standing()}
        contents = replace(contents, effort=effort, touched_only=False, identified=identified, coordinates=coordinates)
        files = build_files(name, contents, settings.batch)
        agreed = agreement_with(receiver, settings.agreement)
        if agreed is not None:
            package = json.loads(files[DESCRIPTOR]) | {"agreement": agreed.name}
            files[DESCRIPTOR] = json.dumps(package, indent=1, ensure_ascii=False).encode()
    finally:
        kept.close()
        store.close()
    try:
        _write(target, files)
    except OSError as error:
        raise StorageError(f"--camtrap-dp {refusal(target, error)}; then remove the folder and export again") from error
    return {"objects": len(objects), "sightings": len(_sightings(objects))}


def _sightings(objects: list[StoredObject]) -> set[tuple[int, int, int]]:
    return {o.sighting for o in objects}


def _write(target: Path, files: dict[str, bytes]) -> None:
    # Opened crops and exact positions: for whoever exported them, who may give them on.
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The descriptor last: a folder that has it is whole.
    for path in sorted(files, key=lambda p: p == DESCRIPTOR):
        (target / path).parent.mkdir(mode=0o700, exist_ok=True)
        write_atomically(target / path, files[path], mode=0o600)
