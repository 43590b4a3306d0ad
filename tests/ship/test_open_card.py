"""`trapship open-card`: everything from a trap's card, for whoever holds the keys."""

import csv
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from nacl.signing import SigningKey
from tests.ship.card_parts import MEGABYTE, NOW, TRAP, Card, FullCard, on_a_device, smash

from trapbase.cli import main as trapbase
from trapbase.store import Store
from trapcam.outbox import Outbox, open_outbox
from trapship.cli import main
from trapwire.objects import FULL, RECEIPT, Envelope, ObjectKey, decode_envelope
from trapwire.receipt import Receipt, statement

BACKEND = SigningKey(bytes(range(32, 64)))


def opened(card: Card, source: Path, out: Path, *more: str, code: int = 0) -> dict[str, bytes]:
    """The pictures that came off, by name."""
    assert main(["open-card", str(source), "--out", str(out), "--keys", str(card.keys), *more]) == code
    folder = out / "pictures"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def tables(out: Path) -> tuple[list[dict[str, str]], dict[str, object]]:
    with (out / "sightings.csv").open(newline="") as file:
        return list(csv.DictReader(file)), json.loads((out / "summary.json").read_text())


def test_a_mounted_card_gives_every_picture_as_it_was_taken(tmp_path: Path) -> None:
    card = Card(tmp_path)
    assert opened(card, card.root, tmp_path / "out") == card.inside
    rows, summary = tables(tmp_path / "out")
    assert [(r["number"], r["time"][:19], r["species"], r["count"]) for r in rows] == [
        (str(n), "2027-01-15T08:00:00", "snow leopard", "1") for n in (1, 2, 3)
    ]
    assert summary["units"] == [
        {"trap": TRAP, "epoch": f"{card.epoch:08x}", "since": "2027-01-15T08:00:00.000Z", "where": str(card.data)}
    ]
    assert summary["objects"] == {"opened": 12}


def test_what_it_gives_is_sealed_still_for_any_base_to_import(tmp_path: Path) -> None:
    card = Card(tmp_path)
    opened(card, card.root, tmp_path / "out")
    parcels = sorted((tmp_path / "out" / "parcels").rglob("*.obj"))
    envelopes = [decode_envelope(path.read_bytes()) for path in parcels]
    with closing(open_outbox(card.data, TRAP, NOW)) as box:
        for envelope in envelopes:
            own = box.envelope(envelope.key.number, envelope.key.rung)
            assert own is not None
            assert (own.key, own.body) == (envelope.key, envelope.body)
    assert len(envelopes) == 12


def test_nothing_on_the_card_is_changed(tmp_path: Path) -> None:
    card = Card(tmp_path)
    image = card.ext4(tmp_path / "card.img")
    before = (image.read_bytes(), {p: p.read_bytes() for p in card.root.rglob("*") if p.is_file()})
    opened(card, image, tmp_path / "one")
    opened(card, card.root, tmp_path / "two")
    assert (image.read_bytes(), {p: p.read_bytes() for p in card.root.rglob("*") if p.is_file()}) == before


@pytest.mark.parametrize("partitioned", [False, True], ids=["a file system", "a device with partitions"])
def test_an_image_gives_it_without_root_and_without_mounting(tmp_path: Path, partitioned: bool) -> None:
    card = Card(tmp_path)
    image = card.ext4(tmp_path / "card.img")
    if partitioned:
        image = on_a_device(image, tmp_path / "device.img")
    assert opened(card, image, tmp_path / "out") == card.inside
    assert "searched" not in str(tables(tmp_path / "out")[1]["notes"])


def test_a_card_whose_power_went_has_its_last_commits_in_the_log(tmp_path: Path) -> None:
    def pull(data: Path) -> None:
        shutil.copytree(data, tmp_path / "pulled")

    card = Card(tmp_path, before_close=pull)
    assert (tmp_path / "pulled" / "outbox.sqlite-wal").stat().st_size > 4096
    assert opened(card, tmp_path / "pulled", tmp_path / "out") == card.inside


def test_a_smashed_file_system_is_searched_for_what_lies_there(tmp_path: Path) -> None:
    """Superblock, descriptors, inode tables: all gone; pictures, pages and log are still somewhere."""
    card = Card(tmp_path)
    image = card.ext4(tmp_path / "card.img")
    first = first_sealed(image)
    smash(image, 0, min(first, 2 * MEGABYTE) - 4096)
    got = opened(card, image, tmp_path / "out", code=0)
    assert got == card.inside
    notes = tables(tmp_path / "out")[1]["notes"]
    assert notes == ["the bare device was searched: no outbox by its file system"]


