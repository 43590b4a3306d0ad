"""One object through two real Reticulum instances: two processes, two ptys, and `reticulum_line.Medium` between them.

Every wait has a limit; only processes that were started here are ended here.
"""

import hashlib
import os
import random
import select
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trapsim.fades import Independent
from trapsim.reticulum_line import BASE, TRAP, Count, Deframer, Medium, framed

RNS_VERSION = "1.5.7"
_ROOT = Path(__file__).resolve().parents[2]
VENV = _ROOT / ".venv-rns"
PEER = Path(__file__).with_name("reticulum_peer.py")
INSTALL_S = 600  # of pip, on a slow line
START_S = 90  # until a process has opened its line: two seconds on a machine at rest
LINK_S = 120  # until the link stands: five seconds at SF9
TRANSFER_S = 480  # of one object: 50 s at SF9 without loss; then it counts as not delivered
END_S = 5
STARTS = threading.Semaphore(2)  # trials that start at once: importing Reticulum is what takes the processor
BIT_S = 1760  # of SF9 at 125 kHz, 4/5: what Reticulum is told of the line, and times its first waits by
CONFIG = """[reticulum]
enable_transport = no
share_instance = no
[interfaces]
[[line]]
type = SerialInterface
enabled = yes
port = {port}
speed = 115200
bitrate = {bitrate}
"""


