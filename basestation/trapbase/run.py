"""Drives the parts: one thread each, all stopped together; a part that fails ends the process.

Half a base that looks alive is worse than none: systemd, or the demo, starts the whole again, and everything
survives that.
"""

import signal
import threading
import time
import traceback
from collections.abc import Callable

from trapbase.config import Settings
from trapbase.parts import Part, build_forward, build_gateway, build_ingest, build_outlet
from trapkit import progress
from trapkit.errors import SetupError, StorageError

BUILDERS: dict[str, Callable[[Settings], Part]] = {
    "gateway": build_gateway,
    "ingest": build_ingest,
    "forward": build_forward,
}
SIGNALS = (signal.SIGTERM, signal.SIGINT)
OUTLETS = "outlets"  # one thread for each of them, so that none waits for another
PARTS = (*BUILDERS, OUTLETS, "page")
STOP_WITHIN_S = 6.0  # a part may be waiting for a silent back end; nothing is lost by leaving it
TROUBLE_AFTER_S = 1.0  # what is mended within this time of the start was no trouble: a connection takes a moment
TROUBLE_EVERY_S = 5.0  # a part's trouble is said when it changes, at most this often
LONGEST_TROUBLE = 300


class Runner:
    """Runs the named parts until a signal comes, `stop` is set, or one fails; `say` takes lines for people."""

    def __init__(self, settings: Settings, names: list[str], stop: threading.Event, say: Callable[[str], None]) -> None:
        self._settings = settings
        outlets = [f"outlet {outlet.name}" for outlet in settings.outlet]
        self._names = [name for part in names for name in (outlets if part == OUTLETS else [part])]
        self._stop = stop
        self._say = say
        self._code = 0

    def run(self) -> int:
        """Exit code: 0 stopped, 1 a part failed, 2 a setting must be mended."""
        # Waited for below and not handled: a handler may interrupt the very lock that it needs.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        threads = [threading.Thread(target=self._guard, args=(name,), name=name, daemon=True) for name in self._names]
        for thread in threads:
            thread.start()
        while not self._stop.is_set():
            if signal.sigtimedwait(SIGNALS, 0.25) is not None:
                self._stop.set()
        deadline = time.monotonic() + STOP_WITHIN_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return self._code

    def _guard(self, name: str) -> None:
        try:
            if name == "page":
                # Starlette and uvicorn cost 20 MB that a base without a page does not need.
                from trapbase.page import serve_page

                serve_page(self._settings, self._stop, self._say)
            else:
                self._drive(name, self._build(name))
        except SetupError as error:
            self._fail(2, f"{name}: {error}")
        except (StorageError, OSError) as error:
            self._fail(1, f"{name}: {error}")
        except Exception:
            self._fail(1, f"{name} failed:\n{traceback.format_exc()}")

    def _build(self, name: str) -> Part:
        if name in BUILDERS:
            return BUILDERS[name](self._settings)
        (outlet,) = (o for o in self._settings.outlet if f"outlet {o.name}" == name)
        return build_outlet(self._settings, outlet)

    def _fail(self, code: int, text: str) -> None:
        self._say(text)
        self._code = max(self._code, code)
        self._stop.set()

    def _drive(self, name: str, part: Part) -> None:
        said, next_word = "", time.monotonic() + TROUBLE_AFTER_S
        try:
            self._say(f"{name}: running")
            while not self._stop.is_set():
                moved = part.step(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)
                trouble = part.trouble()[:LONGEST_TROUBLE]
                if trouble != said and time.monotonic() >= next_word:
                    self._say(f"{name}: {trouble or 'all is well again'}")
                    said, next_word = trouble, time.monotonic() + TROUBLE_EVERY_S
                if not moved:
                    self._stop.wait(part.idle_s)
        finally:
            part.close()


def say(text: str) -> None:
    """A line of progress or trouble."""
    progress.say(f"trapbase: {text}")
