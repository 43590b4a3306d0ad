"""What can be seen of a base: `status` on one screen, figures for Prometheus; quick with a million events."""

import asyncio
import json
import os
import pty
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.base.parts import BOX, EPOCH, NOW, TRAPS, Base, alert, deliver, envelope, sighting
from tests.base.test_view import heard, trap, view
from trapbase.cli import main
from trapbase.config import BatchSettings, PageSettings, Settings, UploadSettings
from trapbase.gate import CLOSED, OPEN
from trapbase.look.facts import figures_of, needs_rows
from trapbase.look.metrics import Figures, metrics_text
from trapbase.look.screen import Screen, render
from trapbase.look.words import custody_words, parts_words, uplink_words
from trapbase.moments import moment
from trapbase.ops.partfile import HANGS, RUNS, SILENT_MS, STOPPED, PartState, write_state
from trapbase.page import create_page
from trapbase.places import Places
from trapbase.reader import Reader
from trapbase.store import Store
from trapbase.view import stations_of, zones_of
from trapbase.view_needs import NEVER_SET_MS, needs
from trapsim.backend_direct import DirectOutlet
from trapsim.memorybus import MemoryBroker
from trapwire.objects import ALERT

Row = dict[str, Any]
HOUR_MS = 3_600_000
TERMINAL = (80, 23)  # 80x24, the last line the shell's


def runs(part: str, trouble: str = "", *, ago_ms: int = 0, since_ms: int = 0, state: str = RUNS) -> PartState:
    return PartState(part=part, written_ms=NOW - ago_ms, state=state, trouble=trouble, since_ms=since_ms)


def notes(*states: PartState, now_ms: int = NOW, settings: Settings | None = None, **rows: list[Row]) -> list[str]:
    names = ("traps", "sightings", "late", "waiting_by_trap", "conflicts")
    given = {name: rows.get(name, []) for name in (*names, "oldest", "receipts_waiting")}
    parts = {state.part: state for state in states}
    settings = settings or Settings()
    return needs(settings, given, [], {}, now_ms, free_bytes=None, modem=None, parts=parts)


def fetch(settings: Settings, path: str, client: str = "127.0.0.1") -> httpx.Response:
    """What the page answers to a client at that address."""

    async def ask() -> httpx.Response:
        app = create_page(settings, bytes(BOX), threading.Event())
        transport = httpx.ASGITransport(app=app, client=(client, 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as session:
            return await session.get(path)

    return asyncio.run(ask())


def fleet(count: int, **health: int) -> list[Row]:
    """Stations of the view, `count` traps; those of `health` by number have a battery of so many percent."""
    low = {int(name[1:]): percent for name, percent in health.items()}
    listed = {n: trap(n, f"S{n:03}") for n in range(1, count + 1)}
    rows = [heard(n, ago_ms=60_000 * n, battery=low.get(n, 80)) for n in listed]
    found = stations_of(Settings(trap=tuple(listed.values())), listed, rows, zones_of(Settings(), listed), set())
    return [one | {"station": station["name"]} for station in found for one in station["traps"]]


def screen(**more: Any) -> Screen:
    given = {"name": "north", "now": moment(NOW, zones_of(Settings(), {1: TRAPS[1]})[1]), "now_ms": NOW}
    base = [("custody", "812 objects signed for"), ("modem", "last word 21 Nov 2025, " * 9), ("disk", "40 GiB free")]
    return Screen(**(given | {"base": base} | more))


# What needs a person


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([], []),
        ([runs("ingest"), runs("gateway")], []),
        ([runs("ingest", "disk: full")], ["ingest: disk: full"]),
        ([runs("ingest", "disk: full", since_ms=NOW - 3 * HOUR_MS)], ["ingest, for 3 h: disk: full"]),
        ([runs("ingest", state=HANGS), runs("page")], ["ingest hangs: systemd starts the base again"]),
        (
            [runs("ingest"), runs("gateway", ago_ms=HOUR_MS)],
            ["gateway has said nothing for 60 min: start"],
        ),
        ([runs("ingest"), runs("gateway", state=STOPPED, ago_ms=HOUR_MS)], ["gateway has not run for 60 min: start"]),
        (
            [runs("page"), *(runs(name, state=STOPPED, ago_ms=9000) for name in ("ingest", "gateway"))],
            ["ingest, gateway have not run for 9.0 s: start `trapbase run`, it says why not."],
        ),
        ([runs(name, ago_ms=3 * HOUR_MS) for name in ("ingest", "page")], ["The base is not running for 3 h: traps"]),
        ([runs("ingest", "old", state=STOPPED)], ["The base is not running: traps keep what they have."]),
    ],
)
def test_a_part_that_is_in_trouble_hangs_or_is_gone_is_told(states: list[PartState], words: list[str]) -> None:
    found = notes(*states)
    assert len(found) == len(words), found
    assert all(note.startswith(start) for note, start in zip(found, words, strict=True)), found


