"""Rows of Camtrap DP 1.0.2: a trap as a deployment, an alert as an observation. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime

from trapbase.config import TrapSettings
from trapbase.eventid import WINDOW_MS, sighting_id
from trapbase.model import Event, Sighting
from trapwire.objects import FRAME

Row = dict[str, object]

# Codes of `trapwire.alert.SPECIES` as taxa: scientific name, rank, English name.
TAXA = {
    0: ("Felidae", "family", "cats"),
    1: ("Panthera tigris", "species", "tiger"),
    2: ("Panthera pardus", "species", "leopard"),
    3: ("Panthera uncia", "species", "snow leopard"),
    4: ("Lynx lynx", "species", "Eurasian lynx"),
    5: ("Puma concolor", "species", "puma"),
    6: ("Felis catus", "species", "domestic cat"),
    7: ("Felidae", "family", "cats"),
    8: ("Animalia", "kingdom", "animals"),
}
OF_A_NEWER_TRAP = ("Animalia", "kingdom", "animals")  # a species code that this base does not know yet


def time_text(unix_ms: int) -> str:
    """ISO 8601 with zone, whole seconds: the only form that the standard's tables take."""
    return datetime.fromtimestamp(unix_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def deployment_id(trap: TrapSettings) -> str:
    return f"{trap.station}-{trap.side}-{trap.number}"


def deployment_row(trap: TrapSettings, events: list[Event], received_ms: list[int]) -> Row:
    """The trap as far as this batch knows it; the end is provisional, the trap being still in the field.

    `timestampIssues` when a clock was unknown or off by more than the window in which two views are one event, when
    a sighting lies before the deployment, or when one has no alert and so only the time of its reception.
    """
    times = [e.time_ms for e in events] or received_ms
    start = trap.deployed or time_text(min(times))
    early = any(time_text(t) < start for t in times)
    doubt = early or not events or any(e.uncertainty_ms is None or e.uncertainty_ms > WINDOW_MS for e in events)
    return {
        "deploymentID": deployment_id(trap),
        "locationID": trap.station,
        "locationName": trap.station,
        "latitude": trap.latitude,
        "longitude": trap.longitude,
        "coordinateUncertainty": trap.uncertainty_m,
        "deploymentStart": min(start, time_text(min(times))),
        "deploymentEnd": max(start, time_text(max(times) + 999)),
        "cameraID": f"trap-{trap.number}",
        "cameraModel": trap.model,
        "timestampIssues": "true" if doubt else "false",
        "baitUse": "false",
        "deploymentTags": f"side:{trap.side}",
        "deploymentComments": "Still in the field: the end is that of the last sighting in this package.",
    }


def observation_row(
    sighting: Sighting,
    event: Event | None,
    event_id: str | None,
    trap: TrapSettings,
    picture: Mapping[str, object] | None,
    received_ms: int,
    classified_by: str,
) -> Row:
    """One sighting. Without a picture in this package it is an observation of the event, else of that medium.

    The trap's box lies in the full frame. On a frame it is the box; a crop shows the animal and little else, so
    there the box is the whole picture; the box in the frame stands in `observationTags` in every case.
    """
    row: Row = {
        "observationID": sighting_id(sighting),
        "deploymentID": deployment_id(trap),
        "mediaID": picture["mediaID"] if picture else "",
        "observationLevel": "media" if picture else "event",
        "cameraSetupType": "",
    }
    if event is None:
        text = time_text(received_ms)
        comment = "The alert has not arrived, or cannot be read: the time is that of reception."
        return row | {
            "eventStart": text,
            "eventEnd": text,
            "observationType": "unclassified",
            "observationComments": comment,
        }
    text = time_text(event.time_ms)
    box = frame_box(event.box)
    tags = [f"timeMs:{event.time_ms}"]
    tags.append(f"uncertaintyMs:{'unknown' if event.uncertainty_ms is None else event.uncertainty_ms}")
    if box is not None:
        tags.append("frameBox:" + ",".join(f"{v:.4f}" for v in box))
        if picture is not None:
            shown = box if int(str(picture["rung"])) >= FRAME else (0.0, 0.0, 1.0, 1.0)
            names = ("bboxX", "bboxY", "bboxWidth", "bboxHeight")
            row |= {name: f"{v:.4f}" for name, v in zip(names, shown, strict=True)}
    return row | {
        "eventID": event_id or "",
        "eventStart": text,
        "eventEnd": text,
        "observationType": "animal",
        "scientificName": TAXA.get(event.species, OF_A_NEWER_TRAP)[0],
        "count": event.count,
        "classificationMethod": "machine",
        "classifiedBy": classified_by,
        "classificationTimestamp": text,
        "classificationProbability": f"{event.confidence / 255:.4f}",
        "observationTags": " | ".join(tags),
    }


def empty_row(
    sighting: Sighting,
    event: Event | None,
    event_id: str | None,
    trap: TrapSettings,
    picture: Mapping[str, object] | None,
    received_ms: int,
    classified_by: str,
) -> Row:
    """The day's picture of the empty scene, as `observation_row`: nobody is in it, by the trap's own judgement."""
    text = time_text(received_ms)
    return {
        "observationID": sighting_id(sighting),
        "deploymentID": deployment_id(trap),
        "mediaID": picture["mediaID"] if picture else "",
        "observationLevel": "media" if picture else "event",
        "eventStart": text,
        "eventEnd": text,
        "observationType": "blank",
        "classificationMethod": "machine",
        "classifiedBy": classified_by,
        "classificationTimestamp": text,
        "observationComments": "A picture a day of the empty scene; its time is that of reception.",
    }


def frame_box(box: tuple[int, int, int, int]) -> tuple[float, float, float, float] | None:
    """The box as fractions of the frame, within it; None when it has no area."""
    x, y, width, height = (v / 255 for v in box)
    width, height = min(width, 1 - x), min(height, 1 - y)
    return (x, y, width, height) if width > 0.00005 and height > 0.00005 else None
