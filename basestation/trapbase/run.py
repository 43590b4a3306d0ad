"""Drives the parts: one thread each, all stopped together; a part that fails ends the process.

Half a base that looks alive is worse than none: systemd, or the demo, starts the whole again, and everything
survives that. A part that hangs cannot be ended from here: its process gets no keepalive (`ops/watch.py`).
"""

import faulthandler
import logging
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from trapbase.config import Settings
from trapbase.ops.log import ERROR, INFO, WARNING, Libraries, Log
from trapbase.ops.notify import Notifier, of_this_process
from trapbase.ops.watch import Watch
from trapbase.parts import PATIENCE_S, Part, build_forward, build_gateway, build_ingest, build_outlet, build_updates
from trapkit import progress
from trapkit.errors import SetupError, StorageError

BUILDERS: dict[str, Callable[[Settings], Part]] = {
    "gateway": build_gateway,
    "ingest": build_ingest,
    "forward": build_forward,
}
SIGNALS = (signal.SIGTERM, signal.SIGINT)
OUTLETS = "outlets"  # one thread for each of them, so that none waits for another
UPDATES = "updates"  # only where the settings name a source of releases
PARTS = (*BUILDERS, OUTLETS, UPDATES, "page")
STOP_WITHIN_S = 6.0  # a part may be waiting for a silent back end; nothing is lost by leaving it
TROUBLE_AFTER_S = 1.0  # what is mended within this time of the start was no trouble: a connection takes a moment
TROUBLE_EVERY_S = 5.0  # a part's trouble is said when it changes, at most this often
LONGEST_TROUBLE = 300
FIGURES_EVERY_S = 5.0  # counts are taken from a part


class Runner:
    """Runs the named parts until a signal comes, `stop` is set, or one fails; `log` takes lines for people."""

    def __init__(
        self,
        settings: Settings,
        names: list[str],
        stop: threading.Event,
        log: Log,
        notifier: Notifier | None = None,
    ) -> None:
        self._settings = settings
        outlets = [f"outlet {outlet.name}" for outlet in settings.outlet]
        expanded = {OUTLETS: outlets, UPDATES: [UPDATES] if settings.updates.source else []}
        self._names = [name for part in names for name in expanded.get(part, [part])]
        self._stop = stop
        self._log = log
        self._watch = Watch(self._names, Path(settings.folder), notifier or of_this_process(), log)
        self._code = 0

    def run(self) -> int:
        """Exit code: 0 stopped, 1 a part failed, 2 a setting must be mended."""
        with suppress(OSError, ValueError, AttributeError, RuntimeError):  # closed, none, or no file
            faulthandler.enable(sys.stderr)  # systemd ends a process that hangs by SIGABRT: where it hung is said
        libraries = Libraries(self._log, "page")
        logging.getLogger().addHandler(libraries)
        # Waited for below and not handled: a handler may interrupt the very lock that it needs.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        threads = [threading.Thread(target=self._guard, args=(name,), name=name, daemon=True) for name in self._names]
        for thread in threads:
            thread.start()
        while not self._stop.is_set():
            self._watch.step(_now_ms(), _utc_ms())
            if signal.sigtimedwait(SIGNALS, 0.25) is not None:
                self._stop.set()
        self._watch.stopping()
        deadline = time.monotonic() + STOP_WITHIN_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._watch.stopped(_utc_ms())
        logging.getLogger().removeHandler(libraries)
        return self._code

    def _guard(self, name: str) -> None:
        try:
            if name == "page":
                # Starlette and uvicorn cost 20 MB that a base without a page does not need.
                from trapbase.page import serve_page

                serve_page(self._settings, self._stop, self._started, lambda: self._watch.beat("page", _now_ms()))
            else:
                self._drive(name, self._build(name))
        except SetupError as error:
            self._fail(2, name, str(error))
        except (StorageError, OSError) as error:
            self._fail(1, name, str(error))
        except Exception:
            self._fail(1, name, f"failed:\n{traceback.format_exc()}")

    def _build(self, name: str) -> Part:
        if name in BUILDERS:
            return BUILDERS[name](self._settings)
        if name == UPDATES:
            return build_updates(self._settings)
        (outlet,) = (o for o in self._settings.outlet if f"outlet {o.name}" == name)
        return build_outlet(self._settings, outlet)

    def _started(self, words: str) -> None:
        self._watch.starts("page", round(PATIENCE_S * 1000), _now_ms())
        self._log.say(INFO, "page", "running", f"running at {words}")

    def _fail(self, code: int, name: str, text: str) -> None:
        self._log.say(ERROR, name, "failed", text)
        self._code = max(self._code, code)
        self._stop.set()

    def _drive(self, name: str, part: Part) -> None:
        said, next_word, next_figures = "", time.monotonic() + TROUBLE_AFTER_S, 0.0
        try:
            self._log.say(INFO, name, "running", "running")
            self._watch.starts(name, round(part.patience_s * 1000), _now_ms())
            while not self._stop.is_set():
                moved = part.step(_now_ms(), _utc_ms())
                self._watch.beat(name, _now_ms())
                trouble, now = part.trouble()[:LONGEST_TROUBLE], time.monotonic()
                if trouble != said and now >= next_word:
                    self._log.say(*_words(name, trouble))
                    said, next_word, next_figures = trouble, now + TROUBLE_EVERY_S, 0.0
                if now >= next_figures:
                    self._watch.says(name, said, part.figures(), _utc_ms())
                    next_figures = now + FIGURES_EVERY_S
                if not moved:
                    self._stop.wait(part.idle_s)
        finally:
            part.close()


def _words(name: str, trouble: str) -> tuple[str, str, str, str]:
    """Level, part, event and text."""
    return (WARNING, name, "trouble", trouble) if trouble else (INFO, name, "well", "all is well again")


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _utc_ms() -> int:
    return time.time_ns() // 1_000_000


def say(text: str) -> None:
    """A line of progress or trouble, of a command."""
    progress.say(f"trapbase: {text}")
