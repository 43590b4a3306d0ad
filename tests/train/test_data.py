"""What is learned from and what is kept apart: manifests, splits, copies."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from train import data
from train_parts import row, write_folder

RULES = """
[[rule]]
split = "test"
source = "a/zoo"
labels = ["puma"]
[[rule]]
split = "validation"
source = "a/trap"
sequences = ["s2"]
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "splits.toml"
    path.write_text(RULES)
    return path


def test_a_picture_belongs_to_the_first_rule_that_fits(tmp_path: Path, rules: Path) -> None:
    rows = [
        row("1.png"), row("2.png", label="puma"), row("3.png", source_repo="a/trap", sequence_id="s1", label="puma"),
        row("4.png", source_repo="a/trap", sequence_id="s2"), row("5.png", source_repo="other"),
    ]  # fmt: skip
    parts = data.split(data.load_manifest(write_folder(tmp_path, rows)), rules)
    assert {name: [p.file for p in part] for name, part in parts.items()} == {
        "train": ["1.png", "3.png", "5.png"], "validation": ["4.png"], "test": ["2.png"],
    }  # fmt: skip


def test_other_people_s_pictures_are_split_by_whole_sequences_and_the_same_every_time(
    tmp_path: Path, rules: Path
) -> None:
    rows = [row(f"{s}-{i}.png", source_repo="mine", sequence_id=f"q{s}") for s in range(60) for i in range(3)]
    pictures = data.load_manifest(write_folder(tmp_path, rows))
    parts = data.split(pictures, rules)
    assert parts == data.split(pictures, rules)
    homes = {name: {p.sequence for p in part} for name, part in parts.items()}
    assert all(len(homes[name]) >= 3 for name in homes)
    assert not homes["train"] & homes["validation"]
    assert not homes["train"] & homes["test"]
    assert not homes["validation"] & homes["test"]
    assert sum(len(part) for part in parts.values()) == len(rows)


@pytest.mark.parametrize(
    "broken",
    [
        {"group": "unicorn"},
        {"boxes": "[[1, 2"},
        {"boxes": '[["tiger", 0.1, 0.1]]'},
        {"boxes": '[["tiger", "a", 0.1, 0.1, 0.1]]'},
        {"boxes": '[["tiger", NaN, 0.1, 0.1, 0.1]]'},
    ],
)
def test_a_damaged_row_names_its_line(tmp_path: Path, broken: dict[str, str]) -> None:
    folder = write_folder(tmp_path, [row("1.png"), row("2.png", **broken)])
    with pytest.raises(data.DataError, match="line 3"):
        data.load_manifest(folder)


def test_a_damaged_proposal_names_its_line(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [row("1.png", boxes="")])
    (folder / "auto_boxes.csv").write_text(
        "file,coco_class,score,x,y,w,h\n1.png,15,0.9,0.1,0.1,0.5,0.5\n1.png,15,high,0,0,1,1\n"
    )
    with pytest.raises(data.DataError, match=r"auto_boxes\.csv, line 3"):
        data.load_manifest(folder)


def test_a_proposal_takes_its_name_from_the_picture_and_a_head_is_no_second_animal(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [row("1.png", boxes=""), row("2.png", boxes="")])
    (folder / "auto_boxes.csv").write_text(
        "file,coco_class,score,x,y,w,h\n1.png,22,0.9,0.1,0.1,0.6,0.6\n1.png,15,0.5,0.2,0.2,0.2,0.2\n2.png,15,0.2,0,0,1,1\n"
    )
    first, second = data.load_manifest(folder)
    assert first.boxes == ((0, 0.1, 0.1, 0.6, 0.6),)  # a "zebra" of a COCO net, in a picture of a tiger
    assert (second.boxes, second.boxed) == ((), False)


def test_what_a_label_says_of_the_species(tmp_path: Path) -> None:
    labels = [
        ("tiger", "felid"),
        ("bobcat", "felid"),
        ("jaguar_or_leopard", "felid"),
        ("cat", "domestic_cat"),
        ("fox", "other_animal"),
    ]
    rows = [row(f"{i}.png", label=label, group=group) for i, (label, group) in enumerate(labels)]
    said = [p.species for p in data.load_manifest(write_folder(tmp_path, rows))]
    names = [data.SPECIES.index(name) for name in ("tiger", "lynx", "domestic cat")]
    assert said == [names[0], names[1], data.SOME_CAT, names[2], data.NO_CAT]


def test_a_copy_of_a_held_out_picture_is_found_at_another_size_and_quality(tmp_path: Path) -> None:
    rows = [row("held.png"), row("copy.png"), row("other.png"), row("trap.png", camera_trap="yes")]
    folder = write_folder(tmp_path, rows)
    with Image.open(folder / "held.png") as image:
        image.resize((60, 45)).save(folder / "copy.png.jpg", quality=40)
        image.save(folder / "trap.png")
    (folder / "copy.png.jpg").replace(folder / "copy.png")
    held, *train = data.load_manifest(folder)
    pixels = data.read_all(folder, [held, *train], tmp_path / "pixels")
    prints = {name: data.fingerprint(value) for name, value in pixels.items()}
    assert [p.file for p in data.drop_copies(train, [held], prints)] == ["other.png", "trap.png"]


def test_all_pixels_lie_in_one_file_and_come_back_as_they_were(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [row("a.png"), row("b.png")])
    pictures = data.load_manifest(folder)
    pixels = data.read_all(folder, pictures, tmp_path / "pixels")
    assert len(pixels) == 2
    for name in pixels:
        np.testing.assert_array_equal(pixels[name], data.read_pixels(folder / name))


def test_the_list_s_hash_knows_boxes_and_not_the_order(tmp_path: Path) -> None:
    first, second = data.load_manifest(write_folder(tmp_path, [row("a.png"), row("b.png")]))
    assert data.list_sha256([first, second]) == data.list_sha256([second, first])
    assert data.list_sha256([first, second]) != data.list_sha256([first, data.with_boxes(second, ())])
