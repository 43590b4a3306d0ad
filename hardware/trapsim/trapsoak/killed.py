"""A season in real time whose trap is a process of its own, on a real serial line, killed again and again.

What it wrote, it wrote as a process does; what it did not, nobody has. Supervisor and base are the parent's.
"""

import os
import pty
import select
import signal
import time
import tty
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from nacl.signing import SigningKey

from trapcam.status import read_status
from trapkit.errors import StorageError
from trapkit.serialport import SerialPort
from trapship.keys import make_keys
from trapsim.trapsoak.books import Books, close_books
from trapsim.trapsoak.journal import Journal, Journaled, Watched, read_journal
from trapsim.trapsoak.outside import TRAP, Outside
from trapsim.trapsoak.pi import Pi, settings_of
from trapsim.trapsoak.plan import UTC_MS, Season, draws_of
from trapsim.trapsoak.planted import MIDDLE, MarkReader, PlantedCamera
from trapwire.serialline import SerialDecoder, encode_message

BURSTS = 40  # of such a season
HURRY = 20  # outside, so much more time passes than on the clock
LIVES_S = (0.03, 0.7)  # of its CPU's time until the kill: on a busy machine a trap must get as far as on another
IDLE_LIVES = 10  # by the clock a life lasts so many times as long at the most
LIMIT_S = 1_200.0
LOOK_S = 0.1
IN_REAL_TIME = ("supervisor silent", "queue full")  # of the spells; the rest needs virtual time


class KilledRun:
    """Plays a season in `folder`, which is new. `counts`: kills, and what was outside."""

    def __init__(self, season: Season, folder: Path) -> None:
        self.season = replace(
            season,
            bursts=season.bursts[:BURSTS],
            spells=tuple(spell for spell in season.spells if spell[0] in IN_REAL_TIME),
            moments=tuple(moment for moment in season.moments if moment[1].startswith("receipt ")),
            networked=False,
        )
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._draws = draws_of(season.seed, season.number, "kills")
        folder.mkdir(parents=True)
        make_keys(folder / "keys")
        backend = SigningKey(bytes(range(32)))
        (folder / "keys" / "backend.pub").write_text(bytes(backend.verify_key).hex())
        self._outside = Outside(self.season, backend, networked=False)
        self._outside.done = lambda: self._done
        self._done = False

    def run(self) -> Books:
        """The whole season, then the books."""
        master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        try:
            self._live(master, os.ttyname(slave))
        finally:
            os.close(master)
            os.close(slave)
        self.counts += self._outside.counts
        journal = read_journal(self._folder / "journal")
        return close_books(self.season, self._folder, self._outside, journal, MarkReader.description.thresholds, [])

    def _live(self, master: int, line: str) -> None:
        decoder, moments = SerialDecoder(), list(self.season.moments)
        began = time.monotonic()
        child, born, life_s, look_at = 0, 0.0, 0.0, 0.0
        while True:
            at = time.monotonic() - began
            now = int(at * 1000 * HURRY)
            if at > LIMIT_S:
                self._outside.violation(f"after {LIMIT_S:.0f} s the killed trap has not told all")
                break
            if child == 0:
                child, born, life_s = self._fork(line), at, self._draws.uniform(*LIVES_S)
                self.counts["starts"] += 1
            while moments and moments[0][0] <= now:
                if not self._outside.strike(moments[0][1]):
                    moments.append((now + 5_000, moments[0][1]))
                moments.pop(0)
            if at >= look_at:
                look_at = at + LOOK_S
                if self._finished(bool(moments)):
                    break
            if not self._done and (at - born >= IDLE_LIVES * life_s or _cpu_s(child) >= life_s):
                self._kill(child)
                child = 0
                self.counts["real kills"] += 1
                self._outside.switched_off()
                continue
            self._talk(master, decoder, now)
        if child:
            self._kill(child)

    def _talk(self, master: int, decoder: SerialDecoder, now: int) -> None:
        for kind, payload in self._outside.speak(now):
            data = encode_message(kind, payload)
            with suppress(BlockingIOError):  # a line that nobody reads is full: what is said there is lost
                os.write(master, data)
        if select.select([master], [], [], 0.005)[0]:
            for kind, payload in decoder.feed(os.read(master, 65536)):
                self._outside.hear(kind, payload, now)

    def _finished(self, more: bool) -> bool:
        try:
            status = read_status(self._folder / "data", TRAP)
        except StorageError:
            return False  # killed, or looked at, before its first start had made the tables
        position = sum(source["position"] for source in status["sources"].values())
        self._done = position >= len(self.season.bursts)
        # Of what is stored the word that it is delivered may be lost: it is asked for at the next start, not before.
        states = {state for rung in status["objects"].values() for state in rung}
        return self._done and not more and self._outside.settled and "waiting" not in states

    def _kill(self, child: int) -> None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    def _fork(self, line: str) -> int:
        child = os.fork()
        if child:
            return child
        try:
            self._trap(line)
        finally:
            os._exit(70)

    def _trap(self, line: str) -> None:
        """The child's whole life."""
        journal = Journal(self._folder / "journal")
        planted = PlantedCamera(self.season, _system_ms, lambda ms: time.sleep(ms / 1000 / HURRY))
        camera = Journaled(planted, journal, MIDDLE, lambda: None)
        judge = Watched(MarkReader(), journal, lambda: None)
        pi = Pi(
            settings_of(self._folder, HURRY), camera, judge, SerialPort(line), system_ms=_system_ms,
            monotonic_ms=lambda: time.monotonic_ns() // 1_000_000, broker=None, journal=journal,
        )  # fmt: skip
        while True:
            if not pi.step():
                time.sleep(0.002)


def _cpu_s(child: int) -> float:
    """The CPU seconds of a process so far."""
    return int(Path(f"/proc/{child}/schedstat").read_text().split()[0]) / 1e9


def _system_ms() -> int:
    return UTC_MS + time.monotonic_ns() // 1_000_000 % 86_400_000
