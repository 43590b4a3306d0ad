"""What a running base says: one event a line on stderr, as text or as JSON, with levels where the journal reads it.

    text    trapbase: ingest: all is well again
    json    {"time": "2025-11-21T01:00:00.000Z", "level": "info", "part": "ingest", "event": "well", "text": "…"}

Lines are bounded in rate and length. Words come from the parts' own troubles: no keys, no positions.
"""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TextIO

from trapkit.progress import keep_nothing

INFO, WARNING, ERROR = "info", "warning", "error"
PRIORITIES = {INFO: 6, WARNING: 4, ERROR: 3}  # sd-daemon(3): what stands before a line in the journal
BASE = "base"  # the part in lines that are about the whole
MOST_AT_ONCE = 200  # lines; then as many as come back in time
MS_A_LINE = 1000  # one more line in this time
LONGEST = 8000  # characters of one event: a traceback, with room
Clock = Callable[[], int]


def is_journal(stream: TextIO | None, environ: Mapping[str, str]) -> bool:
    """Whether a stream goes to the journal, which systemd says by device and inode in `JOURNAL_STREAM`."""
    if stream is None:
        return False
    try:
        there = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}"


class Log:
    """`form`: "text" or "json"; `stream`: where to, None for nowhere; `journal`: priorities stand before the lines;
    `utc_ms` and `now_ms`: the time of day, and one that never goes back."""

    def __init__(
        self, form: str, stream: TextIO | None, *, journal: bool = False, utc_ms: Clock, now_ms: Clock
    ) -> None:
        self._json = form == "json"
        self._stream = stream
        self._journal = journal
        self._utc_ms = utc_ms
        self._now_ms = now_ms
        self._room = float(MOST_AT_ONCE)
        self._at_ms = now_ms()
        self._left_out = 0
        self._lock = threading.Lock()  # parts are threads, and a line is one line

    def say(self, level: str, part: str, event: str, text: str) -> None:
        """One event. Never raises: no program stops because its log is full, closed, or read by nobody."""
        with self._lock:
            if not self._has_room():
                self._left_out += 1
                return
            if self._left_out:
                words = f"{self._left_out} lines were left out: too many at once"
                self._left_out = 0
                self._write(WARNING, BASE, "left out", words)
            self._write(level, part, event, text[:LONGEST])

    def _has_room(self) -> bool:
        now_ms = self._now_ms()
        self._room = min(MOST_AT_ONCE, self._room + max(0, now_ms - self._at_ms) / MS_A_LINE)
        self._at_ms = now_ms
        if self._room < 1:
            return False
        self._room -= 1
        return True

    def _write(self, level: str, part: str, event: str, text: str) -> None:
        if self._json:
            at = datetime.fromtimestamp(self._utc_ms() / 1000, UTC)
            said = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            fields = {"time": said, "level": level, "part": part, "event": event, "text": text}
            lines = [json.dumps(fields, ensure_ascii=False)]
        else:
            lines = f"trapbase: {text if part == BASE else f'{part}: {text}'}".splitlines()
        # A line break would end the priority too: each line of a traceback has its own.
        before = f"<{PRIORITIES[level]}>" if self._journal else ""
        if self._stream is None:
            return
        try:
            print("\n".join(before + line for line in lines), file=self._stream, flush=True)
        except (OSError, ValueError):
            if self._stream is sys.stderr:
                keep_nothing()
                self._stream = sys.stderr


class Libraries(logging.Handler):
    """What libraries say through `logging`, as lines of ours; `part`: under whose name."""

    def __init__(self, log: Log, part: str) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._part = part

    def emit(self, record: logging.LogRecord) -> None:
        level = ERROR if record.levelno >= logging.ERROR else WARNING
        self._log.say(level, self._part, record.name, self.format(record))


def to_stderr(form: str) -> Log:
    """The log of this process."""
    return Log(
        form,
        sys.stderr,
        journal=is_journal(sys.stderr, os.environ),
        utc_ms=lambda: time.time_ns() // 1_000_000,
        now_ms=lambda: time.monotonic_ns() // 1_000_000,
    )
