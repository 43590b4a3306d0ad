"""`trapsim demo`: a station of two traps, the radio, a base and a back end, as real processes on this machine."""

import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trapsim.audit import Audit, look
from trapsim.cable import Cable
from trapsim.hook import HookReceiver
from trapsim.pictures import count_bursts, stills
from trapsim.processes import Processes
from trapsim.site import LIGHT, TRAPS, Site
from trapsim.tools import find_mosquitto
from trapsim.updatedemo.story import Story

LOOK_EVERY_S = 0.5
FIRST_KILL_S = 2.0  # time for most to have started once
BETWEEN_KILLS_S = (0.4, 1.4)
TOLD_WITHIN_S = 15.0  # after all is delivered the webhook may be a little behind
STUCK_AFTER_S = 240.0  # without any progress a once-run gives up and says where things are


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a run ended: the last audit, wall seconds, kills, and why it stopped early if it did.

    pi_starts, pi_cuts: how often the Pis were started, and lost their power while they ran. told, told_again: messages
    of the webhook at its receiver, by type, and repeats that it dropped. updates: which release each trap runs, and
    what became of the last one, where they were asked for.
    """

    audit: Audit
    seconds: float
    kills: int
    kills_under_way: int
    reason: str
    pi_starts: int
    pi_cuts: int
    updates: Mapping[str, object]
    told: dict[str, int]
    told_again: int


def start_processes(site: Site, processes: Processes) -> None:
    """Start everything, back end first, so that each finds what it needs; none of them minds another order."""
    tools = Path(sys.executable).parent
    plan = site.plan
    trapsim, trapbase, trapcam = (str(tools / name) for name in ("trapsim", "trapbase", "trapcam"))
    processes.add("backend", [
        trapsim, "backend", "--folder", str(site.backend), "--port", str(site.backend_port),
        "--key", str(site.folder / "keys" / "backend.key"),
    ])  # fmt: skip
    processes.add("broker", [find_mosquitto(), "-c", str(site.folder / "broker" / "mosquitto.conf")])
    processes.add("channel", [
        trapsim, "channel", "--port", str(site.channel_port), "--sf", str(plan.sf), "--loss", str(plan.loss),
        "--speed", str(plan.speed), "--seed", str(plan.seed), "--stats", str(site.stats),
    ])  # fmt: skip
    for part in ("ingest", "forward", "gateway", "page,outlets", *(["updates"] if plan.update else [])):
        name = part.partition(",")[0]
        processes.add(name, [trapbase, "run", "--only", part, "--config", str(site.folder / "base.toml")])
    processes.add("modem", _unit(trapsim, site, "modem", "modem.mcu", 0))
    for number in TRAPS:
        processes.add(f"supervisor{number}", _unit(trapsim, site, f"trap{number}", f"trap{number}.mcu", number))
        config = str(site.trap(number) / "trapcam.toml")
        camera = [trapsim, "picamera", "--pictures", str(plan.pictures[number])] if plan.picamera else [trapcam, "run"]
        if plan.walkers:
            seen = ["--pictures", str(plan.pictures[number])] if plan.picamera else []
            camera = [trapsim, "visited", "--unit", str(site.trap(number)), "--light", LIGHT[number], *seen]
        if plan.update:  # as systemd does on a trap: what starts is the release in force
            camera = [sys.executable, "-m", "trapkit.update.launch", "--root", str(site.slots(number)), "--", "run"]
        processes.add_switched(f"trapcam{number}", [*camera, "--config", config], site.trap(number))


def _unit(trapsim: str, site: Site, name: str, line: str, number: int) -> list[str]:
    plan = site.plan
    pir_s = plan.pir_every_s if number else 0.0
    return [
        trapsim, "unit", "--folder", str(site.folder / name), "--serial", str(site.line(line)),
        "--channel", str(site.channel_port), "--speed", str(plan.speed), "--seed", str(plan.seed * 100 + number),
        "--pir-every", str(pir_s),
    ]  # fmt: skip


class Demo:
    """One run on a `site`; `say` takes lines for the user."""

    def __init__(self, site: Site, say: Callable[[str], None]) -> None:
        self._site = site
        self._say = say
        self._processes = Processes(site.folder / "logs")
        lines = [("modem.base", "modem.mcu"), *((f"trap{n}.pi", f"trap{n}.mcu") for n in TRAPS)]
        self._cables = [Cable(site.line(a), site.line(b)) for a, b in lines]
        self._hook = HookReceiver(site.hook, site.hook_key.read_text().strip(), site.hook_port)
        shown = site.plan.pictures[min(TRAPS)]
        self._story = Story(site, say) if site.plan.update else None
        self._pictures = len(stills(shown)) if site.plan.picamera else count_bursts(shown)

    def run(self, *, once: bool, kills: int, running: Callable[[], bool]) -> Result:
        """Start all, watch until everything is delivered (`once`) or `running` says no, stop all.

        `kills`: how many processes to end with `kill -9`, at times and of names drawn from the plan's seed.
        """
        started = time.monotonic()
        for cable in self._cables:
            cable.start()
        try:
            self._hook.start()
            start_processes(self._site, self._processes)
            return self._watch(once, _Killer(self._processes, kills, self._site.plan.seed, self._say), running, started)
        finally:
            self._processes.stop()
            self._hook.close()
            for cable in self._cables:
                cable.close()

    def _watch(self, once: bool, killer: "_Killer", running: Callable[[], bool], started: float) -> Result:
        audit, last, progress_at, reason = Audit(), Audit(), started, ""
        told_by = 0.0
        while True:
            if not running():
                reason = "stopped" if once else ""
                break
            for name in self._processes.watch():
                self._say(f"{name} was started again")
            audit = look(self._site.folder, self._pictures, networked=self._site.plan.networked)
            now = time.monotonic()
            if _moved(audit, last):
                progress_at = now
                self._say(progress_line(audit, now - started))
            last = audit
            if self._story is not None and self._story.step():
                progress_at = now
            over = self._story is None or self._story.over
            if once and audit.finished and killer.done and over:
                told_by = told_by or now + TOLD_WITHIN_S
                if self._hook.told["sighting"] >= audit.sightings or now >= told_by:
                    break
            if once and now - progress_at > STUCK_AFTER_S:
                reason = f"nothing moved for {STUCK_AFTER_S:.0f} s: {'; '.join(audit.missing[:4]) or 'pictures wait'}"
                break
            killer.step(now, finished=audit.finished)
            time.sleep(LOOK_EVERY_S)
        seconds = time.monotonic() - started
        pis = self._processes.switched()
        return Result(
            audit=audit, seconds=seconds, kills=killer.count, kills_under_way=killer.under_way, reason=reason,
            pi_starts=sum(pi.runs for pi in pis), pi_cuts=sum(pi.cuts for pi in pis),
            updates=self._story.figures() if self._story else {},
            told=dict(self._hook.told), told_again=self._hook.again,
        )  # fmt: skip


def _moved(audit: Audit, last: Audit) -> bool:
    ignore = {"lora_frames", "airtime_ms"}  # a radio that shouts in vain is no progress
    before = last.figures()
    return any(value != before[name] for name, value in audit.figures().items() if name not in ignore)


def progress_line(audit: Audit, seconds: float) -> str:
    """One line of the run so far."""
    return (
        f"{seconds:6.1f} s  pictures {audit.judged}/{audit.pictures}, felines {audit.sightings}; "
        f"air {audit.lora_frames} frames {audit.airtime_ms / 1000:.1f} s; base {audit.alerts_stored} alerts "
        f"{audit.media_stored} pictures; batches {audit.batches_uploaded}, receipts {audit.receipts}; "
        f"deleted on traps {audit.deleted_on_trap}, full frames held {audit.full_frames_held}, "
        f"received {audit.full_frames_received}"
    )


class _Killer:
    """Ends processes with `kill -9` until `kills` is reached: all of them in a drawn order, then all again.

    `count`: kills done; `under_way`: those of them while something was still on its way.
    """

    def __init__(self, processes: Processes, kills: int, seed: int, say: Callable[[str], None]) -> None:
        self._processes = processes
        self._kills = kills
        self._random = random.Random(seed)  # noqa: S311 - repeatable by its seed
        self._say = say
        self._order: list[str] = []
        self._next = time.monotonic() + FIRST_KILL_S
        self.count = 0
        self.under_way = 0

    @property
    def done(self) -> bool:
        return self.count >= self._kills

    def step(self, now: float, *, finished: bool) -> None:
        if self.done or now < self._next:
            return
        if not self._order:
            self._order = sorted(self._processes.keepers)
            self._random.shuffle(self._order)
        name = self._order.pop()
        if not self._processes.keepers[name].kill():
            self._order.insert(0, name)  # still being started again: its turn comes later
            return
        self._say(f"kill -9 {name}")
        self.count += 1
        self.under_way += not finished
        self._next = now + self._random.uniform(*BETWEEN_KILLS_S)
