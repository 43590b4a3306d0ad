"""From rejected bursts to a bound: a whole trap, a stick, a reviewer, a table; and what a wrong one of them says."""

import csv
import hashlib
import json
import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyrage
import pytest
from cam_parts import BACKEND, NOW, REVIEWER, FakeDescription, FakeDetection, PtySupervisor, sealer, write_picture

from trapcam.app import TrapApp
from trapcam.audit import Cell, Sampler
from trapcam.audit_pack import pack, unpack
from trapcam.audit_store import AUDIT_FOLDER
from trapcam.camera.replay import open_replay
from trapcam.capture import Capture, Policy
from trapcam.cli import main
from trapcam.frames import Burst, Frame, Image
from trapcam.outbox import open_outbox
from trapcam.sighting import Rejected
from trapcam.status import read_status
from trapcam.trigger import Trigger
from trapcam.uplink import Timing, Uplink
from trapwire import serialline as kinds

Output = pytest.CaptureFixture[str]
TRAP = 7


class Doubting:
    """A feline as sure as the first pixel is red, a person as sure as it is blue (of 255)."""

    description = FakeDescription()

    def detect(self, image: Image, moved: object = None) -> Sequence[FakeDetection]:
        red, _, blue = (int(v) / 255 for v in image[0, 0])
        found = [FakeDetection(confidence=red), FakeDetection(category="person", confidence=blue)]
        return sorted(found, key=lambda d: -d.confidence)


def corner(feline: float, person: float = 0.0) -> tuple[int, int, int]:
    return (round(feline * 255), 0, round(person * 255))


def night(data: Path, pictures: Path, supervisor: PtySupervisor, share: float = 0.3) -> None:
    """A trap judges all pictures."""
    pictures.mkdir(exist_ok=True)
    outbox = open_outbox(data, TRAP, NOW)
    camera = open_replay(str(pictures), loop=False, max_megapixels=40, uncertainty_ms=None)
    outbox.declare_source(camera.source, camera.total)
    sampler = Sampler(key=outbox.audit.key, epoch=outbox.epoch, share=share)
    capture = Capture(Doubting(), sealer(), Policy(), sampler)
    uplink = Uplink(supervisor.port, outbox, bytes(BACKEND.verify_key), Timing())
    app = TrapApp(camera, capture, outbox, uplink)
    now = NOW
    for number in range(len(list(pictures.iterdir()))):
        supervisor.say(kinds.WAKE, struct.pack(">IB", number, 0))
        for _ in range(3):
            now += 50
            app.step(now)
            supervisor.step()
    while app.step(now):
        now += 50
    outbox.close()


@pytest.fixture
def trap(tmp_path: Path, pictures: Path, supervisor: PtySupervisor, keys: str) -> Path:
    """A night of 3 cats, 4 near misses, 40 far ones, 2 people and 3 that may be people; its settings."""
    shown = [corner(0.9)] * 3 + [corner(0.4)] * 4 + [corner(0.1)] * 40 + [corner(0.4, 0.7)] * 2
    shown += [corner(0.4, 0.25)] * 3
    for number, what in enumerate(shown):
        write_picture(pictures / f"{number:02}.png", what, number)
    night(tmp_path / "data", pictures, supervisor)
    config = tmp_path / "trapcam.toml"
    config.write_text(keys)
    return config


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "review.key"
    path.write_text(f"# created: today\n# public key: {REVIEWER.to_public()}\n{REVIEWER}\n")
    return path


def label(review: Path, says: Callable[[dict[str, str]], str]) -> list[dict[str, str]]:
    """What a person does in a spreadsheet."""
    with review.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["label"] = says(row)
    with review.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), delimiter=";")
        table.writeheader()
        table.writerows(rows)
    return rows


