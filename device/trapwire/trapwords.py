"""What a trap makes of its base's words; its replies and log excerpts until the base has heard them (PROTOCOL.md
section 6)."""

from trapwire.errors import WireError
from trapwire.frame import LOG, REPLY
from trapwire.objects import ObjectKey
from trapwire.words import (
    LOG_ENTRY_BYTES,
    LOG_HEAD_BYTES,
    LOG_WANTED,
    MARGIN,
    SETTING,
    TIME,
    WANTED,
    decode_word,
    encode_log,
    encode_reply,
)

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Protocol

    class Log(Protocol):
        """What an excerpt is taken from (`trapmcu.eventlog`)."""

        def find(self, first: int, count: int) -> tuple[int, int]: ...
        def read(self, first: int, count: int) -> tuple[int, bytes]: ...


REPLY_TRIES = 8  # in a row without an answer; then a reply waits until the base is heard again


class TrapWords:
    """Words in, events out; the reply that waits for an answer, and the excerpt that was asked for.

    skipped: items that this trap does not know; log: the unit's, None for one that keeps none.
    """

    def __init__(self, trap: int) -> None:
        self._trap = trap
        self.log: "Log | None" = None
        self.skipped = 0
        self._reply: "tuple[int, int, int] | None" = None  # only the last: an earlier command's outcome is history
        self._excerpt: "tuple[int, int] | None" = None  # sequences from, to
        self._sent: "tuple[int, ...] | None" = None  # a reply, or an excerpt's rest behind the frame
        self._tries = 0

    def read(self, payload: bytes) -> "list[tuple[object, ...]]":
        """The events of a word: ("time", Unix ms, uncertainty ms), ("margin", dB), ("wanted", key),
        ("setting", command, setting, value).  Raises: WireError, and then nothing of the word counts.
        """
        items, skipped = decode_word(payload)
        events: "list[tuple[object, ...]]" = []
        for item in items:
            if item[0] == TIME:
                events.append(("time",) + item[1:])
            elif item[0] == MARGIN:
                events.append(("margin", item[1]))
            elif item[0] == SETTING:
                events.append(("setting",) + item[1:])
            elif item[0] == WANTED:
                try:
                    events.append(("wanted", ObjectKey(self._trap, item[1], item[2], item[3])))
                except WireError:
                    skipped += 1  # a rung of a later version
            elif item[0] == LOG_WANTED and self.log is not None:
                self._excerpt = self.log.find(item[1], item[2])
                self._tries = 0
                if self._sent is not None and len(self._sent) == 2:
                    self._sent = None  # asked for anew in the answer to another excerpt's frame
            else:
                skipped += 1
        self.skipped += skipped
        return events

    def say(self, command: int, outcome: int, value: int) -> None:
        """Reply this, at once and until it is answered; it takes the place of a reply that still waited."""
        self._reply = (command, outcome, value)
        self._tries = 0

    def due(self) -> bool:
        """Whether a reply or an excerpt is to be sent now."""
        return (self._reply is not None or self._excerpt is not None) and self._tries < REPLY_TRIES

    def take(self, room: int) -> "tuple[int, bytes]":
        """Kind and payload, of `room` bytes at most, of what is due: a reply before an excerpt."""
        self._tries += 1
        if self._reply is not None or self._excerpt is None or self.log is None:
            self._sent = self._reply
            return REPLY, encode_reply(*(self._reply or (0, 0, 0)))
        first, end = self._excerpt
        first, entries = self.log.read(first, min(end - first, (room - LOG_HEAD_BYTES) // LOG_ENTRY_BYTES))
        behind = first + len(entries) // LOG_ENTRY_BYTES
        if not entries:
            end = behind  # what was to come is no longer there
        self._sent = (behind, end)
        return LOG, encode_log(first, max(0, end - behind), entries)

    def heard(self) -> None:
        """The base was heard: a reply that had been given up has its chance; for an excerpt the base asks again."""
        if self._tries >= REPLY_TRIES:
            self._excerpt = None
        self._tries = 0

    def answered(self) -> "list[tuple[object, ...]]":
        """The answer to the reply or excerpt sent last has ended: ("replied", command, outcome)."""
        sent, self._sent = self._sent, None
        if sent is None:
            return []
        if len(sent) == 2:
            self._excerpt = (sent[0], sent[1]) if sent[0] < sent[1] else None
            return []
        events: "list[tuple[object, ...]]" = [("replied", sent[0], sent[1])]
        if self._reply == sent:
            self._reply = None
        return events
