"""What the supervisor says of its slots, asked over the Pi's line (pure; `trapkit.update.firmware` has the bytes)."""

from collections.abc import Callable

from trapcam.timers import due
from trapkit.update.firmware import asking, turning
from trapwire.errors import WireError
from trapwire.slotask import Word, decode_word
from trapwire.slotwords import SETTLED, TURNED

ASK_EVERY_MS = 5_000
SILENT_AFTER_MS = 60_000  # it may start again meanwhile
RIGHT, WAITS, TURN, WRONG, SILENT = "right", "waits", "turn", "wrong", "silent"


class Talk:
    """say: a payload of FIRMWARE onto the line; whether it went. `word`: the last that was heard."""

    def __init__(self, say: Callable[[bytes], bool]) -> None:
        self._say = say
        self.word: Word | None = None
        self._asked_ms: int | None = None
        self._since_ms: int | None = None

    def hear(self, payloads: list[bytes]) -> Word | None:
        """What came on the line; the last word of it."""
        for payload in payloads:
            try:
                self.word = decode_word(payload)
                self._since_ms = None
            except WireError:
                continue
        return self.word if payloads else None

    def say(self, payload: bytes) -> bool:
        """Any other message of this conversation."""
        return self._say(payload)

    def ask(self, now_ms: int) -> None:
        """Ask how its slots are, as often as is due."""
        if due(self._asked_ms, now_ms, ASK_EVERY_MS):
            self._asked_ms = now_ms
            self._since_ms = now_ms if self._since_ms is None else self._since_ms
            self._say(asking())

    def stands(self, wanted: str, now_ms: int) -> str:
        """How it is with the slot of digest `wanted` (hexadecimal): RIGHT: it runs, proved; WAITS: for the supervisor;
        TURN: it is there and is to be told; WRONG: it is not there; SILENT: no answer for a minute."""
        self.ask(now_ms)
        word = self.word
        if self._since_ms is not None and due(self._since_ms, now_ms, SILENT_AFTER_MS):
            return SILENT
        if word is None:
            return WAITS
        if word.own.hex() == wanted:
            return RIGHT if word.stands == SETTLED else TURN if word.stands == TURNED else WAITS
        if word.other.hex() != wanted:
            return WRONG
        return WAITS if word.stands == TURNED else TURN

    def turn(self, wanted: str) -> None:
        """Tell it to start that slot next; its answer is asked for."""
        self.word = None
        self._say(turning(wanted))
