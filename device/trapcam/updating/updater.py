"""Updates of a running trap, a bounded piece at a time and never in a burst. Takes `now_ms`; `install` decides.

state      what is done                                                            what ends it
on trial   `prove`: camera, detector, supervisor, base                             confirmed, or taken back: start again
settled    the supervisor's slot is the one that belongs to ours                   it is, or it cannot be had
           a source is looked at, when it is time or something was brought         a release that may be taken
staging    a file a step into the other slot                                       the slot is whole, or refused
handing    the supervisor's part over the line, read back by its digest            it is there, or refused
shadow     the new model judges beside the old one, over starts                    so many bursts, or refused
switching  the record is durable, the supervisor is told, the program ends         a start, which is counted

Each is found again after a power cut: the record and the slots say where it was. What cannot be written is tried again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from trapcam.timers import due
from trapcam.updating.prove import Proof
from trapcam.updating.shadow import DECIDES, GOES_ON, REFUSED, Tally
from trapcam.updating.taking import Found
from trapcam.updating.talk import RIGHT, SILENT, TURN, WRONG, Talk
from trapkit.errors import StorageError
from trapkit.update import install
from trapkit.update.firmware import GOES_ON as HANDING
from trapkit.update.firmware import IS_DONE, Handover
from trapkit.update.offer import Offered, Part, Release
from trapkit.update.slots import Slots, StageError
from trapkit.update.states import UpdateState
from trapwire.slotask import Word
from trapwire.slotwords import NONE

AGAIN, OFF = "again", "off"  # how the program is to end: start again, or shut the Pi down
BUSY_MS = 480_000  # so long the Pi stays on for an update: the supervisor takes ten minutes for a hang
RETRY_MS = 60_000
GLANCE_MS = 5_000  # how often it is seen whether something was brought


@dataclass(frozen=True, kw_only=True)
class Plan:
    """board: whose files of the supervisor's part are meant; look_ms: between two looks at the sources; shadow_bursts,
    shadow_differ: as in `Tally.verdict`; power_off: whether the supervisor may be let take the Pi's power."""

    board: str = "xiao-s3"
    look_ms: int = 86_400_000
    shadow_bursts: int = 200
    shadow_differ: float = 0.2
    power_off: bool = False


@dataclass(frozen=True, kw_only=True)
class Ways:
    """What the updater asks of the trap around it.

    tell: a state as a note for the base; begin, end: a look at the sources (`Taking`); brought: what tells that
    something new lies there; looked, remember: when that was last looked at, and what; permitted: the code that keeps a
    found release away now, or ""; shadow: lets the model in a folder judge beside the one that decides, False where
    that is none; tally: how that is; goes_on: tells the base how that is so far, where it is time; conclude: ends it,
    with a verdict for the base; report: a line for the operator.
    """

    tell: Callable[[UpdateState], None]
    begin: Callable[[str], None]
    end: Callable[[], Found | None]
    brought: Callable[[], str]
    looked: Callable[[], tuple[int, str]]
    remember: Callable[[int, str], None]
    permitted: Callable[[Found], str]
    shadow: Callable[[Path], bool]
    tally: Callable[[], Tally]
    goes_on: Callable[[int], None]
    conclude: Callable[[int], None]
    report: Callable[[str], None]


