"""A unit in one folder: the Pi's slots and the supervisor's flash, started again and again in virtual time.

Real are launcher, slots, updater and proof of the Pi (`trapkit.update`, `trapcam.updating`), and boot, slots and loader
of the firmware (`trapmcu`). Here are what they meet: a camera, a detector and a base that a release's kind makes fail.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from trapcam.updating.prove import Checks, Proof
from trapcam.updating.shadow import Tally
from trapcam.updating.taking import Found
from trapcam.updating.talk import Talk
from trapcam.updating.updater import Plan, Updater, Ways
from trapkit.update import launch
from trapkit.update.firmware import listing_of
from trapkit.update.offer import Offered
from trapkit.update.slots import Slots
from trapkit.update.states import UpdateState
from trapmcu import boot
from trapmcu.newcode import Loader
from trapmcu.slots import Slots as McuSlots
from trapmcu.slots import make_folders
from trapsim.updatesoak.releases import BOARD, MARK, whose

PI, FLASH = "pi", "flash"
STEP_MS = 1_000
STEPS = 400  # of one start: what is quiet until then stays so
STARTS = 40
QUIET_STEPS = 5


class Violation(Exception):  # noqa: N818
    """A unit that is neither the old nor the new one, or says otherwise than it is."""


@dataclass
class Said:
    """What the unit told its base, in order; kept outside of what a power cut takes."""

    states: list[UpdateState] = field(default_factory=list)


class Mcu:
    """The supervisor on its flash. `hangs`: firmware that says nothing; its watchdog starts it again."""

    def __init__(self, flash: Path) -> None:
        self._flash = str(flash)
        self._now_s = 1_000
        self.start()

    def start(self) -> None:
        """As after a reset."""
        running = boot.choose(self._flash, False)
        self.slots = McuSlots(self._flash, running)
        self.name, kind = whose(Path(self._flash) / running / "trapmcu")
        self.hangs = kind == "supervisor hangs"
        self._loader = Loader(self._flash, self.slots)

    def on(self, payload: bytes) -> list[bytes]:
        """A message of the Pi."""
        return [] if self.hangs else [self._loader.on(payload, self._now_s)]

    def passes(self, heard: bool) -> None:
        """A second: the base may be heard, a turn comes into force, a watchdog bites."""
        self._now_s += 1
        if (self.hangs and self._now_s % 10 == 0) or self._loader.is_due(self._now_s):
            self.start()
        elif heard and not self.hangs:
            self.slots.confirm()


def install_firmware(flash: Path, name: str) -> dict[str, bytes]:
    """Slot a as `trapship flash` leaves it; its files."""
    files = {f"trapmcu/{MARK}": f"{name}\ngood\n".encode(), "trapmcu/unit.mpy": b"installed"}
    (flash / "a").mkdir(parents=True)
    for path, data in files.items():
        Path(make_folders(f"{flash}/a/", path)).write_bytes(data)
    (flash / "a" / boot.LIST[1:]).write_bytes(listing_of(files))
    return files


class Unit:
    """offered: what lies at its source; said: what it tells. `may_refuse`: whether its card may; `refusals`: how often
    it did."""

    def __init__(self, root: Path, offered: Offered | None, said: Said, installed: str = "") -> None:
        self.slots = Slots(root / PI)
        self._flash = root / FLASH
        self._offered = offered
        self._said = said
        self._installed = installed
        self.may_refuse, self.refusals = False, 0
        self.now_ms = 1_800_000_000_000
        self.mcu = Mcu(self._flash)

    def running(self) -> tuple[str, str, str]:
        """(slot, release, kind) of what starts now, all its parts being of one release.  Raises: Violation."""
        slot = launch.chosen(self.slots, self.now_ms)
        if not slot:
            return slot, self._installed, "good"
        told = self.slots.slot(slot)
        if told is None or not self.slots.is_whole(slot):
            raise Violation(f"slot {slot} starts and is not whole")
        found = self.slots.root / slot
        name, kind = told.release, "good"
        for part, version in told.versions.items():
            if part == "settings":
                says = (found / part / "pack.toml").read_text().strip()
            else:
                inner = {"application": "trapcam", "supervisor": f"{BOARD}/trapmcu"}.get(part, "")
                says, whose_kind = whose(found / part / inner)
                kind = whose_kind if whose_kind != "good" and version == told.release else kind
            if says != version:
                raise Violation(f"slot {slot}: its {part} says {says}, and {version} is named")
        if told.versions.get("application", name) != name:
            name = told.release
        return slot, name, kind

    def live(self, until: Callable[[], bool] = lambda: False) -> int:
        """Start as often as it takes to come to rest; how many starts.  Raises: Violation."""
        for count in range(STARTS):
            slot, _, kind = self.running()
            if kind == "application does not start":
                self._pass(20, heard=False)
                continue
            if self._run(slot, kind):
                return count + 1
        raise Violation(f"it does not come to rest in {STARTS} starts")

    def _pass(self, steps: int, heard: bool) -> None:
        for _ in range(steps):
            self.now_ms += STEP_MS
            self.mcu.passes(heard)

    def _run(self, slot: str, kind: str) -> bool:
        """One start of the application; whether it rests: nothing is on trial and nothing more to be done."""
        inbox: list[bytes] = []

        def say(payload: bytes) -> bool:
            inbox.extend(self.mcu.on(payload))
            return True

        heard = kind != "never heard"
        updater = Updater(
            self.slots, slot, Plan(board=BOARD, shadow_bursts=0), self._ways(), self._proof(kind), Talk(say)
        )
        quiet, troubled = 0, False
        for _ in range(STEPS):
            payloads, inbox[:] = list(inbox), []
            more = updater.step(self.now_ms, payloads)
            self._pass(0 if more else 1, heard)
            if updater.trouble and not self.may_refuse:
                raise Violation(updater.trouble)
            self.refusals += bool(updater.trouble) and not troubled
            troubled = bool(updater.trouble)
            if updater.ending:
                self._pass(31, heard)  # the program ends, and the supervisor has its reset
                return False
            quiet = 0 if more or updater.busy or inbox or updater.record.trial else quiet + 1
            if quiet >= QUIET_STEPS and self._in_step(updater):
                return True
        if updater.record.trial is not None and kind == "never heard":
            self.now_ms += 86_400_000  # it waits for a base that never hears it
        return False

    def _in_step(self, updater: Updater) -> bool:
        wanted = updater.record.supervisor
        return not wanted or self.mcu.slots.digest(self.mcu.slots.running).hex() == wanted

    def _proof(self, kind: str) -> Proof:
        return Proof(
            Checks(
                glance=lambda: kind != "camera gives nothing",
                known=lambda: "model-judges-badly" if kind == "model judges badly" else "",
                answers=lambda: True,
                taken=lambda: True,
                heard=lambda: kind != "never heard",
            )
        )

    def _ways(self) -> Ways:
        looked = [False]

        def end() -> Found:
            looked[0] = True
            return Found(offered=self._offered)

        return Ways(
            tell=self._said.states.append,
            begin=lambda running: None,
            end=end,
            brought=lambda: "" if looked[0] else "brought",
            looked=lambda: (self.now_ms, ""),
            remember=lambda at_ms, what: None,
            permitted=lambda found: "",
            shadow=lambda folder: False,
            tally=lambda: Tally(model=""),
            goes_on=lambda now_ms: None,
            conclude=lambda verdict: None,
            report=lambda text: None,
        )
