"""status, export, verify and again on a base that nobody runs at the moment."""

import json
import re
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.base.package_parts import check_profile, check_tables, needs_official
from tests.base.parts import BOX, TRAPS, Base, deliver, envelope, sighting
from trapbase.cli import main
from trapbase.config import Settings, UploadSettings, check_traps
from trapbase.media import path_in
from trapbase.store import Store
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import MAX_BATCH_BYTES, BackendStore
from trapsim.memorybus import MemoryBroker
from trapwire.objects import CROP


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A base with two delivered sightings, one still in the outbox, one conflict and one stranger."""
    broker = MemoryBroker()
    store = BackendStore(tmp_path / "backend", bytes(range(32, 64)))
    outlet = DirectOutlet(store)
    base = Base(tmp_path / "base", broker, outlet)
    deliver(broker, *sighting(1, 1), *sighting(2, 1))
    base.run(0, 13_000)
    outlet.store = None
    deliver(broker, *sighting(3, 1), *sighting(9, 1), envelope(1, 1, CROP, b"other bytes"))
    base.run(13_000, 26_000)
    base.close()
    store.close()
    (tmp_path / "box.key").write_text(bytes(BOX).hex())
    text = f'folder = "{tmp_path}/base"\nbox_key = "{tmp_path}/box.key"\n'
    for trap in TRAPS.values():
        text += f'[[trap]]\nnumber = {trap.number}\nstation = "{trap.station}"\nside = "{trap.side}"\n'
        text += f"latitude = {trap.latitude}\nlongitude = {trap.longitude}\n"
    path = tmp_path / "base.toml"
    path.write_text(text)
    return path


def run(config: Path, *command: str) -> int:
    return main([command[0], "--config", str(config), *command[1:]])


def test_status(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "status", "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert status["objects"] == {"receipted": 4, "batched": 2, "stored": 2}
    assert status["batches"] == {"receipted": 1, "cut": 1}
    assert status["receipts"] == {"signed": 2}
    assert status["not_in_settings"] == [9]
    assert status["conflicts_kept"] == 1
    assert status["late"][0]["last_error"] == "back end: it is down"
    assert run(config, "status") == 0
    shown = capsys.readouterr().out
    assert "Trap 9: not in this base's settings, and no ranger's card tells where it stands" in shown
    assert "1 batches are not through to the back end. back end: it is down" in shown


def test_status_shows_each_trap_as_a_person_reads_it(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text('zone = "Asia/Vladivostok"\n' + config.read_text())
    store = Store(config.parent / "base")
    words = {
        1: {"rssi_dbm": -97, "snr_db": 6.25, "health": {"battery": 80, "queued": 2, "unreceipted": 3}},
        2: {"rssi_dbm": None, "snr_db": None, "health": {"battery": 255}},
        3: None,
        9: {"rssi_dbm": -120, "snr_db": -15.0, "health": {}},
    }
    heard_ms = 1763686800000  # 2025-11-21 01:00 UTC
    heard = [
        (number, {"received_ms": heard_ms + number * 1000, "base": "north", **word})
        for number, word in words.items()
        if word
    ]
    store.add([], heard, 0, heard_ms)
    store.close()
    assert run(config, "status") == 0
    shown = capsys.readouterr().out
    # Its age depends on today's date; each has the same.
    rows = re.findall(r"^[! ] (trap .*?)  [0-9]+ days ago +(.*)$", shown, re.MULTILINE)
    assert [" ".join(" ".join(row).split()) for row in rows] == [
        "trap 1 S001 left 1 seen 80 % 19 dB 2 wait there",
        "trap 2 S001 right 1 seen battery ? no radio",
        "trap 3 S002 single 1 seen battery ? no radio",
        "trap 9 not in the settings 1 seen battery ? -2 dB 2 wait here",
    ]
    assert "S001, trap 1 has been silent for" in shown


@needs_official
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_export_validates(config: Path, tmp_path: Path) -> None:
    assert run(config, "export", "--camtrap-dp", str(tmp_path / "out")) == 0
    report = check_tables(tmp_path / "out")
    assert report.valid, report.flatten(["type", "rowNumber", "fieldName", "note"])
    check_profile(json.loads((tmp_path / "out" / "datapackage.json").read_text()))


def test_export_has_everything_of_known_traps(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "export", "--camtrap-dp", str(tmp_path / "out")) == 0
    assert "6 objects of 3 sightings" in capsys.readouterr().err
    assert len(list((tmp_path / "out" / "media").iterdir())) == 3
    assert run(config, "export", "--camtrap-dp", str(tmp_path / "out")) == 2
    assert "neither new nor an empty folder" in capsys.readouterr().err


def test_verify_is_clean(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "verify") == 0
    assert capsys.readouterr().out == "clean\n"


def crops(base: Path) -> list[bytes]:
    db = sqlite3.connect(base / "base.sqlite3")
    try:
        return [d for (d,) in db.execute("SELECT sha256 FROM objects WHERE rung = 1 ORDER BY id")]
    finally:
        db.close()


def in_file(base: Path) -> Path:
    """The first crop as an earlier version kept it: its path."""
    path = path_in(base / "media", crops(base)[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    sql("UPDATE objects SET body = NULL WHERE rung = 1")(base)
    return path


def sql(statement: str) -> Callable[[Path], None]:
    def change(base: Path) -> None:
        db = sqlite3.connect(base / "base.sqlite3")
        db.execute(statement)
        db.commit()
        db.close()

    return change


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (sql("UPDATE objects SET body = NULL WHERE rung = 1"), "its file is missing"),
        (lambda base: in_file(base).write_bytes(b"x"), "its file is damaged"),
        (lambda base: next((base / "outbox").iterdir()).unlink(), "its file is missing or of another size"),
        (sql("UPDATE objects SET body = x'00' WHERE id = 1"), "its bytes do not match its digest"),
        (sql("UPDATE objects SET size = 9 WHERE rung = 1 AND id < 5"), "9 are recorded"),
        (sql("UPDATE objects SET state = 'batched' WHERE id = 1"), "is receipted with 2 receipts over 3 objects"),
        (sql("DELETE FROM objects WHERE id = 1"), "has 3 objects, 4 are recorded"),
        (sql("DELETE FROM objects WHERE id = 1"), "1 events have no alert"),
    ],
)
def test_verify_finds_damage(
    config: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], words: str
) -> None:
    damage(config.parent / "base")
    assert run(config, "verify") == 1
    assert words in capsys.readouterr().out
    assert run(config, "verify", "--json") == 1
    assert json.loads(capsys.readouterr().out)["clean"] is False


def test_crops_and_positions_are_for_the_owner_alone(config: Path, tmp_path: Path) -> None:
    (tmp_path / "base" / "outbox").chmod(0o755)
    restarted = Base(tmp_path / "base", MemoryBroker(), DirectOutlet(None))
    restarted.run(0, 1000)
    restarted.close()
    assert run(config, "export", "--camtrap-dp", str(tmp_path / "out")) == 0
    for folder in (tmp_path / "base" / "outbox", tmp_path / "out"):
        found = [folder, *folder.rglob("*")]
        assert len(found) > 1
        for path in found:
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("value", ["2025-13-45T99:99:99Z", "2025-02-29T00:00:00Z", "2025-0\u0661-01T00:00:00Z"])
def test_a_time_that_never_was_is_named(config: Path, capsys: pytest.CaptureFixture[str], value: str) -> None:
    config.write_text(config.read_text() + f'deployed = "{value}"\n')
    assert run(config, "status") == 2
    said = capsys.readouterr().err
    assert "'deployed' of trap 3" in said
    assert value.encode("unicode_escape").decode() in said or value in said
    assert "2025-11-01T00:00:00Z" in said


@pytest.mark.parametrize(
    "url",
    ["http://host:notaport", "http://host:99999", "https://:443/", "http://[::1", "http://host:0", "http://u:p@host",
     "https://host/?a=b", "https://h\u00f6st/"],
)  # fmt: skip
def test_an_address_that_cannot_be_is_named(config: Path, capsys: pytest.CaptureFixture[str], url: str) -> None:
    config.write_text(f'[upload]\nurl = "{url}"\n')
    assert run(config, "status") == 2
    said = capsys.readouterr().err
    assert "'upload.url'" in said
    assert url in said
    assert "allowed are http or https" in said


@pytest.mark.parametrize("url", ["", "http://host", "https://host:8443/pug", "http://[::1]:80/", "http://10.0.0.1:1"])
def test_addresses_that_can_be(url: str) -> None:
    check_traps(Settings(upload=UploadSettings(url=url)))


def test_a_batch_that_the_back_end_would_never_take_cannot_be_set(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("[batch]\nmax_bytes = 25165825\n")
    assert run(config, "status") == 2
    assert "batch.max_bytes" in capsys.readouterr().err
    assert MAX_BATCH_BYTES > 2 * 25165824


def test_receipts_that_a_trap_refused_go_down_once_more(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(config.parent / "base")
    open_before = [r.id for r in store.open_receipts(10)]
    for receipt in store.open_receipts(10):
        store.set_delivered(receipt.id, receipt.trap, receipt.epoch, 1)
    assert store.open_receipts(10) == []
    assert run(config, "again", "--trap", "1") == 0
    assert "1 receipts go down to trap 1 again" in capsys.readouterr().err
    assert [r.trap for r in store.open_receipts(10)] == [1]
    assert run(config, "again", "--trap", "2") == 0
    assert [r.id for r in store.open_receipts(10)] == open_before
    store.close()
    assert run(config, "again", "--trap", "77") == 2
    assert "--trap 77: is not in the settings; allowed are 1, 2, 3" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "verify"])
def test_a_folder_without_a_base_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    config = tmp_path / "x.toml"
    config.write_text(f'folder = "{tmp_path}/nothing"\n')
    assert run(config, command) == 2
    assert "nothing" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()


@pytest.mark.usefixtures("in_files")
def test_a_base_is_backed_up_and_comes_back(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backups = tmp_path / "backups"
    config.write_text(f'backup = {{ folder = "{backups}" }}\n' + config.read_text())
    assert run(config, "status") == 0
    assert f"none in {backups} yet" in capsys.readouterr().out
    assert run(config, "backup", str(backups), "--keep", "0") == 2
    assert "--keep 0: allowed is 1 or more" in capsys.readouterr().err
    assert run(config, "backup", str(backups)) == 0
    assert "5 media, 5 of them new; 0 old backups removed" in capsys.readouterr().out
    assert run(config, "backup", str(backups), "--keep", "1", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["media"], said["copied"], said["removed"], said["lost"]) == (5, 0, 1, [])
    assert run(config, "restore", str(backups)) == 2
    assert "is not empty; --replace sets what is there aside and keeps it" in capsys.readouterr().err
    assert run(config, "restore", str(tmp_path)) == 2
    assert "this is no whole backup" in capsys.readouterr().err
    assert run(config, "restore", str(backups), "--replace") == 0
    shown = capsys.readouterr().out
    assert "8 objects, 5 media" in shown
    assert "take it away once all is well" in shown
    assert len(list(tmp_path.glob("base.before-*"))) == 1
    assert run(config, "verify") == 1, "the batch's file is made again when the base starts"
    shown = capsys.readouterr().out
    assert "1 problems" in shown
    assert "its file is missing or of another size: it is made again when the base starts" in shown
    assert run(config, "status") == 0
    shown = capsys.readouterr().out
    assert "the back end is asked first what it has, 0 objects lie at the back end alone" in shown
    assert "the newest is of " in shown
