"""A unit's log and its longer heartbeat at the base: asked for, heard, kept once, shown in words; hostile words too."""

import json
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.base.parts import NOW
from tests.base.test_asking import EVERY_MS, World
from tests.base.test_view import heard, trap, view
from trapbase.asking import FORGET_MS, LOG_DONE_MS, read_log_ask, read_setting
from trapbase.cli import main
from trapbase.reader import Reader
from trapbase.request_store import MAX_ENTRIES
from trapbase.requests import MAX_LOG_BYTES, read_log
from trapbase.unit_words import EVENTS, entry_words, fault_words, health_words, state_words
from trapkit import topics
from trapwire import events, unitstates
from trapwire.basewords import LOG_ENTRY, LOG_EVERY_MS
from trapwire.errors import WireError
from trapwire.frame import HEARTBEAT, LOG
from trapwire.payloads import Heartbeat
from trapwire.words import LOG_WANTED, encode_log

TRUE_S = 185_850_000  # 2025-11-21 01:00:00 UTC
HEALTH = {"state": 0, "fault": events.PI_CUT, "days_left": 212, "temperature_c": -21, "battery_mv": 6312}


def entry(code: int, value: int, time_s: int = TRUE_S, *, is_true: bool = True) -> bytes:
    return struct.pack(LOG_ENTRY, time_s, code | (128 if is_true else 0), value)


CUT = entry(events.PI_CUT, 3)
START = entry(events.START, 2, 90_061, is_true=False)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "base")
    yield world
    world.close()


def asked(world: World) -> list[tuple[int, ...]]:
    return [item for item in world.line.items if item[0] == LOG_WANTED]


def rows(world: World) -> list[tuple[int, ...]]:
    reader = Reader(world.folder)
    try:
        found = reader.rows("log_entries", 1, 100_000)
    finally:
        reader.close()
    return sorted((r["sequence"], r["time_s"], r["is_true"], r["code"], r["value"]) for r in found)


def test_an_ask_goes_down_and_the_entries_come_back_once(world: World) -> None:
    world.requests.ask_log(1, 0, 3, NOW)
    world.run(EVERY_MS)
    world.hear()
    assert asked(world) == [(LOG_WANTED, 0, 3)]
    for _ in range(2):  # the answer to the first frame was lost
        world.hear(LOG, encode_log(700, 1, CUT + START))
    assert asked(world) == []
    assert world.states() == [("open", None)]
    world.hear(LOG, encode_log(702, 0, CUT))
    assert world.states() == [("done", None)]
    expected = [(700, TRUE_S, 1, 27, 3), (701, 90_061, 0, 16, 2), (702, TRUE_S, 1, 27, 3)]
    assert rows(world) == expected
    world.run(2 * LOG_DONE_MS)
    world.hear()
    assert asked(world) == []


def test_it_is_said_again_until_it_comes(world: World) -> None:
    world.requests.ask_log(1, 700, 3, NOW)
    world.run(EVERY_MS)
    world.hear()
    world.hear()
    assert asked(world) == []
    world.run(LOG_EVERY_MS)
    world.hear()
    assert asked(world) == [(LOG_WANTED, 700, 3)]


def test_entries_that_the_bus_lost_are_asked_for_again(world: World) -> None:
    world.requests.ask_log(1, 0, 3, NOW)
    world.run(EVERY_MS)
    world.hear()
    bus, world.ingest._bus.queue = world.ingest._bus, type(world.ingest._bus.queue)()
    world.gateway._bus.publish = lambda *_args: True  # taken, and gone
    world.hear(LOG, encode_log(700, 0, CUT))
    del world.gateway._bus.publish
    assert bus.queue is not None
    assert world.states() == [("open", None)]
    world.run(LOG_DONE_MS + 2 * EVERY_MS)
    world.hear()
    assert asked(world) == [(LOG_WANTED, 0, 3)]
    world.hear(LOG, encode_log(700, 0, CUT))
    assert world.states() == [("done", None)]
    assert len(rows(world)) == 1


def test_a_new_ask_overtakes_and_the_old_excerpts_end_is_not_its_end(world: World) -> None:
    world.requests.ask_log(1, 0, 3, NOW)
    world.run(EVERY_MS)
    world.hear()
    world.requests.ask_log(1, 100, 9, NOW)
    world.run(EVERY_MS)
    world.counter += 1  # the old one's last frame comes without poll: nothing is told with it
    frame = world.line.key.seal(LOG, False, world.counter, encode_log(700, 0, CUT))
    world.line.heard.append((0x22, struct.pack(">hb", -97, 25) + frame))
    world.run(500)
    assert world.states() == [("overtaken", None), ("open", None)]
    world.hear()
    assert asked(world) == [(LOG_WANTED, 100, 9)]
    world.hear(LOG, encode_log(100, 0, CUT))
    assert world.states() == [("overtaken", None), ("done", None)]
    assert [row[0] for row in rows(world)] == [100, 700]


