"""The trap's main loop, one bounded piece of work at a time, in whatever time it is handed."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

from trapcam.camera import Camera
from trapcam.camera.device import CameraLostError
from trapcam.camera.pi import Notice
from trapcam.clock import Clock
from trapcam.frames import Burst, Unreadable
from trapcam.ledger import Ledger
from trapcam.network import Network
from trapcam.outbox import Outbox
from trapcam.record import Outcome, Withheld
from trapcam.states import UNJUDGED
from trapcam.stay import Patience, Stay
from trapcam.timers import due
from trapcam.trigger import IntervalTrigger, Trigger
from trapcam.uplink import Uplink
from trapkit.errors import DamagedError, StorageError
from trapwire.unitstates import SERVICE

MAX_PENDING = 16  # triggers that wait while a burst is judged; more of them mean the same animal
MAX_NOTICES = 64  # of the camera, that wait while the card is full
STORAGE_RETRY_MS = 5_000
SLOW_COMMIT_MS = 5_000  # a good card needs some ten ms; triggers wait as long as one takes
SLOW = (
    f"the card is slow: a commit took {SLOW_COMMIT_MS // 1000} s or more; triggers wait meanwhile and nothing is lost. "
    "Replace the card if it stays so"
)
OVER_AFTER_MS = 10_000  # a trouble must be gone so long before it is called over: some come and go with every retry


class Capturing(Protocol):
    """What makes outcomes of bursts: `trapcam.capture.Capture`, or `trapcam.unjudged.Unjudged` without a model."""

    def outcome(self, taken: Burst | Unreadable, source: str, position: int) -> Outcome | Withheld: ...


class Visiting(Protocol):
    """The ranger's page; `trapcam.service.server.Visit` is the real one. `walking`: a walk test runs."""

    @property
    def walking(self) -> bool: ...

    def step(self, *, wanted: bool) -> bool: ...

    def on_trigger(self, trigger: Trigger) -> None: ...

    def close(self) -> None: ...


class Updating(Protocol):
    """What takes updates: `trapcam.updating.updater.Updater`. `busy`: the Pi is to stay on; `ending`: "again", "off" or
    "": how the program is to end."""

    @property
    def busy(self) -> bool: ...

    @property
    def ending(self) -> str: ...

    @property
    def trouble(self) -> str: ...

    def step(self, now_ms: int, payloads: list[bytes]) -> bool: ...


