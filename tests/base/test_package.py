"""A batch is a Camtrap DP 1.0.2 package: by the official schemas and profile where they lie beside the project, and
by our own checks of columns always."""

import csv
import hashlib
import io
import json
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import frictionless
import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

import trapsim.backend_package as backend_package
from tests.base.parts import BATCH, BOX, EPOCH, NOW, TRAPS, alert, picture
from trapbase import camtrap
from trapbase.batch import batch_id
from trapbase.eventid import event_ids
from trapbase.model import Event, StoredObject
from trapbase.observations import frame_box, time_text
from trapbase.package import Contents, build_files, zip_files
from trapbase.pictures import SEALED
from trapkit.sealing import open_box, seal_box
from trapsim.backend_package import BadPackageError, batch_name, read_package
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
    stations = {n: t.station for n, t in TRAPS.items()}
    contents = Contents(
        objects=objects,
        events={e.sighting: e for e in events},
        event_ids=event_ids(events, stations),
        traps={o.trap: TRAPS[o.trap] for o in objects},
        read=bodies.__getitem__,
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


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return package(*night())


def official(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((OFFICIAL / f"{name}-table-schema.json").read_text())
    return schema


def check_tables(folder: Path) -> frictionless.Report:
    """The package in a folder against the official table schemas, offline: the addresses are mapped to files."""
    descriptor = json.loads((folder / "datapackage.json").read_text())
    for resource in descriptor["resources"]:
        if isinstance(resource.get("schema"), str):
            assert resource["schema"] == f"{camtrap.SCHEMAS}/{resource['name']}-table-schema.json"
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


@needs_official
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_validates_against_the_official_schemas(files: dict[str, bytes], tmp_path: Path) -> None:
    report = check_tables(write(files, tmp_path))
    assert report.valid, report.flatten(["type", "rowNumber", "fieldName", "note"])
    assert {t.name for t in report.tasks} == {"deployments", "media", "observations", "objects"}
    check_profile(json.loads(files["datapackage.json"]))


@needs_official
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("deployments.csv", b"43.1,131.4", b"143.1,131.4"),
        ("media.csv", b"1-c0ffee01-1-crop,S001-left-1", b"1-c0ffee01-1-crop,nowhere"),
        ("observations.csv", b"animal", b"beast"),
        ("observations.csv", b"Z,2025", b",2025"),
    ],
)
def test_the_check_does_find_faults(files: dict[str, bytes], tmp_path: Path, name: str, old: bytes, new: bytes) -> None:
    assert old in files[name]
    assert not check_tables(write(files | {name: files[name].replace(old, new, 1)}, tmp_path)).valid


@needs_official
def test_the_check_of_the_profile_finds_faults(files: dict[str, bytes]) -> None:
    check_profile(json.loads((OFFICIAL / "example" / "datapackage.json").read_text()))
    for change in (
        lambda d: d.pop("taxonomic"), lambda d: d["project"].update(samplingDesign="x"), lambda d: d["resources"].pop(0)
        and d["resources"].clear(), lambda d: d["spatial"].update(type="Nonsense"),
    ):  # fmt: skip
        descriptor = json.loads(files["datapackage.json"])
        change(descriptor)
        with pytest.raises(jsonschema.ValidationError):
            check_profile(descriptor)


@needs_official
def test_our_columns_are_the_official_ones() -> None:
    for name in ("deployments", "media", "observations"):
        assert getattr(camtrap, name.upper()) == tuple(f["name"] for f in official(name)["fields"])


# What the standard asks, checked without its files.


def test_ids_are_unique_and_refer(files: dict[str, bytes]) -> None:
    deployments, media, observations = (table(files, n) for n in ("deployments", "media", "observations"))
    for rows, key in ((deployments, "deploymentID"), (media, "mediaID"), (observations, "observationID")):
        assert len({r[key] for r in rows}) == len(rows)
    known = {r["deploymentID"] for r in deployments}
    assert {r["deploymentID"] for r in media + observations} <= known
    assert {r["mediaID"] for r in observations} - {""} <= {r["mediaID"] for r in media}
    for row in media:
        assert row["filePath"] in files
        assert re.fullmatch(r"(?=^[^./~])(^((?!\.{2}).)*$).*", row["filePath"])
        assert row["fileMediatype"].startswith("image/")
        assert row["filePublic"] == "false"


def test_times_have_a_zone_and_deployments_hold_them(files: dict[str, bytes]) -> None:
    spans = {r["deploymentID"]: (r["deploymentStart"], r["deploymentEnd"]) for r in table(files, "deployments")}
    times = [(r["deploymentID"], r["timestamp"]) for r in table(files, "media")]
    times += [(r["deploymentID"], r[k]) for r in table(files, "observations") for k in ("eventStart", "eventEnd")]
    for deployment, text in times:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
        assert spans[deployment][0] <= text <= spans[deployment][1]


