"""Backups beside a running base, and coming back from one: nothing lost, nothing doubled, no number said twice."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.base.parts import NOW, SIGNING, TRAPS, Base, deliver, envelope, sighting
from trapbase.custody import restore as restore_module
from trapbase.custody.backup import make_backup
from trapbase.custody.layout import MANIFEST, backups_in, read_manifest
from trapbase.custody.recall import LOOK_EVERY_MS, TURN_MS, Recall
from trapbase.custody.reconcile import Reconcile
from trapbase.custody.restore import LEAP_FRAMES, Restored, restore
from trapbase.custody.restore_store import RestoreStore
from trapbase.custody.schedule import RETRY_MS, Backups
from trapbase.forward import Forward
from trapbase.media import path_in
from trapbase.outlet import OutletError
from trapbase.radio_counter import EPOCH_2020_S, read_counter, write_counter
from trapbase.request_store import RequestStore
from trapbase.store_settings import BackupSettings
from trapbase.verify import elsewhere, problems
from trapkit import topics
from trapkit.errors import SetupError, StorageError
from trapkit.files import lock_folder
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import BackendStore
from trapsim.memorybus import MemoryBroker
from trapwire.objects import ALERT, CROP, Envelope, ObjectKey, decode_envelope, pack_keys, unpack_keys
from trapwire.receipt import decode_receipt

WEEK_MS = 7 * 86_400_000
HOUR_MS = 3_600_000
VERIFY_KEY = bytes(SIGNING.verify_key)


class Trap:
    """One trap's outbox as the base sees it: offers until acknowledged, deletes what a receipt names, and offers again
    what it is asked for and still has."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.offered: dict[ObjectKey, Envelope] = {}
        self.delivered: dict[ObjectKey, Envelope] = {}
        self.deleted: set[ObjectKey] = set()
        self.deaf = False  # to receipts: the radio did not bring them yet

    def make(self, *objects: Envelope) -> None:
        self.offered |= {e.key: e for e in objects}

    def hear(self, topic: str, payload: bytes) -> ObjectKey | None:
        """A message of the base's; the key of a receipt that it took."""
        address = topics.parse(topic)
        if address is None or address.trap != self.number:
            return None
        if address.kind == topics.ACK:
            for key in unpack_keys(payload):
                if key in self.offered:
                    self.delivered[key] = self.offered.pop(key)
        elif address.kind == topics.WANTED:
            for key in unpack_keys(payload):
                if key in self.delivered:
                    self.offered[key] = self.delivered.pop(key)
        elif address.kind == topics.DOWN and not self.deaf:
            down = decode_envelope(payload)
            receipt = decode_receipt(down.body)
            for number, rung in receipt.objects:
                key = ObjectKey(self.number, receipt.epoch, number, rung)
                self.delivered.pop(key, None)
                self.offered.pop(key, None)
                self.deleted.add(key)
            return down.key
        return None


