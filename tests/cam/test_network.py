"""The network against a real ingest: what goes, when it goes again, what counts as delivered, and receipts."""

import hashlib
import itertools
import sqlite3
from pathlib import Path

from cam_parts import NOW, receipt_for
from nacl.signing import SigningKey
from network_parts import RUNGS, TRAP, Field, objects_of
from records import kept

from trapcam.downpack import DownPack
from trapcam.network import REST_MS, TRIES, Pace
from trapcam.outbox import DATABASE, open_outbox
from trapcam.states import DELETED, DELIVERED, HELD, WAITING
from trapkit import topics
from trapkit.pieces import PIECE_BYTES
from trapwire.objects import (
    ALERT,
    CROP,
    FRAME,
    FULL,
    FULLS,
    HEAD_BYTES,
    PACK,
    Envelope,
    ObjectKey,
    pack_keys,
    unpack_keys,
)

ANSWER_MS = Pace().answer_ms


def test_every_rung_reaches_the_base_in_the_bytes_that_were_sealed(field: Field) -> None:
    outcome = kept(0, full=bytes(range(256)) * 8000)
    field.outbox.commit(outcome)
    field.steps(30)
    assert field.states() == {HELD: 0, WAITING: 0, DELIVERED: 4, DELETED: 0}
    stored = {o.rung: o for o in field.store.all_objects([TRAP], 10)}
    assert outcome.sighting is not None
    for made in outcome.sighting.objects:
        assert stored[made.rung].sha256 == made.sha256
        assert field.store.read(stored[made.rung]) == made.body
    assert field.network.trouble == ""


def test_the_most_urgent_goes_first_and_full_frames_one_at_a_time(field: Field) -> None:
    field.base_listens = False
    for position, species in enumerate((0, 6, 0)):  # the second is a domestic cat
        field.outbox.commit(kept(position, species=species))
    field.steps()
    alerts, crops = [(1, ALERT), (3, ALERT)], [(1, CROP), (3, CROP)]
    # Of one priority the older sighting goes first: a domestic cat's alert counts as much as a wild one's frame.
    next_two = [(1, FRAME), (2, ALERT), (3, FRAME), (1, FULL), (2, CROP), (2, FRAME)]
    assert field.published() == alerts + crops + next_two
    field.acknowledge((1, FULL))
    field.steps()
    assert field.published() == [(3, FULL)]
    field.acknowledge((3, FULL))
    field.steps()
    assert field.published() == [(2, FULL)]


def test_further_full_frames_go_behind_the_best_ones_one_at_a_time(field: Field) -> None:
    field.base_listens = False
    for position in range(2):
        field.outbox.commit(kept(position, fulls=3))
    field.steps()
    fulls = [key for key in field.published() if key[1] in FULLS]
    while len(fulls) < 6:
        field.acknowledge(fulls[-1])
        field.steps()
        (one,) = field.published()
        fulls.append(one)
    assert fulls == [(n, rung) for rung in FULLS for n in (1, 2)]


def test_three_full_frames_of_a_sighting_reach_the_base_as_they_were_sealed(field: Field) -> None:
    outcome = kept(0, fulls=3)
    field.outbox.commit(outcome)
    field.steps()
    stored = {o.rung: o for o in field.store.all_objects([TRAP], 10)}
    assert set(stored) == {ALERT, CROP, FRAME, *FULLS}
    assert outcome.sighting is not None
    assert all(stored[made.rung].sha256 == made.sha256 for made in outcome.sighting.objects)
    assert len(field.outbox.in_state(DELIVERED)) == 6


def test_nothing_is_delivered_until_ingest_names_it(field: Field) -> None:
    """The broker takes everything, and that proves nothing."""
    field.base_listens = False
    field.outbox.commit(kept(0))
    field.steps(60, each_ms=1000)
    assert field.states()[DELIVERED] == 0
    field.acknowledge((1, FULL))
    field.steps(1)
    assert field.outbox.in_state(DELIVERED) == [(6, 1, FULL)]


def test_a_window_bounds_what_is_on_offer_in_number_and_in_bytes(field: Field) -> None:
    field.base_listens = False
    for position in range(10):
        field.outbox.commit(kept(position))
    field.restart(Pace(window=3))
    field.steps()
    assert field.published() == [(1, ALERT), (2, ALERT), (3, ALERT)]
    field.acknowledge(*((n, ALERT) for n in range(1, 11)))
    field.restart(Pace(window=100, window_bytes=1400))
    field.steps()
    assert field.published() == [(1, CROP), (2, CROP)], "600 bytes each and their heads"
    field.acknowledge((1, CROP))
    field.steps()
    assert field.published() == [(3, CROP)]


