"""Pictures as MegaDetector and COCO list them."""

import json
from pathlib import Path
from typing import Any

import pytest
from train import manifests
from train.data import DataError

MEGADETECTOR: dict[str, Any] = {
    "info": {"format_version": "1.6"},
    "detection_categories": {"1": "animal", "2": "person", "3": "vehicle"},
    "classification_categories": {"0": "amur tiger", "1": "tiger"},
    "images": [
        {"file": "st1/a.jpg", "detections": [
            {"category": "1", "conf": 0.9, "bbox": [0.1, 0.2, 0.3, 0.4], "classifications": [["1", 0.8]]}]},
        {"file": "snow leopard/b.jpg", "detections": [{"category": "1", "conf": 0.9, "bbox": [0, 0, 1, 1]}]},
        {"file": "st1/c.jpg", "detections": [{"category": "2", "conf": 0.7, "bbox": [0.1, 0.2, 0.3, 0.4]}]},
        {"file": "st1/d.jpg", "detections": [{"category": "1", "conf": 0.1, "bbox": [0.1, 0.2, 0.3, 0.4]}]},
        {"file": "st1/e.jpg", "failure": "damaged", "detections": None},
    ],
}  # fmt: skip
COCO: dict[str, Any] = {
    "categories": [{"id": 0, "name": "empty"}, {"id": 4, "name": "Panthera tigris"}, {"id": 5, "name": "roe deer"}],
    "images": [
        {"id": "i1", "file_name": "a.jpg", "width": 200, "height": 100, "seq_id": "s1", "location": "7"},
        {"id": "i2", "file_name": "b.jpg", "width": 200, "height": 100, "seq_id": "s1", "location": "7"},
        {"id": "i3", "file_name": "c.jpg", "width": 200, "height": 100, "location": "8"},
    ],
    "annotations": [
        {"id": 1, "image_id": "i1", "category_id": 4, "bbox": [20, 10, 100, 50]},
        {"id": 2, "image_id": "i1", "category_id": 5, "bbox": [150, 10, 50, 50]},
        {"id": 3, "image_id": "i2", "category_id": 5},
        {"id": 4, "image_id": "i3", "category_id": 0},
    ],
}


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_megadetector_says_where_and_a_class_or_a_folder_says_what(tmp_path: Path) -> None:
    found, unknown = manifests.load_json(write(tmp_path / "md.json", MEGADETECTOR))
    assert {p.file: (p.group, p.label, p.boxes) for p in found} == {
        "st1/a.jpg": ("felid", "tiger", ((0, 0.1, 0.2, 0.3, 0.4),)),
        "snow leopard/b.jpg": ("felid", "snow_leopard", ((0, 0, 0, 1, 1),)),
        "st1/c.jpg": ("person", "person", ((2, 0.1, 0.2, 0.3, 0.4),)),
        "st1/d.jpg": ("empty", "empty", ()),
    }
    assert unknown == 1


def test_an_animal_that_nobody_names_is_left_out(tmp_path: Path) -> None:
    content = json.loads(json.dumps(MEGADETECTOR))
    content["images"] = [{"file": "animal/x.jpg", "detections": [{"category": "1", "conf": 0.9, "bbox": [0, 0, 1, 1]}]}]
    assert manifests.load_json(write(tmp_path / "md.json", content)) == ([], 1)


def test_coco_camera_traps(tmp_path: Path) -> None:
    found, unknown = manifests.load_json(write(tmp_path / "coco.json", COCO))
    assert unknown == 0
    tiger, deer, nothing = found
    assert (tiger.group, tiger.label, tiger.sequence, tiger.camera_trap) == ("felid", "tiger", "s1", True)
    assert tiger.boxes == ((0, 0.1, 0.1, 0.5, 0.5), (1, 0.75, 0.1, 0.25, 0.5))
    assert tiger.boxed
    assert (deer.group, deer.boxes, deer.boxed) == ("other_animal", (), False)
    assert (nothing.group, nothing.boxed, nothing.sequence) == ("empty", True, "8")


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("Tiger", "felid"), ("snow leopard", "felid"), ("Panthera pardus orientalis", "felid"), ("cat", "domestic_cat"),
        ("Homo sapiens", "person"), ("truck", "vehicle"), ("blank", "empty"),
        ("animal", None), ("wild boar", "other_animal"),
    ],
)  # fmt: skip
def test_names_of_categories(name: str, group: str | None) -> None:
    assert manifests.group_of(name) == group


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("images", 0, "detections", 0, "bbox"), [0.1, 0.2, 0.3], "picture 0"),
        (("images", 0, "detections", 0, "bbox"), [5, 5, 1, 1], "picture 0"),
        (("images", 2, "detections", 0, "category"), "9", "picture 2"),
        (("images", 2, "file"), "../../etc/passwd", "picture 2"),
        (("images", 2, "file"), "/etc/passwd", "picture 2"),
        (("images",), "none", "images"),
        (("detection_categories",), ["animal"], "detection_categories"),
    ],
)
def test_what_is_damaged_is_named(tmp_path: Path, path: tuple[Any, ...], value: object, named: str) -> None:
    content = json.loads(json.dumps(MEGADETECTOR))
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(DataError, match=named):
        manifests.load_json(write(tmp_path / "md.json", content))


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"images": 3}', '{"annotations": [1], "images": []}'])
def test_garbage_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"x\.json"):
        manifests.load_json(path)
