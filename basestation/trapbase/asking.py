"""What people ask of traps, from the bus to the link's words, and what comes of it, back onto the bus.

Keeps nothing: ingest, which has it in its database, says it again until it is settled.
"""

import json
from collections import OrderedDict

from trapkit import topics
from trapkit.topics import MessageBus
from trapwire.basewords import BaseWords
from trapwire.errors import WireError
from trapwire.objects import ALERT, CROP, FRAME, ObjectKey, unpack_keys
from trapwire.words import ON_TRIAL, OUTCOME_NAMES, SETTING_CODES

FORGET_MS = 600_000  # what nobody says any more is not asked for any more
MAX_SETTING_BYTES = 256
MAX_ANSWERS = 4096  # remembered, so that a repeat costs no air
RADIO_RUNGS = (ALERT, CROP, FRAME)


def read_setting(payload: bytes) -> tuple[int, int, int]:
    """Command, setting's code and value of a message on `setting/<trap>`.  Raises: WireError."""
    if len(payload) > MAX_SETTING_BYTES:
        raise WireError(f"setting of {len(payload)} bytes")
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise WireError("setting is not JSON") from error
    if not isinstance(said, dict) or set(said) != {"command", "setting", "value"}:
        raise WireError("setting is not an object of command, setting and value")
    command, name, value = said["command"], said["setting"], said["value"]
    if type(command) is not int or not 0 <= command < 1 << 16 or type(value) is not int or not 0 <= value < 1 << 32:
        raise WireError("command or value of a setting is out of bounds")
    if not isinstance(name, str) or name not in SETTING_CODES:
        raise WireError(f"setting {str(name)[:40]!r} is unknown")
    return command, SETTING_CODES[name], value


class Asking:
    """Between `bus` and `words`. `lost`: wishes and settings for which a trap has no room now; they come again."""

    def __init__(self, words: BaseWords, bus: MessageBus) -> None:
        self._words = words
        self._bus = bus
        self._answers: OrderedDict[tuple[int, int], tuple[tuple[int, int], bytes]] = OrderedDict()
        self._asked: dict[tuple[int, int], tuple[int, int]] = {}  # setting and value, by trap and command
        self._said_ms: dict[ObjectKey | tuple[int, int], int] = {}
        self._unsaid: OrderedDict[tuple[int, int], bytes] = OrderedDict()
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
        """A setting; one whose outcome is known is answered from memory.  Raises: WireError."""
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
        for (trap, command), answer in list(self._unsaid.items()):
            if not self._bus.publish(topics.answer(trap), answer):
                return
            del self._unsaid[trap, command]
