"""Notes in words: what a trap said of itself, as a row of `notes.csv` (pure). Signatures are for a base to check."""

from datetime import UTC, datetime

from trapkit.update.states import decode
from trapwire.alert import TIME_BASE_UNIX_MS
from trapwire.errors import WireError
from trapwire.notes import (
    KIND_NAMES,
    MARKS,
    MINUTES,
    MOVED,
    OPENED,
    REASONS,
    SAID,
    SEALED,
    SHADOW,
    VERDICTS,
    Note,
    decode_note,
    words,
)

DAY_MS = 86_400_000


def row_of(body: bytes) -> dict[str, object] | None:
    """Kind, time, uncertainty (ms) and words of a note's body; None where it is none that is known here."""
    try:
        note = decode_note(body)
    except WireError:
        return None
    return {
        "kind": KIND_NAMES[note.kind],
        "time": time_of(note.time_ms),
        "uncertainty_ms": "" if note.uncertainty_ms is None else note.uncertainty_ms,
        "says": _says(note),
    }


def _says(note: Note) -> str:
    said = note.values
    if note.kind == OPENED:
        return f"somebody opened the lid (trigger {said['trigger']})"
    if note.kind in SEALED:
        return "for the bases alone"
    if note.kind in SAID:
        return _update(note.said, note.time_ms)
    if note.kind == SHADOW:
        return (
            f"of {said['bursts']} bursts judged by the new model {said['model']:08x} too: {said['only_old']} only the "
            f"old one would keep, {said['only_new']} only the new one; people: {said['people_old']} and "
            f"{said['people_new']}; {VERDICTS[said['verdict']]}"
        )
    if note.kind == MOVED:
        across, down = said["right"] / 10, said["down"] / 10
        return (
            f"the camera looks elsewhere: {across:+.1f} % of the picture's width, {down:+.1f} % of its height, "
            f"turned by {said['turned'] / 10:+.1f} degrees"
        )
    date = datetime.fromtimestamp((TIME_BASE_UNIX_MS + said["day"] * DAY_MS) // 1000, UTC)
    unknown = MINUTES - said["watch"] - said["off"]
    why = ", ".join(filter(None, (words(said["reasons"], REASONS), words(said["marks"], MARKS))))
    return (
        f"{date:%Y-%m-%d}: {said['seen']} minutes seen, {said['watch'] - said['seen']} blind, {said['off']} not on "
        f"watch, {unknown} unknown{f' ({why})' if why else ''}; {said['triggers']} triggers, {said['bursts']} bursts, "
        f"{said['sightings']} sightings, {said['starts']} starts"
    )


def _update(said: bytes, at_ms: int) -> str:
    try:
        return decode(said, at_ms).words()
    except ValueError:
        return f"of updates, in a form that is not known here: {said.hex()}"


def time_of(unix_ms: int) -> str:
    """ISO 8601 in UTC, with ms; empty for 0."""
    moment = datetime.fromtimestamp(unix_ms // 1000, UTC) if unix_ms else None
    return "" if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}.{unix_ms % 1000:03d}Z"
