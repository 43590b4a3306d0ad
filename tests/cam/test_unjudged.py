"""A trap whose model is missing or damaged: it keeps everything, sealed, says so, and stays within its room."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from burst_parts import burst, chelsea, scene
from cam_parts import BACKEND, CAT, NOW, PERSON, REVIEWER, receipt_for, sealer, write_picture
from pyrage import decrypt
from records import kept

from trapcam import cmd_run
from trapcam import outbox as outbox_module
from trapcam.cli import main
from trapcam.config import TrapSettings, model_path
from trapcam.frames import Burst, Unreadable
from trapcam.outbox import DATABASE, Outbox, open_outbox
from trapcam.record import KEPT, NO_MODEL, NO_MODEL_NO_ROOM, REJECTED, UNREADABLE
from trapcam.states import HELD, WAITING
from trapcam.status import read_status
from trapcam.unjudged import Unjudged
from trapkit.settings import load_settings
from trapwire.objects import FULL, FULL_2, FULL_3, FULLS

MODEL = model_path(TrapSettings())
SQL_FOLDER = Path(outbox_module.__file__).parent / "sql"
SOURCE = "unjudged"
TRAP = 7
Output = pytest.CaptureFixture[str]


def still(count: int = 3) -> Burst:
    return burst([scene(330, 170)[0]] * count)


@pytest.fixture
def config(tmp_path: Path, keys: str, pictures: Path) -> Path:
    """Settings that name a model which is not there."""
    path = tmp_path / "trapcam.toml"
    path.write_text(
        f'{keys}detector.model = "{tmp_path}/feline.tflite"\ncamera.replay.folder = "{pictures}"\n'
        'trigger.source = "interval"\ntrigger.interval_s = 0.05\n'
    )
    return path


@pytest.fixture
def begin(config: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """`trapcam run` as it is."""
    begun = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "trapcam", "run", "--config", str(config)]
        begun.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        guard = threading.Timer(60, begun[-1].kill)  # a hanging trap fails its test and does not stop the suite
        guard.daemon = True
        guard.start()
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def told_until(process: subprocess.Popen[str], what: str) -> str:
    assert process.stderr
    told = ""
    for line in process.stderr:
        told += line
        if what in line:
            break
    assert what in told, told
    return told


def test_it_keeps_everything_until_it_is_started_with_a_model(
    config: Path,
    begin: Callable[[], subprocess.Popen[str]],
    pictures: Path,
    tmp_path: Path,
    capsys: Output,
) -> None:
    """People too, for nobody has looked: but only sealed to the back end, and no base or radio has anything of it."""
    for number, what in enumerate((CAT, PERSON, CAT, PERSON, CAT)):
        write_picture(pictures / f"{number}.png", what, number)
    process = begin()
    told = told_until(process, "0.png: ")
    for suffix in (".tflite", ".toml"):
        shutil.copy(MODEL.with_suffix(suffix), tmp_path)
    told += told_until(process, "4.png: unjudged 5 (no model: not judged)")  # a model put there now changes nothing
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert "no model, so every burst is kept sealed and unjudged, at most 2000 MB, and nothing goes by radio: " in told
    assert f"{tmp_path}/feline.tflite: there is no such model" in told
    assert main(["status", "--json", "--config", str(config)]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["sightings"], status["frames_kept"], status["frames_withheld"], status["rejected"]) == (0, 0, 0, {})
    assert status["unjudged"]["kept"] == status["full_frames_held"] == 5
    assert status["unjudged"]["bytes"] == status["bytes"] > 0
    assert status["model"].startswith(f"{tmp_path}/feline.tflite: there is no such model")
    assert status["objects"] == {"full": {"held": 5}}
    assert [day["reasons"] for day in status["days"].values()] == ["no model"] * len(status["days"]) != []

    chelsea().save(pictures / "9.jpg")
    process = begin()
    told = told_until(process, "9.jpg: ")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert "no model" not in told
    assert "9.jpg: sighting 6" in told
    status = read_status(tmp_path / "data", TRAP)
    assert status["model"] == "pugmark-feline 0.4.0"
    assert (status["sightings"], status["unjudged"]["kept"]) == (1, 5)


def test_where_a_model_is_required_it_does_not_start(config: Path, capsys: Output, tmp_path: Path) -> None:
    write_picture(tmp_path / "pictures" / "a.png", CAT)
    config.write_text(config.read_text() + "detector.required = true\n")
    assert main(["run", "--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert "there is no such model" in error
    assert "Traceback" not in error
    assert not (tmp_path / "data" / "outbox.sqlite").exists()


def test_a_burst_leaves_only_what_the_back_end_and_the_reviewer_can_open(outbox: Outbox) -> None:
    outbox.declare_source(SOURCE, None)
    made = Unjudged(sealer(), outbox.unjudged_bytes, 10**9).outcome(still(5), SOURCE, 0)
    assert (made.outcome, made.reason, made.audited) == (KEPT, NO_MODEL, None)
    number = outbox.commit(made)
    assert number == 1
    assert outbox.in_state(WAITING) == []
    assert [rung for _, _, rung in outbox.in_state(HELD)] == list(FULLS)
    for rung in FULLS:
        envelope = outbox.envelope(1, rung)
        assert envelope is not None
        assert decrypt(envelope.body, [REVIEWER])[:2] == b"\xff\xd8"
        assert not outbox.want(1, rung), "not even when somebody asks by radio"
    assert outbox.unjudged_bytes() == sum(row[3] for row in outbox.undelivered(9))


def test_what_was_judged_goes_first(outbox: Outbox) -> None:
    outbox.declare_source(SOURCE, None)
    outbox.declare_source("test", None)
    outbox.commit(Unjudged(sealer(), outbox.unjudged_bytes, 10**9).outcome(still(), SOURCE, 0))
    outbox.commit(kept(0, species=6))  # a domestic cat
    order = [(number, rung) for _, number, rung, _ in outbox.undelivered(9)]
    assert order[-3:] == [(1, FULL), (1, FULL_2), (1, FULL_3)]
    assert {number for number, _ in order[:-3]} == {2}


def test_it_stays_within_its_room_and_counts_the_rest(outbox: Outbox, tmp_path: Path) -> None:
    outbox.declare_source(SOURCE, None)
    alone = Unjudged(sealer(), lambda: 0, 10**9, 1).outcome(still(1), SOURCE, 0)
    assert alone.sighting is not None
    room = len(alone.sighting.objects[0].body) * 5 // 2  # two fit; `age` pads by chance, a few hundred bytes
    capture = Unjudged(sealer(), outbox.unjudged_bytes, room, 1)
    for position in range(4):
        outbox.commit(capture.outcome(still(1), SOURCE, position))
    assert 0 < outbox.unjudged_bytes() <= room
    status = read_status(tmp_path / "data", TRAP)
    assert status["unjudged"] == {"kept": 2, "not kept": 2, "bytes": outbox.unjudged_bytes()}
    assert status["rejected"] == {}, "what nobody judged is no rejection"
    # A receipt makes room again.
    named = [(1, FULL, outbox._digest(1, FULL) or b"")]
    outbox.apply_receipt(receipt_for(TRAP, outbox.epoch, named), bytes(BACKEND.verify_key), NOW)
    made = capture.outcome(still(1), SOURCE, 4)
    assert made.outcome == KEPT
    outbox.commit(made)


def test_with_room_for_one_full_frame_one_is_kept() -> None:
    alone = Unjudged(sealer(), lambda: 0, 10**9, 1).outcome(still(1), SOURCE, 0).sighting
    assert alone is not None
    size = len(alone.objects[0].body)
    tight = Unjudged(sealer(), lambda: 0, size + size // 2).outcome(still(3), SOURCE, 0).sighting
    assert tight is not None
    assert [sealed.rung for sealed in tight.objects] == [FULL]
    none = Unjudged(sealer(), lambda: 0, size // 2).outcome(still(3), SOURCE, 0)
    assert (none.outcome, none.sighting, none.reason) == (REJECTED, None, NO_MODEL_NO_ROOM)


def test_a_card_without_room_for_one_frame_of_it_has_no_event_of_nothing(tmp_path: Path) -> None:
    """Nothing of it could ever be opened, collected or let go by a receipt."""
    free = [10**9]
    box = open_outbox(tmp_path / "data", TRAP, NOW, reserve_bytes=10**6, free=lambda folder: free[0])
    box.declare_source(SOURCE, None)
    capture = Unjudged(sealer(), box.unjudged_bytes, 10**9)
    assert box.commit(capture.outcome(still(), SOURCE, 0)) == 1
    free[0] = 10**6
    assert box.commit(capture.outcome(replace(still(), note="2 frames damaged"), SOURCE, 1)) is None
    assert "full frames" in box.shortage
    assert box.position(SOURCE) == 2
    free[0] = 10**9
    assert box.commit(capture.outcome(still(), SOURCE, 2)) == 2
    status = read_status(tmp_path / "data", TRAP)
    assert (status["unjudged"]["kept"], status["unjudged"]["not kept"], status["rejected"]) == (2, 1, {})
    assert box._db.execute("SELECT count(*) FROM events").fetchone()[0] == 2
    box.close()


def test_frames_in_which_something_moved_are_kept_before_others() -> None:
    empty = scene(5000, 170)[0]
    taken = burst([empty, empty, scene(330, 170)[0], empty, empty, empty, empty])
    made = Unjudged(sealer(), lambda: 0, 10**9, 1).outcome(taken, SOURCE, 0)
    assert made.sighting is not None
    assert made.sighting.event.frame == 2
    assert made.sighting.taken_ms == taken.frames[2].taken_ms


def test_what_cannot_be_read_is_an_outcome_as_ever() -> None:
    torn = Unreadable(name="a.jpg", reason="not a whole picture", trigger=still().trigger)
    made = Unjudged(sealer(), lambda: 0, 1).outcome(torn, SOURCE, 3)
    assert (made.outcome, made.reason, made.position) == (UNREADABLE, "not a whole picture", 3)


def test_what_is_missing_of_a_burst_is_said_beside_the_reason(outbox: Outbox, tmp_path: Path) -> None:
    outbox.declare_source(SOURCE, None)
    capture = Unjudged(sealer(), outbox.unjudged_bytes, 10**9)
    outbox.commit(capture.outcome(replace(still(), note="2 frames damaged"), SOURCE, 0))
    assert read_status(tmp_path / "data", TRAP)["unjudged"]["kept"] == 1


def test_the_outbox_says_what_is_true_now_and_writes_only_what_is_new(tmp_path: Path) -> None:
    box = open_outbox(tmp_path / "data", TRAP, NOW)
    for says in ("none", "none", "feline 1"):
        before = box._db.total_changes
        box.tell("model", says)
        assert read_status(tmp_path / "data", TRAP)["model"] == says
    box.tell("model", "feline 1")
    assert box._db.total_changes == before + 1
    box.close()


def test_with_a_model_nothing_is_unjudged(config: Path, tmp_path: Path) -> None:
    """The choice of the two is made from the settings alone."""
    for suffix in (".tflite", ".toml"):
        shutil.copy(MODEL.with_suffix(suffix), tmp_path)
    judge, why = cmd_run.open_judge(load_settings(TrapSettings, config))
    assert judge is not None
    assert why == ""


def test_an_outbox_from_before_is_read_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    db = sqlite3.connect(tmp_path / "data" / DATABASE)
    for name in ("001_outbox.sql", "002_undelivered.sql", "003_audit.sql"):
        db.executescript((SQL_FOLDER / name).read_text())
    db.execute("INSERT INTO outbox VALUES (1, 7, 99, 0)")
    db.execute("PRAGMA user_version = 3")
    db.commit()
    db.close()
    assert read_status(tmp_path / "data", TRAP)["model"] == ""
    box = open_outbox(tmp_path / "data", TRAP, NOW)
    box.declare_source(SOURCE, None)
    box.commit(Unjudged(sealer(), box.unjudged_bytes, 10**9).outcome(still(), SOURCE, 0))
    assert (box.epoch, read_status(tmp_path / "data", TRAP)["unjudged"]["kept"]) == (99, 1)
    box.close()
