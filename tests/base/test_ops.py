"""How a base is watched: systemd's socket, parts that hang, its log, and what each part says of itself."""

import io
import json
import logging
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.base.parts import NOW
from tests.base.systemd import KEEPALIVE_S, Systemd
from tests.support import free_port
from trapbase.config import LogSettings, PageSettings, Settings
from trapbase.ops.log import ERROR, INFO, LONGEST, MOST_AT_ONCE, MS_A_LINE, WARNING, Libraries, Log, is_journal
from trapbase.ops.partfile import (
    FOLDER,
    GONE,
    HANGS,
    MAX_BYTES,
    RUNS,
    SILENT_MS,
    STOPPED,
    PartState,
    read_states,
    write_state,
)
from trapbase.ops.pulse import Pulse
from trapbase.ops.watch import AGAIN_MS, WRITE_EVERY_MS, Watch
from trapbase.parts import PATIENCE_S
from trapbase.run import Runner
from trapkit.errors import SetupError
from trapkit.notify import LONGEST_STATUS, Keepalive, Notifier, status

PATIENCE_MS = 60_000


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    there = Systemd(tmp_path)
    yield there
    there.close()


class Lines:
    """A log whose lines can be read, its time the test's."""

    def __init__(self, form: str = "json", *, journal: bool = False) -> None:
        self.stream = io.StringIO()
        self.at_ms = 0
        self.log = Log(form, self.stream, journal=journal, utc_ms=lambda: NOW, now_ms=lambda: self.at_ms)

    @property
    def text(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    @property
    def events(self) -> list[tuple[str, str, str]]:
        return [(e["level"], e["part"], e["event"]) for e in map(json.loads, self.text)]


# systemd


def test_without_systemd_nothing_is_said() -> None:
    quiet = Notifier({}, 1)
    assert quiet.keepalive_ms is None
    assert not quiet.tell("READY=1")
    assert not Notifier({"NOTIFY_SOCKET": "/nowhere/notify"}, 1).tell("READY=1"), "systemd is restarting"
    assert not Notifier({"NOTIFY_SOCKET": "vsock:2:1234"}, 1).tell("READY=1")


def test_an_abstract_socket_is_reached(tmp_path: Path) -> None:
    there = Systemd(tmp_path, abstract=True)
    assert there.notifier().tell("READY=1", "STATUS=x")
    assert there.heard() == ["READY=1", "STATUS=x"]
    there.close()


@pytest.mark.parametrize(
    ("given", "every_ms"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15_000),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 15_000),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),  # for another process
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "never"}, None),
        ({}, None),
    ],
)
def test_keepalives_are_due_in_half_of_what_systemd_waits(given: dict[str, str], every_ms: int | None) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/run/x"} | given, 7).keepalive_ms == every_ms


def test_a_loop_that_turns_is_alive_and_one_that_does_not_is_silent(systemd: Systemd) -> None:
    keepalive = Keepalive(systemd.notifier(WATCHDOG_USEC="10000000"))
    assert systemd.heard() == []
    for now_ms in (0, 4999, 5000, 5001, 9999):
        keepalive.turn(now_ms)
    assert systemd.heard() == ["READY=1", "WATCHDOG=1"]
    keepalive.turn(60_000)
    assert systemd.heard() == ["WATCHDOG=1"]
    unwatched = Keepalive(systemd.notifier(WATCHDOG_USEC=""))
    for now_ms in (0, 600_000):
        unwatched.turn(now_ms)
    assert systemd.heard() == ["READY=1"]


def test_a_status_is_one_bounded_line() -> None:
    assert status("ingest: a\nREADY=1\n  b") == "STATUS=ingest: a READY=1 b", "no line of its own"
    assert len(status("x" * 5000)) == len("STATUS=") + LONGEST_STATUS


# Parts


def test_a_part_hangs_when_its_turn_takes_longer_than_its_waits_allow() -> None:
    pulse = Pulse(["ingest", "forward"])
    assert not pulse.all_run
    for name, patience_ms in (("ingest", 1000), ("forward", 5000)):
        pulse.starts(name, patience_ms)
        pulse.beat(name, 0)
    assert pulse.all_run
    assert pulse.hanging(1000) == {}
    assert pulse.hanging(4000) == {"ingest": 4000}, "forward may be waiting for a silent back end"
    pulse.beat("ingest", 4000)
    assert pulse.hanging(5001) == {"forward": 5001, "ingest": 1001}


