"""What a batch says: its columns, ids, times, bytes."""

import hashlib
import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.base.package_parts import night, package, sealed, seen, stored, table
from tests.base.parts import BATCH, NOW, alert, picture
from trapbase.camtrap_rows import TAXA, frame_box, time_text
from trapbase.package import zip_files
from trapbase.pictures import SEALED
from trapwire.alert import SPECIES
from trapwire.objects import ALERT, CROP, FULLS

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


def test_a_single_object_makes_a_package() -> None:
    for o in (stored(1, 1, ALERT, alert()), replace(stored(1, 1, CROP, b"x"), trap=2)):
        assert table(package([o], []), "observations")[0]["observationType"] == "unclassified"


def test_the_alert_s_box_is_on_no_further_full_frame() -> None:
    """They show the animal elsewhere, a moment before or after."""
    event = seen(1, 1)
    fulls = [stored(1, 1, rung, b"age %d" % rung) for rung in FULLS]
    files = package(fulls, [event])
    rows = {r["mediaID"].split("-", 3)[3]: r for r in table(files, "media")}
    assert set(rows) == {"full", "full-2", "full-3"}
    assert "another frame of the burst" in rows["full-2"]["mediaComments"]
    assert "another frame" not in rows["full"]["mediaComments"]
    (said,) = table(files, "observations")
    assert said["mediaID"] == rows["full"]["mediaID"]
    assert said["bboxX"] == "0.0980"
    (said,) = table(package(fulls[1:], [event]), "observations")
    assert (said["observationLevel"], said["mediaID"], said["bboxX"]) == ("event", "", "")
    assert {r["rung"] for r in table(files, "objects")} == {"full", "full-2", "full-3"}


def test_every_species_that_a_trap_may_send_is_a_taxon() -> None:
    assert set(TAXA) == set(SPECIES)
