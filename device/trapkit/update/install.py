"""Which slot a unit starts, and how a trial ends: pure. `slots` keeps the record, `launch` starts by it.

state      what ends it                                                            next
settled    `begin`: the other slot is whole, and the supervisor's too              trial
trial      `confirm`: camera, detector, base and supervisor have been seen to      settled, the new one good
           `revert`: what is seen to be wrong for good (`does-not-start` is not)   settled, the old one good
           `start`: its starts or wakes are used up, or a file of it is damaged    settled, the old one good
any        `start`: a file of the good slot is damaged                             the other one, or as installed

A start is counted before the new code runs, in a file that the new code does not write first. `starts_left` are starts
in a row that came to nothing: the application gives them back (`alive`) once it has seen to camera and detector.
`wakes_left` are starts in all: a parked unit starts at every trigger, and its base may sleep through some.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from trapkit.update.states import UpdateState

SLOTS = ("a", "b")
INSTALLED = ""  # no slot: what the installer put there
STARTS = 3
WAKES = 150
TRIAL_MS = 2 * 86_400_000  # of a unit that is always on, and starts seldom
MAX_REFUSED = 8
RETRY_MS = 7 * 86_400_000
MAX_TRIES = 3
MAX_TURNS = 3  # times that the supervisor is told to start its other slot
# What may be otherwise another day; all else is the release's own fault, and it is not taken again.
PASSING = ("camera-gives-nothing", "not-heard", "trial-too-long", "supervisor-silent", "supervisor-reverted")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A slot on trial. trouble: the last code that its application said of itself; supervisor: the digest that the
    supervisor's slot shall have under it, "" as it is; turns: how often it was told to start that."""

    slot: str
    release: str
    serial: int
    since_ms: int
    starts_left: int = STARTS
    wakes_left: int = WAKES
    trouble: str = ""
    supervisor: str = ""
    turns: int = 0


@dataclass(frozen=True, kw_only=True)
class Gone:
    """A release that was refused or went back."""

    release: str
    code: str
    tries: int
    at_ms: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """good: the slot that is proved, with its release and serial; supervisor: the digest that belongs to it, "" where
    nobody knows; said: the last word of it all, for the base."""

    good: str = INSTALLED
    release: str = ""
    serial: int = 0
    supervisor: str = ""
    turns: int = 0  # after a trial went back
    trial: Trial | None = None
    gone: tuple[Gone, ...] = ()
    said: UpdateState = field(default_factory=lambda: UpdateState("", "", "running", "", 0))

    @property
    def in_force(self) -> str:
        """The slot that starts next."""
        return self.good if self.trial is None else self.trial.slot

    @property
    def idle(self) -> str:
        """The slot that a release may be written to; only where nothing is on trial."""
        return "b" if self.good == "a" else "a"

    def wanted_supervisor(self) -> str:
        """The digest that the supervisor's slot shall have now; "" as it is."""
        return self.supervisor if self.trial is None else self.trial.supervisor


def may_take(record: Record, release: str, now_ms: int) -> str:
    """ "" when `release` may be installed now, else the code that keeps it away."""
    if record.trial is not None:
        return "trial-goes-on"
    if release == record.release:
        return "runs-already"
    for gone in record.gone:
        if gone.release == release:
            again = gone.code in PASSING and gone.tries < MAX_TRIES and now_ms - gone.at_ms >= RETRY_MS
            return "" if again else gone.code
    return ""


def begin(record: Record, release: str, serial: int, supervisor: str, before: str, now_ms: int) -> Record:
    """The idle slot is in force from the next start on, on trial.

    supervisor: as in `Trial`; before: the digest that its running slot has now, to go back to.
    """
    trial = Trial(
        slot=record.idle, release=release, serial=serial, since_ms=now_ms, supervisor=supervisor or record.supervisor
    )
    said = UpdateState(record.release, release, "trial", "", now_ms)
    return replace(record, trial=trial, said=said, supervisor=before or record.supervisor, turns=0)