def test_systemd_hears_that_a_base_is_ready_once_every_part_runs(systemd: Systemd, tmp_path: Path) -> None:
    watch = Watch(["ingest", "page"], tmp_path, systemd.notifier(), Lines().log)
    watch.starts("ingest", PATIENCE_MS, 0)
    watch.step(0, NOW)
    assert not {"READY=1", "WATCHDOG=1"} & set(systemd.heard())
    watch.starts("page", PATIENCE_MS, 10)
    watch.step(10, NOW)
    assert {"READY=1", "WATCHDOG=1"} <= set(systemd.heard())
    watch.step(20, NOW)
    assert systemd.heard() == [], "once"


def test_a_part_that_hangs_costs_the_keepalive_until_it_turns_again(systemd: Systemd, tmp_path: Path) -> None:
    lines = Lines()
    watch = Watch(["ingest", "forward"], tmp_path, systemd.notifier(), lines.log)
    for name in ("ingest", "forward"):
        watch.starts(name, PATIENCE_MS, 0)
    kept = []
    for now_ms in range(0, 600_000, 250):
        watch.beat("forward", now_ms)
        if not 100_000 < now_ms < 400_000:
            watch.beat("ingest", now_ms)
        watch.step(now_ms, NOW + now_ms)
        heard = systemd.heard()
        kept += [now_ms] * ("WATCHDOG=1" in heard)
        if "STATUS=ingest: hangs" in heard:
            assert 160_000 < now_ms < 161_500
    assert [at for at in kept if 160_000 < at < 400_000] == []
    assert {0, 150_000, 400_000} <= set(kept)
    assert lines.events == [("error", "ingest", "hangs"), ("info", "ingest", "turns")]
    assert "its loop has not turned for 60 s; systemd gets no keepalive until it does" in lines.text[0]


