"""Settings by radio: done, refused, or put on trial (PROTOCOL.md section 6).

state     what ends it                                                      next
idle      a setting that could cut the link: "on trial" in flash            promised
promised  the base has answered the reply                                   trying, the new value in force
trying    an authentic frame of the base, where a window is tried an
          answer within it: the value and "done" in flash                   idle
          `trial_ms` over: "reverted" in flash, the old value in force      idle
any       a reset: "on trial" in flash becomes "reverted"                   idle
          another command: the old value is in force, then that one         idle, or promised
"""

from trapmcu.overlay import Last, Overlay
from trapwire.words import DONE, ON_TRIAL, OUT_OF_BOUNDS, REVERTED, SETTING_NAMES, UNKNOWN_SETTING

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

ASK_EVERY_MS = 60000  # under a value that is tried: the link gives up a reply that nobody answers
ON_TRIAL_FIRST = ("sf", "reply_window_ms")  # what could cut the link


class Trial:
    """say(command, outcome, value): a reply for the base; apply(setting, value): the value is in force from now on."""

    def __init__(
        self,
        overlay: Overlay,
        trial_ms: int,
        say: "Callable[[int, int, int], None]",
        apply: "Callable[[int, int], None]",
    ) -> None:
        self._overlay = overlay
        self._trial_ms = trial_ms
        self._say = say
        self._apply = apply
        self._promised = False
        self._until: "int | None" = None  # trying
        self._ask_at = 0
        last = overlay.last
        if last is not None and last.outcome == ON_TRIAL:
            self._settle(REVERTED, overlay.values)

    def on_setting(self, command: int, setting: int, value: int) -> None:
        """A setting has come. What flash refuses to remember is not done and not answered: the base says it again."""
        last = self._overlay.last
        if last is not None and last.is_repeat(command, setting, value):
            self._say(command, last.outcome, last.in_force)
            return
        self._end()
        own = self._overlay.values.get(setting, 0)
        values = dict(self._overlay.values)
        if setting not in SETTING_NAMES:
            outcome = UNKNOWN_SETTING
        elif not self._overlay.is_allowed(setting, value):
            outcome = OUT_OF_BOUNDS
        elif value != own and SETTING_NAMES[setting] in ON_TRIAL_FIRST:
            outcome = ON_TRIAL
        else:
            outcome = DONE
            values[setting] = own = value
        try:
            self._overlay.write(Last(command, setting, value, outcome, own), values)
        except OSError:
            return
        self._promised = outcome == ON_TRIAL
        if outcome == DONE:
            self._apply(setting, value)
        self._say(command, outcome, own)

    def on_replied(self, command: int, now: int) -> None:
        """The base has this command's reply: what was promised comes into force, and the base is asked under it."""
        last = self._overlay.last
        if last is None or last.command != command:
            return
        if not self._promised:
            self._confirm()
            return
        self._promised = False
        self._until = now + self._trial_ms
        self._apply(last.setting, last.value)
        self._ask_at = now

    def on_heard(self) -> None:
        """An authentic frame of the base, under the new value where one is tried. A late one proves no window."""
        last = self._overlay.last
        if last is not None and SETTING_NAMES.get(last.setting) != "reply_window_ms":
            self._confirm()

    def _confirm(self) -> None:
        last = self._overlay.last
        if self._until is None or last is None:
            return
        self._until = None
        values = dict(self._overlay.values)
        values[last.setting] = last.value
        if not self._settle(DONE, values):
            self._apply(last.setting, self._overlay.values[last.setting])  # flash is full: not for good, so not at all

    def step(self, now: int) -> "int | None":
        """Ask the base under a value that is tried, take back what it has not confirmed; when to call again."""
        last = self._overlay.last
        if self._until is None or last is None:
            return None
        if now >= self._until:
            self._end()
            return None
        if now >= self._ask_at:
            self._ask_at = now + ASK_EVERY_MS
            self._say(last.command, ON_TRIAL, last.value)
        return min(self._until, self._ask_at)

    def _end(self) -> None:
        """The old value is in force again, if another one is tried or promised."""
        last = self._overlay.last
        if last is None or not (self._promised or self._until is not None):
            return
        tried, self._until, self._promised = self._until is not None, None, False
        if tried:
            self._apply(last.setting, self._overlay.values[last.setting])
        self._settle(REVERTED, self._overlay.values)

    def _settle(self, outcome: int, values: "dict[int, int]") -> bool:
        last = self._overlay.last
        if last is None:
            return False
        in_force = values.get(last.setting, 0)
        new = Last(last.command, last.setting, last.value, outcome, in_force)
        try:
            self._overlay.write(new, values)
        except OSError:
            if outcome == DONE:
                new = Last(last.command, last.setting, last.value, REVERTED, self._overlay.values[last.setting])
            self._overlay.last = new  # in flash "on trial" stays, which the next start takes for "reverted"
            self._say(new.command, new.outcome, new.in_force)
            return False
        self._say(new.command, new.outcome, new.in_force)
        return True
