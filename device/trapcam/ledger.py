"""What the trap says of itself: the effort ledger's lines, and alarms. Takes `now_ms`; the outbox keeps, the key signs.

Rules:
- A moment is counted when the supervisor has said its state and a trigger after a start (or `QUIET_MS` later), when
  that state changes, and every `EVERY_MS`. With it go the lines of the days that are over (`effort` decides what they
  say).
- An alarm is kept as soon as its reason is known, before the burst that comes with it is taken, and goes before all
  else. While it cannot be kept it is tried again.
- A camera that gives no picture `DEAD_AFTER` times, or none at the start, or that only a new process can have, is dead.
  The count outlasts starts, for a parked trap takes a burst a wake; one burst that can be read ends it.
- A service visit settles the alarms: once it is over, nothing is marked any more.
"""

from collections.abc import Callable
from functools import partial

from trapcam.clock import Clock
from trapcam.effort import Moment, Share, count, day_values, is_trusted
from trapcam.health.card import Card
from trapcam.health.verdicts import Health
from trapcam.outbox import Outbox
from trapcam.record import UNREADABLE, Outcome, Withheld
from trapcam.timers import due
from trapcam.trigger import CAUSE_DAY, CAUSE_LID, Trigger
from trapkit.errors import StorageError
from trapkit.sealing import sign
from trapwire.alert import TIME_BASE_UNIX_MS, TIME_LAST_UNIX_MS
from trapwire.notes import CAMERA_DEAD, CARD_FULL, DAY, MOVED, OPENED, Note, statement
from trapwire.unitstates import SERVICE

EVERY_MS = 600_000
QUIET_MS = 30_000
RETRY_MS = 5_000
DEAD_AFTER = 3  # bursts one behind the other that could not be read: the camera, and no picture of it
MAX_ALARMS = 8  # that wait for the card; more of them mean the same visitor
UNREADABLE_NAME = "unreadable"  # what the outbox remembers of them


