"""Whole trap units in the test's own time: replay camera, scripted detector, outbox, uplink, supervisor on a pty."""

import errno
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cam_parts import BASE, CAT, DEER, NOTHING, PERSON, REVIEWER, receipt_for, write_picture
from nacl.signing import SigningKey
from pyrage import decrypt
from tests.faults.night import full_disk

from trapcam.app import MAX_PENDING, OVER_AFTER_MS, STORAGE_RETRY_MS
from trapcam.camera.still import decode_picture
from trapcam.capture import HOUR_MS, Policy
from trapcam.states import DELIVERED
from trapcam.status import read_status
from trapkit.sealing import open_box
from trapwire import serialline as kinds
from trapwire.alert import decode_alert
from trapwire.objects import ALERT, CROP, FRAME, FULL

TRAP = 7
Unit = Callable[..., Any]


def wake(unit: Any, count: int) -> None:
    for number in range(count):
        unit.supervisor.say(kinds.WAKE, struct.pack(">IB", number, 0))


def said(unit: Any, part: str) -> list[str]:
    return [line for line in unit.lines if line.startswith(f"{part}: ")]


def test_a_night(make_unit: Unit, pictures: Path, tmp_path: Path) -> None:
    """Six pictures, two cats: alerts and crops reach the base, the receipt empties the card of them."""
    for number, what in enumerate((NOTHING, CAT, DEER, PERSON, CAT)):
        write_picture(pictures / f"{number}.png", what, number)
    (pictures / "5.jpg").write_bytes(b"half a")
    unit = make_unit()
    wake(unit, 9)  # more than there are pictures
    unit.steps(40)
    status = read_status(tmp_path / "data", TRAP)
    assert status["frames_in"] == unit.position == 6
    assert status["sightings"] == status["frames_kept"] == 2
    assert status["rejected"] == {"nothing seen": 1, "other_animal": 1}
    assert (status["unreadable"], status["frames_withheld"], status["full_frames_held"]) == (1, 1, 2)
    unit.supervisor.deliver_all()
    unit.steps(5)
    assert len(unit.outbox.in_state(DELIVERED)) == 4
    sent = {key.as_tuple()[2:] for key in unit.supervisor.delivered}
    assert sent == {(1, ALERT), (1, CROP), (2, ALERT), (2, CROP)}
    objects = [(number, rung, unit.outbox._digest(number, rung)) for number, rung in sorted(sent)]
    unit.supervisor.bring(receipt_for(TRAP, unit.outbox.epoch, objects))
    unit.steps(5)
    status = read_status(tmp_path / "data", TRAP)
    assert status["objects"] == {
        "alert": {"deleted": 2}, "crop": {"deleted": 2}, "frame": {"held": 2}, "full": {"held": 2}
    }  # fmt: skip
    assert "5.jpg: unreadable (not a whole JPEG or PNG picture" in "\n".join(unit.lines)


def test_every_rung_opens_for_whom_it_is_meant(make_unit: Unit, pictures: Path) -> None:
    write_picture(pictures / "cat.png", CAT)
    unit = make_unit()
    wake(unit, 1)
    unit.steps(10)
    bodies = {rung: unit.outbox.envelope(1, rung).body for rung in (ALERT, CROP, FRAME, FULL)}
    assert decode_alert(bodies[ALERT]).time_ms == unit.outbox._db.execute("SELECT taken_ms FROM events").fetchone()[0]
    assert len(bodies[CROP]) <= 1480 + 48
    for rung in (CROP, FRAME):
        assert (open_box(bytes(BASE), bodies[rung]) or b"")[8:12] == b"WEBP"
    assert decrypt(bodies[FULL], [REVIEWER])[:2] == b"\xff\xd8"


def test_of_people_no_byte_reaches_the_card(make_unit: Unit, pictures: Path, tmp_path: Path) -> None:
    """Neither pixels nor name, time or trigger: only that one frame was withheld."""
    write_picture(pictures / "0-cat.png", CAT)
    unit = make_unit()  # the card is in use before the people come
    wake(unit, 1)
    unit.steps(5)
    before = (tmp_path / "data" / "outbox.sqlite").stat().st_size
    marker = "poacher-or-ranger"
    for number in range(3):
        write_picture(pictures / f"{number + 1}-{marker}.png", PERSON, number)
    unit = make_unit()
    events = unit.outbox._db.execute("SELECT count(*) FROM objects").fetchone()[0]
    wake(unit, 3)
    unit.now += HOUR_MS
    unit.steps(20)
    assert unit.position == 4
    assert unit.outbox._db.execute("SELECT count(*) FROM objects").fetchone()[0] == events
    assert unit.outbox._db.execute("SELECT count(*) FROM bursts").fetchone()[0] == 1
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert len([path for path in files if path.parent.name == "full"]) == 1
    raw = [(pictures / f"{n}-{marker}.png").read_bytes() for n in range(1, 4)]
    pixels = [decode_picture(data, 1e6)[0].tobytes()[300:332] for data in raw]
    for path in files:
        data = path.read_bytes()
        assert marker.encode() not in data, path
        assert not any(part in data for part in pixels + [data[60:92] for data in raw]), path
    assert before == (tmp_path / "data" / "outbox.sqlite").stat().st_size
    assert not any(marker in line for line in unit.lines)
    assert read_status(tmp_path / "data", TRAP)["people_hours"] == []


