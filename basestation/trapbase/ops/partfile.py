"""What each running part says of itself, in `folder/running/PART.json`: for `trapbase status`, the page and /metrics,
which may be other processes.

The files are for people and monitoring, and nothing depends on them: they are replaced whole and not synced, and one
that the disk refuses is written later.
"""

import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = "running"
MAX_BYTES = 8192
SILENT_MS = 150_000  # a part that has written nothing for so long is not there any more: it writes every 30 s
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
MAX_FIGURES = 64
RUNS, HANGS, STOPPED, GONE = "runs", "hangs", "stopped", "gone"


@dataclass(frozen=True, kw_only=True)
class PartState:
    """`written_ms`: when it was written, Unix ms; `state`: `RUNS`, `HANGS` or `STOPPED`; `since_ms`: since when its
    `trouble` is so; `figures`: its counts since it was started."""

    part: str
    written_ms: int
    state: str
    trouble: str = ""
    since_ms: int = 0
    figures: dict[str, int] = field(default_factory=dict)

    def at(self, utc_ms: int) -> str:
        """Its state as of now: `GONE` when it ended without a word, or the machine did."""
        # Away in either direction: a clock that was set back must not keep a dead part alive for years.
        silent = self.state != STOPPED and abs(utc_ms - self.written_ms) > SILENT_MS
        return GONE if silent else self.state


def write_state(folder: Path, state: PartState) -> bool:
    """Whether it was written; `folder`: of the base."""
    path = folder / FOLDER / f"{state.part}.json"
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    data = json.dumps(asdict(state), sort_keys=True).encode()
    if len(data) > MAX_BYTES:
        return False
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        return False
    return True


def read_states(folder: Path, parts: tuple[str, ...]) -> dict[str, PartState]:
    """Of each of `parts` that has ever said something here; damaged ones are left out."""
    found = {part: _read(folder / FOLDER / f"{part}.json", part) for part in parts}
    return {part: state for part, state in found.items() if state is not None}


def _read(path: Path, part: str) -> PartState | None:
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(MAX_BYTES + 1))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    texts = [said.get("state"), said.get("trouble")]
    times = [said.get("written_ms"), said.get("since_ms")]
    figures = said.get("figures")
    good = all(isinstance(text, str) for text in texts) and all(type(at) is int for at in times)
    if not good or said["state"] not in (RUNS, HANGS, STOPPED) or not isinstance(figures, dict):
        return None
    kept = {name: value for name, value in figures.items() if NAME.fullmatch(name) and type(value) is int}
    return PartState(
        part=part,
        written_ms=said["written_ms"],
        state=said["state"],
        trouble=said["trouble"][:400],
        since_ms=said["since_ms"],
        figures=dict(list(kept.items())[:MAX_FIGURES]),
    )
