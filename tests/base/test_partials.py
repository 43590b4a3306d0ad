"""Pieces of large objects at the base: durable, bounded, answered for once they are on the disk; hostile ones too."""

import errno
import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.base.parts import EPOCH, NOW, alert, deliver, envelope
from trapbase import partials
from trapbase.ingest import RETRY_MS, SUBSCRIPTIONS, Ingest
from trapbase.partials import FOLDER, MAX_AGE_MS, MAX_OF_TRAP, MAX_OF_TRAP_BYTES, Partials
from trapbase.reader import Reader
from trapbase.store import Store
from trapbase.verify import problems
from trapkit import topics
from trapkit.pieces import MARK, MAX_DATA_BYTES, PLACE, Have, Mark, Piece, decode_have
from trapsim.crash import Died, fused
from trapsim.memorybus import MemoryBroker
from trapwire.objects import ALERT, CROP, FULL, FULL_2, FULL_3, NOTE, RECEIPT, RUNG_NAMES, ObjectKey, unpack_keys

STEP = 1000


def body(size: int = 10_000, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def mark_of(data: bytes, number: int = 1, trap: int = 1, rung: int = FULL) -> Mark:
    return Mark(ObjectKey(trap, EPOCH, number, rung), hashlib.sha256(data).digest(), len(data))


def cut(data: bytes, number: int = 1, trap: int = 1, rung: int = FULL) -> list[Piece]:
    mark = mark_of(data, number, trap, rung)
    return [Piece(mark, at, data[at : at + STEP]) for at in range(0, len(data), STEP)]


@pytest.fixture(autouse=True)
def small_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these tests send is as small as it may be, and still goes into files."""
    monkeypatch.setattr("trapbase.store_rows.INLINE_BYTES", 400)


class Bench:
    """An ingest on a broker in memory, and whoever sends to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = MemoryBroker()
        self.heard = self.broker.connect("1", ("pugmark/1/ack/+", "pugmark/1/have/+"))
        self.now = 0
        self.store: Store | None = None
        self.start()

    def start(self, **options: int) -> None:
        if self.store:
            self.store.close()
        self.store = Store(self.folder)
        self.ingest = Ingest(self.broker.connect("ingest", SUBSCRIPTIONS), self.store, **options)

    def send(self, *pieces: Piece) -> tuple[list[int], list[tuple[int, int]]]:
        """What the base says then that it has, and the (number, rung) that it acknowledges."""
        for piece in pieces:
            topic = topics.piece(piece.mark.key.trap, RUNG_NAMES[piece.mark.key.rung])
            self.broker.deliver(topic, piece.encode(), {})
        self.now += 250
        while self.ingest.step(self.now, NOW + self.now):
            pass
        have, acked = [], []
        for message in self.heard.take(1000):
            message.acknowledge()
            if "/have/" in message.topic:
                have.append(decode_have(message.payload).size)
            else:
                acked += [(key.number, key.rung) for key in unpack_keys(message.payload)]
        return have, acked

    def files(self) -> list[Path]:
        return sorted((self.folder / FOLDER).glob("*"))

    def counters(self) -> dict[str, int]:
        reader = Reader(self.folder)
        found: dict[str, int] = reader.summary()["counters"]
        reader.close()
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "base")
    yield made
    assert made.store is not None
    made.store.close()


def test_it_answers_how_much_there_is_and_acknowledges_the_whole(bench: Bench) -> None:
    data = body()
    pieces = cut(data)
    question = Piece(pieces[0].mark, 0, b"")
    assert bench.send(question) == ([0], [])
    assert bench.send(*pieces[:3]) == ([3000], []), "once for what came together"
    assert bench.send(*pieces[3:]) == ([], [(1, FULL)])
    assert bench.store is not None
    assert bench.store.media.read(pieces[0].mark.sha256) == data
    assert bench.files() == []
    assert bench.send(question) == ([], [(1, FULL)]), "asked again, for the acknowledgement was lost"
    assert bench.send(pieces[4]) == ([], [(1, FULL)])
    assert list(problems(bench.folder)) == []