def test_the_hourly_count_is_a_count_an_hour(make_unit: Unit, pictures: Path, tmp_path: Path) -> None:
    for number in range(2):
        write_picture(pictures / f"{number}.png", PERSON)
    unit = make_unit(Policy(hourly_count=True))
    wake(unit, 2)
    unit.steps(10)
    assert read_status(tmp_path / "data", TRAP)["people_hours"] == [
        {"hour_ms": unit.now // HOUR_MS * HOUR_MS, "category": "person", "count": 2}
    ]


def test_a_full_card_stops_the_camera_and_not_the_uplink(make_unit: Unit, pictures: Path, tmp_path: Path) -> None:
    for number in range(3):
        write_picture(pictures / f"{number}.png", CAT, number)
    unit = make_unit()
    wake(unit, 1)
    unit.steps(5)

    with full_disk():
        wake(unit, 2)
        unit.steps(20)
        assert unit.position == 1
        assert len([line for line in unit.lines if "File too large" in line]) == 1
        assert len(unit.supervisor.queue) == 2
    unit.steps(5, each_ms=STORAGE_RETRY_MS)
    assert unit.position == 3
    assert read_status(tmp_path / "data", TRAP)["sightings"] == 3
    unit.steps(3, each_ms=OVER_AFTER_MS)
    assert said(unit, "outbox") == ["outbox: the trouble is over"]


def test_more_triggers_than_can_wait_are_dropped_and_counted(make_unit: Unit, pictures: Path) -> None:
    for number in range(40):
        write_picture(pictures / f"{number:02}.png", NOTHING)
    unit = make_unit()
    unit.steps(2)
    wake(unit, 30)
    unit.steps(40)
    assert MAX_PENDING <= unit.position < 30
    assert unit.app.dropped_triggers == 30 - unit.position


def test_a_restart_goes_on_at_the_next_picture(make_unit: Unit, pictures: Path, tmp_path: Path) -> None:
    for number in range(4):
        write_picture(pictures / f"{number}.png", CAT, number)
    unit = make_unit()
    wake(unit, 2)
    unit.steps(8)
    unit = make_unit()
    wake(unit, 5)
    unit.steps(20)
    names = [row[0] for row in unit.outbox._db.execute("SELECT name FROM bursts ORDER BY burst_no")]
    assert names == ["0.png", "1.png", "2.png", "3.png"]
    assert read_status(tmp_path / "data", TRAP)["sightings"] == 4


def test_receipts_that_are_refused_are_told_with_what_to_do(make_unit: Unit, pictures: Path) -> None:
    write_picture(pictures / "1.png", CAT, 1)
    unit = make_unit()
    wake(unit, 1)
    unit.steps(5)
    objects = [(1, ALERT, unit.outbox._digest(1, ALERT))]
    unit.supervisor.bring(receipt_for(TRAP, unit.outbox.epoch, objects, key=SigningKey.generate()))
    unit.steps(5)
    refused = [line for line in unit.lines if "receipts refused" in line]
    assert len(refused) == 1, "once"
    assert refused[0].startswith("1 receipts refused")
    assert "`keys.receipts`" in refused[0]
    assert "`trapbase again`" in refused[0]


def test_a_supervisor_that_is_unplugged_is_told_once(make_unit: Unit, pictures: Path) -> None:
    write_picture(pictures / "1.png", CAT, 1)
    unit = make_unit()
    unit.steps(3)
    unit.line.path = "/dev/nothing-there"
    unit.line._close(OSError(errno.EIO, "gone"))
    unit.steps(5)
    gone = "supervisor: /dev/nothing-there: cannot be opened: No such file or directory; is it plugged in?"
    assert said(unit, "supervisor") == [gone]
    unit.line.path = str(unit.supervisor.link)
    unit.steps(60)
    assert unit.line.is_open
    unit.steps(4, each_ms=OVER_AFTER_MS // 2)
    assert said(unit, "supervisor") == [gone, "supervisor: the trouble is over"], "once"


def test_a_trouble_that_comes_and_goes_with_every_retry_is_told_once(make_unit: Unit, pictures: Path) -> None:
    write_picture(pictures / "1.png", CAT, 1)
    unit = make_unit()
    for turn in range(6):
        unit.app._tell("supervisor", "" if turn % 2 else "database: disk is full", unit.now)
        unit.now += OVER_AFTER_MS // 2
    assert unit.lines == ["database: disk is full"]
    unit.app._tell("supervisor", "", unit.now + OVER_AFTER_MS)
    assert unit.lines[1:] == ["supervisor: the trouble is over"]
    unit.app._tell("supervisor", "database: disk is full", unit.now + OVER_AFTER_MS)
    assert len(unit.lines) == 3, "and told again when it comes again"