def test_both_views_of_a_cat_share_an_event(files: dict[str, bytes]) -> None:
    rows = {r["observationID"]: r for r in table(files, "observations")}
    left, right, elsewhere = (rows[f"{t}-c0ffee01-1"] for t in (1, 2, 3))
    assert left["eventID"] == right["eventID"] != elsewhere["eventID"]
    assert {d["locationID"] for d in table(files, "deployments")} == {"S001", "S002"}
    assert rows["1-c0ffee01-7"]["eventID"] not in {left["eventID"], elsewhere["eventID"]}


def test_what_an_observation_says(files: dict[str, bytes]) -> None:
    rows = {r["observationID"]: r for r in table(files, "observations")}
    left = rows["1-c0ffee01-1"]
    assert left["scientificName"] == "Panthera tigris"
    assert (left["observationType"], left["count"], left["classificationMethod"]) == ("animal", "2", "machine")
    assert (left["classifiedBy"], left["classificationProbability"]) == (BATCH.classified_by, "0.9020")
    assert "frameBox:0.0980,0.2000,0.4000,0.6000" in left["observationTags"]
    assert f"timeMs:{NOW}" in left["observationTags"]
    assert left["bboxWidth"] == "1.0000", "on a crop the box is the whole picture"
    assert rows["3-c0ffee01-1"]["bboxX"] == "", "a box without area is none"
    orphan, no_crop = rows["3-c0ffee01-2"], rows["1-c0ffee01-7"]
    assert (orphan["observationType"], orphan["scientificName"]) == ("unclassified", "")
    assert (no_crop["observationLevel"], no_crop["mediaID"]) == ("event", "")


def test_doubtful_clocks_are_said(files: dict[str, bytes]) -> None:
    issues = {r["deploymentID"]: r["timestampIssues"] for r in table(files, "deployments")}
    assert issues == {"S001-left-1": "false", "S001-right-2": "true", "S002-single-3": "false"}
    ((crop_only,),) = [table(package([stored(3, 2, CROP, sealed(picture()))], []), "deployments")]
    assert crop_only["timestampIssues"] == "true"


def test_every_object_lies_in_the_package_under_its_digest(files: dict[str, bytes]) -> None:
    objects, _ = night()
    rows = table(files, "objects")
    assert len(rows) == len(objects)
    for row in rows:
        body = bytes.fromhex(row["bodyHex"]) if row["rung"] == "alert" else files[row["sealedPath"]]
        assert hashlib.sha256(body).hexdigest() == row["sha256"]
        if row["mediaPath"]:
            assert hashlib.sha256(files[row["mediaPath"]]).hexdigest() == row["mediaSha256"]
    foreign = next(r for r in table(files, "media") if r["mediaID"] == "2-c0ffee01-9-crop")
    assert (foreign["fileMediatype"], foreign["filePath"]) == (SEALED, "sealed/2-c0ffee01-9-crop.box")


def test_the_same_rows_give_the_same_bytes_in_any_order() -> None:
    objects, events = night()
    assert zip_files(package(objects, events)) == zip_files(package(objects[::-1], events[::-1]))


box = st.tuples(*[st.integers(0, 255)] * 4)


@given(box)
def test_boxes_stay_within_the_frame(given_box: tuple[int, int, int, int]) -> None:
    found = frame_box(given_box)
    if found is not None:
        x, y, width, height = found
        assert 0 <= x <= x + width <= 1 + 1e-9
        assert 0 <= y <= y + height <= 1 + 1e-9
        assert float(f"{width:.4f}") > 0 < float(f"{height:.4f}")


@given(st.integers(1_577_836_800_000, 1_577_836_800_000 + (1 << 40) - 1))
def test_every_time_of_an_alert_can_be_written(unix_ms: int) -> None:
    assert len(time_text(unix_ms)) == 20


# What the back end makes of it.


@pytest.fixture
def zipped(tmp_path: Path) -> Iterator[Callable[[dict[str, bytes]], Path]]:
    def make(files: dict[str, bytes]) -> Path:
        path = tmp_path / "batch.zip"
        path.write_bytes(zip_files(files))
        return path

    return make


def test_the_back_end_reads_the_same_objects(zipped: Callable[[dict[str, bytes]], Path]) -> None:
    objects, events = night()
    name = batch_id(objects)
    read = read_package(zipped(package(objects, events)), name)
    assert read == sorted(o.identity for o in objects)
    assert batch_name(read) == name, "two programs, one name"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.update({"sealed/1-c0ffee01-1-crop.box": b"other"}), "do not match its digest"),
        (lambda f: f.update({"media/1-c0ffee01-1-crop.webp": b"other"}), "do not match its digest"),
        (lambda f: f.pop("sealed/1-c0ffee01-1-crop.box"), "KeyError"),
        (lambda f: f.pop("datapackage.json"), "datapackage.json is missing"),
        (lambda f: f.update({"objects.csv": f["objects.csv"].splitlines(True)[0]}), "empty"),
        (lambda f: f.update({"objects.csv": b"".join(f["objects.csv"].splitlines(True)[:-1])}), "batch id"),
        (lambda f: f.update({"objects.csv": f["objects.csv"] + f["objects.csv"].splitlines(True)[1]}), "twice"),
        (lambda f: f.update({"objects.csv": b"\xff\xfe"}), "zip|objects"),
        (lambda f: f.update({"objects.csv": b"trap\n1\n"}), "objects.csv"),
    ],
)
def test_a_package_that_is_not_what_it_says_is_refused(
    zipped: Callable[[dict[str, bytes]], Path], change: Callable[[dict[str, bytes]], object], words: str
) -> None:
    objects, events = night()
    files = package(objects, events)
    change(files)
    with pytest.raises(BadPackageError, match=words):
        read_package(zipped(files), batch_id(objects))