def test_what_nobody_asks_for_any_more_is_forgotten(world: World) -> None:
    world.requests.ask_log(1, 0, 3, NOW)
    world.run(EVERY_MS)
    world.requests._db.execute("DELETE FROM requests")
    world.run(FORGET_MS + EVERY_MS)
    world.hear()
    assert asked(world) == []


def test_entries_that_nobody_asked_for_are_kept_and_a_log_of_nothing_settles(world: World) -> None:
    world.hear(LOG, encode_log(5, 0, START))
    assert len(rows(world)) == 1
    world.requests.ask_log(1, 0, 3, NOW)
    world.run(EVERY_MS)
    world.hear()
    world.hear(LOG, encode_log(0xFFFFFFFF, 0, b""))
    assert world.states() == [("done", None)]


def test_a_trap_fills_no_disk(world: World) -> None:
    for first in range(0, MAX_ENTRIES + 200, 100):
        added = [(TRUE_S, True, 1, i) for i in range(100)]
        world.requests.add_entries(1, None, first, 0, added, NOW)
    assert len(rows(world)) == MAX_ENTRIES
    assert rows(world)[-1][0] == MAX_ENTRIES + 199


def test_the_longer_heartbeat_arrives_with_all_it_says(world: World) -> None:
    world.hear(HEARTBEAT, Heartbeat({"uptime_s": 9, "battery": 77, **HEALTH}).encode(99))
    reader = Reader(world.folder)
    health = reader.traps()[0]["health"]
    reader.close()
    assert {name: health[name] for name in HEALTH} == HEALTH
    assert len(health) == 15
    world.hear(HEARTBEAT, Heartbeat({"uptime_s": 9, "battery": 77}).encode())
    reader = Reader(world.folder)
    assert "state" not in reader.traps()[0]["health"]
    reader.close()


def test_messages_that_cannot_be() -> None:
    good = {"command": 3, "first": 0, "count": 20}
    assert read_log_ask(json.dumps(good).encode()) == (3, 0, 20)
    for name, value in (("command", 65536), ("command", -1), ("first", 1 << 32), ("count", 256), ("count", True)):
        with pytest.raises(WireError):
            read_log_ask(json.dumps(good | {name: value}).encode())
    assert read_log_ask(json.dumps({"command": 1, "setting": "sf", "value": 9}).encode()) is None
    with pytest.raises(WireError):
        read_setting(json.dumps(good).encode())
    log = {"command": None, "log": encode_log(5, 0, CUT).hex()}
    assert read_log(json.dumps(log).encode()) == (None, 5, 0, [(TRUE_S, True, 27, 3)])
    for wrong in ({"command": "x"}, {"command": 65536}, {"log": 5}, {"log": "zz"}, {"log": "00"}, {"log": ["00"]}):
        with pytest.raises(WireError):
            read_log(json.dumps(log | wrong).encode())
    with pytest.raises(WireError):
        read_log(b" " * (MAX_LOG_BYTES + 1))
    assert read_log(json.dumps({"command": 1, "outcome": "done", "value": 9}).encode()) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["command", "log", "first"]), inner),
    max_leaves=5,
)


@given(json_values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=300))
@settings(max_examples=300)
def test_garbage_raises_nothing_but_wire_errors(payload: bytes) -> None:
    for read in (read_log, read_log_ask):
        with suppress(WireError):
            read(payload)


def test_a_hostile_bus_changes_nothing(world: World) -> None:
    stranger = world.broker.connect("stranger", ())
    for payload in (b"{}", b'{"log": "' + b"00" * 300 + b'"}', b'{"command": 1, "log": null}', b"[1]"):
        stranger.publish(topics.answer(1), payload)
        stranger.publish(topics.setting(1), payload)
    world.run(1000)
    assert rows(world) == []
    world.hear(LOG, encode_log(5, 0, START))
    assert len(rows(world)) == 1


# Words


def test_every_entry_has_words_whatever_its_value() -> None:
    for code in range(128):
        for value in (0, 1, 255, 256, 65535):
            words = entry_words(code, value)
            assert words
            assert "None" not in words
            assert "#" not in words
            assert (code in EVENTS) != words.startswith(f"event {code},")
    assert entry_words(events.PI_CUT, 1) == "camera computer (Pi) cut off: it did not halt"
    assert entry_words(events.STATE, 2) == "from parked to shooting"
    assert entry_words(events.BASE_LOST, 3) == "base not heard: 3 days"
    assert entry_words(events.REPEATED, events.PIR_STUCK << 8 | 255) == (
        "motion sensor is stuck: 255 or more times more, not written down"
    )
    assert entry_words(events.REPEATED, events.STATE << 8 | 1) == "another state: once more, not written down"
    assert entry_words(events.LID_OPENED, 0) == "lid opened in service"


def test_states_and_faults_in_words() -> None:
    assert state_words(unitstates.PARKED) == "asleep until something moves"
    assert "does not know" in state_words(200)
    assert (state_words(None), fault_words(0), fault_words(None)) == ("", "", "")
    assert health_words({}) == []
    assert health_words(HEALTH) == [
        "asleep until something moves",
        "battery for about 212 days",
        "−21 °C",
        "fault in the last day: camera computer (Pi) cut off",
    ]
    assert health_words({"state": 1, "days_left": 65535, "temperature_c": -128, "fault": 0}) == ["awake, camera warm"]


def test_the_page_says_it_too() -> None:
    shown = view(trap(1, "S1"), trap(2, "S1"), traps=[heard(1, **HEALTH), heard(2, battery=80)])
    first, second = shown.stations[0]["traps"]
    assert (first["state"], first["days_left"], first["degrees"]) == ("asleep until something moves", 212, "−21 °C")
    assert (second["state"], second["fault"], second["days_left"], second["degrees"]) == ("", "", None, "")
    assert [note for note in shown.notes if "camera computer (Pi) cut off" in note and "trapbase log 1" in note]


def test_what_needs_a_visit_is_pointed_out_once() -> None:
    low = {"battery": 9, "days_left": 6, "fault": events.BATTERY_LOW}
    units = (
        heard(1, state=unitstates.SAVING, **low),
        heard(2, state=unitstates.SAFE),
        heard(3, battery=60, days_left=6),
    )
    shown = view(*(trap(number, "S1") for number in (1, 2, 3)), traps=list(units))
    assert [note.partition(".")[0] for note in shown.notes] == [
        "S1, trap 1 saves its battery and sends alerts only, no pictures",
        "S1, trap 2 started again and again, and leaves its camera off for hours",
        "S1, trap 3: battery at 60 %, for about 6 days",
    ]
    few = [unit["days_few"] for unit in shown.stations[0]["traps"]]
    assert few == [True, False, True], "a unit that says no days has not few"


# The command


@pytest.fixture
def config(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "base.toml"
    path.write_text(
        f'folder = "{world.folder}"\nzone = "Asia/Vladivostok"\n'
        '[[trap]]\nnumber = 1\nstation = "S1"\nside = "single"\nlatitude = 1\nlongitude = 1\n'
    )
    return path


def test_the_command_asks_and_shows(world: World, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def log(*more: str) -> int:
        return main(["log", "1", "--config", str(config), *more])

    assert log() == 0
    assert "nothing of trap 1's log is here" in capsys.readouterr().err
    assert log("--ask", "20", "--from", "7") == 0
    assert "asked for 20 entries" in capsys.readouterr().err
    world.run(EVERY_MS)
    world.hear()
    assert asked(world) == [(LOG_WANTED, 7, 20)]
    world.hear(LOG, encode_log(9_000_000, 0, CUT))  # of a flash that is gone
    world.hear(LOG, encode_log(700, 0, CUT + START + entry(99, 5)))
    assert log() == 0
    assert capsys.readouterr().out.splitlines() == [
        "9000000  21 Nov 2025, 11:00:00 UTC+10  camera computer (Pi) cut off: battery gave way under it",
        "700  21 Nov 2025, 11:00:00 UTC+10  camera computer (Pi) cut off: battery gave way under it",
        "701  its clock at 1 day, 1:01:01  started: by the watchdog",
        "702  21 Nov 2025, 11:00:00 UTC+10  event 99, which this base does not know: value 5",
    ]
    assert log("--json") == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said[1] == {
        "sequence": 700, "code": 27, "name": "PI_CUT", "value": 3, "unix_ms": 1763686800000, "unit_s": None,
    }  # fmt: skip
    assert (said[2]["unix_ms"], said[2]["unit_s"], said[3]["name"]) == (None, 90_061, None)
    assert main(["status", "--config", str(config)]) == 0
    assert "asked of trap 1: 20 entries of its log: done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("2", "--ask", "5"), "TRAP 2: is not in the settings; allowed are 1"),
        (("99",), "TRAP 99: is not in the settings; allowed are 1"),
        (("1", "--ask", "0"), "--ask 0: allowed is"),
        (("1", "--ask", "256"), "--ask 256: allowed is"),
        (("1", "--ask", "5", "--from", "-1"), "--from -1: allowed is"),
        (("1", "--from", "5"), "goes only with --ask"),
    ],
)
def test_wrong_use(config: Path, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log", "--config", str(config), *arguments]) == 2
    assert words in capsys.readouterr().err