def test_what_is_not_answered_is_published_again_with_more_patience_each_time(field: Field) -> None:
    field.base_listens = False
    field.outbox.commit(kept(0, full=bytes(50_000 - HEAD_BYTES)))
    field.outbox.mark([], [(1, ALERT), (1, CROP), (1, FRAME)])
    times: list[int] = []
    field.restart(Pace(slowest_bytes_per_s=500))
    for _ in range(1200):
        field.steps(1, each_ms=1000)
        times += [field.now] * len(field.published())
    waits = [round((b - a) / 1000) for a, b in itertools.pairwise(times)]
    assert waits == [110, 210, 310, 410], "10 s, and 50 kB at 500, 250, 167 and 125 bytes/s"


def test_what_waits_behind_a_full_frame_is_given_its_time_too(field: Field) -> None:
    field.outbox.commit(kept(0, full=bytes(5_000_000)))
    field.outbox.mark([], [(1, ALERT), (1, CROP), (1, FRAME)])
    field.restart(Pace(slowest_bytes_per_s=2_000))
    field.steps(2)
    field.base_listens = False
    field.steps(1)
    field.outbox.commit(kept(1))
    field.steps(70, each_ms=1000)
    assert field.network.counts["pieces"] * PIECE_BYTES >= 131_072, "a minute, at that rate"
    assert field.published() == [(2, ALERT), (2, CROP), (2, FRAME)], "once"
    assert field.network.serving
    field.steps(10, each_ms=1000)
    assert not field.network.serving


