"""A batch as a Camera Trap Data Package (Camtrap DP 1.0.2): pure, from stored rows and bytes to one zip.

Beside the standard's three tables lies `objects.csv`, which says where in the package the sealed bytes of every
object in custody are: the back end checks their digests and signs for exactly those. Opened crops go along as
`media/…`, for people and programs. The same rows always give the same bytes: nothing here reads a clock.
"""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from trapbase.camtrap_descriptor import DEPLOYMENTS, MEDIA, OBJECTS, OBSERVATIONS, descriptor
from trapbase.camtrap_rows import deployment_row, empty_row, identified_row, observation_row, time_text
from trapbase.coarser import EXACT, rounded_row
from trapbase.config import BatchSettings
from trapbase.deployments import Deployment
from trapbase.effort import DayLine
from trapbase.eventid import sighting_id
from trapbase.model import Event, Identification, Sighting, StoredObject
from trapbase.pictures import SEALED, media_type
from trapbase.places import Places, Site
from trapbase.sample_rows import SAMPLES, sample_row
from trapbase.visit_rows import VISITS, visit_row
from trapkit.cards import Sample, Visit
from trapwire.objects import FULLS, NOTE, RUNG_NAMES, SCENE

ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can write: the same bytes whenever it is made
Row = dict[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a package is made of: `events` of the objects' sightings (where the alert is known), `event_ids` of these
    and of those that samples name; `places`: where the traps stood, and what rangers wrote; `read(object)` gives the
    sealed bytes, `unseal` what is in them, or None; `effort`: the days of each trap, by which deployments are split,
    None where they are not; `touched_only`: of a deployment's periods those alone to which something here belongs (a
    batch knows only its own); `coordinates`: how exactly they stand in it (`coarser`); `identified`: who the cats are,
    as far as the back end has said (nothing in a batch: it goes there first)."""

    objects: list[StoredObject]
    events: Mapping[Sighting, Event]
    event_ids: Mapping[Sighting, str]
    places: Places
    read: Callable[[StoredObject], bytes]
    unseal: Callable[[bytes], bytes | None]
    effort: Mapping[int, list[DayLine]] | None = None
    touched_only: bool = False
    coordinates: str = EXACT
    identified: Mapping[Sighting, Identification] = field(default_factory=dict)


def build_files(batch_id: str, contents: Contents, settings: BatchSettings) -> dict[str, bytes]:
    """The package's files by path."""
    files: dict[str, bytes] = {}
    objects, media, observations = [], [], []
    by_sighting: dict[Sighting, list[StoredObject]] = {}
    for o in sorted(contents.objects, key=lambda o: o.identity):
        by_sighting.setdefault(o.sighting, []).append(o)
    where = _Deployments(contents, by_sighting)
    samples: list[Row] = []
    visits: list[Row] = []
    for sighting, own in by_sighting.items():
        event = contents.events.get(sighting)
        time_ms = _time_ms(contents, sighting, own)
        deployment = where.at(sighting[0], time_ms)
        pictures = []
        for o in own:
            row, picture = _object(o, files, contents)
            objects.append(row)
            if picture is not None:
                pictures.append(picture | {"timestamp": time_text(time_ms), "deploymentID": deployment})
        media += pictures
        if own[0].rung == NOTE:  # what a trap or a ranger says is no observation
            said = contents.places.said.get(sighting)
            if said is not None and isinstance(said.said, Sample):
                row = sample_row(said, said.said, contents.places, contents.event_ids)
                samples.append(rounded_row(row, contents.coordinates) | {"deploymentID": deployment})
            elif said is not None and isinstance(said.said, Visit):
                visits.append(visit_row(said, said.said, contents.places) | {"deploymentID": deployment})
            continue
        # The crop, where there is one. A further full frame shows the animal elsewhere than the alert's box says.
        best = next((p for p in pictures if p["rung"] not in FULLS[1:]), None)
        trap = contents.places.site(sighting[0], time_ms).trap
        make = empty_row if own[0].rung == SCENE else observation_row
        seen = make(
            sighting,
            event,
            contents.event_ids.get(sighting),
            trap,
            best,
            own[0].received_ms,
            settings.classified_by,
        )
        seen = identified_row(seen, contents.identified.get(sighting))
        observations.append(seen | {"deploymentID": deployment})
    deployments = [rounded_row(row, contents.coordinates) for row in where.rows()]
    files["deployments.csv"] = _csv(DEPLOYMENTS, deployments)
    files["media.csv"] = _csv(MEDIA, media)
    files["observations.csv"] = _csv(OBSERVATIONS, observations)
    files["objects.csv"] = _csv(OBJECTS, objects)
    if samples:
        files["samples.csv"] = _csv(SAMPLES, samples)
    if visits:
        files["visits.csv"] = _csv(VISITS, visits)
    created = time_text(max(o.stored_ms for o in contents.objects))
    package = descriptor(
        batch_id, created, deployments, observations, settings, samples=bool(samples), visits=bool(visits)
    )
    if contents.coordinates != EXACT:
        package["coordinatePrecision"] = float(contents.coordinates)
    files["datapackage.json"] = (json.dumps(package, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
    return files


def zip_files(files: Mapping[str, bytes]) -> bytes:
    """One zip: sorted, without times, pictures stored as they are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(files):
            info = zipfile.ZipInfo(path, ZIP_TIME)
            info.external_attr = 0o644 << 16
            text = path.endswith((".csv", ".json"))
            archive.writestr(info, files[path], zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED)
    return buffer.getvalue()


def _object(o: StoredObject, files: dict[str, bytes], contents: Contents) -> tuple[Row, Row | None]:
    """The object's row in `objects.csv` and, for a picture, its row in `media.csv`; its files go into `files`."""
    row: Row = {"trap": o.trap, "epoch": o.epoch, "number": o.number, "rung": RUNG_NAMES[o.rung]}
    row |= {"sha256": o.sha256.hex(), "size": o.size}
    if o.body is not None:
        return row | {"bodyHex": o.body.hex()}, None
    if o.gone:
        return row, None  # given up for room; the back end has it
    name = f"{sighting_id(o.sighting)}-{RUNG_NAMES[o.rung]}"
    sealed = contents.read(o)
    sealed_path = f"sealed/{name}.box"
    files[sealed_path] = sealed
    row["sealedPath"] = sealed_path
    picture: Row = {"mediaID": name, "captureMethod": _method(o), "filePublic": "false", "rung": o.rung}
    opened = contents.unseal(sealed)
    kind = media_type(opened) if opened is not None else None
    if opened is None or kind is None:
        comment = "sealed: opens with the key of its recipient"
        if o.rung in FULLS[1:]:
            comment += "; another frame of the burst, some seconds from this time"
        return row, picture | {"filePath": sealed_path, "fileMediatype": SEALED, "mediaComments": comment}
    path = f"media/{name}.{kind[1]}"
    files[path] = opened
    row |= {"mediaPath": path, "mediaSha256": hashlib.sha256(opened).hexdigest()}
    comment = f"{RUNG_NAMES[o.rung]}, opened by the base"
    return row, picture | {"filePath": path, "fileMediatype": kind[0], "mediaComments": comment}


def _method(o: StoredObject) -> str:
    return "timeLapse" if o.rung == SCENE else "activityDetection"


def _time_ms(contents: Contents, sighting: Sighting, own: list[StoredObject]) -> int:
    """When it was: without its alert nobody knows when a picture was taken, and the time is that of its reception."""
    event = contents.events.get(sighting)
    said = contents.places.said.get(sighting)
    if event is None and said is not None and said.said is not None:
        return said.said.at_ms
    return event.time_ms if event else own[0].received_ms


class _Group:
    """What of a package belongs to one deployment."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.events: list[Event] = []
        self.received_ms: list[int] = []
        self.split: Deployment | None = None


class _Deployments:
    """Which deployment something belongs to, and their rows: those of everything in the package, cards included."""

    def __init__(self, contents: Contents, by_sighting: Mapping[Sighting, list[StoredObject]]) -> None:
        self._contents = contents
        self._touched: set[str] = set()
        self._groups: dict[str, _Group] = {}
        for sighting, own in by_sighting.items():
            group = self._group(contents.places.site(sighting[0], _time_ms(contents, sighting, own)))
            group.received_ms += [o.received_ms for o in own]
            if sighting in contents.events:
                group.events.append(contents.events[sighting])
        for own_stays in contents.places.stays.by_trap.values():
            for stay in own_stays:
                if not by_sighting.keys().isdisjoint(stay.cards):
                    self._group(contents.places.site_of(stay))
        if contents.effort is None:
            return
        for group in self._groups.values():
            times = [e.time_ms for e in group.events] or ([] if group.site.stay else group.received_ms)
            lines = list(contents.effort.get(group.site.trap.number, ()))
            if contents.touched_only and not lines:
                continue  # nothing is told that a deployment could be split by
            group.split = Deployment(group.site, times, lines)

    def _group(self, site: Site) -> _Group:
        return self._groups.setdefault(site.id, _Group(site))

    def at(self, trap: int, time_ms: int) -> str:
        name = self._contents.places.site(trap, time_ms).id
        group = self._groups[name]
        if group.split is not None:
            name = group.split.at(time_ms)
        self._touched.add(name)
        return name

    def rows(self) -> list[Row]:
        found: list[Row] = []
        for name in sorted(self._groups, key=lambda n: (self._groups[n].site.trap.number, n)):
            group = self._groups[name]
            if group.split is None:
                found.append(deployment_row(group.site.trap, group.events, group.received_ms, group.site.stay))
                found[-1]["deploymentID"] = name
            else:
                periods = group.split.rows(group.events, group.received_ms)
                touched = [row for row in periods if row["deploymentID"] in self._touched]
                # Of a card that came alone: the last, which says how things stand.
                found += (touched or periods[-1:]) if self._contents.touched_only else periods
        return found


def _csv(columns: Iterable[str], rows: Iterable[Row]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(columns), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()