@pytest.mark.parametrize("rung", [FULL, FULL_2, FULL_3])
def test_every_full_frame_of_a_burst_goes_so(bench: Bench, rung: int) -> None:
    assert bench.send(*cut(body(), rung=rung)) == ([], [(1, rung)])


def test_pieces_survive_a_restart_and_a_tail_that_a_power_cut_tore_is_cut_off(bench: Bench) -> None:
    data = body()
    pieces = cut(data)
    bench.send(*pieces[:4])
    bench.start()
    assert bench.send(pieces[4]) == ([5000], [])
    (file,) = bench.files()
    whole = file.read_bytes()
    for torn in (whole[:-1], whole + b"\0" * 700, whole + whole[:5], whole[: -STEP - 8] + bytes(STEP + 8)):
        file.write_bytes(torn)
        bench.start()
        (have,), _ = bench.send(Piece(pieces[0].mark, 0, b""))
        assert have in (4000, 5000)
    assert bench.send(*pieces[4:]) == ([], [(1, FULL)])
    assert bench.store is not None
    assert bench.store.media.read(pieces[0].mark.sha256) == data


def test_pieces_in_another_order_twice_and_overlapping_make_the_same_whole(bench: Bench) -> None:
    data = body()
    mark = mark_of(data)
    pieces = cut(data)
    assert bench.send(pieces[5]) == ([0], []), "a gap before it: let go"
    assert bench.send(pieces[0], pieces[0], pieces[2], pieces[1]) == ([2000], [])
    assert bench.send(Piece(mark, 500, data[500:3500])) == ([3500], [])
    assert bench.send(Piece(mark, 0, data[:2000])) == ([3500], [])
    assert bench.send(Piece(mark, 3500, data[3500:])) == ([], [(1, FULL)])


def test_other_bytes_in_a_place_do_not_replace_the_first_and_wrong_ones_are_given_up(bench: Bench) -> None:
    data = body()
    mark = mark_of(data)
    bench.send(Piece(mark, 0, data[:6000]))
    bench.send(Piece(mark, 2000, bytes(4000)))
    assert bench.send(*cut(data)[6:]) == ([], [(1, FULL)])
    other = body(seed=2)
    bench.send(Piece(mark_of(other, 2), 0, bytes(6000)))
    assert bench.send(*cut(other, 2)[6:]) == ([0], []), "begin again"
    assert bench.counters()["partials_let_go"] == 1
    assert bench.send(*cut(other, 2)) == ([], [(2, FULL)])


def test_two_bodies_under_one_key_do_not_disturb_each_other_and_the_second_is_kept_aside(bench: Bench) -> None:
    first, second = cut(body()), cut(body(seed=2))
    bench.send(*first[:5], *second[:5])
    assert bench.send(*first[5:]) == ([], [(1, FULL)])
    assert bench.send(*second[5:]) == ([], [(1, FULL)])
    assert bench.counters()["conflicts"] == 1
    assert bench.send(second[0]) == ([], [(1, FULL)]), "kept aside, so it need not come again"


def test_a_file_that_was_lost_is_taken_again(bench: Bench) -> None:
    data = body()
    pieces = cut(data)
    bench.send(*pieces)
    assert bench.store is not None
    bench.store.media.path(pieces[0].mark.sha256).unlink()
    assert bench.send(Piece(pieces[0].mark, 0, b"")) == ([0], [])
    assert bench.send(*pieces) == ([], [(1, FULL)])
    assert list(problems(bench.folder)) == []


