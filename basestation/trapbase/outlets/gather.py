"""From an item of an outlet's queue to its facts: rows, places, and the picture where this base can open it."""

import hashlib
from collections.abc import Callable

from trapbase.cutter import Cutter
from trapbase.outlet_settings import EARTHRANGER, OutletSettings
from trapbase.outlets.facts import Facts, Picture, identified, where_of
from trapbase.outlets.post import BadItemError
from trapbase.outlets.queue import Item, OutletQueue
from trapbase.pictures import media_type
from trapbase.results.kept import identification_of
from trapbase.results.standing import newest
from trapbase.store import Store
from trapkit.sealing import open_box

JPEG = ("image/jpeg", "jpg")


class Gatherer:
    """`base`: its name; `cutter`: tells where traps stood, and eventIDs; `secret`: the key that opens crops, or None;
    `to_jpeg`: a picture as JPEG, or None where it cannot be read."""

    def __init__(
        self,
        base: str,
        settings: OutletSettings,
        store: Store,
        queue: OutletQueue,
        cutter: Cutter,
        secret: bytes | None,
        to_jpeg: Callable[[bytes], bytes | None],
    ) -> None:
        self._base = base
        self._settings = settings
        self._store = store
        self._queue = queue
        self._cutter = cutter
        self._secret = secret
        self._to_jpeg = to_jpeg

    def facts(self, item: Item) -> Facts | None:
        """All that may be said of it; None where its identification is not here any more, or a newer one has overtaken
        it while it waited: that one goes by itself, and nobody is to take an old word for the last.

        Raises: BadItemError when its picture is damaged; StorageError.
        """
        row = None
        if item.result:
            results = {r["id"]: r for r in self._queue.identifications(item.sighting)}
            last = newest([identification_of(r) for r in results.values()])
            row = results.get(item.result)
            if row is None or last is None or row["result_id"] != last.result_id:
                return None
        event = self._store.event(item.sighting)
        event_id = None
        if event is not None:
            event_id = event.event_id or self._cutter.event_id(event)
            if event.event_id is None:
                self._queue.publish_event_id(item.sighting, event_id)
        places = self._cutter.places()
        said = None if row is None else identified(row)
        time_ms = event.time_ms if event is not None else (said and said.decided_ms) or item.queued_ms
        known = places.station(item.trap, time_ms) is not None
        return Facts(
            base=self._base,
            sighting=item.sighting,
            event=event,
            event_id=event_id,
            where=where_of(places.site(item.trap, time_ms).trap if known else None, self._settings.coordinates),
            picture=self._picture(item) if self._settings.picture else None,
            identified=said,
            queued_ms=item.queued_ms,
        )

    def _picture(self, item: Item) -> Picture | None:
        """The crop, or the frame where no crop came. A file that is gone may have made room for others; one whose bytes
        are wrong is damage."""
        for sha256, body in self._queue.pictures(item.sighting) if self._secret is not None else []:
            path = self._store.media.path(sha256)
            try:
                sealed = path.read_bytes() if body is None else body
            except FileNotFoundError:
                continue
            except OSError as error:
                raise BadItemError(f"its picture {path.name[:16]} cannot be read: {error.strerror}") from error
            if hashlib.sha256(sealed).digest() != sha256:
                raise BadItemError(f"its picture {path.name[:16]} is damaged: see `trapbase verify`")
            opened = open_box(self._secret or b"", sealed)
            kind = media_type(opened) if opened is not None else None
            if opened is None or kind is None:
                continue  # sealed to somebody else
            if self._settings.kind != EARTHRANGER:
                return Picture(kind=kind[0], end=kind[1], data=opened)
            jpeg = opened if kind == JPEG else self._to_jpeg(opened)
            if jpeg is None:
                raise BadItemError(f"its picture {path.name[:16]} is no picture that can be decoded")
            return Picture(kind=JPEG[0], end=JPEG[1], data=jpeg)
        return None
