"""A running base whose disk fills, and whose log does: real processes, refused by the kernel."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from resource import RLIM_INFINITY

import pytest

from tests.base.running import TOOLS, Site, objects
from tests.faults.night import fill_disk_of
from tests.support import Broker, wait_for
from trapbase.cli import main

ROOM = "make room there; it goes on by itself"


class Listened:
    """A process whose stderr a test reads while it runs; a pipe, for the disk is full."""

    def __init__(self, site: Site, *more: str) -> None:
        command = [str(TOOLS / "trapbase"), "run", "--config", str(site.config), *more]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        site.processes.append(self.process)  # type: ignore[arg-type]
        self.said = ""
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.said += line

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(15)
        self._thread.join()
        assert self.process.stderr
        self.process.stderr.close()
        return code


def test_a_base_on_a_full_disk_goes_on_by_itself_when_there_is_room(site: Site, broker: Broker) -> None:
    """The frame counter's file: without it no frame may be sent, so that traps keep what they have."""
    base = Listened(site)
    wait_for(lambda: base.said.count("running") == 4)
    fill_disk_of(base.process.pid)
    site.modem.waiting = objects(2)

    def said(words: str) -> Callable[[], bool]:
        return lambda: words in (site.modem.step(), base.said)[1]

    wait_for(said(f"gateway: no trap is answered: {site.folder}/base/radio-counter: File too large: {ROOM}"))
    wait_for(said(f"{site.folder}/base/base.sqlite3"))
    assert len(site.modem.waiting) == 4
    fill_disk_of(base.process.pid, RLIM_INFINITY)
    wait_for(site.modem.step, 40)
    wait_for(said("ingest: all is well again"), 30)
    assert base.end() == 0
    assert "Traceback" not in base.said
    assert main(["verify", "--config", str(site.config)]) == 0


@pytest.mark.parametrize("log", ["/dev/full", "closed"])
def test_a_log_that_nobody_can_write_stops_no_base(site: Site, broker: Broker, log: str) -> None:
    with Path("/dev/full").open("wb") as full:
        command = [str(TOOLS / "trapbase"), "run", "--config", str(site.config), "--only", "ingest"]
        if log == "closed":
            command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
        # As systemd starts it: with a buffer, in which what the log refused would stay until the end.
        plain = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        process = subprocess.Popen(command, stderr=full, env=plain)
    site.processes.append(process)
    wait_for(lambda: (site.folder / "base" / "base.sqlite3").exists())
    wait_for(lambda: " as ingest " in (broker.folder / "log").read_text())
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
