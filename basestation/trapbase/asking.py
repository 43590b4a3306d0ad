"""What people ask of traps, from the bus to the link's words, and what comes of it, back onto the bus.

Keeps nothing: ingest, which has it in its database, says it again until it is settled.
"""

import json
from collections import OrderedDict, deque

from trapkit import topics
from trapkit.topics import MessageBus
from trapwire.basewords import BaseWords
from trapwire.errors import WireError
from trapwire.objects import ALERT, CROP, FRAME, NOTE, SCENE, ObjectKey, unpack_keys
from trapwire.words import ON_TRIAL, OUTCOME_NAMES, SETTING_CODES

FORGET_MS = 600_000  # what nobody says any more is not asked for any more
MAX_SETTING_BYTES = 256
MAX_ANSWERS = 4096  # remembered, so that a repeat costs no air
LOG_DONE_MS = 60_000  # a log that has come whole is not asked for again at once: ingest's word of it crosses
MAX_ENTRIES = 255  # of one ask
RADIO_RUNGS = (ALERT, CROP, FRAME, NOTE, SCENE)


def read_log_ask(payload: bytes) -> tuple[int, int, int] | None:
    """Command, first sequence and count of a message on `setting/<trap>`; None when it asks for no log.

    Raises: WireError.
    """
    said = _read(payload)
    if not isinstance(said, dict) or set(said) != {"command", "first", "count"}:
        return None
    bounds = {"command": 1 << 16, "first": 1 << 32, "count": MAX_ENTRIES + 1}
    if any(type(said[name]) is not int or not 0 <= said[name] < bounds[name] for name in bounds):
        raise WireError("command, first or count of an ask for a log is out of bounds")
    return said["command"], said["first"], said["count"]


def read_setting(payload: bytes) -> tuple[int, int, int]:
    """Command, setting's code and value of a message on `setting/<trap>`.  Raises: WireError."""
    said = _read(payload)
    if not isinstance(said, dict) or set(said) != {"command", "setting", "value"}:
        raise WireError("setting is not an object of command, setting and value")
    command, name, value = said["command"], said["setting"], said["value"]
    if type(command) is not int or not 0 <= command < 1 << 16 or type(value) is not int or not 0 <= value < 1 << 32:
        raise WireError("command or value of a setting is out of bounds")
    if not isinstance(name, str) or name not in SETTING_CODES:
        raise WireError(f"setting {str(name)[:40]!r} is unknown")
    return command, SETTING_CODES[name], value


def _read(payload: bytes) -> object:
    if len(payload) > MAX_SETTING_BYTES:
        raise WireError(f"setting of {len(payload)} bytes")
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise WireError("setting is not JSON") from error


class Asking:
    """Between `bus` and `words`. `lost`: wishes and settings for which a trap has no room now; they come again."""

    def __init__(self, words: BaseWords, bus: MessageBus) -> None:
        self._words = words
        self._bus = bus
        self._answers: OrderedDict[tuple[int, int], tuple[tuple[int, int], bytes]] = OrderedDict()
        self._asked: dict[tuple[int, int], tuple[int, int]] = {}  # setting and value, by trap and command
        self._said_ms: dict[ObjectKey | tuple[int, int], int] = {}
        self._unsaid: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._logs: dict[int, tuple[int, int]] = {}  # by trap: the command that asks, and when it was said last
        self._logs_done: dict[int, tuple[int, int]] = {}  # by trap: the last command that was answered whole, and when
        self._entries: deque[tuple[int, bytes]] = deque(maxlen=MAX_ANSWERS)  # by trap: excerpts for the bus
        self.lost = 0

    def on_wanted(self, trap: int, payload: bytes, now_ms: int) -> None:
        """Keys of objects that a trap is to send.  Raises: WireError."""
        keys = unpack_keys(payload)
        if any(key.trap != trap or key.rung not in RADIO_RUNGS for key in keys):
            raise WireError(f"wanted of trap {trap}: another trap's, or of a rung that goes by no radio")
        for key in keys:
            if self._words.want(key):
                self._said_ms[key] = now_ms
            else:
                self.lost += 1

    def on_setting(self, trap: int, payload: bytes, now_ms: int) -> None:
        """A setting, or an ask for a log; one whose outcome is known is answered from memory.  Raises: WireError."""
        log = read_log_ask(payload)
        if log is not None:
            done = self._logs_done.get(trap)
            if done is None or done[0] != log[0] or now_ms - done[1] > LOG_DONE_MS:
                self._words.ask_log(trap, log[1], log[2])
                self._logs[trap] = (log[0], now_ms)
            return
        command, setting, value = read_setting(payload)
        known = self._answers.get((trap, command))
        if known is not None and known[0] == (setting, value):
            self._unsaid[trap, command] = known[1]
            return
        self._answers.pop((trap, command), None)
        if self._words.set(trap, command, setting, value):
            self._asked[trap, command] = (setting, value)
            self._said_ms[trap, command] = now_ms
        else:
            self.lost += 1

    def on_reply(self, trap: int, command: int, outcome: int, value: int) -> None:
        """A trap's reply: published, and remembered where it is the last word."""
        said = {"command": command, "outcome": OUTCOME_NAMES[outcome], "value": value}
        answer = json.dumps(said, sort_keys=True).encode()
        asked = self._asked.get((trap, command))
        if outcome != ON_TRIAL and asked is not None:
            del self._asked[trap, command]
            self._said_ms.pop((trap, command), None)
            self._answers[trap, command] = (asked, answer)
            if len(self._answers) > MAX_ANSWERS:
                self._answers.popitem(last=False)
        self._unsaid[trap, command] = answer
        if len(self._unsaid) > MAX_ANSWERS:
            self._unsaid.popitem(last=False)

    def on_log(self, trap: int, left: int, payload: bytes, now_ms: int) -> None:
        """A frame of a trap's log, with `left` entries to come: published, with the command that asked for it."""
        asked = self._logs.get(trap)
        if asked is not None and not left:
            if self._words.asks_log(trap):
                asked = None  # the end of an earlier ask's
            else:
                del self._logs[trap]
                self._logs_done[trap] = (asked[0], now_ms)
        said = {"command": asked[0] if asked else None, "log": payload.hex()}
        self._entries.append((trap, json.dumps(said, sort_keys=True).encode()))

    def on_committed(self, key: ObjectKey) -> None:
        """Ingest has this object, by whatever carrier."""
        if self._said_ms.pop(key, None) is not None:
            self._words.drop(key)

    def step(self, now_ms: int) -> None:
        """Forget what nobody asks for any more, and say what is not said yet; what the bus does not take waits."""
        for what in [w for w, said_ms in self._said_ms.items() if now_ms - said_ms > FORGET_MS]:
            del self._said_ms[what]
            if isinstance(what, ObjectKey):
                self._words.drop(what)
            else:
                self._words.unset(*what)
                self._asked.pop(what, None)
        for trap in [t for t, log in self._logs.items() if now_ms - log[1] > FORGET_MS]:
            del self._logs[trap]
            self._words.drop_log(trap)
        while self._entries:
            if not self._bus.publish(topics.answer(self._entries[0][0]), self._entries[0][1]):
                return
            self._entries.popleft()
        for (trap, command), answer in list(self._unsaid.items()):
            if not self._bus.publish(topics.answer(trap), answer):
                return
            del self._unsaid[trap, command]