def first_sealed(image: Path) -> int:
    data = image.read_bytes()
    return min(data.index(b"age-encryption.org/v1\n"), data.index(b"SQLite format 3\0"))


def test_a_damaged_database_is_read_page_by_page(tmp_path: Path) -> None:
    card = Card(tmp_path, sightings=12)
    database = card.data / "outbox.sqlite"
    with closing(sqlite3.connect(database)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'objects'").fetchone()
    smash(database, (root - 1) * 4096, 4096)  # the table's own root: SQLite finds none of its rows
    got = opened(card, card.root, tmp_path / "out")
    assert got == card.inside
    assert "read page by page" in str(tables(tmp_path / "out")[1]["notes"])


def test_a_database_that_is_gone_leaves_the_full_frames(tmp_path: Path) -> None:
    card = Card(tmp_path)
    for path in card.data.glob("outbox.sqlite*"):
        path.unlink()
    image = card.ext4(tmp_path / "card.img")
    assert main(["open-card", str(image), "--out", str(tmp_path / "out"), "--keys", str(card.keys)]) == 0
    strays = {path.read_bytes() for path in (tmp_path / "out" / "strays").iterdir()}
    assert strays == {data for name, data in card.inside.items() if name.endswith("full.jpg")}


def test_a_frame_with_a_bad_block_is_given_as_far_as_it_goes(tmp_path: Path) -> None:
    card = Card(tmp_path, sightings=1)
    (sealed,) = (card.data / "full").iterdir()
    smash(sealed, 200_000, 4096)
    got = opened(card, card.root, tmp_path / "out", code=1)
    name = next(name for name in card.inside if name.endswith("full.jpg"))
    damaged = got.pop(name.replace(".jpg", "-damaged.jpg"))
    assert 0 < len(damaged) < len(card.inside[name])
    assert card.inside[name].startswith(damaged)
    assert tables(tmp_path / "out")[1]["objects"] == {"damaged": 1, "opened": 3}
    assert not list((tmp_path / "out" / "parcels").rglob("*full.obj")), "no base may take damaged bytes for whole"


def test_a_thief_gets_counts_and_alerts_and_no_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = Card(tmp_path)
    (tmp_path / "strange").mkdir()
    stranger = Card(tmp_path / "strange", sightings=1)
    for more in ([], ["--keys", str(stranger.keys)]):
        out = tmp_path / f"out{len(more)}"
        assert main(["open-card", str(card.root), "--out", str(out), *more]) == 1
        assert not (out / "pictures").exists()
        assert tables(out)[1]["objects"] == {"opened": 3, "still sealed": 9}
    said = capsys.readouterr()
    assert "no key was named" in said.err
    assert "9 still sealed" in said.out


def test_one_of_two_keys_opens_its_part(tmp_path: Path) -> None:
    card = Card(tmp_path, sightings=1)
    arguments = ["open-card", str(card.root), "--out"]
    assert main([*arguments, str(tmp_path / "a"), "--base-key", str(card.keys / "base.key")]) == 1
    assert sorted(p.suffix for p in (tmp_path / "a" / "pictures").iterdir()) == [".webp", ".webp"]
    assert main([*arguments, str(tmp_path / "b"), "--identity", str(card.keys / "review.key")]) == 1
    assert [p.suffix for p in (tmp_path / "b" / "pictures").iterdir()] == [".jpg"]


def test_what_the_back_end_has_signed_for_is_not_missing(tmp_path: Path) -> None:
    class Received(Card):
        def use(self, box: Outbox) -> None:
            digests = [(1, FULL, box._digest(1, FULL) or b"")]
            signature = BACKEND.sign(statement(TRAP, box.epoch, digests)).signature
            receipt = Receipt(box.epoch, [(1, FULL)], signature).encode()
            box.apply_receipt(Envelope(ObjectKey(TRAP, box.epoch, 1, RECEIPT), receipt), bytes(BACKEND.verify_key), NOW)

    card = Received(tmp_path)
    got = opened(card, card.root, tmp_path / "out")
    gone = f"{TRAP:05d}-{card.epoch:08x}-000001-full.jpg"
    assert set(card.inside) - set(got) == {gone}
    rows, summary = tables(tmp_path / "out")
    assert (rows[0]["received"], summary["objects"]) == ("full", {"opened": 11, "received": 1})


def test_notes_are_told_in_words_and_an_unjudged_burst_has_its_time(tmp_path: Path) -> None:
    card = FullCard(tmp_path, sightings=1)
    assert opened(card, card.root, tmp_path / "out") == card.inside
    rows, summary = tables(tmp_path / "out")
    assert [(r["number"], r["category"], r["species"], r["time"]) for r in rows] == [
        ("1", "feline", "snow leopard", "2027-01-15T08:00:00.000Z"),
        ("2", "unjudged", "", "2027-01-15T08:01:00.000Z"),
    ]
    assert summary["notes_and_scenes"] == 3
    with (tmp_path / "out" / "notes.csv").open(newline="") as file:
        told = {
            r["kind"]: (r["number"], r["time"][:19], r["says"] or r["picture"], r["state"])
            for r in csv.DictReader(file)
        }
    day = (
        "2027-01-14: 1000 minutes seen, 400 blind, 0 not on watch, 40 unknown (snowed in); 0 triggers, 0 bursts, "
        "0 sightings, 0 starts"
    )
    assert told == {
        "scene": ("3", "2027-01-15T08:01:10", f"{TRAP:05d}-{card.epoch:08x}-000003-scene.webp", "opened"),
        "day": ("4", "2027-01-15T08:00:00", day, "opened"),
        "opened": ("5", "2027-01-15T08:00:00", "somebody opened the lid (trigger 9)", "opened"),
    }


def test_a_base_imports_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = FullCard(tmp_path, sightings=2)
    opened(card, card.root, tmp_path / "out")
    config = tmp_path / "base.toml"
    config.write_text(f'name = "North"\nfolder = "{tmp_path / "base"}"\n')
    Store(tmp_path / "base").close()
    capsys.readouterr()
    for new in (13, 0):
        assert trapbase(["import", str(tmp_path / "out" / "parcels"), "--config", str(config), "--json"]) == 0
        (done,) = json.loads(capsys.readouterr().out)["parcels"]
        assert (done["new"], done["doubles"], done["damaged"], done["missing"]) == (new, 13 - new, [], [])


@pytest.mark.parametrize("kind", ["folder", "image"])
def test_an_outbox_that_its_trap_set_aside_is_found_too(tmp_path: Path, kind: str) -> None:
    card = Card(tmp_path, sightings=12)
    before = dict(card.inside)
    database = card.data / "outbox.sqlite"
    with closing(sqlite3.connect(database)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'objects'").fetchone()
    smash(database, (root - 1) * 4096, 4096)
    with closing(open_outbox(card.data, TRAP, NOW)) as box:
        assert box.aside is not None
        epoch = box.epoch
    source = card.root if kind == "folder" else card.ext4(tmp_path / "card.img", 48)
    assert opened(card, source, tmp_path / "out") == before
    units = tables(tmp_path / "out")[1]["units"]
    assert {unit["epoch"] for unit in units} == {f"{card.epoch:08x}", f"{epoch:08x}"}  # type: ignore[attr-defined]


def test_full_frames_set_aside_without_their_database_are_opened(tmp_path: Path) -> None:
    card = Card(tmp_path)
    for path in card.data.glob("outbox.sqlite*"):
        path.unlink()
    open_outbox(card.data, TRAP, NOW).close()
    opened(card, card.root, tmp_path / "out")
    strays = {path.read_bytes() for path in (tmp_path / "out" / "strays").iterdir()}
    assert strays == {data for name, data in card.inside.items() if name.endswith("full.jpg")}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: there is no such folder, image or device"),
        (["empty"], "no outbox.sqlite lies here"),
        (["card", "--out", "used"], "--out used: holds something already"),
        (["card", "--keys", "empty"], "--keys empty: holds neither base.key nor review.key"),
        (["card", "--keys", "none"], "--keys none: there is no such folder"),
        (["card", "--identity", "keys/base.key"], "keys/base.key: holds a line that is no secret key"),
        (["card", "--base-key", "keys/review.key"], "keys/review.key: a base's secret key is not hexadecimal"),
    ],
)
def test_wrong_use_is_said_in_words(
    tmp_path: Path,
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Card(tmp_path, sightings=1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "x").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert main(["open-card", *arguments, *([] if "--out" in arguments else ["--out", "out"])]) == 2
    assert words in capsys.readouterr().err


def test_garbage_in_place_of_a_card_is_nothing_and_no_traceback(tmp_path: Path) -> None:
    card = Card(tmp_path, sightings=1)
    image = tmp_path / "noise.img"
    image.write_bytes(bytes(8 * MEGABYTE))
    for i in range(8):
        smash(image, i * MEGABYTE, 300_000)
    with image.open("r+b") as file:  # heads of all that is looked for, and noise behind them
        for i, head in enumerate(
            (b"age-encryption.org/v1\n-> X25519 ", b"SQLite format 3\0", b"\x37\x7f\x06\x82", b"\x0d")
        ):
            file.seek(i * MEGABYTE + 4096)
            file.write(head)
    assert opened(card, image, tmp_path / "out", code=1) == {}
    assert tables(tmp_path / "out")[1]["notes"][-1] == "nothing of a trap's was found"  # type: ignore[index]