class TrapApp:
    """Triggers to the camera, bursts to the outbox, the outbox to the uplink and, where there is one, to the network.

    stay: how long it waits for the network before it may be switched off; interval: triggers of its own in place of the
    supervisor's, or None; clock: corrects the pictures' times; ledger: what the trap says of itself; report: takes a
    line of text for the operator; elapsed_ms: a clock that never steps, for what the card takes; tend: looks after the
    camera, and says what is to be counted; visit: the page of a service visit, which takes the triggers of a ranger's
    walk test. In service no burst is taken for any trigger, and none goes to the ledger. updater: takes updates while
    nothing else is at hand, and not in service.
    """

    def __init__(
        self,
        camera: Camera,
        capture: Capturing,
        outbox: Outbox,
        uplink: Uplink,
        *,
        network: Network | None = None,
        stay: Stay | None = None,
        interval: IntervalTrigger | None = None,
        clock: Clock | None = None,
        ledger: Ledger | None = None,
        report: Callable[[str], None] = lambda text: None,
        elapsed_ms: Callable[[], int] = lambda: 0,
        tend: Callable[[], Sequence[Notice]] = tuple,
        visit: Visiting | None = None,
        updater: Updating | None = None,
    ) -> None:
        self._camera = camera
        self._capture = capture
        self._outbox = outbox
        self._uplink = uplink
        self._network = network
        self._stay = stay or Stay(Patience())
        self._interval = interval
        self._clock = clock
        self._ledger = ledger
        self._report = report
        self._elapsed_ms = elapsed_ms
        self._tend = tend
        self._visit = visit
        self._updater = updater
        self._notices: deque[Notice] = deque(maxlen=MAX_NOTICES)
        self._pending: deque[Trigger] = deque()
        self._unsaved: Outcome | Withheld | None = None
        self._refused_ms: int | None = None
        self._slow = False  # the last commit
        self._told: dict[str, str] = {}  # the trouble last reported and not over, by part
        self._quiet_ms: dict[str, int] = {}  # since when such a part has had none
        self.dropped_triggers = 0
        self.unseen_walks = 0  # triggers in service that nobody takes
        self.left = False  # the supervisor has sent the Pi away, and nothing is in hand

    def step(self, now_ms: int) -> bool:
        """Do what is due at `now_ms` (Unix ms, UTC), at most one burst; whether more work is at hand.

        Raises: CameraLostError when the camera can only be had by a new process.
        """
        try:
            self._look_after_camera()
        except CameraLostError:
            if self._ledger is not None:
                self._ledger.camera_lost(now_ms, self._uplink.mode, self._uplink.trigger_no)
            raise
        moved = self._network is not None and self._network.step(now_ms)
        networked = self._network is not None and self._network.serving and not self._stay.stalled
        if self._network is not None:
            self._stay.see(self._network, now_ms)
        for trigger in self._uplink.step(now_ms, networked=networked):
            if trigger.in_service:
                self._walk(trigger)
                continue
            if self._ledger is not None:
                self._ledger.on_trigger(trigger)
            if self._interval is None:
                self._accept(trigger)
        if self._ledger is not None:
            self._ledger.step(now_ms, self._uplink.mode, self._uplink.trigger_no, full=self._refused_ms is not None)
            self._tell("ledger", self._ledger.trouble, now_ms)
        if self._visit is not None:
            moved |= self._visit.step(wanted=self._uplink.mode == SERVICE)
        self._tell("supervisor", self._uplink.trouble, now_ms)
        self._tell("network", self._network.trouble if self._network else "", now_ms)
        self._tell("receipts", self._refused_receipts(), now_ms)
        visited = self._uplink.in_service(now_ms)
        if self._interval and not visited and (trigger_due := self._interval.poll(now_ms)):
            self._accept(trigger_due)
        if self._uplink.leave:
            self._pending.clear()  # what moved will move again; what is in hand is finished
        if due(self._refused_ms, now_ms, STORAGE_RETRY_MS):
            self._work(now_ms)
        if self._pending or self._unsaved is not None:
            self._stay.busy()
        elif not self._uplink.leave:
            moved |= not visited and self._update(now_ms)
            if not self._stays(now_ms) and not (self._updater and self._updater.busy):
                self._uplink.idle(now_ms)
        elif not self.left:
            self.left = True
            self._uplink.farewell()
        return moved or (bool(self._pending) and self._refused_ms is None)

    def _update(self, now_ms: int) -> bool:
        """A piece of an update; whether more of it is at hand. One that lets the Pi off does so as at LEAVE."""
        if self._updater is None:
            return False
        payloads = list(self._uplink.firmware)
        self._uplink.firmware.clear()
        more = self._updater.step(now_ms, payloads)
        self._tell("updates", self._updater.trouble, now_ms)
        if self._updater.ending == "off" and not self.left:
            self.left = True
            self._uplink.farewell()
        return more

    @property
    def again(self) -> bool:
        """Whether the program is to end, for another release or another try."""
        return self._updater is not None and self._updater.ending == "again"

    def _stays(self, now_ms: int) -> bool:
        """Whether the network is still bringing something."""
        if self._network is None:
            return False
        try:
            return self._stay.wanted(self._network, now_ms)
        except StorageError:
            return False  # what cannot be read cannot be sent

    def _look_after_camera(self) -> None:
        """Count durably what happened to it. A full card must not end the trap: what was not counted waits."""
        for notice in self._tend():
            self._notices.append(notice)
            if notice.text:
                self._report(notice.text)
        with suppress(StorageError):
            while self._notices:
                self._outbox.count(self._notices[0].counter)
                self._notices.popleft()

    def _refused_receipts(self) -> str:
        """It deletes nothing, so nothing is lost; but the card never empties until a person puts the key right."""
        counts = [self._uplink.counts, *([self._network.counts] if self._network else [])]
        refused, partly = (sum(each[name] for each in counts) for name in ("refused", "partly"))
        if refused > partly:  # one that came whole mends one that was refused before
            return (
                f"{refused - partly} receipts refused: not signed for what lies here, nothing is deleted. Is the key "
                "that `keys.receipts` names the back end's? Put it right, then say `trapbase again` at the base"
            )
        if partly:
            return (
                f"{partly} receipts name what this trap never made: somebody brings objects in its name (a cloned "
                "card, a stolen certificate). Its own are let go all the same"
            )
        return ""

    def _walk(self, trigger: Trigger) -> None:
        if self._visit is None:
            self.unseen_walks += 1
        else:
            self._visit.on_trigger(trigger)

    def _accept(self, trigger: Trigger) -> None:
        if len(self._pending) < MAX_PENDING:
            self._pending.append(trigger)
        else:
            self.dropped_triggers += 1

    def _work(self, now_ms: int) -> None:
        """Take and commit one burst.

        A card that takes not even a small one keeps the outcome in memory, sealed as it is; no further burst is taken,
        and it is asked again later.  Raises: DamagedError: the outbox cannot go on.
        """
        try:
            if self._unsaved is None and self._pending:
                source = self._camera.source
                position = self._outbox.position(source)
                taken = self._camera.frames(self._pending.popleft(), position)
                if self._clock is not None and isinstance(taken, Burst):
                    taken = self._clock.stamp(taken)
                self._unsaved = None if taken is None else self._capture.outcome(taken, source, position)
            if self._unsaved is not None:
                outcome, commit = self._unsaved, partial(self._outbox.commit, self._unsaved)
                began_ms = self._elapsed_ms()
                number = commit() if self._ledger is None else self._ledger.timed(commit)
                self._slow = self._elapsed_ms() - began_ms >= SLOW_COMMIT_MS
                self._unsaved = None
                if self._ledger is not None:
                    self._ledger.on_outcome(outcome)
                self._tell_outcome(outcome, number)
        except DamagedError:
            raise  # no repeat will mend it: whoever runs this sets it aside and begins anew
        except StorageError as error:
            self._refused_ms = now_ms
            self._uplink.card_fault = True
            self._tell("outbox", f"not saved, asking again every {STORAGE_RETRY_MS // 1000} s: {error}", now_ms)
            return
        self._refused_ms = None
        shortage = self._outbox.shortage
        self._uplink.card_fault = bool(shortage)
        self._tell("outbox", "", now_ms)
        self._tell("card's room", shortage, now_ms)
        self._tell("card's speed", SLOW if self._slow else "", now_ms)

    def _tell_outcome(self, outcome: Outcome | Withheld, number: int | None) -> None:
        if isinstance(outcome, Outcome):  # of people not even a line with a time
            what = outcome.outcome
            if outcome.sighting:
                unjudged = outcome.sighting.event.category == UNJUDGED
                if number:
                    what = f"{'unjudged' if unjudged else 'sighting'} {number}"
                elif unjudged and self._outbox.shortage:
                    what = "not kept for want of room"
            reason = f" ({outcome.reason})" if outcome.reason else ""
            self._report(f"{outcome.name}: {what}{reason}, score {outcome.score:.2f}")

    def _tell(self, part: str, trouble: str, now_ms: int) -> None:
        """Report a trouble once, until it changes; and once that it is over."""
        if trouble:
            self._quiet_ms.pop(part, None)
            if trouble != self._told.get(part):
                self._report(trouble)
                self._told[part] = trouble
        elif part in self._told:
            since_ms = self._quiet_ms.setdefault(part, now_ms)
            if due(since_ms, now_ms, OVER_AFTER_MS):
                self._report(f"{part}: the trouble is over")
                del self._told[part], self._quiet_ms[part]
