"""A base as it runs in the field, killed with SIGKILL: `trapbase run`, Mosquitto, the back end over HTTP, a pty.

Its traps are those of the other lives, in real time. It dies after a drawn time of its own CPU's, so that on a busy
machine it gets as far as on another; what the kernel has of it, it keeps, as after any kill.
"""

import os
import pty
import select
import signal
import subprocess
import sys
import time
import tty
from collections import Counter
from pathlib import Path
from typing import Any

from trapbase.config import frame_bytes
from trapkit.bus import Bus
from trapship.broker import write_broker
from trapship.certificates import PROGRAMS, make_fleet
from trapsim.basesoak.antenna import Antenna
from trapsim.basesoak.books import Books
from trapsim.basesoak.mortal import settings_in
from trapsim.basesoak.seams import ModemEnd
from trapsim.basesoak.things import BACKEND_KEY, BY_NETWORK, BY_RADIO, EPOCH, UTC_MS, sighting
from trapsim.basesoak.traps import NetTrap, RadioTrap
from trapsim.crash import Fuse
from trapsim.site import free_port
from trapsim.soakplan import draws_of
from trapsim.tools import find_mosquitto
from trapwire.linktimes import LinkTimes
from trapwire.serialline import SerialDecoder, encode_message

LIVES_S = (0.2, 2.5)  # of its CPU's time until the kill: a start alone takes about half a second
IDLE_LIVES = 30  # by the clock a life lasts so many times as long at the most
LIMIT_S = 3_600.0
QUIET_S = 120.0  # after the last kill everything is delivered within it
RADIO, NETWORK = 1, 2  # the two traps
BROKER_EVERY = 10  # kills of the base to one of the broker


class _Sessions:
    """Connects traps to the real broker, where a `MemoryBroker` would."""

    def __init__(self, fleet: Path, port: int) -> None:
        self._fleet = fleet
        self._port = port
        self.open: list[Bus] = []

    def connect(self, client_id: str, subscriptions: tuple[str, ...], *, may_publish: str = "#") -> Bus:
        """`may_publish` is what the broker's own access list says."""
        own = self._fleet / f"{client_id}.crt", self._fleet / f"{client_id}.key"
        bus = Bus("127.0.0.1", self._port, self._fleet / "ca.crt", *own, client_id, subscriptions)
        bus.start()
        self.open.append(bus)
        return bus