class Valley:
    """Traps, a base that can come back, and a back end, in virtual time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_ms = 0
        self.broker = MemoryBroker()
        self.outlet = DirectOutlet(BackendStore(folder / "backend", bytes(SIGNING)))
        self.traps = {number: Trap(number) for number in TRAPS}
        self.made: set[ObjectKey] = set()
        self.start()

    def start(self) -> None:
        self.base = Base(self.folder / "base", self.broker, self.outlet)
        self.restored = RestoreStore(self.folder / "base")
        self.reconcile = Reconcile(self.restored, self.outlet, VERIFY_KEY, TRAPS)
        base = self.base
        base.forward = Forward(base.cutter, base.uploader, base.receipts, self.reconcile)
        self.recall = Recall(self.broker.connect("recall", ()), self.restored)

    def stop(self) -> None:
        self.base.close()
        self.restored.close()

    def close(self) -> None:
        self.stop()
        assert self.outlet.store is not None
        self.outlet.store.close()

    def make(self, trap: int, *numbers: int) -> None:
        for number in numbers:
            objects = sighting(trap, number, NOW + self.now_ms + number * 120_000)
            self.traps[trap].make(*objects)
            self.made |= {e.key for e in objects}

    def run(self, for_ms: int, every_ms: int = 1000, *, forward: bool = True) -> None:
        end = self.now_ms + for_ms
        while self.now_ms < end:
            self.now_ms += every_ms
            deliver(self.broker, *(e for trap in self.traps.values() for e in trap.offered.values()))
            for _ in range(30):
                moved = self.base.ingest.step(self.now_ms, NOW + self.now_ms)
                moved |= forward and self.base.forward.step(self.now_ms, NOW + self.now_ms)
                if not moved:
                    break
            self.recall.step(self.now_ms, NOW + self.now_ms)
            for message in self.base.gateway_bus.take(10_000):
                for trap in self.traps.values():
                    taken = trap.hear(message.topic, message.payload)
                    if taken is not None:
                        self.base.gateway_bus.publish(topics.downack(trap.number), pack_keys([taken]))
                message.acknowledge()

    def backup(self, keep: int | None = None) -> Path:
        *_, last = make_backup(self.folder / "base", self.folder / "backups", "north", NOW + self.now_ms, keep)
        assert last.lost == []
        return backups_in(self.folder / "backups")[-1]

    def come_back(self, backup: Path) -> Restored:
        self.stop()
        *_, state = restore(backup, self.folder / "base", NOW + self.now_ms, replace=True)
        self.start()
        return state

    def lost(self) -> list[ObjectKey]:
        """What was made and is neither on its trap, nor here, nor at the back end."""
        base = sqlite3.connect(self.folder / "base" / "base.sqlite3")
        back = sqlite3.connect(self.folder / "backend" / "backend.sqlite3")
        query = "SELECT trap, epoch, number, rung FROM objects"
        safe = {ObjectKey(*r) for db in (base, back) for r in db.execute(query)}
        base.close()
        back.close()
        return sorted(self.made - safe, key=ObjectKey.as_tuple)

    def waiting(self) -> int:
        """Objects that traps still hold."""
        return sum(len(trap.offered) + len(trap.delivered) for trap in self.traps.values())

    def backend(self) -> dict[str, int]:
        assert self.outlet.store is not None
        return self.outlet.store.stats()


@pytest.fixture
def valley(tmp_path: Path) -> Iterator[Valley]:
    made = Valley(tmp_path)
    yield made
    made.close()


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(folder / "base.sqlite3")
    found = db.execute(sql).fetchall()
    db.close()
    return found


def test_a_restore_from_last_weeks_backup_loses_and_doubles_nothing(valley: Valley) -> None:
    """Of the week that the backup lacks: some the back end signed for and the trap deleted, some it signed for and the
    trap has not heard, some the base had acknowledged and not forwarded, and some are on their way."""
    valley.make(1, 1, 2)
    valley.make(2, 1)
    valley.run(120_000)
    valley.make(1, 3)
    valley.run(3_000, forward=False)  # stored in the backup, and in no batch
    backup = valley.backup()
    valley.now_ms += WEEK_MS
    valley.run(90_000)  # 3 goes, is signed for and deleted: the backup does not know
    valley.make(1, 4, 5)
    valley.run(90_000)
    valley.traps[2].deaf = True
    valley.make(2, 2)
    valley.run(90_000)  # signed for, and the trap has not heard
    valley.make(1, 6)
    valley.make(2, 3)
    valley.run(3_000, forward=False)  # acknowledged, and nowhere but on this disk and on the traps
    valley.make(1, 7)
    valley.traps[2].deaf = False
    state = valley.come_back(backup)
    assert state.aside is not None
    shutil.rmtree(state.aside)  # the disk is gone
    valley.run(120_000)
    valley.make(2, 4)  # a later number of trap 2: it shows the gap
    for _ in range(4):
        valley.run(LOOK_EVERY_MS * 3, every_ms=LOOK_EVERY_MS)
        valley.now_ms += HOUR_MS
    valley.run(120_000)
    assert valley.lost() == []
    assert valley.waiting() == 0, "every trap has heard of its receipts"
    stats = valley.backend()
    assert (stats["objects"], stats["duplicated"], stats["refused"]) == (len(valley.made), 0, 0)
    assert list(problems(valley.folder / "base")) == []
    count, names = elsewhere(valley.folder / "base", 100)
    away = valley.made - {
        ObjectKey(*r) for r in rows(valley.folder / "base", "SELECT trap, epoch, number, rung FROM objects")
    }
    assert count == len(names) == len(away) == 6, "4 and 5 of trap 1, 2 of trap 2: an alert and a crop each"


def test_no_number_of_before_is_said_again(valley: Valley) -> None:
    valley.make(1, 1)
    write_counter(valley.folder / "base" / "radio-counter", 5_000)
    valley.run(120_000)
    asked = RequestStore(valley.folder / "base")
    before = asked.set(1, "sf", 10, NOW)
    backup = valley.backup()
    later = asked.set(1, "heartbeat_ms", 60_000, NOW)
    asked.close()
    write_counter(valley.folder / "base" / "radio-counter", 9_000)
    (last,) = rows(valley.folder / "base", "SELECT seq FROM sqlite_sequence WHERE name = 'receipts'")
    state = valley.come_back(backup)
    clock = (NOW + valley.now_ms) // 1000 - EPOCH_2020_S
    assert state.counter == read_counter(valley.folder / "base" / "radio-counter") > 9_000 + LEAP_FRAMES - 1
    assert state.counter >= LEAP_FRAMES, clock
    (leapt,) = rows(valley.folder / "base", "SELECT seq FROM sqlite_sequence WHERE name = 'receipts'")
    assert leapt[0] > last[0] + 500_000  # type: ignore[operator]
    asked = RequestStore(valley.folder / "base")
    assert state.let_go == 1
    assert asked.open(9) == [], "what was asked a week ago changes no trap today"
    assert abs(asked.set(1, "sf", 9, NOW) - later) > 30_000
    assert before != later
    asked.close()


@pytest.mark.parametrize("utc_ms", [0, NOW, 1_900_000_000_000])
def test_the_frame_counter_leaps_without_a_clock_too(tmp_path: Path, utc_ms: int) -> None:
    made = restore_module._next_counter(7_000, tmp_path, utc_ms)
    assert made >= 7_000 + LEAP_FRAMES
    if utc_ms > NOW:
        assert made > utc_ms // 1000 - EPOCH_2020_S


def test_a_counter_that_is_used_up_is_said(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"used up .*: give every trap a new link key"):
        restore_module._next_counter(0xFFFFFFFF - LEAP_FRAMES, tmp_path, 0)


@pytest.mark.usefixtures("in_files")
def test_a_second_backup_copies_only_what_is_new_and_old_ones_go(valley: Valley) -> None:
    valley.make(1, 1)
    valley.run(60_000)
    first = valley.backup()
    valley.make(1, 2)
    valley.now_ms += 60_000
    valley.run(60_000)
    *_, said = make_backup(valley.folder / "base", valley.folder / "backups", "north", NOW + valley.now_ms, None)
    assert (said.media, said.copied) == (2, 1)
    media = sorted(p.name for p in (valley.folder / "backups" / "media").glob("??/*"))
    assert len(media) == 2
    # What only an old backup needs goes with it.
    stray = path_in(valley.folder / "backups" / "media", b"\x07" * 32)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"of an old backup")
    valley.now_ms += 60_000
    last = valley.backup(keep=1)
    assert backups_in(valley.folder / "backups") == [last] != [first]
    assert sorted(p.name for p in (valley.folder / "backups" / "media").glob("??/*")) == media
    manifest = read_manifest(last)
    assert (manifest.base, manifest.media, manifest.missing, manifest.objects) == ("north", 2, 0, 4)


def test_one_that_broke_off_is_no_backup_and_leaves_nothing(valley: Valley) -> None:
    valley.make(1, 1)
    valley.run(60_000)
    target = valley.folder / "backups"
    running = make_backup(valley.folder / "base", target, "north", NOW, None)
    next(running)
    running.close()  # type: ignore[attr-defined]
    assert backups_in(target) == []
    assert [p.name for p in target.glob(".*.part")] == [".20251121T010000Z.part"]
    valley.backup()
    assert list(target.glob(".*.part")) == []
    assert len(backups_in(target)) == 1


@pytest.mark.usefixtures("in_files")
def test_media_that_the_base_lost_are_named_and_the_backup_is_good_otherwise(valley: Valley) -> None:
    valley.make(1, 1, 2)
    valley.run(60_000)
    (sha256,) = rows(valley.folder / "base", "SELECT sha256 FROM objects WHERE rung = 1 AND number = 1")[0]
    path_in(valley.folder / "base" / "media", sha256).unlink()  # type: ignore[arg-type]
    *_, last = make_backup(valley.folder / "base", valley.folder / "backups", "north", NOW, None)
    assert last.lost == [sha256.hex()]  # type: ignore[attr-defined]
    *_, state = restore(last.path, valley.folder / "other", NOW)  # type: ignore[arg-type]
    assert (state.copied, state.manifest.missing) == (1, 1)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda b: (b / MANIFEST).unlink(), "this is no whole backup"),
        (lambda b: (b / MANIFEST).write_text("{}"), "is no word of a backup"),
        (
            lambda b: (b / MANIFEST).write_text('{"version":9' + (b / MANIFEST).read_text()[14:]),
            "is no word of a backup",
        ),
        (lambda b: os.truncate(b / "base.sqlite3", 4096), "it is damaged; take another backup"),
        (lambda b: (b / "base.sqlite3").unlink(), "is missing; take another backup"),
        (lambda b: next((b.parent / "media").glob("??/*")).unlink(), "1 of 1 media are missing or damaged"),
        (lambda b: next((b.parent / "media").glob("??/*")).write_bytes(b"x"), "1 of 1 media are missing or damaged"),
    ],
)
@pytest.mark.usefixtures("in_files")
def test_a_damaged_backup_replaces_nothing(valley: Valley, damage: object, words: str) -> None:
    valley.make(1, 1)
    valley.run(60_000)
    backup = valley.backup()
    # The base's own file is another name of the same bytes: only the backup is to be hurt.
    for path in (valley.folder / "backups" / "media").glob("??/*"):
        body = path.read_bytes()
        path.unlink()
        path.write_bytes(body)
    damage(backup)  # type: ignore[operator]
    valley.stop()
    with pytest.raises(SetupError, match=words):
        list(restore(backup, valley.folder / "base", NOW, replace=True))
    assert [p.name for p in valley.folder.iterdir() if "before" in p.name or "restoring" in p.name] == []
    valley.start()
    assert list(problems(valley.folder / "base")) == []


def test_a_folder_that_is_not_empty_or_in_use_is_refused(valley: Valley) -> None:
    valley.make(1, 1)
    valley.run(5_000)
    backup = valley.backup()
    with pytest.raises(SetupError, match="is not empty; --replace sets what is there aside and keeps it"):
        list(restore(backup, valley.folder / "base", NOW))
    with pytest.raises(SetupError, match="lies in the base's own folder"):
        list(make_backup(valley.folder / "base", valley.folder / "base" / "backups", "north", NOW, None))
    running = pytest.raises(SetupError, match=r"another trapbase-ingest .* is running on this data; stop it first")
    with lock_folder(valley.folder / "base", "trapbase-ingest"), running:
        list(restore(backup, valley.folder / "base", NOW, replace=True))


def test_nothing_is_sent_before_the_back_end_has_said_what_it_has(valley: Valley) -> None:
    valley.make(1, 1)
    valley.run(5_000, forward=False)
    backup = valley.backup()
    valley.come_back(backup)
    store, valley.outlet.store = valley.outlet.store, None
    valley.run(30_000)
    assert "nothing is sent before the back end has said what it has: back end: it is down" in valley.reconcile.trouble
    assert rows(valley.folder / "base", "SELECT count(*) FROM batches") == [(0,)]
    valley.outlet.store = store
    valley.run(120_000)
    assert valley.reconcile.trouble == ""
    assert valley.backend()["objects"] == 2


def test_a_back_end_without_such_a_list_gets_it_again_and_keeps_it_once(
    valley: Valley, monkeypatch: pytest.MonkeyPatch
) -> None:
    valley.make(1, 1)
    valley.run(5_000, forward=False)
    backup = valley.backup()
    valley.run(60_000)

    def no_list(after: str) -> tuple[list[str], str | None]:
        raise OutletError("back end: no such list", refused=True, status=404)

    monkeypatch.setattr(valley.outlet, "batches", no_list)
    valley.come_back(backup)
    valley.run(120_000)
    assert (valley.backend()["objects"], valley.waiting()) == (2, 0)
    assert rows(valley.folder / "base", "SELECT DISTINCT state FROM objects") == [("receipted",)]


def test_what_a_stick_brings_again_of_what_the_back_end_has_goes_nowhere_twice(valley: Valley) -> None:
    valley.make(1, 1)
    valley.run(60_000)
    backup = valley.backup()
    again = sighting(1, 2, NOW)
    valley.traps[1].make(*again)
    valley.run(60_000)
    valley.come_back(backup)
    valley.run(30_000)
    assert elsewhere(valley.folder / "base", 9)[0] == 2
    deliver(valley.broker, *again)
    valley.run(60_000)
    assert elsewhere(valley.folder / "base", 9)[0] == 0
    stats = valley.backend()
    assert (stats["objects"], stats["duplicated"], stats["repeated_batches"]) == (4, 0, 0)
    assert list(problems(valley.folder / "base")) == []


def test_a_trap_is_asked_in_turns_and_not_for_what_comes_by_itself(tmp_path: Path) -> None:
    valley = Valley(tmp_path)
    valley.make(1, 1)
    valley.run(60_000)
    valley.come_back(valley.backup())
    valley.run(5_000)
    deliver(valley.broker, envelope(1, 40, 0, sighting(1, 40)[0].body))
    valley.run(5_000)
    at_ms = NOW + valley.now_ms

    def turn(utc_ms: int) -> set[tuple[int, int]]:
        valley.restored.find_missing(utc_ms)
        keys = valley.restored.take_turns(utc_ms, wait_ms=HOUR_MS, turn_ms=TURN_MS, turns=4, limit=99)
        assert len(keys) <= 6
        return {(key.number, key.rung) for key in keys}

    assert turn(at_ms) == set(), "it may be on its way"
    first = turn(at_ms + HOUR_MS)
    assert first == {(number, ALERT) for number in range(2, 8)}
    assert turn(at_ms + 2 * HOUR_MS) == first, "its turn lasts"
    assert turn(at_ms + HOUR_MS + TURN_MS).isdisjoint(first)
    deliver(valley.broker, *(e for n in range(2, 40) for e in sighting(1, n)))
    valley.run(20_000)
    assert turn(at_ms + 9 * TURN_MS) == {(40, CROP)}, "the crop of the last is all that has not come"
    valley.restored.end_recalls(NOW)
    assert turn(at_ms + 10 * TURN_MS) == set()
    valley.close()


def test_a_running_base_makes_its_backups_by_itself(valley: Valley) -> None:
    valley.make(1, 1)
    valley.run(60_000)
    settings = BackupSettings(folder=str(valley.folder / "backups"), every_h=24, keep=2)
    made = Backups(valley.folder / "base", "north", settings)
    for day in range(5):
        now_ms = day * 86_400_000
        while made.step(now_ms, NOW + now_ms):
            pass
        assert not made.step(now_ms + HOUR_MS, NOW + now_ms + HOUR_MS)
    assert (made.made, len(backups_in(valley.folder / "backups"))) == (5, 2)
    # Started anew it goes by what lies there.
    again = Backups(valley.folder / "base", "north", settings)
    assert not again.step(0, NOW + 4 * 86_400_000 + HOUR_MS)
    assert again.made == 0


def test_a_disk_that_is_not_there_is_said_and_tried_again(valley: Valley) -> None:
    (valley.folder / "stick").write_text("no folder")
    made = Backups(valley.folder / "base", "north", BackupSettings(folder=str(valley.folder / "stick" / "backups")))
    assert not made.step(0, NOW)
    assert "no backup could be made: backup: " in made.trouble
    (valley.folder / "stick").unlink()
    assert not made.step(RETRY_MS - 1, NOW)
    while made.step(RETRY_MS, NOW):
        pass
    assert (made.made, made.trouble) == (1, "")


def test_the_manifest_holds_no_secret_and_says_what_it_is(valley: Valley) -> None:
    backup = valley.backup()
    said = json.loads((backup / MANIFEST).read_text())
    assert set(said) == {
        "version", "base", "made_ms", "schema", "sha256", "objects", "media", "media_bytes", "missing", "counter",
    }  # fmt: skip
    assert {p.name for p in backup.iterdir()} == {MANIFEST, "base.sqlite3"}
    with pytest.raises((SetupError, StorageError)):
        list(make_backup(valley.folder / "nowhere", valley.folder / "backups", "north", NOW, None))