def test_a_trouble_that_its_batch_says_too_is_told_once() -> None:
    late = [{"last_error": "back end: POST: timed out", "state": "cut"}]
    assert notes(runs("forward", "back end: POST: timed out"), late=late) == [
        "1 batches are not through to the back end. back end: POST: timed out"
    ]


@pytest.mark.parametrize(
    ("waits_for", "hours", "url", "words"),
    [
        ("batch", 1, "", None),
        ("batch", 3, "", "Sightings wait for a batch for 3 h: that is forward's; it is not running"),
        ("upload", 30, "", None),  # everything is kept here
        ("upload", 5, "http://x", None),
        ("upload", 7, "http://x", "A batch has waited for its upload for 7 h."),
    ],
)
def test_what_waits_longer_than_the_settings_let_it_is_late(
    waits_for: str, hours: int, url: str, words: str | None
) -> None:
    settings = Settings(batch=BatchSettings(max_age_s=300, max_wait_s=3600), upload=UploadSettings(url=url))
    found = notes(settings=settings, oldest=[{"waits_for": waits_for, "since_ms": NOW - hours * HOUR_MS}])
    assert len(found) == (words is not None)
    assert words is None or found[0].startswith(words)


def test_receipts_that_a_heard_trap_does_not_take_are_told() -> None:
    waiting = [{"trap": 3, "count": 4, "since_ms": NOW - 72 * HOUR_MS}]
    (note,) = notes(traps=[heard(3)], receipts_waiting=waiting)
    assert note.startswith("Trap 3 has not taken 4 receipts, the oldest for 3 days, though it is heard.")
    assert "`trapbase again --trap 3`" in note
    silent = notes(traps=[heard(3, ago_ms=30 * HOUR_MS), heard(1)], receipts_waiting=waiting)
    assert silent == [], "its silence is told elsewhere"


def test_a_clock_that_was_never_set_is_told() -> None:
    assert notes(now_ms=1_000_000)[0].startswith("This base's clock was never set")
    assert notes(now_ms=NEVER_SET_MS) == []