class Ledger:
    """seed: what the trap signs with (32 bytes); clock: the surer time; monotonic_ms: one that nobody sets;
    card: what it shows of wear; alone: no supervisor triggers this trap; always: `REASONS` that hold as long as the
    program runs."""

    def __init__(
        self,
        outbox: Outbox,
        seed: bytes,
        clock: Clock,
        monotonic_ms: Callable[[], int],
        health: Health | None = None,
        card: Card | None = None,
        *,
        alone: bool = False,
        always: int = 0,
    ) -> None:
        self._outbox = outbox
        self._seed = seed
        self._clock = clock
        self._monotonic_ms = monotonic_ms
        self._health = health or Health()
        self._card = card or Card()
        self._alone = alone
        self._always = always
        self._begun_ms: int | None = None
        self._last: Moment | None = None
        self._last_monotonic_ms: int | None = None  # None: not counted since the start
        self._tried_ms: int | None = None
        self._unreadable = 0
        self._lost = False
        self._alarms: list[tuple[int, int, int | None, dict[str, int]]] = []
        self._visited = False
        self.trouble = ""

    # --- what happens -------------------------------------------------------------------------------------------

    @property
    def card_worn(self) -> bool:
        """Whether the memory card wears out."""
        return bool(self._card.words())

    def on_trigger(self, trigger: Trigger) -> None:
        """A wake of the supervisor; an opened lid is an alarm at once."""
        if trigger.cause == CAUSE_LID:
            ahead_ms = self._clock.now()[0] - self._clock.system_ms()
            self._alarm(OPENED, trigger.at_ms + ahead_ms, trigger.number, {"trigger": trigger.number})
            self._keep_alarms()

    def on_outcome(self, outcome: Outcome | Withheld) -> None:
        """What a burst says of the camera."""
        if isinstance(outcome, Withheld):
            self._readable(True)
            return
        self._readable(outcome.outcome != UNREADABLE)
        if outcome.look is None:
            return
        is_scene = outcome.scene is not None or outcome.trigger.cause == CAUSE_DAY
        moved = self._health.see(outcome.look, outcome.trigger.at_ms, is_scene=is_scene, lit=outcome.lit)
        if is_scene:
            self._remember(self._health.kept())
        if moved is not None:
            self._alarm(MOVED, self._clock.now()[0], None, moved)
            self._keep_alarms()

    def camera_lost(self, now_ms: int, unit_state: int | None = None, trigger_no: int | None = None) -> None:
        """No picture can be had before another start: counted at once, for what follows is not seen."""
        self._lost = True
        self._tried_ms = None
        self.step(now_ms, unit_state, trigger_no)

    def _readable(self, good: bool) -> None:
        was, self._unreadable = self._unreadable, 0 if good else min(self._unreadable + 1, DEAD_AFTER)
        if was != self._unreadable:
            self._remember({UNREADABLE_NAME: bytes([self._unreadable])})

    def _remember(self, values: dict[str, bytes]) -> None:
        try:
            for name, value in values.items():
                self._outbox.notes.remember(name, value)
        except StorageError as error:
            self.trouble = str(error)  # what is kept next time says it

    def timed(self, commit: Callable[[], int | None]) -> int | None:
        """Do a commit, and remember how long the card took.  Raises: what it raises."""
        before_ms = self._monotonic_ms()
        number = commit()
        self._card.committed(self._monotonic_ms() - before_ms)
        return number

    # --- what is due --------------------------------------------------------------------------------------------

    def step(self, now_ms: int, unit_state: int | None, trigger_no: int | None, *, full: bool = False) -> None:
        """Count up to now where it is due; full: the card takes nothing."""
        if self._begun_ms is None:
            self._begun_ms = now_ms
            self._restore()
        if self._alarms and due(self._tried_ms, now_ms, RETRY_MS):
            self._tried_ms = now_ms
            self._keep_alarms()
        self._visit(unit_state)
        began = self._last_monotonic_ms is None
        said = unit_state is not None and trigger_no is not None
        if began and not said and not self._alone and not self._lost and not due(self._begun_ms, now_ms, QUIET_MS):
            return
        changed = not began and self._last is not None and unit_state != self._last.unit_state
        elapsed_ms = None if self._last_monotonic_ms is None else self._monotonic_ms() - self._last_monotonic_ms
        if not (began or changed or self._lost or (elapsed_ms or 0) >= EVERY_MS) or not due(
            self._tried_ms, now_ms, RETRY_MS
        ):
            return
        self._tried_ms = now_ms
        at_ms, uncertainty_ms = self._clock.now()
        moment = Moment(
            at_ms=at_ms,
            trusted=is_trusted(at_ms, uncertainty_ms),
            unit_state=unit_state,
            trigger_no=trigger_no,
            reasons=self._reasons(full),
        )
        shares = count(self._last, moment, began, elapsed_ms, self._alone)
        if shares is None:
            self.trouble = "ledger: the clock cannot be right: no effort is counted until the time is known"
            return
        before_ms = self._monotonic_ms()
        try:
            self._outbox.notes.advance(moment, shares, self._day(at_ms, uncertainty_ms))
        except StorageError as error:
            self.trouble = str(error)
            return
        self._card.committed(self._monotonic_ms() - before_ms)
        self._last, self._last_monotonic_ms = moment, self._monotonic_ms()
        self.trouble = "; ".join(self._health.words() + self._card.words())

    def _restore(self) -> None:
        try:
            self._last = self._outbox.notes.moment()
            self._unreadable = int.from_bytes(self._outbox.notes.remembered(UNREADABLE_NAME) or b"", "big")
            self._health.restore(self._outbox.notes.remembered)
        except StorageError as error:
            self.trouble = str(error)  # then this run counts from its own first moment

    def _visit(self, unit_state: int | None) -> None:
        if unit_state == SERVICE:
            self._visited = True
        elif self._visited and unit_state is not None:
            try:
                self._outbox.notes.close_alarms()
                self._health.forget()
                for name, value in self._health.kept().items():
                    self._outbox.notes.remember(name, value)
                self._visited = False
            except StorageError as error:
                self.trouble = str(error)

    def _reasons(self, full: bool) -> int:
        dead = CAMERA_DEAD if self._lost or self._unreadable >= DEAD_AFTER else 0
        return self._always | self._health.reasons | dead | (CARD_FULL if full else 0)

    # --- what is said -------------------------------------------------------------------------------------------

    def _alarm(self, kind: int, at_ms: int, trigger_no: int | None, values: dict[str, int]) -> None:
        if len(self._alarms) < MAX_ALARMS:
            self._alarms.append((kind, at_ms, trigger_no, values))

    def _keep_alarms(self) -> None:
        uncertainty_ms = self._clock.now()[1]
        while self._alarms:
            kind, at_ms, trigger_no, values = self._alarms[0]
            make = partial(self._signed, kind, values, at_ms, uncertainty_ms)
            try:
                self._outbox.notes.add_alarm(kind, at_ms, trigger_no, make)
            except StorageError as error:
                self.trouble = str(error)
                return
            self._alarms.pop(0)

    def _day(self, at_ms: int, uncertainty_ms: int | None) -> Callable[[Share, int, int, int], bytes]:
        """What makes a day's line at that time, from its share, bursts, sightings and the note's number."""

        def make(share: Share, bursts: int, sightings: int, number: int) -> bytes:
            alarms = {kind for _, kind, _ in self._outbox.notes.open_alarms()}
            values = day_values(share, bursts, sightings, alarms, worn=self.card_worn)
            return self._signed(DAY, values, at_ms, uncertainty_ms, number)

        return make

    def _signed(self, kind: int, values: dict[str, int], at_ms: int, uncertainty_ms: int | None, number: int) -> bytes:
        within = min(max(at_ms, TIME_BASE_UNIX_MS), TIME_LAST_UNIX_MS)
        note = Note(kind, within, uncertainty_ms if within == at_ms else None, values)
        note.signature = sign(self._seed, statement(self._outbox.trap, self._outbox.epoch, number, note.fields()))
        return note.encode()