class Updater:
    """slot: the one that this program was started from; `busy`: the Pi is to stay on; `ending`: AGAIN, OFF or ""."""

    def __init__(self, slots: Slots, slot: str, plan: Plan, ways: Ways, proof: Proof, talk: Talk) -> None:
        self._slots = slots
        self._slot = slot
        self._plan = plan
        self._ways = ways
        self._proof = proof
        self._talk = talk
        self._record: install.Record | None = None
        self._alive = False
        self._offered: Offered | None = None
        self._staging: Iterator[None] | None = None
        self._whole = False
        self._handover: Handover | None = None
        self._handed = ""  # the digest that lies in the supervisor's idle slot
        self._before = ""  # the one of its slot that runs
        self._shadowing = False
        self._aligned = False
        self._looking = False
        self._glanced_ms: int | None = None
        self._busy_ms: int | None = None
        self._refused_ms: int | None = None
        self.busy = False
        self.ending = ""
        self.trouble = ""

    def step(self, now_ms: int, payloads: list[bytes]) -> bool:
        """Do what is due; payloads: of FIRMWARE_IS, that came; whether more is at hand at once."""
        word = self._talk.hear(payloads)
        if self.ending or not due(self._refused_ms, now_ms, RETRY_MS):
            self.busy = False
            return False
        try:
            if self._record is None:
                self._record = self._slots.read()
                self._ways.tell(self._record.said)
                self._resume()
            self._refused_ms, self.trouble = None, ""
            more = self._trial(now_ms) if self._record.trial is not None else self._settled(now_ms, word)
        except (OSError, StorageError) as error:
            self._refused_ms, self.trouble = now_ms, f"updates: {error}; tried again every {RETRY_MS // 1000} s"
            self.busy, more = False, False
        self._busy_ms = (now_ms if self._busy_ms is None else self._busy_ms) if self.busy else None
        if self._busy_ms is not None and now_ms - self._busy_ms >= BUSY_MS:
            self.busy = False  # the next start goes on from here
        return more and not self.ending

    @property
    def record(self) -> install.Record:
        """As it is on the card.  Raises: OSError before the first step where it cannot be read."""
        return self._record or self._slots.read()

    def _write(self, record: install.Record) -> None:
        """Make it durable; what is news is told once it is.  Raises: OSError."""
        before = self._record
        if record == before:
            return
        self._slots.write(record)
        self._record = record
        if before is not None and record.said != before.said and record.trial is None:
            self._ways.tell(record.said)
            self._ways.report(f"updates: {record.said.words()}")

    # --- on trial -------------------------------------------------------------------------------------------------

    def _trial(self, now_ms: int) -> bool:
        record = self.record
        trial = record.trial
        assert trial is not None
        if trial.slot != self._slot:  # the launcher could not count its start, and took what is good
            self.trouble = f"updates: {trial.release} could not be started: the card took no count of it"
            return False
        self._proof.step(now_ms)
        self.busy = not self._proof.works  # a parked Pi stays on for as long as that takes
        failed = self._proof.failed or self._with_supervisor(trial.supervisor, now_ms)
        failed = failed or install.overdue(record, now_ms)
        if failed:
            self._write(install.revert(self.record, failed, now_ms))
            self.ending = AGAIN
        elif self._proof.again:
            self._write(install.troubled(self.record, self._proof.again))
            self.ending = self.ending or AGAIN
        elif self._proof.works and not self._alive:
            self._write(install.alive(self.record, "not-heard"))
            self._alive = True
        elif self._proof.proved and self._aligned:
            self._write(install.confirm(self.record, now_ms))
        return False

    def _with_supervisor(self, wanted: str, now_ms: int) -> str:
        """Bring the supervisor's slot in step; the code by which that fails for good, or ""."""
        if self._aligned or not wanted:
            self._aligned = True
            return ""
        stands = self._talk.stands(wanted, now_ms)
        if stands == RIGHT:
            self._aligned = True
        elif stands == SILENT:
            return "supervisor-silent"
        elif stands == WRONG or (stands == TURN and install.turns(self.record) >= install.MAX_TURNS):
            return "supervisor-reverted"
        elif stands == TURN:
            self._turn(wanted)
        return ""

    def _turn(self, wanted: str) -> None:
        """Counted first: a cut in between costs a try, and no unit turns for ever."""
        self._write(install.turned(self.record))
        self._talk.turn(wanted)
        if self._plan.power_off:
            self.ending = OFF  # its reset would take the Pi's power

    # --- settled --------------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """A release that was staged before this start goes on from its slot; the sources are asked when it is time."""
        record = self.record
        staged = self._slots.slot(record.idle) if record.said.phase == "staged" and record.trial is None else None
        if staged is None or staged.release != record.said.tried or not self._slots.is_whole(record.idle):
            return
        good = self._slots.slot(record.good) if record.good else None
        before = good.versions if good else {}
        new = {part: version for part, version in staged.versions.items() if before.get(part) != version}
        if new:
            parts = {part: Part(version=version, target="") for part, version in new.items()}
            release = Release(release=staged.release, built_ms=0, serial=staged.serial, parts=parts)
            self._offered, self._whole = Offered(release=release, files={}), True

    def _settled(self, now_ms: int, word: Word | None) -> bool:
        if not self._aligned:
            self._align(now_ms)
        if self._offered is not None and self._shadowing and self._is_due(now_ms):
            self._offered, self._whole = None, False  # weeks may pass: is it still the one that shall run?
        if self._offered is None:
            self.busy = self._look(now_ms)
            return False
        self.busy = True
        if not self._whole:
            return self._stage(now_ms)
        if self._aligned and self._hand_over(word, now_ms) and self._judged(now_ms):
            self._switch(now_ms)
        return False

    def _align(self, now_ms: int) -> None:
        """After a trial the supervisor goes back with us. One that has neither slot was flashed by hand: so be it."""
        trouble = self._with_supervisor(self.record.supervisor, now_ms)
        if trouble and not self._aligned:
            self._aligned = True
            if trouble != "supervisor-silent":
                self._write(replace(self.record, supervisor=""))
                self._ways.report("updates: the supervisor runs other firmware than came with this release; it stays")

    def _is_due(self, now_ms: int) -> bool:
        """Whether the sources are to be looked at."""
        if not due(self._glanced_ms, now_ms, GLANCE_MS):
            return False
        self._glanced_ms = now_ms
        at_ms, what = self._ways.looked()
        return self._ways.brought() != what or due(at_ms or None, now_ms, self._plan.look_ms)

    def _look(self, now_ms: int) -> bool:
        """Whether a look goes on."""
        if not self._looking:
            if not self._is_due(now_ms):
                return False
            self._ways.remember(now_ms, self._ways.brought())
            self._ways.begin(self.record.release)
            self._looking = True
        found = self._ways.end()
        if found is None:
            return True
        self._looking = False
        if found.offered is None:
            if found.code and not found.waits:
                self._ways.report(f"updates: refused: {found.words}")
                self._write(install.say(self.record, "", "refused", found.code, now_ms))
            elif found.code == "time-unknown":
                self._write(install.say(self.record, "", "waiting", found.code, now_ms))
            return False
        release = found.offered.release.release
        if install.may_take(self.record, release, now_ms):
            return False
        code = self._ways.permitted(found)
        if code:
            self._write(install.say(self.record, release, "waiting", code, now_ms))
            return False
        self._offered = found.offered
        staged = self._slots.slot(self.record.idle)
        wanted = found.offered.release
        self._whole = staged is not None and (staged.release, staged.serial) == (release, wanted.serial)
        self._whole = self._whole and self._slots.is_whole(self.record.idle)
        return True

    def _stage(self, now_ms: int) -> bool:
        assert self._offered is not None
        if self._staging is None:
            self._staging = self._slots.stage(self._offered, self.record)
        try:
            next(self._staging)
        except StopIteration:
            self._staging, self._whole = None, True
            self._write(install.say(self.record, self._offered.release.release, "staged", "", now_ms))
        except StageError as error:
            self._staging = None
            self._ways.report(f"updates: {error}")
            self._give_up(error.code, now_ms, passing=error.code in ("no-room", "card-refused"))
        return True

    def _give_up(self, code: str, now_ms: int, *, passing: bool = False) -> None:
        """The release does not come to a trial; passing: it is tried again with the next look."""
        assert self._offered is not None
        release = self._offered.release.release
        if passing:
            self._write(install.say(self.record, release, "waiting", code, now_ms))
        else:
            self._write(install.refuse(self.record, release, code, now_ms))
        self._offered = None
        self._whole, self._handover, self._handed = False, None, ""

    def _hand_over(self, word: Word | None, now_ms: int) -> bool:
        """Whether the supervisor's idle slot is what the release brings, or it brings nothing for it."""
        folder = self._slots.part(self.record.idle, "supervisor")
        if folder is None or self._handed:
            return True
        if self._handover is None:
            files = firmware_in(folder / self._plan.board)
            if not files:
                self._give_up("part-missing", now_ms)
                return False
            self._handover = Handover(files)
        payload = self._handover.step(word, now_ms)
        if payload is not None:
            self._talk.say(payload)
        if self._handover.outcome == HANDING:
            return False
        if self._handover.outcome != IS_DONE:
            self._give_up(self._handover.outcome, now_ms, passing=self._handover.outcome != "supervisor-refused")
            return False
        self._handed = self._handover.wanted.hex()
        own = NONE if self._talk.word is None else self._talk.word.own
        self._before = "" if own == NONE else own.hex()  # what has no name cannot be gone back to
        self._handover = None
        return True

    def _judged(self, now_ms: int) -> bool:
        """Whether the new model may decide: it did as well beside the old one, or there is none to compare."""
        assert self._offered is not None
        folder = self._slots.part(self.record.idle, "model")
        if self._plan.shadow_bursts == 0 or folder is None or "model" not in self._offered.release.parts:
            return True
        if not self._shadowing:
            try:
                self._shadowing = self._ways.shadow(folder)
            except ValueError as error:  # the model is not one that this application can use
                self._ways.report(f"updates: {error}")
                self._give_up("model-not-usable", now_ms)
                return False
            if not self._shadowing:
                return True
        verdict = self._ways.tally().verdict(self._plan.shadow_bursts, self._plan.shadow_differ)
        if verdict == GOES_ON:
            self.busy = False  # bursts come when they come
            self._ways.goes_on(now_ms)
            return False
        self._ways.conclude(verdict)
        self._shadowing = False
        if verdict == REFUSED:
            self._give_up("model-differs", now_ms)
        return verdict == DECIDES

    def _switch(self, now_ms: int) -> None:
        """The commit point: from here on the new release starts, until it is proved or goes back."""
        assert self._offered is not None
        if not self._slots.is_whole(self.record.idle):
            self._give_up("card-refused", now_ms, passing=True)
            return
        release = self._offered.release
        self._write(install.begin(self.record, release.release, release.serial, self._handed, self._before, now_ms))
        self._ways.report(f"updates: {self.record.said.words()}")
        self.ending = AGAIN
        if self._handed:
            self._turn(self._handed)


def firmware_in(folder: Path) -> dict[str, bytes]:
    """The files of a supervisor's slot, by path; {} where there are none.  Raises: OSError."""
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
