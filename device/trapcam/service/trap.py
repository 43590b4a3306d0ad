"""The trap behind the ranger's page: what the page asks, done with the parts that the trap runs on."""

import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from trapcam import choice
from trapcam.airguess import picture_seconds
from trapcam.card_notes import CardNotes
from trapcam.clock import Clock
from trapcam.detections import PEOPLE
from trapcam.examine.drawing import draw
from trapcam.frames import Frame
from trapcam.judge import Judge, Seen
from trapcam.outbox import Outbox
from trapcam.service.desk import Desk
from trapcam.service.download import Listed, Parcel
from trapcam.service.gnss import GnssModule
from trapcam.service.since import Mark, card_saved, counted_from, visit_over
from trapcam.service.unit import WALK_S, Look, Step, Unit, Walk
from trapcam.service.words import N_
from trapcam.trigger import CAUSE_PIR, Trigger
from trapcam.uplink import Uplink
from trapkit.cards import Card, Visit, Written
from trapkit.errors import StorageError

DEPLOYED = "deployment"  # the outbox's part that says whether there is one; where is sealed
VISITED = "visited"  # the outbox's part that says from when the page counts (`service.since`)
LOW_PERCENT = 25  # of the battery, as the control board counts it low
SOON_DAYS = 60  # so long at least until somebody comes again
LIVE_PIXELS = 640
LIVE_QUALITY = 70
SHARP = 1.5  # of `choice.sharpness`: scikit-image's people and cats blurred by two pixels are below
WALK_EVERY_MS = 1_000


