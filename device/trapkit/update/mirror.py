"""A base's copy of what is published, for its traps: proved as a unit proves it, and laid out as any source is.

`timestamp.json` is replaced last: a trap that asks in between finds the old release whole or the new one whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trapkit.files import FULL, make_folder, write_atomically
from trapkit.update.client import look, part_files, what_shall_run
from trapkit.update.fetching import fetch_file, room, small, tidy
from trapkit.update.memory import proved_metadata, read_memory
from trapkit.update.radiopack import MAX_BYTES as MAX_RADIO_BYTES
from trapkit.update.released import CURRENT, MAX_LIST_BYTES, Current, Listed, radio_target, release_target
from trapkit.update.sources import Pace, Source
from trapkit.update.timefloor import Clock
from trapkit.update.trouble import trouble
from trapkit.update.wanted import METADATA, Wanted


@dataclass(frozen=True, kw_only=True)
class Mirrored:
    """What the mirror has now; files: all of it, for whoever hands it on."""

    current: Current
    listed: Listed
    files: tuple[Wanted, ...]


def mirror(source: Source, folder: Path, state_dir: Path, clock: Clock, *, root: bytes) -> Mirrored:
    """Bring `folder` up to what `source` publishes: all metadata, and the files of the release that shall run.

    Raises: Refused, Waits (what came is kept); OSError.
    """
    try:
        memory = read_memory(state_dir)
        pace = Pace(clock.monotonic_ms)
        verified = look(source, state_dir, clock, root, pace, memory=memory)
        current, listed = what_shall_run(source, verified, pace)
        parts = part_files(verified, listed)
        lists = [verified.targets[name] for name in (CURRENT, release_target(current.release))]
        files = state_dir / "parts"
        tidy(files, parts.values())
        room(files, (each for each in parts.values() if not (folder / each.path).exists()))
        for each in lists:
            _lay(folder, each.path, small(source, each, MAX_LIST_BYTES, pace))
        radio = verified.targets.get(radio_target(current.release))
        if radio is not None:
            _lay(folder, radio.path, small(source, radio, MAX_RADIO_BYTES, pace))
            lists.append(radio)
        for each in parts.values():
            _take_over(source, each, folder, files, pace)
        _metadata(folder, state_dir, verified.versions)
        _forget(folder, {each.path for each in (*lists, *parts.values())})
    except OSError as error:
        if error.errno in FULL:
            raise trouble("no-room", str(error)) from error
        raise
    return Mirrored(current=current, listed=listed, files=(*lists, *parts.values()))


def _take_over(source: Source, each: Wanted, folder: Path, files: Path, pace: Pace) -> None:
    place = folder / each.path
    if place.exists() and place.stat().st_size == each.length:
        return  # proved when it came; who takes it from here proves it again
    make_folder(place.parent)
    fetch_file(source, each, files, pace).replace(place)


def _metadata(folder: Path, state_dir: Path, versions: Mapping[str, int]) -> None:
    proved = proved_metadata(state_dir)
    assert proved is not None
    for path in sorted((proved / "root_history").iterdir()):
        _lay(folder, METADATA + path.name, path.read_bytes())
    for role in ("targets", "snapshot"):
        _lay(folder, f"{METADATA}{versions[role]}.{role}.json", (proved / f"{role}.json").read_bytes())
    _lay(folder, f"{METADATA}timestamp.json", (proved / "timestamp.json").read_bytes())
    for role in ("targets", "snapshot"):
        for path in (folder / METADATA).glob(f"*.{role}.json"):
            if int(path.name.split(".")[0]) < versions[role] - 1:  # a trap may be copying the one before
                path.unlink()


def _lay(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    if path.exists() and path.read_bytes() == data:
        return
    make_folder(path.parent)
    write_atomically(path, data)


def _forget(folder: Path, paths: set[str]) -> None:
    for path in sorted((folder / "targets").rglob("*")):
        if path.is_file() and path.relative_to(folder).as_posix() not in paths:
            path.unlink()
