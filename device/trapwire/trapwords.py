"""What a trap makes of its base's words, and its replies until the base has heard them (PROTOCOL.md section 6)."""

from trapwire.errors import WireError
from trapwire.objects import ObjectKey
from trapwire.words import MARGIN, SETTING, TIME, WANTED, decode_word, encode_reply

REPLY_TRIES = 8  # in a row without an answer; then a reply waits until the base is heard again


class TrapWords:
    """Words in, events out; the reply that waits for an answer.

    skipped: items that this trap does not know.
    """

    def __init__(self, trap: int) -> None:
        self._trap = trap
        self.skipped = 0
        self._reply: "tuple[int, int, int] | None" = None  # only the last: an earlier command's outcome is history
        self._sent: "tuple[int, int, int] | None" = None
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
        self.skipped += skipped
        return events

    def say(self, command: int, outcome: int, value: int) -> None:
        """Reply this, at once and until it is answered; it takes the place of a reply that still waited."""
        self._reply = (command, outcome, value)
        self._tries = 0

    def due(self) -> bool:
        """Whether a reply is to be sent now."""
        return self._reply is not None and self._tries < REPLY_TRIES

    def take(self) -> bytes:
        """The payload of the reply that is due."""
        self._tries += 1
        self._sent = self._reply
        return encode_reply(*(self._reply or (0, 0, 0)))

    def heard(self) -> None:
        """The base was heard: a reply that had given up has its chance."""
        self._tries = 0

    def answered(self) -> "list[tuple[object, ...]]":
        """The answer to the reply sent last has ended: ("replied", command, outcome)."""
        sent, self._sent = self._sent, None
        if sent is None:
            return []
        if self._reply == sent:
            self._reply = None
        return [("replied", sent[0], sent[1])]