def test_what_is_none_of_ours_is_counted_and_leaves_nothing(bench: Bench) -> None:
    data = body()
    good = cut(data)[0]
    key = good.mark.key
    for topic, payload in (
        (topics.piece(2, "full"), good.encode()),  # another trap's
        (topics.piece(1, "full-2"), good.encode()),
        (topics.piece(1, "full"), good.encode()[:50]),
        (topics.piece(1, "full"), Mark(key, bytes(32), 1 << 24).encode((1 << 24) - 1) + b"ab"),
        (topics.piece(1, "full"), MARK.pack(1, FULL, 1, EPOCH, 1, bytes(32), 1 << 31) + PLACE.pack(0)),
        (topics.piece(1, "full"), good.mark.encode(0) + bytes(MAX_DATA_BYTES + 1)),
        (topics.piece(1, "crop"), Mark(ObjectKey(1, EPOCH, 1, CROP), bytes(32), 70_000).encode(0) + b"a"),
        (topics.piece(1, "alert"), Mark(ObjectKey(1, EPOCH, 1, ALERT), bytes(32), 300).encode(0) + b"a"),
        (topics.piece(1, "note"), Mark(ObjectKey(1, EPOCH, 1, NOTE), bytes(32), 3000).encode(0) + b"a"),
        (topics.piece(1, "receipt"), Mark(ObjectKey(1, EPOCH, 1, RECEIPT), bytes(32), 30).encode(0) + b"a"),
        ("pugmark/1/piece/1", good.encode()),
        ("pugmark/1/piece/007/full", good.encode()),
    ):
        bench.broker.deliver(topic, payload, {})
    assert bench.send() == ([], [])
    assert bench.counters()["garbage"] == 11, "one of the topics is nobody's subscription"
    assert bench.files() == []


def test_a_trap_that_begins_and_never_ends_has_its_own_bound(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = body(seed=5)
    bench.send(*cut(quiet, trap=2)[:3])
    for number in range(1, 5 * MAX_OF_TRAP):
        bench.send(*cut(body(seed=number), number)[:2])
    held = [file.name for file in bench.files()]
    assert len(held) == MAX_OF_TRAP + 1
    assert bench.counters()["partials_let_go"] == 4 * MAX_OF_TRAP - 1
    newest = 5 * MAX_OF_TRAP - 1
    assert bench.send(*cut(body(seed=newest), newest)[2:]) == ([], [(newest, FULL)])
    monkeypatch.setattr(partials, "MAX_OF_TRAP_BYTES", 30_000)
    for number in range(100, 110):
        bench.send(*cut(body(seed=number), number)[:9])
        assert sum(file.stat().st_size for file in bench.files() if file.name.startswith("1-")) <= 30_000
    assert bench.send(*cut(quiet, trap=2)[3:]) == ([], [(1, FULL)]), "the others do not feel it"


def test_in_all_there_is_a_bound_and_who_holds_most_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partials, "MAX_OF_TRAP_BYTES", 30_000)
    kept = Partials(tmp_path / "pieces", 40_000)
    kept.take(cut(body(seed=9), 9, trap=9)[:5], NOW)
    let_go = 0
    for number in range(1, 9):
        let_go += kept.take(cut(body(seed=number), number)[:9], NOW + number).let_go
        let_go += kept.take(cut(body(seed=number + 50), number, trap=2)[:9], NOW + number).let_go
        assert sum(file.stat().st_size for file in (tmp_path / "pieces").iterdir()) <= 40_000
    assert let_go == 16 - 3
    (have,) = kept.take([Piece(mark_of(body(seed=9), 9, trap=9), 0, b"")], NOW).have
    assert have.size == 5000
    assert MAX_OF_TRAP_BYTES == 3 << 24


def test_what_nobody_goes_on_with_goes_by_its_age(bench: Bench) -> None:
    bench.send(*cut(body())[:3])
    bench.send(*cut(body(seed=2), 2)[:3])
    bench.now += MAX_AGE_MS - 1000
    assert bench.send(cut(body())[3]) == ([4000], [])
    bench.now += 3_600_000
    bench.send(Piece(mark_of(body(seed=3), 3), 0, b""))
    assert len(bench.files()) == 1
    bench.now += MAX_AGE_MS
    bench.start()
    bench.send(Piece(mark_of(body(seed=3), 3), 0, b""))
    assert bench.files() == []
    assert bench.counters()["partials_let_go"] == 2