class Rig:
    """All programs of a site in `folder`, and the traps around them."""

    def __init__(self, folder: Path, seed: int, number: int) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.books = Books(folder)
        self._draws = draws_of(seed, number, "real kills")
        self._fleet, self._port, self._backend_port = folder / "fleet", free_port(), free_port()
        make_fleet(self._fleet, (*PROGRAMS, str(NETWORK)))
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        settings = settings_in(folder, 1, 1)
        (folder / "backend.key").write_text(bytes(BACKEND_KEY).hex())
        self._write_settings()
        self._broker_config = write_broker(folder / "broker", self._fleet, self._port)
        self._decoder = SerialDecoder()
        self._line = ModemEnd(Fuse())
        self._antenna = Antenna(self._line, self.books, 0.0, self._draws)
        pauses = draws_of(seed, number, "pauses")
        times = LinkTimes(heartbeat_ms=500, pause_max_ms=4000, pause_ms=200)
        self._antenna.traps.append(RadioTrap(RADIO, self.books, frame_bytes(settings.gateway), pauses, times))
        self._sessions = _Sessions(self._fleet, self._port)
        self._net = NetTrap(NETWORK, self.books, self._sessions, resend_ms=500)
        self._began = time.monotonic()
        self._seen = 0
        self.log = folder / "log"
        self._programs: dict[str, subprocess.Popen[bytes]] = {}

    def _write_settings(self) -> None:
        folder, traps = self.folder, ""
        for number in (RADIO, NETWORK):
            traps += f'[[trap]]\nnumber = {number}\nstation = "S001"\nlatitude = 43.1\nlongitude = 131.4\n'
        (folder / "base.toml").write_text(f"""\
name = "north"
folder = "{folder}/base"
box_key = "{folder}/box.key"
unit_keys = "{folder}/units"
[bus]
port = {self._port}
certificates = "{self._fleet}"
[gateway]
serial = "{os.ttyname(self._slave)}"
plan = "cn470"
keys = "{folder}/link"
republish_ms = 500
[batch]
max_age_s = 0.3
max_events = 3
[upload]
url = "http://127.0.0.1:{self._backend_port}"
public_key = "{folder}/backend.pub"
chunk_bytes = 4096
retry_min_s = 0.1
retry_max_s = 0.5
receipt_poll_s = 0.1
down_republish_ms = 300
{traps}""")

    def start(self, name: str) -> None:
        """One of the programs: broker, backend, base."""
        programs = Path(sys.executable).parent
        where = ["--folder", str(self.folder / "backend"), "--port", str(self._backend_port)]
        commands = {
            "broker": [find_mosquitto(), "-c", str(self._broker_config)],
            "backend": [str(programs / "trapsim"), "backend", *where, "--key", str(self.folder / "backend.key")],
            "base": [str(programs / "trapbase"), "run", "--config", str(self.folder / "base.toml"),
                     "--only", "gateway,ingest,forward"],
        }  # fmt: skip
        with self.log.open("ab") as log:
            self._programs[name] = subprocess.Popen(commands[name], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        """`kill -9`."""
        self._programs[name].send_signal(signal.SIGKILL)
        self._programs[name].wait()

    def exit_code(self, name: str) -> int | None:
        return self._programs[name].poll()

    def cpu_s(self, name: str) -> float:
        """The CPU seconds of a program so far."""
        return int(Path(f"/proc/{self._programs[name].pid}/schedstat").read_text().split()[0]) / 1e9

    def see(self) -> None:
        """A sighting of each trap."""
        self._seen += 1
        for trap, rungs in ((self._antenna.traps[0], BY_RADIO), (self._net, BY_NETWORK)):
            key = (trap.number, EPOCH, self._seen)
            trap.see(sighting(self._draws, key, UTC_MS + self._seen * 1000, rungs))

    def is_done(self) -> bool:
        return self._net.is_done and self._antenna.traps[0].is_done

    def moment(self) -> None:
        """What is due now at the traps; waits a few milliseconds."""
        now = int((time.monotonic() - self._began) * 1000)
        if select.select([self._master], [], [], 0.005)[0]:
            self._line.down += self._decoder.feed(os.read(self._master, 65536))
        self._antenna.step(now)
        self._net.step(now)
        for kind, payload in self._line.up:
            try:
                os.write(self._master, encode_message(kind, payload))
            except BlockingIOError:  # a line that nobody reads is full: what is said there is lost
                break
        self._line.up.clear()

    def close(self) -> None:
        """End everything that runs."""
        for bus in self._sessions.open:
            bus.stop()
        for program in self._programs.values():
            if program.poll() is None:
                program.kill()
                program.wait()
        os.close(self._master)
        os.close(self._slave)


def run_real(seed: int, number: int, folder: Path, kills: int) -> dict[str, Any]:
    """So many real kills on one folder: the counts and the violations."""
    rig = Rig(folder / "site", seed, number)
    draws = draws_of(seed, number, "moments")
    counts: Counter[str] = Counter()
    try:
        for name in ("broker", "backend"):
            rig.start(name)
        for left in range(kills, -1, -1):
            rig.start("base")
            counts["starts of trapbase run"] += 1
            if not _one_life(rig, draws.uniform(*LIVES_S) if left else None):
                break
            if left:
                rig.kill("base")
                counts["real kills of trapbase run"] += 1
                if counts["real kills of trapbase run"] % BROKER_EVERY == 0:
                    rig.kill("broker")
                    rig.start("broker")
                    counts["kills of the broker"] += 1
        rig.books.close()
    finally:
        rig.close()
    if "Traceback" in rig.log.read_text(errors="replace"):
        rig.books.violation(f"wrong: a traceback in {rig.log.name}: {rig.log.read_text(errors='replace')[-400:]}")
    return {"counts": dict(rig.books.counts) | dict(counts), "violations": rig.books.violations, "ended": {}}


def _one_life(rig: Rig, cpu_s: float | None) -> bool:
    """Until the kill is due; without one until all is delivered. Whether it is right so."""
    born = time.monotonic()
    while True:
        rig.moment()
        age_s = time.monotonic() - born
        if rig.exit_code("base") is not None:
            rig.books.violation(f"wrong: trapbase run ended with {rig.exit_code('base')}: {rig.log.read_text()[-300:]}")
            return False
        if cpu_s is None:
            if rig.is_done() and age_s > 1.0:
                return True
            if age_s > QUIET_S:
                rig.books.violation(f"lost: {QUIET_S:.0f} s after the last kill not all is delivered")
                return True
            continue
        if rig.is_done():
            rig.see()
        if rig.cpu_s("base") >= cpu_s or age_s >= IDLE_LIVES * cpu_s:
            return True
