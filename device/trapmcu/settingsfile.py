"""/settings/mcu.json, the ones before it, and the trial of new ones.

A file is a line of JSON, {"version": n, "settings": {…}}, and behind it a check of eight hexadecimal digits
(`boot.write`). A bare table of settings, as a person types it, is version 0 and needs no check. What `complete` refuses
is as good as damaged.

`propose` keeps the ones in force as mcu-before.json, writes `trial`, and then the new ones take their place by a
rename: whenever power is lost, mcu.json is whole, and on trial if it is the new one. A trial ends as a slot's does: by
`confirm`, when the base was heard; or the ones before are in force again, when it has cost 150 (a start costs 50, a
wake from sleep 1), when flash refuses to count, or after `trial_s`. A day for a file, where a setting by radio has ten
minutes: nobody waits for it, most of what a file changes cuts no link, and a base may be without sun for a night.
"""

import json
import os
import struct

from trapmcu.boot import START_COSTS, TRIAL, read, write

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable
    from typing import Any

TRIAL_S = 86400
ENTRY = ">IBI"  # version on trial, what is left of it, when it began


class SettingsFile:
    """The pair in `folder`; complete(settings): them with their defaults, or ValueError. After `load`:

    version: in force; damaged: mcu.json is, and the ones before are in force; reverted: a trial has ended so just now;
    since: when the trial began that goes on, None without one.
    """

    def __init__(self, folder: str, complete: "Callable[[Any], dict[str, Any]]", trial_s: int = TRIAL_S) -> None:
        self._path = folder + "/mcu.json"
        self._before = folder + "/mcu-before.json"
        self._trial = folder + "/trial"
        self._complete = complete
        self._trial_s = trial_s
        self._raw = b""
        self.version = 0
        self.damaged = self.reverted = False
        self.since: "int | None" = None

    def load(self, woke: bool, now_s: int) -> "dict[str, Any]":
        """The settings in force, a trial counted down. now_s: of the unit's clock, which goes on through resets.

        Raises: ValueError when neither file can be used: the unit shows it, and is set anew by USB.
        """
        new = self._read(self._path)
        self.damaged = new is None
        trial = read(self._trial) or b""
        if new is not None and len(trial) == 9:
            version, left, since = struct.unpack(ENTRY, trial)
            if version == new[0]:
                left -= 1 if woke else START_COSTS
                self.since = min(since, now_s)  # a clock that was lost begins anew
                self.reverted = left < 0 or self.expired(now_s) or not self._put(version, left)
        old = self._read(self._before) if self.damaged or self.reverted else None
        if old is not None:
            if self.reverted:
                try:
                    write(self._path, old[2])
                except OSError:
                    pass  # at the next start again
                self.since = None
            new = old
        elif self.reverted:
            self.reverted = False
            self.since = None  # nothing to go back to; `expired` would end in a reset, and that one in the next
        if new is None:
            raise ValueError("mcu.json")
        self.version, settings, self._raw = new
        return settings

    def propose(self, settings: "Any", now_s: int) -> None:
        """New settings, on trial from the next start on.  Raises: ValueError, OSError; the ones in force stay."""
        self._complete(settings)
        if self.since is None and not self.damaged:
            write(self._before, self._raw)
        self.since = now_s
        version = self.version + 1
        if not self._put(version, TRIAL):
            raise OSError
        write(self._path, (json.dumps({"version": version, "settings": settings}) + "\n").encode())

    def confirm(self) -> None:
        """The settings in force are good: a trial ends."""
        if self.since is not None:
            try:
                os.remove(self._trial)
                self.since = None
            except OSError:
                pass  # it is tried again

    def expired(self, now_s: int) -> bool:
        """Whether a trial goes on that has lasted too long: then start again, and `load` takes them back."""
        return self.since is not None and now_s - self.since >= self._trial_s

    def _put(self, version: int, left: int) -> bool:
        try:
            write(self._trial, struct.pack(ENTRY, version, left, self.since))
        except OSError:
            return False
        return True

    def _read(self, path: str) -> "tuple[int, dict[str, Any], bytes] | None":
        raw = read(path)
        is_checked = raw is not None
        try:
            if raw is None:
                with open(path, "rb") as file:
                    raw = file.read()
            said = json.loads(raw)
            version = 0
            if "version" in said:
                if not is_checked:
                    return None
                version, said = said["version"] & 0xFFFFFF, said["settings"]
            return version, self._complete(said), raw
        except (OSError, ValueError, KeyError, TypeError, RuntimeError):
            return None