def test_a_zip_bomb_is_refused(zipped: Callable[[dict[str, bytes]], Path]) -> None:
    path = zipped({})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("datapackage.json", "deployments.csv", "media.csv", "observations.csv"):
            archive.writestr(name, b"")
        archive.writestr("objects.csv", bytes(64 * 1024 * 1024))
    with pytest.raises(BadPackageError, match="over"):
        read_package(path, "0" * 64)


def rows_of_zeros(rows: int, trap: int = 1) -> bytes:
    digest = hashlib.sha256(bytes(1 << 20)).hexdigest()
    head = "trap,epoch,number,rung,sha256,size,bodyHex,sealedPath,mediaPath,mediaSha256\n"
    return (head + "".join(f"{trap},1,{i},crop,{digest},1,,s{i},,\n" for i in range(rows))).encode()


def hostile(path: Path, objects: bytes, members: dict[str, bytes] | None = None, method: int = 8) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in ("datapackage.json", "deployments.csv", "media.csv", "observations.csv"):
            archive.writestr(name, b"")
        archive.writestr("objects.csv", objects)
        for name, data in (members or {}).items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_only_two_ways_of_packing_are_read(tmp_path: Path, method: int) -> None:
    with pytest.raises(BadPackageError, match="another method"):
        read_package(hostile(tmp_path / "x.zip", b"", method=method), "0" * 64)


def test_what_a_package_unpacks_to_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[str] = []
    opened = zipfile.ZipFile.open

    def reading(self: zipfile.ZipFile, name: Any, *more: Any, **named: Any) -> Any:
        unpacked.append(name)
        return opened(self, name, *more, **named)

    monkeypatch.setattr(zipfile.ZipFile, "open", reading)
    monkeypatch.setattr(backend_package, "MAX_OPENED_BYTES", 5 << 20)
    zeros = {f"s{i}": bytes(1 << 20) for i in range(8)}
    path = hostile(tmp_path / "x.zip", rows_of_zeros(8), zeros)
    with pytest.raises(BadPackageError, match="batch id"):
        read_package(path, "0" * 64)
    assert unpacked[-1] == "objects.csv", "what is refused anyway is not unpacked"
    digest = hashlib.sha256(bytes(1 << 20)).digest()
    with pytest.raises(BadPackageError, match="its files are over"):
        read_package(path, batch_name([(1, 1, i, CROP, digest) for i in range(8)]))
    one = hostile(tmp_path / "y.zip", re.sub(rb",s\d+,", b",s0,", rows_of_zeros(8)), {"s0": bytes(1 << 20)})
    unpacked.clear()
    assert len(read_package(one, batch_name([(1, 1, i, CROP, digest) for i in range(8)]))) == 8
    assert unpacked.count("s0") == 1
    with pytest.raises(BadPackageError, match="over 64 objects of trap"):
        read_package(hostile(tmp_path / "z.zip", rows_of_zeros(65)), "0" * 64)


@pytest.mark.parametrize("said", [60000, 1])
def test_a_zip_that_lists_too_much_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: int
) -> None:
    listed = struct.pack("<4s4B4H3L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, *[0] * 6) + b"a"
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, said, said, 60000 * len(listed), 0, 0)
    (tmp_path / "x.zip").write_bytes(listed * 60000 + end)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(BadPackageError, match="allowed are 8192"):
        read_package(tmp_path / "x.zip", "0" * 64)


def test_a_zip64_end_is_refused(tmp_path: Path) -> None:
    whole = hostile(tmp_path / "x.zip", b"").read_bytes()
    (tmp_path / "x.zip").write_bytes(whole[:-22] + b"PK\6\7" + bytes(16) + whole[-22:])
    with pytest.raises(BadPackageError, match="allowed are"):
        read_package(tmp_path / "x.zip", "0" * 64)


WHOLE = zip_files(package(*NIGHT))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 8))
def test_a_damaged_zip_is_refused_or_unchanged(tmp_path: Path, where: float, bit: int) -> None:
    whole, objects = WHOLE, NIGHT[0]
    at = int(where * len(whole))
    damaged = whole[:at] if bit == 8 else whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
    (tmp_path / "x.zip").write_bytes(damaged)
    with suppress(BadPackageError):
        assert read_package(tmp_path / "x.zip", batch_id(objects)) == sorted(o.identity for o in objects)


def test_a_single_object_makes_a_package() -> None:
    for o in (stored(1, 1, ALERT, alert()), replace(stored(1, 1, CROP, b"x"), trap=2)):
        assert table(package([o], []), "observations")[0]["observationType"] == "unclassified"
