"""A batch is a Camtrap DP 1.0.2 package: by the official schemas and profile, where they lie beside the project."""

import json
from pathlib import Path

import jsonschema
import pytest

from tests.base.package_parts import OFFICIAL, check_profile, check_tables, needs_official, official, write
from trapbase import camtrap_descriptor


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
        assert getattr(camtrap_descriptor, name.upper()) == tuple(f["name"] for f in official(name)["fields"])
