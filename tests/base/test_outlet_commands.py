"""`trapbase outlets`, `retry`, `status`, `config check`, the page: what a person sees of the ways out and can do."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.base.forwarding import Recorder, World
from tests.base.outlet_parts import SECRET, TOKEN, Receiver, Ways, webhook
from tests.base.parts import EPOCH, NOW, TRAPS, UPLOAD, Base, deliver, sighting
from trapbase.cli import main
from trapbase.config import Settings, UploadSettings, check_traps
from trapbase.gate import Gate
from trapbase.look.facts import figures_of, ways_of
from trapbase.look.metrics import metrics_text
from trapbase.outlet import OutletError
from trapbase.outlet_settings import OutletSettings
from trapbase.outlets.queue import OutletQueue
from trapbase.page_state import PageState
from trapbase.places import Places
from trapbase.reader import Reader
from trapbase.run import Runner
from trapbase.view_outlets import line
from trapkit.errors import SetupError
from trapsim.cli import main as trapsim

HOUR_MS = 3_600_000


@pytest.fixture
def ways(tmp_path: Path) -> Iterator[Ways]:
    made = Ways(tmp_path, webhook(tmp_path))
    yield made
    made.close()


def config(ways: Ways, tmp_path: Path, extra: str = "") -> str:
    path = tmp_path / "base.toml"
    path.write_text(
        f'folder = "{ways.folder}"\nbox_key = "{tmp_path}/box"\n{extra}\n'
        '[[outlet]]\nname = "hook"\nkind = "webhook"\nurl = "https://hook.example/in"\n'
        f'key_file = "{tmp_path}/secret"\n'
    )
    return str(path)


def put_aside(ways: Ways) -> None:
    hook = Receiver()
    hook.answer = lambda post: (422, {}, b"no")
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1)
    ways.run(100_000)


def test_what_lies_aside_is_shown_with_its_reason_and_comes_back(
    ways: Ways, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_aside(ways)
    path = config(ways, tmp_path)
    assert main(["outlets", "--config", path]) == 0
    shown = capsys.readouterr().out
    assert "outlet hook (webhook): all is well, 0 sent, 0 wait, 1 set aside" in shown
    assert f"  1: sighting 1-{EPOCH:08x}-1: it answered 422 (no)" in shown
    assert main(["outlets", "--json", "--config", path]) == 0
    (way,) = json.loads(capsys.readouterr().out)["outlets"]
    assert (way["name"], way["aside_count"], way["state"]) == ("hook", 1, "closed")
    assert main(["status", "--config", path]) == 0
    assert "outlet hook (webhook)" in capsys.readouterr().out
    assert main(["retry", "hook", "--config", path]) == 0
    assert "1 come back from aside" in capsys.readouterr().err
    hook = Receiver()
    ways.start("hook", hook)
    ways.run(ways.now_ms + 3000)
    assert len(hook.posts) == 1


def test_a_running_outlet_that_waits_hears_that_a_person_asked(ways: Ways, tmp_path: Path) -> None:
    hook = Receiver()
    hook.answer = lambda post: (503, {"Retry-After": "50000"}, b"") if len(hook.posts) == 1 else None
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1)
    ways.run(60_000)
    assert len(hook.posts) == 1
    assert main(["retry", "hook", "--config", config(ways, tmp_path)]) == 0
    ways.run(63_000)
    assert len(hook.posts) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["retry", "hok"], "OUTLET hok: is not in the settings; allowed are upload, hook"),
        (["retry", "hook"], "OUTLET hook: has not run yet"),
        (["retry", "hook", "7"], "OUTLET hook: has not run yet"),
    ],
)
def test_another_try_of_what_is_not_there_is_named(
    ways: Ways, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    if len(arguments) == 3:
        put_aside(ways)
        words = "OUTLET hook: has no item 7"
    assert main([*arguments, "--config", config(ways, tmp_path)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"name": "upload"}, "outlet 'upload' is the way to the back end; give this one a name of its own"),
        ({"name": "hook"}, "outlet 'hook' is there twice; give this one a name of its own"),
        ({"url": ""}, "key 'url' of outlet 'x' is ''; allowed is http or https"),
        ({"url": "https://u:p@h/"}, "key 'url' of outlet 'x' is 'h/'; allowed is"),
        ({"url": "https://h/#a"}, "key 'url' of outlet 'x' is"),
        ({"key_file": ""}, "key 'key_file' of outlet 'x' is ''; allowed is the path of a file"),
        ({"species": ()}, "key 'species' of outlet 'x' is []; allowed is one species at least"),
        ({"path": "/x"}, "key 'path' of outlet 'x' is '/x'; allowed is nothing: webhook has a url"),
        ({"hours": "01:00-01:00"}, "key 'hours' of outlet 'x' is '01:00-01:00': it is never within them"),
        (
            {"kind": "folder", "path": "/x"},
            "key 'url' of outlet 'x' is 'https://h/'; allowed is nothing: a folder has none",
        ),
        ({"kind": "folder", "url": ""}, "key 'path' of outlet 'x' is ''; allowed is the path of a folder on the stick"),
        ({"kind": "earthranger", "url": "https://h/?a=b"}, "key 'url' of outlet 'x' is 'https://h/'"),
    ],
)
def test_an_outlet_that_cannot_be_is_named_with_its_key(table: dict[str, object], words: str) -> None:
    given = {"name": "x", "kind": "webhook", "url": "https://h/", "key_file": "k"} | table
    first = OutletSettings(name="hook", kind="webhook", url="https://h/in?token=x", key_file="k")
    with pytest.raises(SetupError) as error:
        check_traps(Settings(outlet=(first, OutletSettings(**given))))  # type: ignore[arg-type]
    assert words in str(error.value)
    assert ":p@" not in str(error.value)


@pytest.mark.parametrize("text", ["whsec_short", "no key at all"])
def test_config_check_looks_at_the_keys_and_does_not_say_them(
    ways: Ways, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "secret").write_text(text)
    path = config(ways, tmp_path, '[gateway]\nplan = "ru864"')
    assert main(["config", "check", "--config", path]) == 2
    said = capsys.readouterr().err
    assert "outlet 'hook': " in said
    assert text not in said


def test_the_page_shows_the_ways_out_and_what_lies_aside(ways: Ways) -> None:
    put_aside(ways)
    page = PageState(ways.settings, None, threading.Event()).render("page.html")
    assert 'id="outlet-hook"' in page
    assert "lies aside: it answered 422 (no)" in page
    assert "When it is mended: <code>trapbase retry hook</code>." in page
    for secret in (SECRET, TOKEN, "secret-path"):
        assert secret not in page


def test_figures_and_lines_say_how_long_the_oldest_waits_and_what_a_person_should_see(ways: Ways) -> None:
    put_aside(ways)
    hook = Receiver()
    hook.answer = lambda post: (503, {}, b"")
    ways.start("hook", hook)
    ways.see(1, 2)
    ways.run(ways.now_ms + 200_000)
    now_ms = NOW + ways.now_ms
    with closing(Reader(ways.folder)) as reader:
        figures = figures_of(ways.settings, reader, Places(listed=TRAPS), now_ms)
        (way,), _ = ways_of(ways.settings, reader, now_ms)
    text = metrics_text(figures)
    assert 'pugmark_outlet_waiting{outlet="hook"} 1\n' in text
    assert 'pugmark_outlet_oldest_seconds{outlet="hook"} 200\n' in text
    assert 'pugmark_outlet_aside{outlet="hook"} 1\n' in text
    assert 'pugmark_outlet_breaker{outlet="hook",state="closed"} 0\n' in text
    assert figures.needs >= 2, "its breaker, and what lies aside"
    assert "1 wait (oldest 3 min)" in line(way, now_ms)
    for secret in (SECRET, "secret-path"):
        assert secret not in text


def test_outlets_run_each_as_a_part_of_its_own(ways: Ways) -> None:
    runner = Runner(ways.settings, ["ingest", "outlets"], threading.Event(), lambda text: None)
    assert runner._names == ["ingest", "outlet hook"]
    part = runner._build("outlet hook")
    assert part.step(0, NOW) is False
    assert part.trouble() == ""
    with pytest.raises(SetupError, match="another trapbase-outlet-hook"):
        runner._build("outlet hook")
    part.close()


def test_the_reference_back_end_takes_a_stick_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text("11" * 32)
    given = ["backend", "--folder", str(tmp_path / "backend"), "--key", str(tmp_path / "key"), "--stick"]
    assert trapsim([*given, str(tmp_path / "away")]) == 2
    assert "there is no such folder; plug the stick in" in capsys.readouterr().err
    (tmp_path / "usb" / "batches").mkdir(parents=True)
    (tmp_path / "usb" / "batches" / ("a" * 64 + ".zip")).write_bytes(b"half")
    assert trapsim([*given, str(tmp_path / "usb")]) == 1
    assert json.loads(capsys.readouterr().out) == {"taken": 0, "signed": 0, "damaged": 1}


# The way to the back end has the same gate.


def gated(world: World, tmp_path: Path, **more: object) -> tuple[Recorder, Gate, OutletQueue]:
    recorder = Recorder(world.outlet)
    names = {name: getattr(UPLOAD, name) for name in UPLOAD.__struct_fields__}
    settings = UploadSettings(**names | more)
    world.base.close()
    world.base = Base(world.folder / "base", world.broker, recorder, upload=settings)  # type: ignore[arg-type]
    queue = OutletQueue(world.folder / "base", "upload")
    queue.begin(everything=True)
    gate = world.base.uploader.gate = Gate(settings, lambda: 1.0, None, queue)
    send = recorder.inner.send

    def counted(url: str, offset: int, data: bytes) -> int:
        gate.count(len(data) + 300)
        return send(url, offset, data)

    recorder.inner.send = counted  # type: ignore[method-assign]
    return recorder, gate, queue


def test_an_upload_keeps_its_days_budget_and_goes_on_the_next(world: World, tmp_path: Path) -> None:
    recorder, _, queue = gated(world, tmp_path, budget_kib=4, chunk_bytes=1500)
    deliver(world.broker, *sighting(1, 1), *sighting(1, 2), *sighting(1, 3))
    world.base.run(0, 120_000, 1000)
    assert world.states() == ["uploading"]
    first = sum(length for _, length in recorder.sent)
    day = 23 * HOUR_MS  # the world begins at 01:00 UTC
    world.base.run(day - 10_000, day, 1000)
    assert sum(length for _, length in recorder.sent) == first
    for more in range(4):
        world.base.run(day + more * 24 * HOUR_MS, day + more * 24 * HOUR_MS + 30_000, 500)
    assert world.states() == ["receipted"]
    with sqlite3.connect(world.folder / "base" / "base.sqlite3") as db:
        assert all(size <= 4096 for (size,) in db.execute("SELECT bytes FROM outlet_days"))
    db.close()
    offsets = [offset for offset, _ in recorder.sent]
    assert offsets == sorted(set(offsets)), "nothing twice"
    queue.close()


def test_an_upload_keeps_its_hours(world: World, tmp_path: Path) -> None:
    recorder, _, queue = gated(world, tmp_path, hours="03:00-04:00")
    deliver(world.broker, *sighting(1, 1))
    world.base.run(0, 2 * HOUR_MS, 20_000)
    assert world.states() == ["cut"]
    assert recorder.sent == []
    world.base.run(2 * HOUR_MS, 2 * HOUR_MS + 30_000, 500)
    assert world.states() == ["receipted"]
    queue.close()


def test_a_batch_that_is_refused_for_hours_is_tried_once_a_day_or_when_asked_for(world: World, tmp_path: Path) -> None:
    recorder, _, queue = gated(world, tmp_path, retry_max_s=600)
    tries: list[int] = []
    good = recorder.inner.create
    bad = [True]

    def create(batch_id: str, size: int) -> str:
        if bad:
            tries.append(0)
            raise OutletError("back end: 422: no", refused=True, status=422)
        return good(batch_id, size)

    recorder.inner.create = create  # type: ignore[method-assign]
    deliver(world.broker, *sighting(1, 1))
    world.base.run(0, 8 * HOUR_MS, 60_000)
    at_eight = len(tries)
    assert 30 < at_eight < 60
    assert "Set aside after" in world.rows("SELECT last_error FROM batches")[0][0]
    world.base.run(8 * HOUR_MS, 72 * HOUR_MS, 600_000)
    assert len(tries) - at_eight in (2, 3)
    bad.clear()
    assert queue.ask(None) == 0
    world.base.run(72 * HOUR_MS, 72 * HOUR_MS + 30_000, 500)
    assert world.states() == ["receipted"]
    queue.close()


def test_questions_for_receipts_pause_too_when_nobody_answers(world: World, tmp_path: Path) -> None:
    recorder, _, queue = gated(world, tmp_path, retry_max_s=600)
    deliver(world.broker, *sighting(1, 1))
    asked: list[int] = []

    def silent(when: str) -> None:
        if when == "receipts":
            asked.append(0)
            raise OutletError("back end: no connection")

    recorder.fail = silent
    world.base.run(0, HOUR_MS, 1000)
    assert 8 < len(asked) < 25, "not every second"
    recorder.fail = lambda when: None
    world.base.run(HOUR_MS, HOUR_MS + 700_000, 1000)
    assert world.states() == ["receipted"]
    queue.close()
