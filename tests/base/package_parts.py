"""A night as a package, and the official schemas and profile to hold it against."""

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import frictionless
import jsonschema
import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from tests.base.parts import BATCH, BOX, EPOCH, NOW, TRAPS, alert, picture
from trapbase import camtrap_descriptor
from trapbase.batch import batch_id
from trapbase.eventid import event_ids
from trapbase.model import Event, StoredObject
from trapbase.package import Contents, build_files
from trapbase.places import Places
from trapkit.sealing import open_box, seal_box
from trapwire.objects import ALERT, CROP, FRAME

OFFICIAL = Path(__file__).resolve().parents[3] / "shared" / "camtrap-dp"


needs_official = pytest.mark.skipif(not OFFICIAL.is_dir(), reason=f"the official schemas are not at {OFFICIAL}")


bodies: dict[bytes, bytes] = {}


ids = iter(range(1, 10**9))


def stored(trap: int, number: int, rung: int, body: bytes, at_ms: int = NOW) -> StoredObject:
    digest = hashlib.sha256(body).digest()
    bodies[digest] = body
    return StoredObject(
        id=next(ids), trap=trap, epoch=EPOCH, number=number, rung=rung, sha256=digest, size=len(body),
        body=body if rung == ALERT else None, received_ms=at_ms, stored_ms=at_ms,
    )  # fmt: skip


def seen(trap: int, number: int, time_ms: int = NOW, **more: Any) -> Event:
    values: dict[str, Any] = {
        "uncertainty_ms": 200, "species": 1, "confidence": 230, "count": 2, "box": (25, 51, 102, 153), "battery": 80,
        "event_id": None,
    } | more  # fmt: skip
    return Event(trap=trap, epoch=EPOCH, number=number, time_ms=time_ms, **values)


def sealed(data: bytes) -> bytes:
    return seal_box(bytes(BOX.public_key), data)


def package(objects: list[StoredObject], events: list[Event]) -> dict[str, bytes]:
    places = Places(listed=TRAPS)
    contents = Contents(
        objects=objects,
        events={e.sighting: e for e in events},
        event_ids=event_ids(events, places.station),
        places=places,
        read=lambda o: bodies[o.sha256],
        unseal=lambda data: open_box(bytes(BOX), data),
    )
    return build_files(batch_id(objects), contents, BATCH)


def night() -> tuple[list[StoredObject], list[Event]]:
    """Both cameras of a station, one alone elsewhere, a crop without alert, an alert without crop, one still sealed,
    a frame of its own, one whose clock is unknown."""
    crop = sealed(picture())
    objects = [
        stored(1, 1, ALERT, alert()), stored(1, 1, CROP, crop),
        stored(2, 1, ALERT, alert(NOW + 30_000)), stored(2, 1, CROP, sealed(picture(2))),
        stored(3, 1, ALERT, alert(NOW + 1000)), stored(3, 1, FRAME, sealed(picture(3))),
        stored(3, 2, CROP, sealed(picture(4))),
        stored(1, 7, ALERT, alert(NOW + 3_600_000)),
        stored(2, 9, ALERT, alert(NOW + 7_200_000)), stored(2, 9, CROP, b"sealed to somebody else" * 4),
    ]  # fmt: skip
    events = [
        seen(1, 1), seen(2, 1, NOW + 30_000), seen(3, 1, NOW + 1000, species=4, box=(0, 0, 0, 0)),
        seen(1, 7, NOW + 3_600_000, species=0), seen(2, 9, NOW + 7_200_000, uncertainty_ms=None, species=6),
    ]  # fmt: skip
    return objects, events


NIGHT = night()


def table(files: dict[str, bytes], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[f"{name}.csv"].decode())))


def official(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((OFFICIAL / f"{name}-table-schema.json").read_text())
    return schema


def check_tables(folder: Path) -> frictionless.Report:
    """The package in a folder against the official table schemas, offline: the addresses are mapped to files."""
    descriptor = json.loads((folder / "datapackage.json").read_text())
    for resource in descriptor["resources"]:
        if isinstance(resource.get("schema"), str):
            assert resource["schema"] == f"{camtrap_descriptor.SCHEMAS}/{resource['name']}-table-schema.json"
            resource["schema"] = official(resource["name"])
    del descriptor["profile"]
    descriptor["resources"] = [r for r in descriptor["resources"] if "path" in r]
    return frictionless.Package(descriptor, basepath=str(folder)).validate()


def check_profile(descriptor: dict[str, Any]) -> None:
    """`datapackage.json` against the official profile; GeoJSON as frictionless ships it."""
    geojson = json.loads((Path(frictionless.__file__).parent / "assets" / "profiles" / "geojson.json").read_text())
    # What the Data Package standard itself asks of a descriptor, as far as it matters here.
    standard = {
        "required": ["resources"],
        "properties": {
            "name": {"type": "string", "pattern": "^([-a-z0-9._/])+$"},
            "resources": {"minItems": 1, "items": {"required": ["name"], "properties": {"name": {"type": "string"}}}},
            "contributors": {"minItems": 1, "items": {"required": ["title"]}},
            "created": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        },
    }
    contents = {
        "https://specs.frictionlessdata.io/schemas/data-package.json": standard,
        "http://json.schemastore.org/geojson.json": geojson,
    }
    registry: Registry[Any] = Registry().with_resources(
        (uri, Resource.from_contents(schema, default_specification=DRAFT4)) for uri, schema in contents.items()
    )
    profile = json.loads((OFFICIAL / "camtrap-dp-profile.json").read_text())
    jsonschema.Draft4Validator(profile, registry=registry, format_checker=jsonschema.FormatChecker()).validate(
        descriptor
    )


def write(files: dict[str, bytes], folder: Path) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder
