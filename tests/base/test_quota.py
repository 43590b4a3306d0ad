"""How much room media take: what the back end has signed for goes, the largest kinds first, and nothing else ever."""

import sqlite3
from pathlib import Path

import pytest

from tests.base.forwarding import World
from tests.base.parts import BOX, EPOCH, NOW, TRAPS, deliver, envelope, sighting
from trapbase.custody.quota import DAY_MS, LOOK_EVERY_MS, Fill, Quota, most_bytes, words
from trapbase.custody.room_store import RoomStore
from trapbase.reader import Reader
from trapbase.store_settings import StoreSettings
from trapbase.verify import problems
from trapkit.sealing import seal_box
from trapwire.objects import CROP, FRAME, FULLS, SCENE, Envelope

FREE = 100_000_000_000


@pytest.fixture(autouse=True, params=[0, 3000], ids=["in files", "small ones in rows"])
def in_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The same holds wherever bodies lie; crops are smaller than 3000 bytes, frames larger."""
    size: int = request.param
    monkeypatch.setattr("trapbase.store_rows.INLINE_BYTES", size)
    return size


class Kept(World):
    """A world whose base gives files up."""

    def __init__(self, folder: Path, settings: StoreSettings, free: int = FREE) -> None:
        super().__init__(folder)
        self.rooms = RoomStore(folder / "base")
        self.rooms._db.execute(
            "VACUUM"
        )  # pages that migrations left free are room too, and none of these tests' matter
        self.free = free
        self.now_ms = 0
        # A disk on which nothing else lies: what goes makes room.
        self.quota = Quota(
            self.rooms, self.base.store.media, folder / "base", settings, lambda _: self.free - self.rooms.media_bytes()
        )

    def bring(self, *envelopes: Envelope, forward: bool = True) -> None:
        deliver(self.broker, *envelopes)
        self.base.ingest.step(self.now_ms, NOW)
        while forward and (self.base.store.waiting(TRAPS) or set(self.states()) != {"receipted"}):
            self.base.step(self.now_ms)
            self.now_ms += 1000
            assert self.now_ms < 600_000

    def settle(self, utc_ms: int = NOW + 1000, at_ms: int = 0) -> None:
        while self.quota.step(at_ms, utc_ms):
            pass

    def here(self) -> list[tuple[int, int]]:
        rows = self.rows("SELECT number, rung FROM objects WHERE rung <> 0 AND gone_ms IS NULL ORDER BY id")
        return [(n, rung) for n, rung in rows]

    def files(self) -> int:
        return sum(1 for path in (self.folder / "base" / "media").glob("??/*") if path.is_file())

    def kept(self) -> int:
        """Media whose bytes are here, in files and in rows, those kept aside too."""
        in_rows = "SELECT sha256 FROM {} WHERE rung <> 0 AND body IS NOT NULL"
        return self.files() + sum(len(self.rows(in_rows.format(table))) for table in ("objects", "conflicts"))

    def close(self) -> None:
        self.rooms.close()
        super().close()


def body(size: int) -> bytes:
    return seal_box(bytes(BOX.public_key), bytes(size))


def of_all_kinds(number: int) -> list[Envelope]:
    more = ((FRAME, 4000), (FULLS[0], 9000), (FULLS[1], 9000))
    return [*sighting(1, number), *(envelope(1, number, rung, body(size)) for rung, size in more)]


def test_full_frames_go_first_then_frames_then_crops_the_oldest_first(tmp_path: Path) -> None:
    world = Kept(tmp_path, StoreSettings(quota_gb=1.0))
    for number in (1, 2):
        world.bring(*of_all_kinds(number))
    everything = world.here()
    assert len(everything) == 8
    order = []
    for _ in everything:
        before = world.here()
        most = (world.rooms.media_bytes() - 1) / 1e9
        world.quota._settings = StoreSettings(quota_gb=most)
        world.quota._look_ms = None
        world.settle()
        order += [each for each in before if each not in world.here()]
    assert order == [(1, 3), (2, 3), (1, 4), (2, 4), (1, 2), (2, 2), (1, 1), (2, 1)]
    assert (world.kept(), world.rooms.media_bytes()) == (0, 0)
    assert len(world.rows("SELECT 1 FROM objects")) == 10, "rows stay"
    assert list(problems(tmp_path / "base")) == []
    world.close()


def test_what_is_not_signed_for_never_goes_and_that_is_said(tmp_path: Path) -> None:
    world = Kept(tmp_path, StoreSettings(quota_gb=1e-6, keep_days=1))
    world.bring(*of_all_kinds(1), forward=False)
    world.settle(NOW + 400 * DAY_MS)
    assert len(world.here()) == 4
    assert world.kept() == 4
    assert "store.quota_gb (1e-06 GB) is passed and nothing more may go" in world.quota.trouble
    world.close()


def test_media_are_kept_for_so_many_days_after_they_came(tmp_path: Path) -> None:
    world = Kept(tmp_path, StoreSettings(keep_days=30))
    world.bring(*of_all_kinds(1))
    world.settle(NOW + 29 * DAY_MS)
    assert len(world.here()) == 4
    world.settle(NOW + 32 * DAY_MS, LOOK_EVERY_MS)
    assert world.here() == []
    assert world.quota.trouble == ""
    world.close()


def test_a_disk_that_fills_takes_what_is_signed_for(tmp_path: Path) -> None:
    settings = StoreSettings(free_mb=100)
    world = Kept(tmp_path, settings, free=(100 << 20) + 12_000)
    world.bring(*of_all_kinds(1))
    world.settle()
    assert world.here() == [(1, CROP), (1, FRAME)], "two full frames are more than lacked"
    world.settle(at_ms=LOOK_EVERY_MS)
    assert world.here() == [(1, CROP), (1, FRAME)]
    world.close()


def test_a_repeat_of_what_was_given_up_is_acknowledged_and_not_kept_again(tmp_path: Path) -> None:
    world = Kept(tmp_path, StoreSettings(quota_gb=1e-9))
    both = of_all_kinds(1)
    world.bring(*both)
    world.settle()
    assert world.kept() == 0
    deliver(world.broker, *both)
    world.base.gateway_bus.take(1000)
    world.base.ingest.step(100_000, NOW)
    assert [m.topic for m in world.base.gateway_bus.take(100)] == ["pugmark/1/ack/1"]
    assert world.kept() == 0
    assert world.base.store.holds(both[3].key, world.rows("SELECT sha256 FROM objects WHERE rung = 3")[0][0])
    world.close()


def test_a_crash_between_the_note_and_the_files_is_finished_at_the_next_start(tmp_path: Path, in_rows: int) -> None:
    world = Kept(tmp_path, StoreSettings(quota_gb=1e-9))
    world.bring(*of_all_kinds(1))
    spare = [each for rung in (*FULLS, FRAME, SCENE, CROP) for each in world.rooms.spare(rung, 100)]
    world.rooms.give_up(spare, NOW)
    assert world.kept() == (3 if in_rows else 4), "a row's bytes go with the note"
    again = Quota(world.rooms, world.base.store.media, tmp_path / "base", StoreSettings(), lambda _: FREE)
    again.step(0, NOW)
    assert world.kept() == 0
    world.close()


def test_the_page_says_of_a_picture_that_it_was_given_up(tmp_path: Path) -> None:
    world = Kept(tmp_path, StoreSettings(quota_gb=1e-9))
    world.bring(*of_all_kinds(1))
    world.settle()
    reader = Reader(tmp_path / "base")
    (row,) = reader.rows("sightings", f"[[1, {EPOCH}, 1]]")
    assert (row["crop"], row["frame"], row["gone_ms"]) == (None, None, NOW + 1000)
    ((number, digest),) = world.rows("SELECT id, sha256 FROM objects WHERE rung = 1")
    assert reader.picture(number, digest) is None
    reader.close()
    world.close()


def test_no_batch_is_made_of_what_was_given_up_and_an_export_has_no_picture_of_it(tmp_path: Path) -> None:
    world = Kept(tmp_path, StoreSettings(quota_gb=1e-9))
    world.bring(*of_all_kinds(1))
    store = world.base.store
    crop = next(o for o in store.all_objects(TRAPS, 10) if o.rung == CROP)
    assert (crop.gone, crop.body, len(store.read(crop) or b"")) == (False, None, crop.size)
    world.settle()
    crop = next(o for o in store.all_objects(TRAPS, 10) if o.rung == CROP)
    assert (crop.gone, crop.body, store.read(crop)) == (True, None, None)
    world.close()


def test_what_a_row_gave_up_is_filled_again_and_all_counts_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trapbase.store_rows.INLINE_BYTES", 3000)
    world = Kept(tmp_path, StoreSettings())
    world.bring(*(e for n in range(1, 41) for e in (*sighting(1, n)[:1], envelope(1, n, CROP, body(1400 + n)))))
    counts = "SELECT kind, state, count, bytes FROM tallies ORDER BY kind, state"
    before, events = world.rows(counts), world.rows("SELECT * FROM events")
    assert world.rooms.free_bytes() < 8192
    world.rooms.give_up(world.rooms.spare(CROP, 100), NOW)
    assert world.rooms.free_bytes() > 0.8 * 40 * 1400
    assert (world.rows(counts), world.rows("SELECT * FROM events")) == (before, events)
    assert world.rows("PRAGMA foreign_key_check") == world.rooms.spare(CROP, 100) == []
    assert list(problems(tmp_path / "base")) == []
    world.close()


def test_empty_pages_of_the_database_count_as_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trapbase.store_rows.INLINE_BYTES", 3000)
    world = Kept(tmp_path, StoreSettings(free_mb=100))
    world.bring(*(e for n in range(1, 41) for e in (*sighting(1, n)[:1], envelope(1, n, CROP, body(2900)))))
    # The disk itself says the same before and after: the database's file never becomes shorter.
    world.quota._free = lambda _: (100 << 20) - 25_000
    monkeypatch.setattr("trapbase.custody.quota.GROUP", 4)
    world.settle()
    assert 20 < len(world.here()) < 40
    assert world.rooms.free_bytes() >= 25_000
    world.close()


@pytest.mark.parametrize(
    ("quota_gb", "free_mb", "free", "most"),
    [
        (0, 0, 5, None),
        (1, 0, 5, (10**9, False)),
        (0, 1, 5 << 20, (100 + (4 << 20), True)),
        (1, 1, 5 << 20, (100 + (4 << 20), True)),
        (0.001, 1, 5 << 20, (10**6, False)),
        (0, 1, 0, (0, True)),
        (0, 1, None, None),
    ],
)
def test_the_stricter_bound_holds(quota_gb: float, free_mb: int, free: int | None, most: object) -> None:
    assert most_bytes(100, free, StoreSettings(quota_gb=quota_gb, free_mb=free_mb)) == most


def test_a_person_is_told_early_and_again_when_nothing_more_may_go() -> None:
    settings = StoreSettings(quota_gb=1)

    def said(media: int, spare: int) -> str:
        return words(Fill(media=media, spare=spare, most=100, by_disk=False), settings)

    assert said(79, 0) == ""
    assert said(100, 40) == "", "there is enough that may go"
    assert "has not signed for fills 80 % of the room that store.quota_gb (1 GB) leaves" in said(90, 10)
    assert "nothing more may go" in said(101, 0)


def test_the_room_is_counted_with_every_row(tmp_path: Path) -> None:
    world = Kept(tmp_path, StoreSettings())
    one = of_all_kinds(1)
    world.bring(*one, forward=False)
    world.bring(*one, forward=False)
    world.bring(envelope(1, 1, CROP, body(77)), forward=False)
    (counted,) = world.rows("SELECT media_bytes FROM room")
    (there,) = world.rows(
        "SELECT (SELECT sum(size) FROM objects WHERE rung <> 0) + (SELECT sum(size) FROM conflicts WHERE rung <> 0)"
    )
    assert counted == there
    assert world.kept() == 5
    world.close()


def test_looking_for_what_may_go_reads_no_whole_table(tmp_path: Path) -> None:
    world = Kept(tmp_path, StoreSettings())
    db = sqlite3.connect(tmp_path / "base" / "base.sqlite3")
    for name, values in (("spare", (1, 9)), ("spare_bytes", ()), ("last_gone", ())):
        plan = " ".join(str(r[3]) for r in db.execute("EXPLAIN QUERY PLAN " + world.rooms._sql[name], values))
        assert "objects_spare" in plan or "objects_gone" in plan, (name, plan)
    db.close()
    world.close()
