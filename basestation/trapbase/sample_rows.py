"""`samples.csv`: what rangers found near the traps, a resource of our own beside the tables of Camtrap DP. Pure."""

from collections.abc import Mapping
from typing import Any

from trapbase.camtrap_rows import Row, time_text
from trapbase.eventid import WINDOW_MS, sighting_id
from trapbase.model import Sighting
from trapbase.places import Places, uncertainty_m
from trapbase.stays import Said, plain
from trapkit.cards import Sample

SAMPLE_FIELDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "sampleID": ("string", "trap, epoch and number of the note that brought it", {"required": True, "unique": True}),
    "barcode": ("string", "as it stands on the tube or bag", {"required": True}),
    "kind": (
        "string", "what it is", {"required": True, "enum": ["scat", "hair", "urine", "saliva", "other"]},
    ),
    "preserved": (
        "string", "how it is kept",
        {"required": True, "enum": ["dry", "frozen", "ethanol", "silica", "buffer", "other"]},
    ),
    "deploymentID": ("string", "the deployment near which it lay", {"required": True}),
    "observationID": ("string", "the sighting that it is thought to belong to", {}),
    "eventID": ("string", "that sighting's event, where it is known here", {}),
    "timestamp": ("datetime", "when it was collected, by the trap's clock", {"required": True}),
    "timestampIssues": ("boolean", "whether that clock was unknown or off by more than a minute", {"required": True}),
    "latitude": ("number", "WGS 84; the deployment's where none was given", {"minimum": -90, "maximum": 90}),
    "longitude": ("number", "WGS 84", {"minimum": -180, "maximum": 180}),
    "coordinateUncertainty": ("integer", "m", {"minimum": 1}),
    "collectedBy": ("string", "who", {"required": True}),
    "comments": ("string", "", {}),
}  # fmt: skip
SAMPLES = tuple(SAMPLE_FIELDS)


def sample_row(said: Said, sample: Sample, places: Places, event_ids: Mapping[Sighting, str]) -> Row:
    """One sample; `event_ids`: of the sightings that this package knows."""
    site = places.site(said.trap, sample.at_ms)
    own = None not in (sample.latitude, sample.longitude)
    seen = None if sample.sighting is None else (said.trap, said.epoch, sample.sighting)
    elsewhere = f"Written down for station {plain(sample.station)}." if sample.station != site.trap.station else ""
    return {
        "sampleID": sighting_id(said.sighting),
        "barcode": sample.barcode,
        "kind": sample.kind,
        "preserved": sample.kept,
        "deploymentID": site.id,
        "observationID": sighting_id(seen) if seen else "",
        "eventID": event_ids.get(seen, "") if seen else "",
        "timestamp": time_text(sample.at_ms),
        "timestampIssues": "true" if sample.uncertainty_ms is None or sample.uncertainty_ms > WINDOW_MS else "false",
        "latitude": sample.latitude if own else site.trap.latitude,
        "longitude": sample.longitude if own else site.trap.longitude,
        "coordinateUncertainty": uncertainty_m(sample.precision_m) if own else site.trap.uncertainty_m,
        "collectedBy": plain(sample.who),
        "comments": " ".join(filter(None, (elsewhere, plain(sample.note)))),
    }
