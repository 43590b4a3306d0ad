"""Cuts batches: the file first, durable, then the transaction that says which objects are in it."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from trapbase.batch import CutRules, batch_id, cut, halves
from trapbase.cardbook import CardBook
from trapbase.config import BatchSettings, TrapSettings, urgent_species
from trapbase.deployments import by_trap
from trapbase.effort import DayLine, day_lines
from trapbase.eventid import REACH_MS, event_ids
from trapbase.model import Event, Sighting, StoredObject, Waiting
from trapbase.package import Contents, build_files, zip_files
from trapbase.places import Places
from trapbase.store import Store
from trapbase.store_settings import CardsSettings
from trapkit.cards import Sample
from trapkit.errors import StorageError
from trapkit.files import refusal, write_atomically
from trapkit.sealing import open_box

MAX_LINES = 100_000  # of the effort ledger for one batch: 27 traps for ten years
LOOK_AGAIN_MS = 5000  # what waits becomes ready by time alone; a batch may come so much late, or a twentieth of its age
MAX_NEIGHBOURS = 200  # sightings of one station within the reach of one: beyond it a cat sleeps before the camera


class Cutter:
    """The step from stored objects to `outbox/<batch id>.zip`.

    `traps`: by number; objects of others wait until a ranger's card, or the settings, tell where they stand. `secret`:
    the key that opens crops and cards, or None; `cards`: which of these count.
    """

    def __init__(
        self,
        store: Store,
        traps: Mapping[int, TrapSettings],
        settings: BatchSettings,
        secret: bytes | None,
        cards: CardsSettings | None = None,
    ) -> None:
        self._store = store
        self._book = CardBook(store, secret, traps, cards)
        self._settings = settings
        self._secret = secret
        self._urgent = urgent_species(settings)
        self._outbox = store.folder / "outbox"
        self._rules = CutRules(
            max_events=settings.max_events,
            max_bytes=settings.max_bytes,
            max_age_ms=round(settings.max_age_s * 1000),
            max_wait_ms=round(settings.max_wait_s * 1000),
        )
        self._look_ms = min(LOOK_AGAIN_MS, self._rules.max_age_ms // 20, self._rules.max_wait_ms // 20)
        self._left: list[Waiting] = []  # of the last look, and in no batch yet
        self._looked: tuple[int, int, Places] | None = None  # when, at which newest object, by which places
        self._urgent_to = 0  # the row up to which it was looked for what is urgent
        self.damaged: set[int] = set()  # rows whose bytes the disk has lost; `trapbase verify` names them

    def path(self, name: str) -> Path:
        """Where the batch's file lies."""
        return self._outbox / f"{name}.zip"

    def recover(self) -> None:
        """After a start: remove files that no transaction names, make missing ones again from their rows.

        Raises: StorageError when there can be no outbox.
        """
        try:
            self._outbox.mkdir(mode=0o700, exist_ok=True)
            self._outbox.chmod(0o700)  # an older version left it open to all
            found = list(self._outbox.iterdir())
        except OSError as error:
            raise StorageError(f"outbox: {refusal(self._outbox, error)}") from error
        needed = self._store.batch_files_needed()
        for path in found:
            if path.suffix != ".zip" or path.stem not in needed:
                with suppress(OSError):  # what cannot be removed is in nobody's way
                    path.unlink()
        for name in needed:
            with suppress(StorageError, OSError):  # the uploader meets it, says so, and goes on with the others
                if not self.path(name).is_file():
                    self.rebuild(name)

    def rebuild(self, name: str) -> None:
        """Make a batch's file again; it is then uploaded from its first byte."""
        _, data, _ = self._build(self._store.objects_of(name))
        self._write(name, data)
        self._store.recut(name, len(data))

    def halve(self, name: str, utc_ms: int) -> list[str]:
        """Cut a batch in two, in one transaction; the ids of both, none when it is a single object.

        Raises: StorageError; the batch is then as it was.
        """
        parts = []
        for objects in halves(self._store.objects_of(name)):
            part, data, _ = self._build(objects)
            self._write(part, data)
            parts.append((part, len(data), objects))
        if parts:
            self._store.split_batch(name, parts, utc_ms)
            with suppress(OSError):  # else it goes after the next start
                self.path(name).unlink()
        return [part for part, _, _ in parts]

    def step(self, utc_ms: int) -> str | None:
        """Cut the next batch if it is time; its id.  Raises: StorageError."""
        waiting, self._left = self._candidates(utc_ms), []
        chosen = cut(waiting, utc_ms, self._rules)
        objects = self._whole(chosen)
        if len(objects) < len(chosen):
            self._looked = None  # others may go in their place
        if not objects:
            return None
        name, data, contents = self._build(objects)
        self._write(name, data)
        self._store.add_batch(name, len(data), objects, contents.event_ids, utc_ms)
        taken = {o.id for o in objects}
        self._left = [w for w in waiting if w.object.id not in taken]
        return name

    def _candidates(self, utc_ms: int) -> list[Waiting]:
        """What may go into the next batch: of a long list the rest, before it is read again; nothing while nothing came
        and no time has passed that counts."""
        places, newest = self.places(), self._store.newest_object()
        if self._looked is not None and places is self._looked[2]:
            if self._left and not self._urgent_came(places, newest):
                return [w for w in self._left if w.object.id not in self.damaged]
            if not self._left and newest == self._looked[1] and 0 <= utc_ms - self._looked[0] < self._look_ms:
                return []
        self._looked, self._urgent_to = (utc_ms, newest, places), newest
        return [w for w in self._store.waiting(places.known(), self._urgent) if w.object.id not in self.damaged]

    def _urgent_came(self, places: Places, newest: int) -> bool:
        """Whether anything came that may not wait until the long list is through."""
        since, self._urgent_to = self._urgent_to, newest
        return newest != since and bool(self._store.waiting_urgent(places.known(), self._urgent, since))

    def places(self) -> Places:
        """Where the traps stand.  Raises: StorageError."""
        return self._book.current()

    def _whole(self, objects: list[StoredObject]) -> list[StoredObject]:
        """Those whose bytes are still what they were: nobody may sign for the others."""
        lost = {o.id for o in objects if o.body is None and self._store.read(o) is None}
        self.damaged |= lost
        return [o for o in objects if o.id not in lost]

    def contents(self, objects: list[StoredObject]) -> tuple[str, Contents]:
        """The batch id of these objects, and what a package of them is made of."""
        found = {s: self._store.event(s) for s in {o.sighting for o in objects}}
        events = {s: e for s, e in found.items() if e is not None}
        places = self.places()
        contents = Contents(
            objects=objects,
            events=events,
            event_ids=self._event_ids(events | self._sampled(objects, places), places),
            places=places,
            read=self._read,
            unseal=self._unseal,
            effort=self._effort(objects),
            touched_only=True,
        )
        return batch_id(objects), contents

    def _effort(self, objects: list[StoredObject]) -> Mapping[int, list[DayLine]]:
        """The days of these objects' traps, as far as they were known when the last of the objects came: what is told
        later must not change the bytes of a batch that is made again."""
        last_ms = max(o.stored_ms for o in objects)
        notes = self._store.day_notes({o.trap for o in objects}, MAX_LINES)
        return by_trap(day_lines(note for note in notes if note["stored_ms"] <= last_ms))

    def event_id(self, event: Event) -> str:
        """The eventID that a batch cut now would give it.  Raises: StorageError."""
        return self._event_ids({event.sighting: event}, self.places())[event.sighting]

    def _build(self, objects: list[StoredObject]) -> tuple[str, bytes, Contents]:
        name, contents = self.contents(objects)
        return name, zip_files(build_files(name, contents, self._settings)), contents

    def _sampled(self, objects: list[StoredObject], places: Places) -> dict[Sighting, Event]:
        """The sightings that samples among these objects name, of whatever batch."""
        found: dict[Sighting, Event] = {}
        for o in objects:
            said = places.said.get(o.sighting)
            if said is not None and isinstance(said.said, Sample) and said.said.sighting is not None:
                event = self._store.event((o.trap, o.epoch, said.said.sighting))
                if event is not None:
                    found[event.sighting] = event
        return found

    def _event_ids(self, events: Mapping[Sighting, Event], places: Places) -> dict[Sighting, str]:
        around = dict(events)
        for event in events.values():
            station = places.station(event.trap, event.time_ms)
            together = [event.trap] if station is None else places.traps_at(station)
            reach = (event.time_ms - REACH_MS, event.time_ms + REACH_MS)
            near = self._store.events_near(together, *reach, MAX_NEIGHBOURS)
            around |= {e.sighting: e for e in near}
        ids = event_ids(around.values(), places.station)
        return {s: ids[s] for s in events}

    def _read(self, o: StoredObject) -> bytes:
        body = self._store.read(o)
        if body is None:
            raise StorageError(f"media folder: {o.sha256.hex()} is missing or damaged")
        return body

    def _unseal(self, sealed: bytes) -> bytes | None:
        return None if self._secret is None else open_box(self._secret, sealed)

    def _write(self, name: str, data: bytes) -> None:
        path = self.path(name)
        try:
            if path.is_dir():
                path.rmdir()  # nothing replaces a folder; one with something in it is left to a person
            write_atomically(path, data, mode=0o600)  # opened crops, exact positions
        except OSError as error:
            raise StorageError(f"outbox: {refusal(self._outbox, error)}") from error
