"""Outlets that post: each has its own cursor, misses nothing, posts nothing twice, and holds up nobody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.base.outlet_parts import SECRET, TOKEN, Receiver, Site, Ways, rangers, webhook
from tests.base.parts import EPOCH, NOW, picture
from trapbase.config import Settings
from trapbase.outlet import OutletError
from trapbase.outlets.post import Post
from trapbase.outlets.poster import REFUSALS
from trapbase.view_outlets import left_over, notes, outlet_rows
from trapkit.sealing import seal_box

DAY_MS = 86_400_000


@pytest.fixture
def ways(tmp_path: Path) -> Iterator[Ways]:
    made = Ways(tmp_path, webhook(tmp_path), rangers(tmp_path))
    yield made
    made.close()


def observed(receiver: Receiver) -> list[str]:
    return [body["data"]["observationID"].rpartition("-")[2] for body in receiver.bodies()]


def shown(ways: Ways, name: str = "hook") -> dict[str, object]:
    def rows(sql: str) -> list[dict[str, object]]:
        import sqlite3

        db = sqlite3.connect(ways.folder / "base.sqlite3")
        db.row_factory = sqlite3.Row
        found = [dict(row) for row in db.execute(sql)]
        db.close()
        return found

    outlets = rows(
        "SELECT o.*, (SELECT count(*) FROM outlet_items i WHERE i.outlet = o.name AND state = 'waiting') AS waiting, "
        "(SELECT min(i.queued_ms) FROM outlet_items i WHERE i.outlet = o.name AND state = 'waiting') AS oldest_ms, "
        "(SELECT count(*) FROM outlet_items i WHERE i.outlet = o.name AND state = 'aside') AS aside FROM outlets o"
    )
    aside = rows("SELECT * FROM outlet_items WHERE state = 'aside'")
    (way,) = (
        w
        for w in outlet_rows(ways.settings, outlets, aside, rows("SELECT * FROM outlet_days"), NOW + ways.now_ms)
        if w["name"] == name
    )
    return way


def test_a_dead_outlet_holds_up_nobody_and_misses_nothing_in_a_month(ways: Ways) -> None:
    hook, site = Receiver(), Site()
    dead = [True]

    def broken(post: Post) -> None:
        if dead:
            raise OutletError("outlet hook: no connection")

    hook.answer = broken
    ways.start("hook", hook)
    ways.start("rangers", site)
    ways.run(1000)
    for day in range(30):
        ways.now_ms = day * DAY_MS + 1000
        ways.see(1, day + 1)
        ways.run(ways.now_ms + 5000)
        assert len(site.files) == day + 1
    tried = len(hook.posts)
    assert tried < 200, "its breaker is open"
    dead.clear()
    ways.run(ways.now_ms + 120_000)
    done = hook.posts[tried:]
    assert len({p.headers["webhook-id"] for p in done}) == len(done) == 30
    assert ways.sql("SELECT count(*) FROM outlet_items") == [(0,)]


@pytest.mark.parametrize("since", ["now", "beginning"])
def test_a_new_outlet_starts_where_its_settings_say(tmp_path: Path, since: str) -> None:
    ways = Ways(tmp_path, webhook(tmp_path, since=since))
    ways.see(1, 1)
    ways.identify("r-1", 1)
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(3000)
    ways.see(1, 2)
    ways.identify("r-2", 2)
    ways.run(6000)
    kinds = [(b["type"], b["data"]["observationID"]) for b in hook.bodies()]
    old = [("sighting", f"1-{EPOCH:08x}-1"), ("identification", f"1-{EPOCH:08x}-1")] if since == "beginning" else []
    assert sorted(kinds) == sorted([*old, ("sighting", f"1-{EPOCH:08x}-2"), ("identification", f"1-{EPOCH:08x}-2")])
    ways.close()


def test_the_most_urgent_goes_first_and_what_is_not_wanted_never(ways: Ways) -> None:
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(500)
    for number, species in enumerate((7, 6, 4, 3, 1, 8, 2), start=1):  # 6: a domestic cat, 8: no cat
        ways.see(1, number, species)
    ways.run(20_000)
    assert observed(hook) == ["5", "7", "4", "3", "1"]
    assert [b["data"]["species"] for b in hook.bodies()] == ["tiger", "leopard", "snow leopard", "lynx", "other feline"]


def test_only_sightings_that_the_trap_was_sure_of(tmp_path: Path) -> None:
    ways = Ways(tmp_path, webhook(tmp_path, least_percent=91), webhook(tmp_path, name="all", least_percent=90))
    hook, every = Receiver(), Receiver()
    ways.start("hook", hook)
    ways.start("all", every)
    ways.run(500)
    ways.see(1, 1)  # 230 of 255: 90.2 %
    ways.run(2000)
    assert (len(hook.posts), len(every.posts)) == (0, 1)
    ways.close()


def test_a_sighting_waits_for_its_crop_as_batches_do_and_is_posted_once(ways: Ways) -> None:
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1, crop=False)
    ways.see(1, 2, crop=False)
    ways.run(59_000)
    assert hook.posts == []
    ways.crop(1, 2)
    ways.run(59_500)
    assert observed(hook) == ["2"]
    assert hook.bodies()[0]["data"]["picture"]["fileMediatype"] == "image/webp"
    ways.run(63_000)  # batch.max_wait_s is 60 here
    assert observed(hook) == ["2", "1"]
    assert "picture" not in hook.bodies()[1]["data"]
    ways.crop(1, 1)
    ways.start("hook", hook)
    ways.run(200_000)
    assert len(hook.posts) == 2, "a later crop does not post it again"


def test_without_pictures_nothing_is_waited_for(tmp_path: Path) -> None:
    ways = Ways(tmp_path, webhook(tmp_path, picture=False))
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1, crop=False)
    ways.run(2500)
    assert observed(hook) == ["1"]
    ways.close()


def test_a_trap_that_nobody_knows_waits_here(ways: Ways) -> None:
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(500)
    ways.see(77, 1)
    ways.see(1, 1)
    ways.run(120_000)
    assert [b["data"]["trap"] for b in hook.bodies()] == [1]
    assert shown(ways)["waiting"] == 1


def test_a_message_that_is_refused_again_and_again_lies_aside_and_comes_back(ways: Ways) -> None:
    hook = Receiver()
    poison = f"sighting-1-{EPOCH:08x}-2"
    hook.answer = lambda post: (422, {}, b"no \x1b such \n thing") if post.headers["webhook-id"] == poison else None
    ways.start("hook", hook)
    ways.run(500)
    for number in (1, 2, 3):
        ways.see(1, number)
    ways.run(400_000)
    assert [p.headers["webhook-id"] for p in hook.posts].count(poison) == REFUSALS
    way = shown(ways)
    assert (way["sent"], way["waiting"], way["aside_count"]) == (2, 0, 1)
    (item,) = way["aside"]  # type: ignore[misc]
    assert item["why"] == "it answered 422 (no   such   thing)"
    assert notes([way]) == [
        f"Outlet hook: 1 set aside. sighting 1-{EPOCH:08x}-2: it answered 422 (no   such   thing). "
        "When it is mended: `trapbase retry hook`."
    ]
    ways.start("hook", hook)  # a restart brings nothing back by itself
    ways.run(ways.now_ms + 100_000)
    assert len(hook.posts) == 2 + REFUSALS
    hook.answer = lambda post: None
    assert ways.built["hook"].part._queue.ask(item["id"]) == 1
    ways.run(ways.now_ms + 5000)
    assert shown(ways)["sent"] == 3


def test_where_everything_is_refused_nothing_is_set_aside(ways: Ways) -> None:
    hook = Receiver()
    bad = [True]
    hook.answer = lambda post: (400, {}, b"wrong version") if bad else None
    ways.start("hook", hook)
    ways.run(500)
    for number in range(1, 9):
        ways.see(1, number)
    ways.run(DAY_MS, every_ms=20_000)
    way = shown(ways)
    assert (way["waiting"], way["aside_count"]) == (8, 0)
    assert "messages in a row were refused: it answered 400 (wrong version)" in str(way["words"])
    assert way["state"] != "closed"
    bad.clear()
    ways.run(ways.now_ms + 200_000)
    assert shown(ways)["sent"] == 8


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503, 302])
def test_a_wrong_token_address_or_a_receiver_in_trouble_is_no_fault_of_a_message(ways: Ways, status: int) -> None:
    hook = Receiver()
    hook.answer = lambda post: (status, {"Location": "https://elsewhere.example/"}, b"")
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1)
    ways.run(300_000, every_ms=1000)
    assert 5 < len(hook.posts) < 15
    assert len({post.path for post in hook.posts}) == 1
    way = shown(ways)
    assert (way["waiting"], way["aside_count"]) == (1, 0)
    assert way["state"] in ("open", "half-open")
    assert f"it answered {status}" in str(way["words"])


def test_retry_after_is_kept(ways: Ways) -> None:
    hook = Receiver()
    hook.answer = lambda post: (429, {"Retry-After": "1000"}, b"") if len(hook.posts) == 1 else None
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1)
    ways.run(990_000, every_ms=5000)
    assert len(hook.posts) == 1
    ways.run(1_010_000)
    assert len(hook.posts) == 2


def test_a_crash_between_the_post_and_its_commit_posts_again_under_the_same_id(
    ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site()
    part = ways.start("rangers", site)
    ways.run(500)
    ways.see(1, 1)

    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(part._queue, "sent", power_cut)
    with pytest.raises(KeyboardInterrupt):
        ways.run(5000)
    ways.start("rangers", site)
    ways.run(20_000)
    assert len(site.posts) == 2
    assert len(site.files) == 1, "the second was answered with 409, and that is done"
    assert shown(ways, "rangers")["sent"] == 1
    ways.run(100_000)
    assert len(site.posts) == 2


@pytest.mark.usefixtures("in_files")
def test_a_damaged_picture_lies_aside_and_one_that_made_room_is_left_out(ways: Ways) -> None:
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1)
    ways.see(1, 2)
    first, second = (p for (p,) in ways.sql("SELECT sha256 FROM objects WHERE rung = 1 ORDER BY number"))
    media = ways.ingest._store.media
    media.path(first).write_bytes(b"damaged")
    media.path(second).unlink()
    ways.run(5000)
    assert observed(hook) == ["2"]
    assert "picture" not in hook.bodies()[0]["data"]
    (item,) = shown(ways)["aside"]  # type: ignore[misc]
    assert "is damaged: see `trapbase verify`" in item["why"]


def test_a_picture_in_its_row_goes_and_is_damaged_or_made_room_as_one_in_a_file(ways: Ways) -> None:
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(500)
    for number in (1, 2, 3):
        ways.see(1, number)
    db = ways.ingest._store._db
    db.execute("UPDATE objects SET body = x'00' WHERE rung = 1 AND number = 1")
    db.execute("UPDATE objects SET body = NULL, gone_ms = 1 WHERE rung = 1 AND number = 2")
    ways.run(9000)
    assert sorted(observed(hook)) == ["2", "3"]
    assert [
        "picture" in body["data"] for body in sorted(hook.bodies(), key=lambda b: str(b["data"]["observationID"]))
    ] == [
        False,
        True,
    ]
    (item,) = shown(ways)["aside"]  # type: ignore[misc]
    assert "is damaged: see `trapbase verify`" in item["why"]


def test_a_picture_for_another_base_is_left_out(ways: Ways) -> None:
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1, sealed=b"x" * 400)
    ways.run(5000)
    assert "picture" not in hook.bodies()[0]["data"]


def test_no_picture_that_is_none_goes_to_earthranger(ways: Ways) -> None:
    from tests.base.parts import BOX

    site = Site()
    ways.start("rangers", site)
    ways.run(500)
    ways.see(1, 1, sealed=seal_box(bytes(BOX.public_key), b"RIFF\0\0\0\0WEBP" + bytes(300)))
    ways.run(5000)
    assert site.files == {}
    assert "no picture that can be decoded" in shown(ways, "rangers")["aside"][0]["why"]  # type: ignore[index]


def test_earthranger_gets_the_crop_as_a_jpeg_and_what_a_ranger_reads(ways: Ways) -> None:
    site = Site()
    ways.start("rangers", site)
    ways.run(500)
    ways.see(1, 1)
    ways.run(3000)
    ((name, form),) = site.files.items()
    assert name == f"pugmark-1-{EPOCH:08x}-1.jpg"
    assert form["data"][:3] == b"\xff\xd8\xff"
    assert form["camera_name"] == "S001 left"
    assert form["camera_description"] == "tiger, 90 % by the trap"
    assert form["time"] == "2025-11-21T01:00:00Z"
    assert "location" not in form, "positions only where the settings say so"


def test_earthranger_hears_of_a_sighting_whose_picture_never_came(ways: Ways) -> None:
    site = Site()
    ways.start("rangers", site)
    ways.run(500)
    ways.see(1, 1, crop=False)
    ways.run(63_000)
    (form,) = site.files.values()
    assert form["camera_description"] == "tiger, 90 % by the trap; no picture"
    assert form["data"][:3] == b"\xff\xd8\xff"


def test_who_it_was_is_sent_on_and_so_is_a_correction_and_a_withdrawal(ways: Ways) -> None:
    hook, site = Receiver(), Site()
    ways.start("hook", hook)
    ways.start("rangers", site)
    ways.run(500)
    ways.see(1, 1)
    ways.run(2000)
    ways.identify("r/1", 1)
    ways.run(4000)
    ways.identify("r/2", 1, individual=None, species="Panthera pardus", withdrawn=1)
    ways.identify("r/3", 9, species="Bos taurus")  # neither seen here nor wanted
    ways.run(10_000)
    said = hook.bodies()
    assert [b["type"] for b in said] == ["sighting", "identification", "identification.withdrawn"]
    assert len({p.headers["webhook-id"] for p in hook.posts}) == 3
    assert said[1]["data"]["identification"] == {
        "resultID": "r/1", "replaces": None, "individualID": "T-12", "scientificName": "Panthera tigris",
        "sex": "female", "lifeStage": "adult", "classificationProbability": 0.97, "classifiedBy": "A. Ranger",
        "classificationTimestamp": "2025-11-21T01:00:00.000Z",
    }  # fmt: skip
    assert said[1]["data"]["species"] == "tiger"
    texts = [form["camera_description"] for form in site.files.values()]
    assert texts[1].startswith("identified: T-12, female, adult 97 %; by A. Ranger; tiger")
    assert texts[2].startswith("withdrawn: unknown Panthera pardus, female")
    assert len(site.files) == 3


@pytest.mark.parametrize("last", ["a correction", "a withdrawal", "an old decision, late"])
def test_an_identification_that_was_overtaken_while_it_waited_is_never_sent(ways: Ways, last: str) -> None:
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1)
    ways.run(2000)
    hook.answer = lambda post: (503, {}, b"")
    ways.identify("r/1", 1)
    ways.run(4000)
    (waiting,) = ways.sql("SELECT count(*) FROM outlet_items WHERE result > 0")[0]
    said = {
        "a correction": {"decided_ms": NOW + 1, "individual": "T-13"},
        "a withdrawal": {"decided_ms": NOW - 1, "replaces": "r/1", "withdrawn": 1},  # by a clock that is behind
        "an old decision, late": {"decided_ms": NOW - 1},
    }[last]
    ways.identify("r/2", 1, **said)
    before = len(hook.posts)
    hook.answer = lambda post: None
    ways.run(120_000)
    sent = [body["data"]["identification"]["resultID"] for body in hook.bodies()[before:]]
    assert (waiting, sent) == (1, ["r/1" if last == "an old decision, late" else "r/2"])
    assert ways.sql("SELECT count(*) FROM outlet_items") == [(0,)]


def test_who_asks_for_identifications_later_gets_those_of_later(tmp_path: Path) -> None:
    ways = Ways(tmp_path, webhook(tmp_path, identifications=False))
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1)
    ways.identify("r/1", 1)
    ways.run(3000)
    assert [b["type"] for b in hook.bodies()] == ["sighting"]
    again = Ways(tmp_path, webhook(tmp_path))
    again.now_ms = 3000
    again.start("hook", hook)
    again.run(6000)
    again.identify("r/2", 1)
    again.run(9000)
    assert [b["data"].get("identification", {}).get("resultID") for b in hook.bodies()] == [None, "r/2"]
    again.close()
    ways.close()


def test_an_outlet_that_left_the_settings_is_named_while_something_waits_for_it(ways: Ways) -> None:
    hook = Receiver()
    hook.answer = lambda post: (500, {}, b"")
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1)
    ways.run(2000)
    row = {"name": "hook", "waiting": 1, "aside": 0}
    assert left_over(ways.settings, [row]) == []
    others = Settings(folder=str(ways.folder))
    assert left_over(others, [row]) == ["outlet hook is not in the settings any more; 1 wait for it"]
    assert left_over(others, [row | {"waiting": 0}, row | {"name": "upload"}]) == []


def test_the_event_id_that_goes_out_is_the_one_of_the_batch(ways: Ways) -> None:
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1)
    ways.see(2, 1)
    ways.run(3000)
    ids = {b["data"]["eventID"] for b in hook.bodies()}
    assert len(ids) == 1, "both cameras saw one cat"
    assert {i for (i,) in ways.sql("SELECT event_id FROM events")} == ids


def test_a_days_bytes_are_a_days_bytes_failed_tries_too(tmp_path: Path) -> None:
    ways = Ways(tmp_path, webhook(tmp_path, budget_kib=12, picture=False))
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(500)
    for number in range(1, 60):
        ways.see(1, number, crop=False)
    hook.answer = lambda post: (503, {}, b"") if len(hook.posts) % 2 else None
    ways.run(3_000_000, every_ms=10_000)
    ways.start("hook", hook)
    ways.run(4_000_000, every_ms=10_000)
    spent = sum(len(post.body) for post in hook.posts)
    ((counted,),) = ways.sql("SELECT bytes FROM outlet_days")
    assert counted == spent <= 12 * 1024
    assert spent > 9 * 1024
    assert "the day's 12 KiB are used up" in str(shown(ways)["words"])
    ways.run(DAY_MS * 6, every_ms=60_000)
    assert shown(ways)["waiting"] == 0
    assert all(b <= 12 * 1024 for (b,) in ways.sql("SELECT bytes FROM outlet_days"))
    ways.close()


def test_what_is_larger_than_a_days_budget_lies_aside(tmp_path: Path) -> None:
    from tests.base.parts import BOX

    ways = Ways(tmp_path, webhook(tmp_path, budget_kib=4))
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1, sealed=seal_box(bytes(BOX.public_key), picture() + bytes(9000)))
    ways.see(1, 2)
    ways.run(5000)
    assert observed(hook) == ["2"]
    assert "more than a whole day's budget_kib" in shown(ways)["aside"][0]["why"]  # type: ignore[index]
    ways.close()


def test_hours_hold_it_back_and_nothing_is_lost(tmp_path: Path) -> None:
    ways = Ways(tmp_path, webhook(tmp_path, hours="02:00-03:00"))  # the world begins at 01:00
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1)
    ways.run(3_560_000, every_ms=30_000)
    assert hook.posts == []
    assert shown(ways)["words"] == "waits for its hours, 02:00-03:00"
    ways.run(3_610_000)
    assert len(hook.posts) == 1
    ways.close()


def test_a_key_file_that_is_none_is_named_and_a_new_one_needs_no_restart(ways: Ways, tmp_path: Path) -> None:
    hook = Receiver()
    (tmp_path / "secret").write_text("whsec_no+++base64\n")
    part = ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1)
    ways.run(2000)
    assert "its key_file cannot be used" in part.last_error
    assert "no+++base64" not in part.last_error
    (tmp_path / "secret").unlink()
    ways.run(5000)
    assert "secret: No such file or directory" in part.last_error
    (tmp_path / "secret").write_text(SECRET)
    ways.run(100_000)
    assert len(hook.posts) == 1
    assert part.last_error == ""


def test_a_wrong_token_is_never_shown(ways: Ways, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("another-token")
    site = Site()
    part = ways.start("rangers", site)
    ways.run(500)
    ways.see(1, 1)
    ways.run(2000)
    assert "it answered 401" in part.last_error
    assert "is what its key_file holds still right there?" in part.last_error
    for text in (part.last_error, str(shown(ways, "rangers"))):
        assert "another-token" not in text
        assert TOKEN not in text


def test_a_page_that_wants_a_password_is_not_taken_for_earthranger(ways: Ways) -> None:
    site = Site()
    site.answer = lambda post: (200, {}, b"<html>Welcome to SatLink") if len(site.posts) < 3 else None
    part = ways.start("rangers", site)
    ways.run(500)
    ways.see(1, 1)
    ways.run(2500)
    assert "not as EarthRanger does" in part.last_error
    ways.run(60_000)
    assert len(site.files) == 1


def test_a_full_disk_holds_the_outlet_and_ends_nothing(ways: Ways, monkeypatch: pytest.MonkeyPatch) -> None:
    from trapkit.errors import StorageError

    hook = Receiver()
    part = ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1)

    def full(*_: object) -> None:
        raise StorageError("database base.sqlite3: disk full: make room there; it goes on by itself")

    with monkeypatch.context() as patch:
        patch.setattr(part._queue, "sent", full)
        ways.run(12_000)
        assert "make room there" in part.storage_error
        assert 1 <= len(hook.posts) <= 4
    ways.run(20_000)
    assert part.storage_error == ""
    assert len({p.headers["webhook-id"] for p in hook.posts}) == 1
    assert shown(ways)["sent"] == 1