def start(record: Record, whole: Callable[[str], bool], now_ms: int) -> Record:
    """One start: what it uses up, and where that or a damaged file leads. whole: whether a slot is one."""
    trial = record.trial
    if trial is not None:
        if not whole(trial.slot):
            record = revert(record, "slot-damaged", now_ms)
        elif trial.starts_left <= 0:
            record = revert(record, trial.trouble or "does-not-start", now_ms)
        elif trial.wakes_left <= 0:
            record = revert(record, trial.trouble or "not-heard", now_ms)
        else:
            used = replace(trial, starts_left=trial.starts_left - 1, wakes_left=trial.wakes_left - 1)
            return replace(record, trial=used)
    if record.good != INSTALLED and not whole(record.good):
        other = record.idle if whole(record.idle) else INSTALLED
        said = UpdateState("", record.release, "reverted", "slot-damaged", now_ms)
        record = replace(record, good=other, release="", serial=0, supervisor="", said=said)
    return record


def alive(record: Record, trouble: str) -> Record:
    """The application on trial has come up; trouble: what it still waits for, or "". Starts in a row begin anew."""
    if record.trial is None:
        return record
    return replace(record, trial=replace(record.trial, starts_left=STARTS, trouble=trouble))


def troubled(record: Record, trouble: str) -> Record:
    """The application on trial says what keeps it from coming up, before it ends."""
    return record if record.trial is None else replace(record, trial=replace(record.trial, trouble=trouble))


def overdue(record: Record, now_ms: int) -> str:
    """The code by which a trial that lasts too long ends, "" while it may go on."""
    trial = record.trial
    if trial is None or now_ms - trial.since_ms < TRIAL_MS:
        return ""
    return trial.trouble or "trial-too-long"


def turned(record: Record) -> Record:
    """The supervisor is told once more to start its other slot: counted before it is."""
    if record.trial is not None:
        return replace(record, trial=replace(record.trial, turns=record.trial.turns + 1))
    return replace(record, turns=record.turns + 1)


def turns(record: Record) -> int:
    """How often that was."""
    return record.turns if record.trial is None else record.trial.turns


def confirm(record: Record, now_ms: int) -> Record:
    """What is on trial is good."""
    trial = record.trial
    if trial is None:
        return record
    return Record(
        good=trial.slot,
        release=trial.release,
        serial=trial.serial,
        supervisor=trial.supervisor,
        gone=tuple(gone for gone in record.gone if gone.release != trial.release),
        said=UpdateState(trial.release, record.release, "confirmed", "", now_ms),
    )


def revert(record: Record, code: str, now_ms: int) -> Record:
    """What is on trial is not: the old one is in force from the next start on."""
    trial = record.trial
    if trial is None:
        return record
    said = UpdateState(record.release, trial.release, "reverted", code, now_ms)
    return _gone(replace(record, trial=None, turns=0, said=said), trial.release, code, now_ms)


def refuse(record: Record, release: str, code: str, now_ms: int) -> Record:
    """A release that does not come to a trial."""
    said = UpdateState(record.release, release, "refused", code, now_ms)
    return _gone(replace(record, said=said), release, code, now_ms)


def say(record: Record, release: str, phase: str, code: str, now_ms: int) -> Record:
    """A release that waits, or is on the card; the time only moves where that is news."""
    said = UpdateState(record.release, release, phase, code, now_ms)
    return record if replace(said, at_ms=record.said.at_ms) == record.said else replace(record, said=said)


def _gone(record: Record, release: str, code: str, now_ms: int) -> Record:
    before = next((gone.tries for gone in record.gone if gone.release == release), 0)
    others = tuple(gone for gone in record.gone if gone.release != release)[-(MAX_REFUSED - 1) :]
    return replace(record, gone=(*others, Gone(release=release, code=code, tries=before + 1, at_ms=now_ms)))
