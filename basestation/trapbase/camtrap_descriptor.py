"""Camtrap DP 1.0.2: column names, and the package's descriptor."""

import uuid
from typing import Any

from trapbase.camtrap_rows import TAXA
from trapbase.config import BatchSettings
from trapbase.sample_rows import SAMPLE_FIELDS
from trapbase.visit_rows import VISIT_FIELDS

VERSION = "1.0.2"
SCHEMAS = f"https://raw.githubusercontent.com/tdwg/camtrap-dp/{VERSION}"

DEPLOYMENTS = (
    "deploymentID", "locationID", "locationName", "latitude", "longitude", "coordinateUncertainty", "deploymentStart",
    "deploymentEnd", "setupBy", "cameraID", "cameraModel", "cameraDelay", "cameraHeight", "cameraDepth", "cameraTilt",
    "cameraHeading", "detectionDistance", "timestampIssues", "baitUse", "featureType", "habitat", "deploymentGroups",
    "deploymentTags", "deploymentComments",
)  # fmt: skip
MEDIA = (
    "mediaID", "deploymentID", "captureMethod", "timestamp", "filePath", "filePublic", "fileName", "fileMediatype",
    "exifData", "favorite", "mediaComments",
)  # fmt: skip
OBSERVATIONS = (
    "observationID", "deploymentID", "mediaID", "eventID", "eventStart", "eventEnd", "observationLevel",
    "observationType", "cameraSetupType", "scientificName", "count", "lifeStage", "sex", "behavior", "individualID",
    "individualPositionRadius", "individualPositionAngle", "individualSpeed", "bboxX", "bboxY", "bboxWidth",
    "bboxHeight", "classificationMethod", "classifiedBy", "classificationTimestamp", "classificationProbability",
    "observationTags", "observationComments",
)  # fmt: skip
OBJECT_FIELDS = {
    "trap": ("integer", "number of the trap"),
    "epoch": ("integer", "of the trap's outbox, 32 bits"),
    "number": ("integer", "of the sighting within the epoch"),
    "rung": ("string", "alert, crop, frame, full, full-2, full-3, note or scene"),
    "sha256": ("string", "of the object's bytes as the trap sealed them, hexadecimal"),
    "size": ("integer", "of those bytes"),
    "bodyHex": ("string", "those bytes, of an alert or a note"),
    "sealedPath": ("string", "those bytes, of any other rung: a file in this package"),
    "mediaPath": ("string", "what was in them, where the base could open them: a file in this package"),
    "mediaSha256": ("string", "of that file, hexadecimal"),
}
OBJECTS = tuple(OBJECT_FIELDS)
SAMPLED = "Field samples that rangers took near the traps."
VISITED = "What rangers did at the traps."

Row = dict[str, Any]


def descriptor(
    batch_id: str,
    created: str,
    deployments: list[Row],
    observations: list[Row],
    settings: BatchSettings,
    *,
    samples: bool = False,
    visits: bool = False,
) -> dict[str, Any]:
    """`datapackage.json` of a batch; `samples`, `visits`: whether it has that table too."""
    seen = {row["scientificName"] for row in observations if row.get("scientificName")}
    taxa = {name: {"taxonRank": rank, "vernacularNames": {"eng": english}} for name, rank, english in TAXA.values()}
    return {
        "profile": f"{SCHEMAS}/camtrap-dp-profile.json",
        "name": f"pugmark-{batch_id[:16]}",
        "id": str(uuid.UUID(hex=batch_id[:32])),
        "created": created,
        "title": f"{settings.project}: sightings forwarded by a base station",
        "version": "1.0",
        "contributors": [{"title": settings.contributor, "role": "contributor"}],
        "keywords": ["camera traps", "big cats"],
        "batchId": batch_id,
        "project": {
            "title": settings.project,
            "samplingDesign": "targeted",
            "captureMethod": ["activityDetection"],
            "individualAnimals": True,
            "observationLevel": ["media", "event"],
        },
        "spatial": _spatial(deployments),
        "temporal": {
            "start": min(row["deploymentStart"] for row in deployments)[:10],
            "end": max(row["deploymentEnd"] for row in deployments)[:10],
        },
        "taxonomic": [
            {"scientificName": name} | taxa.get(name, {})  # the back end may name what no trap can
            for name in sorted(seen)
        ],
        "resources": [
            _table("deployments"),
            _table("media"),
            _table("observations"),
            _objects_table(),
            *([_own_table("samples", SAMPLED, SAMPLE_FIELDS)] if samples else []),
            *([_own_table("visits", VISITED, VISIT_FIELDS)] if visits else []),
        ],
    }


def _spatial(deployments: list[Row]) -> dict[str, Any]:
    """GeoJSON of all stations; a set of points, since a rectangle around one station has no area."""
    points = sorted({(row["longitude"], row["latitude"]) for row in deployments})
    return {"type": "MultiPoint", "coordinates": [list(point) for point in points]}


def _table(name: str) -> dict[str, Any]:
    return _resource(name) | {"schema": f"{SCHEMAS}/{name}-table-schema.json"}


def _objects_table() -> dict[str, Any]:
    fields = [{"name": n, "type": kind, "description": text} for n, (kind, text) in OBJECT_FIELDS.items()]
    schema = {"fields": fields, "primaryKey": ["trap", "epoch", "number", "rung"]}
    return _resource("objects") | {"description": "Objects in custody and where their bytes are.", "schema": schema}


def _own_table(name: str, description: str, columns: dict[str, tuple[str, str, dict[str, Any]]]) -> dict[str, Any]:
    """A table of ours whose first column names its rows, each of a deployment."""
    fields = [
        {"name": n, "type": kind, "description": text, "constraints": bounds}
        | ({"format": "%Y-%m-%dT%H:%M:%S%z"} if kind == "datetime" else {})
        for n, (kind, text, bounds) in columns.items()
    ]
    key = {"fields": "deploymentID", "reference": {"resource": "deployments", "fields": "deploymentID"}}
    schema = {"fields": fields, "primaryKey": next(iter(columns)), "foreignKeys": [key]}
    return _resource(name) | {"description": description, "schema": schema}


def _resource(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "path": f"{name}.csv",
        "profile": "tabular-data-resource",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
    }