class PeerError(Exception):
    """Reticulum could not be had, or did not do what every run needs."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """`paced`: packets take their airtime at `sf`. `each`: what is lost by itself, a LoRa `frame` or a `packet`."""

    size: int
    loss: float
    each: str
    paced: bool
    sf: int
    seed: int


def install(say: Callable[[str], None]) -> Path:
    """The interpreter of an environment with `rns`, made when it is not there.  Raises: PeerError."""
    python = VENV / "bin" / "python"
    check = [str(python), "-c", f"import RNS, sys; sys.exit(RNS.__version__ != {RNS_VERSION!r})"]
    if python.exists() and subprocess.run(check, capture_output=True, check=False).returncode == 0:
        return python
    say(f"installing rns {RNS_VERSION} into {VENV}…")
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(python)]
    constraints = str(_ROOT / "deploy" / "constraints.txt")
    for command in (
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)],
        [*pip, "install", "-c", constraints, f"rns=={RNS_VERSION}"],
    ):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        except subprocess.TimeoutExpired:
            raise PeerError(f"rns {RNS_VERSION} cannot be installed: no end within {INSTALL_S} s") from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise PeerError(f"rns {RNS_VERSION} cannot be installed: {last}")
    return python


class Line(threading.Thread):
    """Two ptys with the medium between them; `ports` are what the two ends open."""

    def __init__(self, medium: Medium) -> None:
        super().__init__(name="reticulum line", daemon=True)
        self.lock = threading.Lock()
        self.ports: dict[int, str] = {}
        self._medium = medium
        self._masters: dict[int, int] = {}
        self._slaves: list[int] = []
        self._stop_read, self._stop_write = os.pipe()

    def open(self) -> None:
        """Make the ptys and begin."""
        for end in (TRAP, BASE):
            self._masters[end], slave = os.openpty()
            tty.setraw(slave)
            os.set_blocking(self._masters[end], False)
            self._slaves.append(slave)
            self.ports[end] = os.ttyname(slave)
        self.start()

    def close(self) -> None:
        os.write(self._stop_write, b"x")
        self.join()
        for fd in (*self._masters.values(), *self._slaves, self._stop_read, self._stop_write):
            os.close(fd)

    def run(self) -> None:
        ends = {fd: end for end, fd in self._masters.items()}
        deframers = {end: Deframer() for end in self._masters}
        out = dict.fromkeys(self._masters, b"")
        while True:
            with self.lock:
                for end, packet in self._medium.advance(time.monotonic_ns() // 1000):
                    out[end] += framed(packet)
                due = self._medium.deadline_us()
            wait_s = None if due is None else max(0, due / 1e6 - time.monotonic())
            writers = [self._masters[end] for end, data in out.items() if data]
            ready, writable, _ = select.select([*ends, self._stop_read], writers, [], wait_s)
            if self._stop_read in ready:
                return
            for fd in writable:
                out[ends[fd]] = out[ends[fd]][os.write(fd, out[ends[fd]]) :]
            for fd in ready:
                packets = list(deframers[ends[fd]].feed(os.read(fd, 4096)))
                with self.lock:
                    for packet in packets:
                        self._medium.offer(ends[fd], packet)


class Peer:
    """A process of `reticulum_peer.py`; its lines."""

    def __init__(self, python: Path, folder: Path, role: str, port: str, *rest: str) -> None:
        folder.mkdir()
        (folder / "config").write_text(CONFIG.format(port=port, bitrate=BIT_S))
        with (folder / "errors").open("wb") as errors:
            self._process = subprocess.Popen(
                [str(python), str(PEER), role, str(folder), *rest],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        self._folder = folder
        self._text = b""

    def wait_for(self, word: str, limit_s: float) -> str | None:
        """The rest of the first line that begins with `word`; None when none came in time or the process ended."""
        assert self._process.stdout is not None
        end = time.monotonic() + limit_s
        while True:
            *lines, self._text = self._text.split(b"\n")
            for at, line in enumerate(lines):
                first, _, rest = line.decode("utf-8", "replace").partition(" ")
                if first == word:
                    self._text = b"\n".join([*lines[at + 1 :], self._text])
                    return rest
            left_s = end - time.monotonic()
            if left_s <= 0 or not select.select([self._process.stdout], [], [], left_s)[0]:
                return None
            data = os.read(self._process.stdout.fileno(), 4096)
            if not data:
                return None
            self._text += data

    def need(self, word: str, limit_s: float) -> str:
        """The same.  Raises: PeerError when it does not come."""
        found = self.wait_for(word, limit_s)
        if found is None:
            errors = (self._folder / "errors").read_text("utf-8", "replace").strip().splitlines()
            why = f": {errors[-1]}" if errors else ""
            raise PeerError(f"Reticulum did not say {word!r} within {limit_s} s{why}")
        return found

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """End the process, in `END_S` at most."""
        for stop in (self._process.terminate, self._process.kill):
            stop()
            try:
                self._process.wait(END_S)
                break
            except subprocess.TimeoutExpired:
                continue
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def run_trial(python: Path, trial: Trial) -> dict[str, Any]:
    """Set a link up without loss, then send an object through the trial's channel.  Raises: PeerError."""
    data = random.Random(trial.seed).randbytes(trial.size)  # noqa: S311 - any bytes, repeatable
    medium = Medium(sf=trial.sf, paced=trial.paced, whole_packets=trial.each == "packet")
    line = Line(medium)
    line.open()
    peers: list[Peer] = []
    with tempfile.TemporaryDirectory(prefix="reticulum-") as name:
        folder = Path(name)
        (folder / "object").write_bytes(data)
        try:
            with STARTS:
                base = Peer(python, folder / "base", "receive", line.ports[BASE])
                peers.append(base)
                key = base.need("ready", START_S)
                trap = Peer(python, folder / "trap", "send", line.ports[TRAP], key, str(folder / "object"))
                peers.append(trap)
                trap.need("linked", START_S + LINK_S)
                base.need("linked", LINK_S)
            with line.lock:
                setup = medium.take_count()
                medium.losses = Independent(trial.loss, trial.seed)
            began = time.monotonic()
            trap.go()
            done = trap.wait_for("done", TRANSFER_S)
            seconds = time.monotonic() - began
            with line.lock:
                transfer = medium.take_count()
            digest = base.wait_for("received", 1)
        finally:
            for peer in peers:
                peer.end()
            line.close()
    return {
        "seed": trial.seed,
        "delivered": done == "complete" and digest == hashlib.sha256(data).hexdigest(),
        "ended": done or "limit",
        "seconds": round(seconds, 1),
        "setup": _both(setup),
        "transfer": _both(transfer),
    }


def _both(counts: dict[int, Count]) -> dict[str, dict[str, int]]:
    return {"up": asdict(counts[TRAP]), "down": asdict(counts[BASE])}