def test_a_disk_that_refuses_acknowledges_nothing_and_goes_on_where_it_was(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = body()
    pieces = cut(data)
    bench.send(*pieces[:2])
    real = os.write
    with monkeypatch.context() as patch:

        def half(fd: int, what: bytes) -> int:
            if len(what) > 100:
                return real(fd, bytes(what[:100]))
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(partials.os, "write", half)
        assert bench.send(*pieces[2:5]) == ([], [])
        assert "make room there" in bench.ingest.last_error
    bench.now += RETRY_MS
    assert bench.send() == ([5000], [])
    assert bench.send(*pieces[5:]) == ([], [(1, FULL)])
    assert bench.ingest.last_error == ""


def test_strange_files_in_the_folder_are_left_alone(bench: Bench) -> None:
    bench.send(cut(body())[0])
    folder = bench.folder / FOLDER
    (folder / "notes.txt").write_text("mine")
    (folder / f"0-00000000-1-3-{'0' * 64}-5").write_bytes(b"trap 0")
    (folder / f"1-00000000-1-99-{'0' * 64}-5").write_bytes(b"rung 99")
    bench.start()
    assert bench.send(cut(body())[1]) == ([2000], [])
    assert len(bench.files()) == 4


def test_it_dies_at_every_point_and_goes_on(tmp_path: Path) -> None:
    """The trap sends what the base says that it lacks; nothing is lost, and nothing is acknowledged too early."""
    data = body(6000)
    pieces = cut(data)
    point = 0
    while True:
        bench = Bench(tmp_path / str(point))
        acked: list[tuple[int, int]] = []
        place = 0
        with fused() as fuse:
            fuse.burn_at = frozenset([point])
            fuse.armed = True
            for _ in range(30):
                try:
                    have, acked = bench.send(Piece(pieces[0].mark, place, data[place : place + 2000]))
                    place = have[-1] if have else place
                except Died:
                    fuse.armed = False
                    bench.start()
                    place = 0
                if acked:
                    break
            deaths = fuse.deaths
            fuse.armed = False
        assert acked == [(1, FULL)]
        assert bench.store is not None
        assert bench.store.media.read(pieces[0].mark.sha256) == data
        assert list(problems(bench.folder)) == []
        bench.send(Piece(pieces[0].mark, 0, b""))
        assert bench.files() == []
        bench.store.close()
        if not deaths:
            break
        point += 1
    assert point > 15


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(st.tuples(st.integers(0, 20_000), st.binary(max_size=3000), st.integers(1, 3)), max_size=8))
def test_no_pieces_crash_it_or_become_an_object(bench: Bench, messages: list[tuple[int, bytes, int]]) -> None:
    mark = mark_of(body(20_000, seed=77), 77)
    for offset, data, number in messages:
        payload = Mark(ObjectKey(1, EPOCH, number, FULL), mark.sha256, 20_000).encode(offset) + data
        bench.broker.deliver(topics.piece(1, "full"), payload, {})
    _, acked = bench.send()
    assert acked == []
    assert len(bench.files()) <= 3


def test_objects_in_one_message_and_in_pieces_are_one_object(bench: Bench) -> None:
    data = body()
    bench.send(*cut(data)[:4])
    deliver(bench.broker, envelope(1, 1, ALERT, alert()), envelope(1, 1, FULL, data))
    assert bench.send() == ([], [(1, ALERT), (1, FULL)])
    assert bench.send(*cut(data)[4:]) == ([], [(1, FULL)])
    assert bench.counters()["repeats"] == 0
    assert Have(mark_of(data), 5).size == 5