class ServiceTrap:
    """glance: what the camera sees now, by a position; judge: None without a model; monotonic_ms: nobody sets it;
    worn: whether the memory card wears out."""

    def __init__(
        self,
        desk: Desk,
        outbox: Outbox,
        notes: CardNotes,
        clock: Clock,
        uplink: Uplink,
        glance: Callable[[int], Frame | None],
        source: str,
        judge: Judge | None,
        monotonic_ms: Callable[[], int],
        gnss: GnssModule | None = None,
        worn: Callable[[], bool] = lambda: False,
    ) -> None:
        self._desk = desk
        self._outbox = outbox
        self._notes = notes
        self._clock = clock
        self._uplink = uplink
        self._glance = glance
        self._source = source
        self._judge = judge
        self._monotonic_ms = monotonic_ms
        self._gnss = gnss
        self._worn = worn
        self._standing: Card | None = None
        self._steps: list[Step] | None = None
        self._begun_ms = 0
        self._begun_at_ms: int | None = None  # by the clock, for people
        self._ended_ms: int | None = None
        self._next_ms = 0
        self._visited = False  # somebody has come in
        self._edges = 0  # of the PIR since the last step

    # --- what the page asks (in the trap's loop) ------------------------------------------------------------------

    def unit(self) -> Unit:
        time_ms, uncertainty_ms = self._clock.now()
        unreceipted, full_frames = self._outbox.held_counts()
        self._visited, counts = True, self._counts()
        since = counted_from(self._outbox.told(VISITED), time_ms)
        before = since or Mark(0, 0, 0, 0)
        words = self._uplink.words
        return Unit(
            trap=self._outbox.trap,
            time_ms=time_ms,
            uncertainty_ms=uncertainty_ms,
            battery=words.battery if words else None,
            days_left=words.days_left if words else None,
            margin_db=words.margin_db if words else None,
            partner_db=words.partner_db if words else None,
            heard_s=words.heard_s if words else None,
            picture_s=picture_seconds(words.sf, words.frame_bytes, words.margin_db) if words else None,
            deployed=self._outbox.told(DEPLOYED) == "open",
            standing=self._standing,
            triggers=max(0, counts.triggers - before.triggers),
            sightings=max(0, counts.sightings - before.sightings),
            unreceipted=unreceipted,
            full_frames=full_frames,
            blind_days=max(0, counts.blind_days - before.blind_days),
            since_ms=since.at_ms if since else None,
            faults=self._faults(),
            needs=self._needs(),
            gnss=self._gnss.now() if self._gnss else None,
        )

    def _counts(self) -> Mark:
        return Mark(self._clock.now()[0], *self._outbox.totals(), self._outbox.notes.blind_days())

    def _faults(self) -> tuple[str, ...]:
        said = []
        if self._judge is None:
            said.append(N_("The detector's model is missing: every picture is kept, and nothing is sent by radio."))
        if self._uplink.trouble:
            said.append(N_("The supervisor does not answer: look at the cable between the two boards."))
        if self._outbox.shortage:
            said.append(N_("The card is full: take the parcels with you, or change the card."))
        if self._outbox.notes.open_alarms():
            said.append(N_("The trap was opened or moved since the last visit."))
        return tuple(said)

    def _needs(self) -> tuple[str, ...]:
        said, words = [], self._uplink.words
        if words and words.battery is not None and words.battery <= LOW_PERCENT:
            said.append(N_("Battery: change it, it is low."))
        elif words and words.days_left is not None and words.days_left < SOON_DAYS:
            said.append(N_("Battery: change it, or it is empty within two months."))
        if self._worn():
            said.append(N_("Memory card: change it, it wears out. Take the parcels with you first."))
        return tuple(said)

    def look(self) -> Look | None:
        frame = self._glance(self._outbox.position(self._source))
        if frame is None:
            return None
        image = frame.image
        seen = self._judge.detect(image) if self._judge else []
        thresholds: Mapping[str, float] = self._judge.description.thresholds if self._judge else {}
        counted = [one for one in seen if one.confidence >= thresholds.get(one.category, 1.0)]
        picture = draw(image, seen, thresholds)
        picture.thumbnail((LIVE_PIXELS, LIVE_PIXELS))
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=LIVE_QUALITY)
        return Look(
            jpeg=out.getvalue(),
            seen=tuple((one.category, one.confidence) for one in counted),
            sharp=any(_is_sharp(image, one) for one in counted),
        )

    def save(self, said: Written) -> int:
        number = self._notes.save(said, self._clock.now())
        if isinstance(said, Card):
            self._outbox.tell(DEPLOYED, "ended" if said.action == "end" else "open")
            self._standing = None if said.action == "end" else said
        if isinstance(said, Card | Visit):
            with suppress(StorageError):  # the card is safe: a count that begins too early is no reason to refuse it
                self._outbox.tell(VISITED, card_saved(self._counts()))
        return number

    def progress(self, number: int) -> str:
        try:
            return self._notes.progress(number)
        except KeyError:
            return "waiting"

    def parcel(self) -> Parcel:
        rows = self._outbox.unreceipted()
        listed = [Listed(number=number, rung=rung, size=size, sha256=sha) for number, rung, size, sha in rows]
        return Parcel(self._outbox.trap, self._outbox.epoch, listed, self._clock.now()[0], self._envelope)

    def _envelope(self, number: int, rung: int) -> bytes | None:
        """In the page's threads: the outbox is the loop's."""
        found = self._desk.ask(partial(self._outbox.envelope, number, rung))
        return found.encode() if found else None

    # --- the walk test: nothing of it is written ------------------------------------------------------------------

    def begin_walk(self) -> None:
        self._steps, self._begun_ms, self._ended_ms, self._next_ms, self._edges = [], self._monotonic_ms(), None, 0, 0
        self._begun_at_ms = self._clock.now()[0]

    def walk(self) -> Walk | None:
        if self._steps is None:
            return None
        until_ms = self._monotonic_ms() if self._ended_ms is None else self._ended_ms
        return Walk(
            steps=tuple(self._steps), running=self.walking, lasted_s=max(0, until_ms - self._begun_ms) // 1000,
            at_ms=self._begun_at_ms,
        )  # fmt: skip

    def end_walk(self) -> None:
        if self.walking:
            self._ended_ms = self._monotonic_ms()

    def close(self) -> None:
        """The visit is over."""
        self._steps = None
        if self._visited:
            with suppress(StorageError):  # as with a card; the visit is over whatever the disk says
                self._outbox.tell(VISITED, visit_over(self._outbox.told(VISITED), self._counts()))
            self._visited = False
        if self._gnss is not None:
            self._gnss.close()

    @property
    def walking(self) -> bool:
        return self._steps is not None and self._ended_ms is None

    def on_trigger(self, trigger: Trigger) -> None:
        """Something moved during a service visit: before this trap's PIR, or before its partner's, which is no test."""
        self._edges += trigger.cause == CAUSE_PIR

    def step(self) -> bool:
        """Hear the GNSS module; look once a second while somebody walks; whether that was done."""
        if self._gnss is not None:
            self._gnss.step()
        now_ms = self._monotonic_ms()
        if self._steps is None or not self.walking or now_ms < self._next_ms:
            return False
        self._next_ms = now_ms + WALK_EVERY_MS
        look = self.look()
        people = [one for one in look.seen if one[0] in PEOPLE] if look else []
        surest = max(people or (look.seen if look else ()), key=lambda one: one[1], default=("", 0.0))
        self._steps.append(
            Step(
                at_s=(now_ms - self._begun_ms) / 1000, pir=self._edges > 0, seen=surest[0], confidence=surest[1],
                sharp=look is not None and look.sharp,
            )
        )  # fmt: skip
        self._edges = 0
        # By the clock: a slow board looks less often, and the page says how long it lasts.
        if self._monotonic_ms() - self._begun_ms >= WALK_S * 1_000 - WALK_EVERY_MS:
            self.end_walk()
        return True


def _is_sharp(image: object, one: Seen) -> bool:
    x, y, w, h = one.bbox
    height, width = image.shape[:2]  # type: ignore[attr-defined]
    part = image[int(y * height) : int((y + h) * height) + 1, int(x * width) : int((x + w) * width) + 1]  # type: ignore[index]
    return choice.sharpness(part) >= SHARP