def said(capsys: Output) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_from_the_night_to_the_bound(tmp_path: Path, trap: Path, key: Path, capsys: Output) -> None:
    stick = tmp_path / "stick"
    cells = {row["stratum"]: row for row in read_audit(tmp_path)}
    assert {name: row["bursts"] for name, row in cells.items()} == {"near": 4, "far": 40, "people": 3}
    far = cells["far"]["held"]
    assert (cells["near"]["held"], cells["people"]["held"]) == (4, 0)
    assert 3 <= far <= 24
    assert main(["audit", "export", "--config", str(trap), "--to", str(stick), "--json"]) == 0
    done = said(capsys)
    assert (done["copied"], done["deleted"]) == (4 + far, 0)
    # On the stick nothing tells what a picture shows, and no name of one.
    for path in Path(done["folder"]).iterdir():
        assert b".png" not in path.read_bytes(), path
    assert main(["audit", "open", str(stick), "--key", str(key)]) == 0
    assert f"{4 + far} samples opened, {4 + far} to be labelled" in capsys.readouterr().out
    review = stick / "review.csv"
    rows = label(review, lambda row: "feline" if row["stratum"] == "near" else "none")
    assert {row["trap"] for row in rows} == {str(TRAP)}
    assert {row["stratum"]: float(row["score"]) for row in rows} == {
        "near": pytest.approx(0.4), "far": pytest.approx(26 / 255)
    }  # fmt: skip
    assert (stick / rows[0]["pictures"]).read_bytes()[:2] == b"\xff\xd8"
    assert main(["audit", "recall", str(review), "--kept", "3", "--json"]) == 0
    found = said(capsys)["all"]
    assert (found["kept"], found["missed_likely"], found["not_measured"]) == (3, 4, {"people": 3})
    assert 4 <= found["missed_at_most"] <= 4 + 40 - far
    assert found["recall_at_least"] == 3 / (3 + found["missed_at_most"])
    assert found["recall_likely"] == pytest.approx(3 / 7)
    near, others = found["strata"]
    assert (near["stratum"], near["bursts"], near["samples"], near["missed_at_most"]) == ("near", 4, 4, 4)
    assert (others["stratum"], others["bursts"], others["samples"]) == ("far", 40, far)
    assert main(["audit", "recall", str(review), "--kept", "3"]) == 0
    words = capsys.readouterr().out
    assert "(95% sure), likely 42.9%; 3 kept" in words
    assert "not measured, the bound does not speak for them: 3 bursts (people: may show people, never kept)" in words
    assert "by season" in words


def read_audit(tmp_path: Path) -> list[dict[str, Any]]:
    outbox = open_outbox(tmp_path / "data", TRAP, NOW)
    cells = outbox.audit.cells()
    outbox.close()
    return cells


def test_what_was_deleted_is_on_the_stick_and_labels_stay(
    tmp_path: Path, trap: Path, key: Path, pictures: Path, supervisor: PtySupervisor, capsys: Output
) -> None:
    stick, args = tmp_path / "stick", ["audit", "export", "--config", str(trap), "--to", str(tmp_path / "stick")]
    assert main([*args, "--delete", "--json"]) == 0
    first = said(capsys)
    assert first["deleted"] == first["copied"] > 4
    assert list((tmp_path / "data" / AUDIT_FOLDER).iterdir()) == []
    assert main(["audit", "open", str(stick), "--key", str(key)]) == 0
    label(stick / "review.csv", lambda row: "none")
    # Two more nights, another visit with the same stick.
    for number in range(60, 70):
        write_picture(pictures / f"{number}.png", corner(0.3), number)
    night(tmp_path / "data", pictures, supervisor)
    assert read_status(tmp_path / "data", TRAP)["audit"]["near"]["held"] == 10
    assert main([*args, "--delete", "--json"]) == 0
    capsys.readouterr()
    assert main(["audit", "open", str(stick), "--key", str(key), "--json"]) == 0
    again = said(capsys)
    assert (again["samples"], again["unlabelled"]) == (first["copied"] + 10, 10)
    assert main(["audit", "recall", str(stick / "review.csv"), "--kept", "9", "--json"]) == 0
    near = said(capsys)["all"]["strata"][0]
    assert (near["bursts"], near["samples"], near["none"], near["doubtful"]) == (14, 14, 4, 10)


def test_a_sample_that_is_missing_counts_as_a_miss(tmp_path: Path, trap: Path, key: Path, capsys: Output) -> None:
    """Lost on the card, lost on the stick, damaged there: the bound comes down, and says nothing wrong."""
    outbox = open_outbox(tmp_path / "data", TRAP, NOW)
    near = [row for row in outbox.audit.samples() if row["stratum"] == "near"]
    outbox.close()
    (tmp_path / "data" / AUDIT_FOLDER / near[0]["file"]).unlink()
    stick = tmp_path / "stick"
    assert main(["audit", "export", "--config", str(trap), "--to", str(stick), "--json"]) == 1
    taken = capsys.readouterr()
    folder = Path(json.loads(taken.out)["folder"])
    assert f"{folder.name}-{near[0]['burst_no']} is gone or damaged" in taken.err
    (folder / f"{folder.name}-{near[1]['burst_no']}.age").write_bytes(b"age-encryption.org/v1\nnot")
    assert main(["audit", "open", str(stick), "--key", str(key)]) == 1
    assert "it is not what the trap wrote: copy it again" in capsys.readouterr().err
    label(stick / "review.csv", lambda row: "none")
    assert main(["audit", "recall", str(stick / "review.csv"), "--kept", "9", "--json"]) == 0
    first = said(capsys)["all"]["strata"][0]
    assert (first["stratum"], first["none"], first["doubtful"], first["missed_at_most"]) == ("near", 2, 2, 2)