def test_what_is_never_answered_does_not_keep_the_others_from_their_turn(field: Field) -> None:
    field.base_listens = False
    for position in range(2):
        field.outbox.commit(kept(position))
    field.restart(Pace(window=1))
    field.steps(200, each_ms=1000)
    seen = field.published()
    assert seen[:TRIES] == [(1, ALERT)] * TRIES
    assert (2, ALERT) in seen
    field.steps(2 * REST_MS // 1000, each_ms=1000)
    assert (1, ALERT) in field.published()[1:]
    field.base_listens = True
    field.steps(REST_MS // 1000 + 60, each_ms=1000)
    assert field.states()[DELIVERED] == 8


def test_a_base_that_was_away_gets_everything_once(field: Field) -> None:
    field.base_listens = False
    for position in range(30):
        field.outbox.commit(kept(position))
    field.steps(600, each_ms=1000)
    field.base_listens = True
    field.steps(100, each_ms=1000)
    assert field.states() == {HELD: 0, WAITING: 0, DELIVERED: 120, DELETED: 0}
    assert len(field.store.all_objects([TRAP], 1000)) == 120


def test_a_broker_that_forgets_costs_nothing(field: Field) -> None:
    field.base_listens = False
    field.outbox.commit(kept(0))
    field.steps()
    field.broker.stop()
    field.steps(10)
    assert not field.network.serving
    field.broker.start()
    field.base_listens = True
    field.steps(4, each_ms=ANSWER_MS)
    assert field.states()[DELIVERED] == 4


def test_a_new_connection_gives_every_offer_its_time_again(field: Field) -> None:
    """The client itself sends what the broker had not taken: no second copy beside it."""
    field.base_listens = False
    field.outbox.commit(kept(0))
    field.steps(1)
    field.published()
    field.bus.connected = False
    field.steps(1, each_ms=ANSWER_MS - 1000)
    field.bus.connected = True
    field.steps(1)
    field.steps(1, each_ms=ANSWER_MS - 1000)
    assert field.published() == []
    field.steps(1, each_ms=2000)
    assert (1, ALERT) in field.published()


def test_it_serves_while_it_answers(field: Field) -> None:
    field.outbox.commit(kept(0))
    field.steps()
    assert field.network.serving
    field.base_listens = False
    field.outbox.commit(kept(1))
    field.steps(5, each_ms=ANSWER_MS)
    assert not field.network.serving
    assert field.network.trouble == "network (the radio goes on): connected, but no base answers"
    field.base_listens = True
    field.steps(5, each_ms=ANSWER_MS)
    assert field.network.serving
    assert field.network.trouble == ""
    field.bus.connected = False
    assert not field.network.serving


def test_what_the_radio_delivered_is_not_published_again(field: Field) -> None:
    field.base_listens = False
    field.outbox.commit(kept(0))
    field.steps()
    field.published()
    field.outbox.mark([], [(1, rung) for rung in RUNGS])
    field.steps(20, each_ms=ANSWER_MS)
    assert field.published() == []
    assert field.network.serving, "nobody was asked, so nobody is late"


def test_a_receipt_is_applied_answered_and_only_then_acknowledged(field: Field) -> None:
    field.outbox.commit(kept(0))
    field.steps()
    receipt = receipt_for(TRAP, field.outbox.epoch, objects_of(field.outbox, 1, *RUNGS))
    downacks = field.broker.connect("forward", (topics.every(topics.DOWNACK),))
    field.down(receipt.encode())
    field.down(receipt.encode())
    field.steps(1)
    assert [m.payload for m in downacks.take(9)] == [pack_keys([receipt.key])] * 2
    assert field.states()[DELETED] == 4
    assert (field.network.counts["applied"], field.network.counts["repeated"]) == (1, 1)
    assert not field.bus.open, "the broker may forget them"


def test_a_refused_receipt_is_answered_too_so_that_it_does_not_come_for_ever(field: Field) -> None:
    field.outbox.commit(kept(0))
    field.steps()
    objects = objects_of(field.outbox, 1, ALERT)
    downacks = field.broker.connect("forward", (topics.every(topics.DOWNACK),))
    field.down(receipt_for(TRAP, field.outbox.epoch, objects, key=SigningKey.generate()).encode())
    field.down(receipt_for(TRAP, field.outbox.epoch ^ 5, objects, number=2).encode())
    field.steps(1)
    answers = [unpack_keys(message.payload)[1:] for message in downacks.take(9)]
    assert answers == [[field.outbox.key(1, ALERT)], []], "the first may come again whole"
    assert field.network.counts["refused"] == 2
    assert field.states()[DELETED] == 0


def test_a_settings_pack_is_kept_for_the_updater_and_answered(field: Field) -> None:
    downacks = field.broker.connect("forward", (topics.every(topics.DOWNACK),))
    pack = Envelope(ObjectKey(TRAP, 17, 5, PACK), b"pack and permission")
    field.down(pack.encode())
    field.down(Envelope(ObjectKey(TRAP + 1, 17, 6, PACK), b"another trap's").encode())
    field.steps(1)
    assert [m.payload for m in downacks.take(9)] == [pack_keys([pack.key])]
    assert DownPack(field.outbox).take() == pack.body


def test_a_clock_set_back_does_not_silence_the_network(field: Field) -> None:
    field.base_listens = False
    field.outbox.commit(kept(0))
    field.steps(3)
    field.published()
    field.now -= 10**9
    field.steps(1)
    assert len(field.published()) == 4
    field.base_listens = True
    field.steps(4)
    assert field.states()[DELIVERED] == 4


def test_nothing_left_to_do_costs_one_question_a_step(field: Field) -> None:
    """A trap that has delivered all its sightings for years looks in an index, and does not read them again."""
    field.outbox.commit(kept(0))
    field.steps()
    plan = field.outbox._db.execute(
        "EXPLAIN QUERY PLAN SELECT number FROM objects WHERE state NOT IN ('delivered', 'deleted') "
        "ORDER BY priority, number, rung LIMIT 9"
    ).fetchall()
    assert [row["detail"] for row in plan] == ["SCAN objects USING INDEX objects_undelivered"]


def test_an_outbox_of_the_first_schema_is_read_on(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    script = Path(__file__).parents[2] / "device" / "trapcam" / "sql" / "001_outbox.sql"
    body = b"alert"
    with sqlite3.connect(old / DATABASE) as db:
        db.executescript(f"{script.read_text()}PRAGMA user_version = 1;")
        db.execute("INSERT INTO outbox VALUES (1, 7, 99, 0)")
        db.execute("INSERT INTO bursts VALUES (1, 'r', 0, 'a', 1, 0, 0, 1, 'kept', '', 0.9)")
        db.execute("INSERT INTO events VALUES (1, 1, 0, NULL, 'feline', 0, 0.9, 1, 0, 0, 1, 1, 'm', '')")
        row = (1, 0, 0, "waiting", 5, hashlib.sha256(body).digest(), body)
        db.execute("INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", row)
    db.close()
    box = open_outbox(old, TRAP, NOW)
    assert (box.epoch, box.undelivered(9)) == (99, [(0, 1, ALERT, 5)])
    box.close()