# A trap without a word by radio


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A base that has two sightings of trap 3, and nobody has heard any trap by radio."""
    broker = MemoryBroker()
    base = Base(tmp_path / "base", broker, DirectOutlet(None))
    for number in (1, 2):
        body = alert(NOW + number * 1000)
        broker.deliver(f"pugmark/1/up/3/{'alert'}", envelope(3, number, ALERT, body).encode(), {})
    base.run(0, 1000)
    base.close()
    return tmp_path / "base"


def test_a_trap_that_sends_by_a_network_has_its_sightings_and_a_last_word(network: Path) -> None:
    reader = Reader(network)
    (row,) = reader.traps()
    reader.close()
    assert (row["trap"], row["sightings"], row["heard_ms"], row["health"]) == (3, 2, None, {})
    assert NOW <= row["came_ms"] < NOW + 1000
    shown = view(trap(3, "A"), traps=[row])
    ((one,),) = [s["traps"] for s in shown.stations]
    assert one["sightings"] == 2
    assert one["heard"]["ms"] == row["came_ms"]
    assert one["came"]
    assert not one["by_radio"]
    assert shown.notes == []
    assert not shown.is_empty


def test_such_a_trap_is_silent_after_two_days_without_its_daily_line() -> None:
    row = heard(3) | {"heard_ms": None, "snr_db": None, "rssi_dbm": None}
    both = (trap(1, "A"), trap(3, "A"))
    assert view(*both, traps=[heard(1), row | {"came_ms": NOW - 49 * HOUR_MS}]).notes == []
    (note,) = view(*both, traps=[heard(1), row | {"came_ms": NOW - 51 * HOUR_MS}]).notes
    assert note.startswith("A, trap 3 has been silent for 2 days")


def test_the_page_says_by_which_way_the_last_word_came(network: Path) -> None:
    settings = Settings(folder=str(network), trap=tuple(TRAPS.values()))
    text = fetch(settings, "/").text
    assert "by network or stick" in text
    assert text.count("by network or stick") == 1


# One screen


@pytest.mark.parametrize("colours", [False, True])
def test_forty_traps_and_many_troubles_fit_a_terminal(colours: bool) -> None:
    shown = screen(
        alarms=["ALARM trap 7: the lid was opened and nobody had said that they would come"],
        needs=[f"S{n:03}, trap {n}: {'words ' * 30}" for n in range(1, 20)],
        traps=fleet(40, t7=5, t9=3, t11=4),
        more=[f"asked of trap {n}: sf = 10: waits" for n in range(20)],
    )
    lines = render(shown, TERMINAL, colours=colours)
    assert len(lines) == 23
    plain = [line.removesuffix("\x1b[0m").split("m", 1)[-1] if line.startswith("\x1b") else line for line in lines]
    assert all(len(line) <= 80 for line in plain)
    assert plain[0].startswith("north: 20 things need a person")
    assert plain[1].startswith("! ALARM trap 7")
    assert any("more troubles: trapbase status | less" in line for line in plain)
    assert [line.split()[2] for line in plain if line.startswith("! trap")] == ["11", "9", "7"]
    assert any("37 more traps are well: trapbase status | less" in line for line in plain)
    assert plain[-1].startswith("disk:")
    assert any("\x1b[1;31m" in line for line in lines) == colours


def test_a_fleet_that_is_well_says_so_and_counts_what_it_does_not_show() -> None:
    lines = render(screen(traps=fleet(40)), TERMINAL)
    assert lines[0] == "north: all is well  (21 Nov 2025, 01:00:00 UTC)"
    assert lines[1].split() == ["trap", "1", "S001", "single", "60", "s", "ago", "0", "seen", "80", "%", "18", "dB"]
    (rest,) = [line for line in lines if "more traps" in line]
    assert rest.endswith("more traps are well: trapbase status | less")
    assert len(lines) <= 23


def test_a_pipe_gets_every_line_whole() -> None:
    lines = render(screen(traps=fleet(40, t9=3), needs=["x" * 300]), None)
    assert "! " + "x" * 300 in lines
    assert sum(" trap " in line for line in lines) == 40
    assert not any("\x1b" in line for line in lines)


@pytest.mark.parametrize("size", [(40, 5), (1, 1), (300, 100), (80, 12)])
def test_any_terminal_will_do(size: tuple[int, int]) -> None:
    lines = render(screen(traps=fleet(5, t2=3), needs=["needs " * 20] * 3, more=["more"]), size)
    assert lines[0].startswith("north: 3 things need a person")
    assert all(len(line) <= max(40, size[0]) for line in lines)


def test_the_words_of_what_waits() -> None:
    summary = {
        "objects": {"receipted": 4, "stored": 2},
        "batches": {"cut": 1, "uploaded": 1},
        "receipts": {"signed": 2},
    }
    assert custody_words(summary, {"batch": NOW - 3 * HOUR_MS}, NOW) == (
        "4 objects signed for, 2 objects wait for a batch (oldest 3 h), 1 batches for their upload, "
        "1 for a signature, 2 receipts for their traps"
    )
    assert uplink_words(Settings(), None, NOW).startswith("no back end (upload.url)")
    settings = Settings(upload=UploadSettings(url="http://x"))
    assert uplink_words(settings, NOW - 60_000, NOW) == "http://x, last signature 60 s ago"
    assert uplink_words(settings, None, NOW) == "http://x, nothing signed yet"
    states = {"ingest": runs("ingest"), "page": runs("page"), "forward": runs("forward", ago_ms=SILENT_MS + 1)}
    assert parts_words(states, NOW) == "ingest, page run; forward said nothing of late"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    Store(tmp_path / "base").close()
    path = tmp_path / "base.toml"
    path.write_text(f'folder = "{tmp_path}/base"\n')
    return path


def test_on_a_terminal_status_keeps_to_its_size_and_has_colours(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_state(config.parent / "base", runs("ingest", "disk: full"))
    master, slave = pty.openpty()
    try:
        with os.fdopen(slave, "w") as terminal:
            monkeypatch.setattr("sys.stdout", terminal)
            for name, value in (("COLUMNS", "60"), ("LINES", "20"), ("TERM", "xterm")):
                monkeypatch.setenv(name, value)
            monkeypatch.delenv("NO_COLOR", raising=False)
            assert main(["status", "--config", str(config)]) == 0
            terminal.flush()
            shown = os.read(master, 65536).decode().replace("\r\n", "\n").splitlines()
    finally:
        os.close(master)
    assert shown[0].startswith("\x1b[33mbase: 1 thing needs a person")
    assert shown[1].startswith("\x1b[33m! The base is not running")
    assert len(shown) <= 19


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_check_is_for_monitoring(config: Path, capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    assert main(["status", "--check", *more, "--config", str(config)]) == 0
    write_state(config.parent / "base", runs("ingest", state=STOPPED))
    assert main(["status", *more, "--config", str(config)]) == 0
    assert main(["status", "--check", *more, "--config", str(config)]) == 1
    if more:
        last = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert last["well"] is False
        assert last["parts"]["ingest"]["state"] == STOPPED


# Figures for Prometheus


def families(text: str) -> dict[str, Any]:
    """Read by Prometheus' own parser: by name, each its type and samples by labels."""
    return {
        family.name: (family.type, {tuple(sorted(s.labels.items())): s.value for s in family.samples})
        for family in text_string_to_metric_families(text)
    }