def test_kept_felines_by_place(tmp_path: Path, trap: Path, key: Path, capsys: Output) -> None:
    stick = tmp_path / "stick"
    assert main(["audit", "export", "--config", str(trap), "--to", str(stick)]) == 0
    assert main(["audit", "open", str(stick), "--key", str(key)]) == 0
    rows = label(stick / "review.csv", lambda row: "unclear" if row["stratum"] == "near" else "none")
    kept = tmp_path / "kept.csv"
    season = rows[0]["season"]
    kept.write_text(f"station,region,season,felines\nS1,R1,{season},6\nS2,R1,{season},10\nS1,R1,2026 autumn,1\n")
    places = tmp_path / "places.csv"
    places.write_text("trap,station,region\n7,S1,R1\n8,S2,R1\n")
    capsys.readouterr()
    args = ["audit", "recall", str(stick / "review.csv"), "--kept-csv", str(kept), "--json"]
    assert main([*args, "--places", str(places)]) == 0
    found = said(capsys)
    assert (found["all"]["kept"], found["station"]["S1"]["kept"], found["region"]["R1"]["kept"]) == (17, 7, 17)
    assert found["station"]["S2"]["recall_at_least"] == 1.0
    assert found["station"]["S1"]["strata"][0]["doubtful"] == 4
    assert set(found["season"]) == {season, "2026 autumn"}
    # Without the office's table a trap is a station of its own, by the one name that a card knows.
    assert main(args) == 0
    assert said(capsys)["station"]["trap 7"]["strata"][0]["doubtful"] == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("trap,station\n7,S1\n", "has no column 'region'"),
        ("trap,station,region\nseven,S1,R1\n", "line 2: trap = 'seven'; allowed are 1–65535"),
        ("trap,station,region\n7,S1,R1\n7,S2,R1\n", "line 3: trap 7 stands at ('S2', 'R1') here and ('S1', 'R1')"),
    ],
)
def test_a_table_of_places_that_is_wrong_is_named(
    tmp_path: Path, trap: Path, key: Path, capsys: Output, text: str, says: str
) -> None:
    stick, places = tmp_path / "stick", tmp_path / "places.csv"
    assert main(["audit", "export", "--config", str(trap), "--to", str(stick)]) == 0
    assert main(["audit", "open", str(stick), "--key", str(key)]) == 0
    places.write_text(text)
    assert main(["audit", "recall", str(stick / "review.csv"), "--kept", "1", "--places", str(places)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "places.csv" in error


def test_exports_of_before_still_count_with_their_places_and_once(
    tmp_path: Path, trap: Path, key: Path, capsys: Output
) -> None:
    """Their tables name station and region; a later export of the same outbox holds the same bursts."""
    stick, old = tmp_path / "stick", tmp_path / "old"
    assert main(["audit", "export", "--config", str(trap), "--to", str(stick)]) == 0
    assert main(["audit", "open", str(stick), "--key", str(key)]) == 0
    label(stick / "review.csv", lambda row: "none")
    shutil.copytree(stick, old)
    for table in old.glob("*/*.csv"):
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = [row | {"station": "S1", "region": "R1"} for row in csv.DictReader(file)]
        with table.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    capsys.readouterr()
    found = {}
    for name, reviews in {"old": [old], "new": [stick], "both": [old, stick], "turned": [stick, old]}.items():
        args = ["audit", "recall", *(str(folder / "review.csv") for folder in reviews), "--kept", "3", "--json"]
        assert main(args) == 0
        found[name] = said(capsys)
    assert found["old"]["all"] == found["new"]["all"] == found["both"]["all"] == found["turned"]["all"]
    assert set(found["old"]["station"]) == {"S1"}
    assert set(found["both"]["station"]) == set(found["turned"]["station"]) == {"trap 7"}


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda text: text.replace(";;", ";tiger;", 1), "line 2: label = 'tiger'; allowed are: feline, none, unclear"),
        (lambda text: text.replace("label", "lable"), "has no column 'label'"),
        (lambda text: text + "1;2\n", "does not have as many cells as the first"),
        (lambda text: "", "has no column 'sample'"),
    ],
)
def test_a_spoilt_review_is_named_with_its_line(
    tmp_path: Path, trap: Path, key: Path, capsys: Output, spoil: Callable[[str], str], says: str
) -> None:
    stick = tmp_path / "stick"
    assert main(["audit", "export", "--config", str(trap), "--to", str(stick)]) == 0
    assert main(["audit", "open", str(stick), "--key", str(key)]) == 0
    label(stick / "review.csv", lambda row: "")
    text = (stick / "review.csv").read_text("utf-8-sig")
    (stick / "review.csv").write_text(spoil(text))
    assert main(["audit", "recall", str(stick / "review.csv"), "--kept", "1"]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "review.csv" in error


def test_wrong_keys_and_folders_are_named(tmp_path: Path, trap: Path, key: Path, capsys: Output) -> None:
    stick = tmp_path / "stick"
    assert main(["audit", "export", "--config", str(trap), "--to", str(stick)]) == 0
    other = tmp_path / "other.key"
    other.write_text(str(pyrage.x25519.Identity.generate()))
    assert main(["audit", "open", str(stick), "--key", str(other)]) == 1
    assert "it does not open with this key" in capsys.readouterr().err
    for text, says in (("", "0 keys, allowed is one"), ("AGE-SECRET-KEY-1OOPS", "holds no secret key")):
        other.write_text(text)
        assert main(["audit", "open", str(stick), "--key", str(other)]) == 2
        error = capsys.readouterr().err
        assert says in error
        assert "OOPS" not in error
    (tmp_path / "empty").mkdir()
    for name, says in (("nowhere", "no such folder"), ("empty", "no manifest.csv here")):
        assert main(["audit", "open", str(tmp_path / name), "--key", str(key)]) == 2
        assert says in capsys.readouterr().err
    settings = tmp_path / "empty.toml"
    settings.write_text(f'trap = 8\ndata = "{tmp_path}/data"\n')
    assert main(["audit", "export", "--config", str(settings), "--to", str(stick)]) == 2
    assert "this outbox is not of trap 8" in capsys.readouterr().err
    settings.write_text(f'trap = 8\ndata = "{tmp_path}/none"\n')
    assert main(["audit", "export", "--config", str(settings), "--to", str(stick)]) == 2
    assert "there is no outbox here" in capsys.readouterr().err


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x05\x06" + bytes(18), b"no zip at all" * 9, b"PK\x03\x04" + bytes(40) + b"PK\x05\x06" + bytes(18)],
)
def test_what_is_no_sample_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"it (is no audit sample|holds other files)"):
        unpack(data)