def test_a_part_that_waits_for_a_silent_back_end_is_alive(systemd: Systemd, tmp_path: Path) -> None:
    """The slowest turn that the settings allow is within the patience that the part itself names."""
    from trapbase.parts import WAITS

    settings = Settings()
    watch = Watch(["forward"], tmp_path, systemd.notifier(), Lines().log)
    patience_ms = round((PATIENCE_S + WAITS * settings.upload.timeout_s) * 1000)
    watch.starts("forward", patience_ms, 0)
    slowest_ms = round(WAITS * settings.upload.timeout_s * 1000)
    kept = 0
    for now_ms in range(0, slowest_ms, 1000):
        watch.step(now_ms, NOW + now_ms)
        kept += systemd.heard().count("WATCHDOG=1")
    assert kept == -(-slowest_ms // (KEEPALIVE_S * 500))


def test_a_trouble_is_systemds_status_and_is_told_at_most_once_a_second(systemd: Systemd, tmp_path: Path) -> None:
    watch = Watch(["ingest", "gateway"], tmp_path, systemd.notifier(), Lines().log)
    for name in ("ingest", "gateway"):
        watch.starts(name, PATIENCE_MS, 0)
    watch.step(0, NOW)
    assert "STATUS=ingest, gateway: all is well" in systemd.heard()
    watch.says("gateway", "modem: gone", {}, NOW)
    watch.step(AGAIN_MS, NOW)
    assert "STATUS=gateway: modem: gone" in systemd.heard()
    for now_ms in range(AGAIN_MS + 1, 2 * AGAIN_MS):
        watch.says("gateway", "" if now_ms % 2 else "modem: gone", {}, NOW)
        watch.step(now_ms, NOW)
    assert systemd.heard() == []
    watch.stopping()
    assert systemd.heard() == ["STOPPING=1", "STATUS=ending"]


@pytest.fixture
def unblocked() -> Iterator[None]:
    """The runner blocks signals for its process."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.mark.usefixtures("unblocked")
def test_a_real_part_is_ready_lives_and_ends(systemd: Systemd, tmp_path: Path) -> None:
    settings = Settings(folder=str(tmp_path / "base"), page=PageSettings(port=free_port()))
    stop, lines = threading.Event(), Lines()
    (tmp_path / "base").mkdir()

    def other_side() -> None:
        systemd.wait_for("READY=1")
        systemd.wait_for("WATCHDOG=1")
        stop.set()

    watcher = threading.Thread(target=other_side)
    watcher.start()
    notifier = systemd.notifier(WATCHDOG_USEC="200000")
    assert Runner(settings, ["page"], stop, lines.log, notifier).run() == 0
    watcher.join()
    assert "STOPPING=1" in systemd.heard()
    assert lines.events == [("info", "page", "running")]
    assert f"running at http://127.0.0.1:{settings.page.port}" in lines.text[0]
    assert read_states(tmp_path / "base", ("page",))["page"].state == STOPPED


@pytest.mark.usefixtures("unblocked")
def test_a_part_that_cannot_start_is_named_and_is_never_ready(systemd: Systemd, tmp_path: Path) -> None:
    settings = Settings(folder=str(tmp_path / "base"), box_key=str(tmp_path / "none.key"))
    lines = Lines()
    assert Runner(settings, ["page"], threading.Event(), lines.log, systemd.notifier()).run() == 2
    assert lines.events == [("error", "page", "failed")]
    assert "READY=1" not in systemd.heard()


# What each part says of itself


def test_a_parts_state_is_written_now_and_then_and_at_once_when_it_changes(tmp_path: Path) -> None:
    written: list[PartState] = []

    def write(folder: Path, state: PartState) -> bool:
        written.append(state)
        return write_state(folder, state)

    watch = Watch(["ingest", "page"], tmp_path, Notifier({}, 1), Lines().log, write)
    watch.starts("ingest", PATIENCE_MS, 0)
    for now_ms in range(0, 2 * WRITE_EVERY_MS, 250):
        watch.beat("ingest", now_ms)
        watch.says("ingest", "disk: full" if now_ms >= 45_000 else "", {"bus_connected": 1}, NOW + now_ms)
        watch.step(now_ms, NOW + now_ms)
    assert [(s.written_ms - NOW, s.trouble) for s in written] == [
        (0, ""), (WRITE_EVERY_MS, ""), (45_000, "disk: full")
    ]  # fmt: skip
    assert {s.part for s in written} == {"ingest"}, "the page has not started"
    assert read_states(tmp_path, ("ingest", "page"))["ingest"] == PartState(
        part="ingest", written_ms=NOW + 45_000, state=RUNS, trouble="disk: full", since_ms=NOW + 45_000,
        figures={"bus_connected": 1},
    )  # fmt: skip
    watch.step(2 * WRITE_EVERY_MS + PATIENCE_MS, NOW)
    assert written[-1].state == HANGS
    watch.stopped(NOW)
    assert written[-1].state == STOPPED


def test_a_part_that_ended_without_a_word_is_gone(tmp_path: Path) -> None:
    state = PartState(part="ingest", written_ms=NOW, state=RUNS)
    assert state.at(NOW + SILENT_MS) == RUNS
    assert state.at(NOW + SILENT_MS + 1) == GONE
    assert state.at(NOW - SILENT_MS - 1) == GONE, "the clock was set back: a word from the future is none"
    assert PartState(part="ingest", written_ms=NOW, state=STOPPED).at(NOW + 10 * SILENT_MS) == STOPPED
    assert read_states(tmp_path, ("ingest",)) == {}


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "[" * 5000, "{}", '{"part": "ingest"}',
        '{"written_ms": "x", "state": "runs", "trouble": "", "since_ms": 0, "figures": {}}',
        '{"written_ms": 1, "state": "dances", "trouble": "", "since_ms": 0, "figures": {}}',
        '{"written_ms": 1, "state": "runs", "trouble": "", "since_ms": 0, "figures": []}',
        '{"written_ms": 1, "state": "runs", "trouble": [], "since_ms": 0, "figures": {}}', "x" * (MAX_BYTES + 10),
    ],
)  # fmt: skip
def test_a_damaged_state_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "ingest.json").write_text(text)
    assert read_states(tmp_path, ("ingest",)) == {}


def test_figures_from_a_file_are_names_and_whole_numbers(tmp_path: Path) -> None:
    said = {"good": 3, 'x"} 1\nup': 4, "Bad": 5, "float": 1.5, "true": True, "": 1}
    assert write_state(tmp_path, PartState(part="ingest", written_ms=1, state=RUNS, figures=said))  # type: ignore[arg-type]
    assert read_states(tmp_path, ("ingest",))["ingest"].figures == {"good": 3}


def test_a_disk_that_refuses_a_state_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("no folder")
    assert not write_state(tmp_path, PartState(part="ingest", written_ms=1, state=RUNS))
    watch = Watch(["ingest"], tmp_path, Notifier({}, 1), Lines().log)
    watch.starts("ingest", PATIENCE_MS, 0)
    watch.step(0, NOW)


# The log


def test_text_is_what_a_person_reads_and_the_default() -> None:
    assert Settings().log.format == LogSettings().format == "text"
    lines = Lines("text")
    lines.log.say(INFO, "ingest", "well", "all is well again")
    lines.log.say(ERROR, "page", "failed", "failed:\nTraceback\n  x")
    assert lines.text == ["trapbase: ingest: all is well again", "trapbase: page: failed:", "Traceback", "  x"]


def test_json_is_one_object_a_line_with_its_fields() -> None:
    lines = Lines()
    lines.log.say(WARNING, "forward", "trouble", 'outbox: "тигр"\nno room')
    assert json.loads(lines.text[0]) == {
        "time": "2025-11-21T01:00:00.000Z", "level": "warning", "part": "forward", "event": "trouble",
        "text": 'outbox: "тигр"\nno room',
    }  # fmt: skip
    assert len(lines.text) == 1


def test_the_journal_gets_a_level_before_every_line() -> None:
    lines = Lines("text", journal=True)
    lines.log.say(ERROR, "page", "failed", "failed:\nTraceback")
    lines.log.say(INFO, "page", "running", "running")
    assert lines.text == ["<3>trapbase: page: failed:", "<3>Traceback", "<6>trapbase: page: running"]
    told = Lines("json", journal=True)
    told.log.say(WARNING, "page", "trouble", "x")
    assert re.match(r'<4>\{"time"', told.text[0])


def test_the_journal_is_known_by_device_and_inode(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        there = os.fstat(file.fileno())
        assert is_journal(file, {"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"})
        assert not is_journal(file, {"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino + 1}"}), "it was redirected"
        assert not is_journal(file, {})
    assert not is_journal(None, {})
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:1"})


def test_lines_are_bounded_in_number_and_length_and_what_is_left_out_is_counted() -> None:
    lines = Lines()
    for _ in range(MOST_AT_ONCE + 50):
        lines.log.say(INFO, "gateway", "trouble", "x" * 20_000)
    assert len(lines.text) == MOST_AT_ONCE
    assert len(json.loads(lines.text[0])["text"]) == LONGEST
    lines.at_ms += 3 * MS_A_LINE
    for _ in range(5):
        lines.log.say(INFO, "gateway", "trouble", "again")
    assert [json.loads(line)["text"] for line in lines.text[MOST_AT_ONCE:]] == [
        "50 lines were left out: too many at once", "again", "again", "again",
    ]  # fmt: skip


def test_a_log_that_nobody_can_write_stops_nobody() -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        Log("text", stream, utc_ms=lambda: 0, now_ms=lambda: 0).say(INFO, "page", "running", "running")


def test_libraries_speak_through_the_same_lines() -> None:
    lines = Lines()
    logger = logging.Logger("uvicorn.error")
    logger.addHandler(Libraries(lines.log, "page"))
    logger.info("chatter")
    logger.warning("Invalid HTTP request received.")
    logger.error("it broke")
    assert lines.events == [("warning", "page", "uvicorn.error"), ("error", "page", "uvicorn.error")]


def test_another_form_of_log_is_named(tmp_path: Path) -> None:
    from trapkit.settings import load_settings

    path = tmp_path / "base.toml"
    path.write_text('[log]\nformat = "xml"\n')
    with pytest.raises(SetupError, match=r"key 'log\.format' is 'xml'"):
        load_settings(Settings, path)
