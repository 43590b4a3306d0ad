"""Rows of Camtrap DP 1.0.2: a trap as a deployment, an alert as an observation. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime

from trapbase.config import TrapSettings
from trapbase.eventid import WINDOW_MS, sighting_id
from trapbase.model import Event, Identification, Sighting
from trapbase.stays import Stay
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

# What the detector said of a sighting that the back end has identified since: tags, and the columns they come from.
DETECTED = {
    "detectedName": "scientificName",
    "detectedBy": "classifiedBy",
    "detectedProbability": "classificationProbability",
}
STILL = "Still in the field: the end is that of the last sighting in this package."


def time_text(unix_ms: int) -> str:
    """ISO 8601 with zone, whole seconds: the only form that the standard's tables take."""
    return datetime.fromtimestamp(unix_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def deployment_id(trap: TrapSettings) -> str:
    return f"{trap.station}-{trap.side}-{trap.number}"


def deployment_row(trap: TrapSettings, events: list[Event], received_ms: list[int], stay: Stay | None = None) -> Row:
    """The trap as far as this batch knows it; the end is provisional while it is still in the field. `stay`: what a
    ranger's card says of it.

    `timestampIssues` when the card's times are not sure, when a clock was unknown or off by more than the window in
    which two views are one event, when a sighting lies outside the deployment, or when one has no alert and so only
    the time of its reception.
    """
    times = [e.time_ms for e in events] or (received_ms if stay is None else [stay.start_ms])
    start = trap.deployed or time_text(min(times))
    early = any(time_text(t) < start for t in times)
    end = time_text(max(times) + 999)
    if stay is not None and stay.end_ms is not None:
        early = early or any(t > stay.end_ms for t in times)
        end = max(end, time_text(stay.end_ms))
    doubt = early or any(e.uncertainty_ms is None or e.uncertainty_ms > WINDOW_MS for e in events)
    doubt = doubt or (not events if stay is None else stay.doubt)
    row: Row = {
        "deploymentID": deployment_id(trap),
        "locationID": trap.station,
        "locationName": trap.station,
        "latitude": trap.latitude,
        "longitude": trap.longitude,
        "coordinateUncertainty": trap.uncertainty_m,
        "deploymentStart": min(start, time_text(min(times))),
        "deploymentEnd": max(start, end),
        "cameraID": f"trap-{trap.number}",
        "cameraModel": trap.model,
        "timestampIssues": "true" if doubt else "false",
        "baitUse": "false",
        "deploymentTags": f"side:{trap.side}",
        "deploymentComments": STILL,
    }
    return row if stay is None else row | _of_card(trap, stay)


def _of_card(trap: TrapSettings, stay: Stay) -> Row:
    """What the ranger wrote: https://camtrap-dp.tdwg.org/data/#deployments has no place for the way to the trail."""
    tags = [f"side:{trap.side}", f"bait:{stay.bait}" if stay.bait != "none" else ""]
    tags.append("" if stay.trail_m is None else f"trailDistanceM:{stay.trail_m:g}")
    return {
        "setupBy": stay.who,
        "cameraHeight": "" if stay.height_cm is None else f"{stay.height_cm / 100:.2f}",
        "cameraHeading": "" if stay.bearing_deg is None else stay.bearing_deg,
        "baitUse": "false" if stay.bait == "none" else "true",
        "deploymentTags": " | ".join(filter(None, tags)),
        "deploymentComments": card_comments(stay, STILL),
    }


def card_comments(stay: Stay, still: str) -> str:
    """The ranger's note, and how the deployment ended."""
    ended = f"Ended {stay.ended}." if stay.ended else ""
    return " ".join(filter(None, (stay.note, still if stay.end_ms is None else ended)))


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


def identified_row(row: Row, found: Identification | None) -> Row:
    """An observation with what the back end says of it, which is the latest classification: of these columns the
    standard wants the most recent. What the trap's detector had said moves to `observationTags`."""
    if found is None:
        return row
    tags = [str(row.get("observationTags") or "")]
    tags += [f"{tag}:{row[name]}" for tag, name in DETECTED.items() if row.get(name)]
    return row | {
        "observationType": "animal",
        "scientificName": found.species or row.get("scientificName", ""),
        "individualID": found.individual or "",
        "sex": found.sex or "",
        "lifeStage": found.life_stage or "",
        "classificationMethod": found.method,
        "classifiedBy": found.reviewer,
        "classificationTimestamp": time_text(found.decided_ms),
        "classificationProbability": "" if found.confidence is None else f"{found.confidence:.4f}",
        "observationTags": " | ".join(filter(None, tags)),
    }


def frame_box(box: tuple[int, int, int, int]) -> tuple[float, float, float, float] | None:
    """The box as fractions of the frame, within it; None when it has no area."""
    x, y, width, height = (v / 255 for v in box)
    width, height = min(width, 1 - x), min(height, 1 - y)
    return (x, y, width, height) if width > 0.00005 and height > 0.00005 else None
