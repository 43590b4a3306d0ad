"""What the test's board says of itself in front of what the interpreter says: run before boot.py."""


def _claim():
    import json
    import os
    import sys
    import time

    import _board

    claim = json.loads(_board.claim)

    class Told:
        name = "micropython"

        def __init__(self):
            self._machine = claim["machine"]
            self._mpy = claim["mpy"]
            self.version = tuple(claim["version"]) + ("",)

        def __getitem__(self, index):
            return (self.name, self.version)[index]

    class Sys:
        implementation = Told()
        platform = claim["platform"]

        def __getattr__(self, name):
            return getattr(real_sys, name)

    class Os:
        def __getattr__(self, name):
            return getattr(real_os, name)

        def statvfs(self, path):
            return (1, 1, claim.get("flash_bytes") or 1 << 21, _board.free_bytes(), 0, 0, 0, 0, 0, 255)

    class Machine:
        PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = range(1, 6)

        def reset_cause(self):
            return self.PWRON_RESET

        def reset(self):
            _board.reset()

    class Time:
        def __getattr__(self, name):
            return getattr(real_time, name)

        def sleep(self, seconds):
            """Ctrl-C ends it, as on a board."""
            until = real_time.ticks_add(real_time.ticks_ms(), int(seconds * 1000))
            while (left := real_time.ticks_diff(until, real_time.ticks_ms())) > 0:
                if _board.key(left) == 3:
                    raise KeyboardInterrupt

    real_sys, real_os, real_time = sys, os, time
    sys.modules["time"] = Time()
    sys.modules["sys"] = Sys()
    sys.modules["os"] = Os()
    sys.modules["machine"] = Machine()


_claim()