def way(name: str, **more: Any) -> dict[str, Any]:
    """A way out, as `view_outlets.outlet_rows` has it."""
    row = {"name": name, "kind": "webhook", "state": CLOSED, "trouble": False, "waiting": 0, "oldest_ms": None}
    return row | {"sent": 0, "aside_count": 0, "spent_bytes": 0} | more


def test_every_figure_is_read_by_prometheus_own_parser() -> None:
    parts = {
        "ingest": PartState(part="ingest", written_ms=NOW, state=RUNS, trouble="x", figures={"bus_connected": 1}),
        "gateway": PartState(part="gateway", written_ms=0, state=RUNS, figures={"frames": 7}),
    }
    modem = {"trouble": "", "said_ms": NOW - 500, "heard": 3, "given": 2, "sent": 1}
    row = heard(7, battery=80, queued=2) | {"word_ms": NOW}
    found = families(
        metrics_text(
            Figures(
                now_ms=NOW,
                parts=parts,
                modem=modem,
                free_bytes=5 << 30,
                summary={"objects": {"stored": 3}, "counters": {"garbage": 9}},
                oldest={"batch": NOW - 90_500},
                traps=[row, heard(8, snr_db=None) | {"word_ms": None}],
                floor_db=-12.5,
                alarms=1,
                needs=2,
                ways=[
                    way("upload", kind="tus", state=OPEN, trouble=True, spent_bytes=2048),
                    way("rangers", waiting=4, oldest_ms=NOW - 60_000, aside_count=2, sent=11),
                ],
            )
        )
    )
    assert all(name.startswith("pugmark_") for name in found)
    assert found["pugmark_objects"] == ("gauge", {
        (("state", "stored"),): 3, (("state", "batched"),): 0, (("state", "receipted"),): 0
    })  # fmt: skip
    assert found["pugmark_garbage"] == ("counter", {(): 9})
    assert found["pugmark_oldest_seconds"][1][(("waits_for", "batch"),)] == 90.5
    assert found["pugmark_trap_word_timestamp_seconds"][1] == {(("trap", "7"),): NOW / 1000}
    assert found["pugmark_trap_radio_margin_db"][1] == {(("trap", "7"),): 18.5}
    assert found["pugmark_trap_battery_percent"][1] == {(("trap", "7"),): 80}
    assert found["pugmark_part_up"][1] == {(("part", "ingest"),): 1, (("part", "gateway"),): 0}
    assert found["pugmark_part_trouble"][1] == {(("part", "ingest"),): 1, (("part", "gateway"),): 0}
    assert found["pugmark_part_frames"] == ("counter", {(("part", "gateway"),): 7})
    assert found["pugmark_bus_connected"] == ("gauge", {(("part", "ingest"),): 1})
    assert found["pugmark_modem_word_timestamp_seconds"][1] == {(): (NOW - 500) / 1000}
    assert (found["pugmark_alarms"][1], found["pugmark_needs_person"][1]) == ({(): 1}, {(): 2})
    rangers, upload = ((("outlet", name),) for name in ("rangers", "upload"))
    assert found["pugmark_outlet_waiting"] == ("gauge", {rangers: 4})
    assert found["pugmark_outlet_oldest_seconds"][1] == {rangers: 60}
    assert found["pugmark_outlet_aside"][1] == {rangers: 2}
    assert found["pugmark_outlet_sent"] == ("counter", {rangers: 11})
    assert {labels for labels, value in found["pugmark_outlet_breaker"][1].items() if value} == {
        (*upload, ("state", "open")),
        (*rangers, ("state", "closed")),
    }
    assert len(found["pugmark_outlet_breaker"][1]) == 6
    assert found["pugmark_outlet_trouble"][1] == {upload: 1, rangers: 0}
    assert found["pugmark_outlet_day_bytes"][1] == {upload: 2048, rangers: 0}