def test_of_people_and_of_those_who_may_be_no_byte_is_kept(tmp_path: Path, trap: Path, key: Path) -> None:
    """Their bursts are opened by nobody: no sample bears their names."""
    outbox = open_outbox(tmp_path / "data", TRAP, NOW)
    bodies = [(tmp_path / "data" / AUDIT_FOLDER / row["file"]).read_bytes() for row in outbox.audit.samples()]
    outbox.close()
    names = {name for body in bodies for name in unpack(pyrage.decrypt(body, [REVIEWER]))[0]["names"]}
    assert len(names) == len(bodies) > 4
    assert not names & {f"{number:02}.png" for number in (*range(3), *range(47, 52))}
    assert {hashlib.sha256(body).hexdigest() for body in bodies} == {
        path.stem for path in (tmp_path / "data" / AUDIT_FOLDER).iterdir()
    }


def test_a_burst_is_shown_by_its_best_its_first_and_its_last_frame() -> None:
    frames = tuple(
        Frame(
            pixels=np.zeros((8, 8, 3), np.uint8),
            taken_ms=NOW + i,
            uncertainty_ms=None,
            name=f"{i}",
            jpeg=b"jpeg %d" % i,
        )
        for i in range(6)
    )
    cell = Cell(season="", stratum="near", share=1.0)
    for count, best, shown in ((6, 3, [3, 0, 5]), (6, 0, [0, 1, 5]), (2, 1, [1, 0]), (1, 0, [0])):
        burst = Burst(frames=frames[:count], trigger=Trigger(number=1, cause=0, at_ms=NOW))
        facts, pictures = unpack(pack(burst, Rejected(reason="x", score=0.4, frame=best), cell, {"model": "m"}))
        assert pictures == [b"jpeg %d" % i for i in shown]
        assert (facts["names"], facts["taken_ms"], facts["frames"]) == ([f"{i}" for i in shown], NOW + best, count)