@pytest.mark.parametrize(
    ("allowed", "client", "status"),
    [
        ("loopback", "127.0.0.1", 200), ("loopback", "::1", 200), ("loopback", "10.0.0.7", 404),
        ("loopback", "testclient", 404), ("off", "127.0.0.1", 404), ("everywhere", "10.0.0.7", 200),
    ],
)  # fmt: skip
def test_who_gets_figures(tmp_path: Path, allowed: str, client: str, status: int) -> None:
    settings = Settings(folder=str(tmp_path / "base"), page=PageSettings(metrics=allowed))
    answer = fetch(settings, "/metrics", client)
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert families(answer.text)["pugmark_objects"]


def test_figures_say_no_key_and_no_position(tmp_path: Path) -> None:
    broker = MemoryBroker()
    base = Base(tmp_path, broker, DirectOutlet(None))
    deliver(broker, *sighting(1, 1), *sighting(3, 1))
    base.run(0, 1000)
    base.close()
    settings = Settings(folder=str(tmp_path), trap=tuple(TRAPS.values()))
    text = fetch(settings, "/metrics").text
    assert "pugmark_trap_word_timestamp_seconds" in text
    for secret in ("43.1", "131.4", "43.5", "S001", bytes(BOX).hex(), f"{EPOCH:08x}"):
        assert secret not in text


# A million events


def plans(ask: Callable[[Reader], object], folder: Path) -> list[str]:
    """How SQLite goes about every query that `ask` makes, by its own word."""
    reader = Reader(folder)
    asked: list[str] = []
    reader._db.set_trace_callback(asked.append)
    ask(reader)
    reader._db.set_trace_callback(None)
    found = []
    for query in asked:
        if query.lstrip().upper().startswith(("SELECT", "WITH", "--")):
            found += [row[3] for row in reader._db.execute("EXPLAIN QUERY PLAN " + query)]
    reader.close()
    return found


def test_figures_and_what_needs_a_person_look_at_no_table_of_millions_as_a_whole(tmp_path: Path) -> None:
    Store(tmp_path).close()
    settings = Settings(folder=str(tmp_path), trap=tuple(TRAPS.values()))
    places = Places(listed=TRAPS)
    steps = plans(lambda reader: figures_of(settings, reader, places, NOW), tmp_path)
    assert len(steps) > 30
    # Of what waits there is little: its index may be read as a whole.
    whole = {step for step in steps if step.startswith(("SCAN objects", "SCAN o ", "SCAN events", "SCAN e "))}
    assert {step for step in whole if "INDEX objects_waiting" not in step} == set()
    of_a_trap = {
        "SEARCH objects USING INDEX sqlite_autoindex_objects_1 (trap=?)",
        "SEARCH e USING PRIMARY KEY (trap=?)",
    }
    assert of_a_trap & set(steps) == set(), "all of a trap is nearly as much as all"


def test_counts_by_state_are_those_of_the_rows(tmp_path: Path) -> None:
    broker = MemoryBroker()
    base = Base(tmp_path, broker, DirectOutlet(None))
    deliver(broker, *sighting(1, 1), *sighting(9, 1))
    base.run(0, 13_000)
    reader = Reader(tmp_path)
    db = sqlite3.connect(tmp_path / "base.sqlite3")
    rows = dict(db.execute("SELECT state, count(*) FROM objects GROUP BY state"))
    assert reader.summary()["objects"] == rows == {"batched": 2, "stored": 2}
    waits = {row["waits_for"]: row["since_ms"] for row in reader.rows("oldest", "[1, 2, 3]")}
    assert set(waits) == {"upload"}, "a stranger's objects wait for a person"
    assert {row["waits_for"] for row in reader.rows("oldest", "[9]")} == {"batch", "upload"}
    assert needs_rows(reader, [1], reader.traps())["late"][0]["last_error"] == "back end: it is down"
    db.close()
    reader.close()
    base.close()
