"""What people ask of traps: commands, table, bus, gateway, link, trap, and the outcome all the way back."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.base.parts import EPOCH, NOW, Base, alert, deliver, envelope
from tests.wire.keys import base_keys, trap_key
from trapbase import gateway as gateway_module
from trapbase import ingest as ingest_module
from trapbase.asking import FORGET_MS
from trapbase.cli import main
from trapbase.gateway import Gateway
from trapbase.ingest import Ingest
from trapbase.radio.cells import Radio
from trapbase.request_store import DAY_MS, RequestStore
from trapbase.requests import GIVE_UP_DAYS, Requests
from trapbase.store import Store
from trapkit import topics
from trapsim.memorybus import MemoryBroker
from trapwire.baselink import BaseLink
from trapwire.basewords import WANTED_EVERY_MS, BaseWords
from trapwire.frame import HEARTBEAT, REPLY, WORD, Counter
from trapwire.objects import ALERT, CROP, FRAME, FULL, ObjectKey, pack_keys
from trapwire.payloads import Heartbeat
from trapwire.serialline import HEARD
from trapwire.words import DONE, ON_TRIAL, REVERTED, SETTING, TIME, WANTED, decode_word, encode_reply

KEY = ObjectKey(1, EPOCH, 812, FRAME)
EVERY_MS = 5000


class Line:
    """A modem, and behind it trap 1, which opens what is sent."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, bytes]] = []
        self.key = trap_key(1)
        self.items: list[tuple[int, ...]] = []

    def read(self) -> list[tuple[int, bytes]]:
        heard, self.heard = self.heard, []
        return heard

    def send(self, kind: int, payload: bytes) -> bool:
        frame = self.key.open(payload)
        if frame.kind == WORD:
            self.items += decode_word(frame.payload)[0]
        return True


class World:
    """Gateway and ingest over a bus in memory, on one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = MemoryBroker()
        self.line = Line()
        self.counter = 0
        self.now = 0
        self.base_counter = Counter(0, lambda end: None)
        self.listener = self.broker.connect("listener", ("pugmark/1/#",))
        self.store = Store(folder)
        self.requests = RequestStore(folder)
        self.ingest = Ingest(
            self.broker.connect("ingest", ingest_module.SUBSCRIPTIONS), self.store, requests=self.requests
        )
        self.asked = Requests(self.ingest._bus, self.requests)
        self.start_gateway()

    def start_gateway(self) -> None:
        words = BaseWords(9)
        link = BaseLink(base_keys([1, 2]), 197, self.base_counter, words=words)
        bus = self.broker.connect("gateway", gateway_module.SUBSCRIPTIONS)
        self.gateway = Gateway(Radio.single(link, self.line, words), bus, base="north", clock=lambda now_ms, utc_ms: 50)

    def run(self, ms: int) -> None:
        for _ in range(ms // 500):
            self.now += 500
            self.asked.step(self.now, NOW + self.now)
            for _ in range(3):
                self.gateway.step(self.now, NOW + self.now)
                self.ingest.step(self.now, NOW + self.now)

    def hear(self, kind: int = HEARTBEAT, payload: bytes | None = None) -> list[tuple[int, ...]]:
        """The trap polls; what it is told but time and margin."""
        self.counter += 1
        if payload is None:
            payload = Heartbeat({"uptime_s": 100 + self.now // 1000}).encode()
        frame = self.line.key.seal(kind, True, self.counter, payload)
        self.line.heard.append((HEARD, struct.pack(">hb", -97, 25) + frame))
        self.line.items.clear()
        self.run(500)
        return [item for item in self.line.items if item[0] in (WANTED, SETTING)]

    def states(self) -> list[tuple[str, int | None]]:
        rows = self.requests._db.execute("SELECT state, in_force FROM requests ORDER BY id").fetchall()
        return [(row["state"], row["in_force"]) for row in rows]

    def published(self, kind: str) -> list[bytes]:
        found = [(m.topic, m.payload) for m in self.listener.take(10_000)]
        return [payload for topic, payload in found if f"/{kind}/" in topic]

    def close(self) -> None:
        self.requests.close()
        self.store.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "base")
    yield world
    world.close()


def test_a_setting_goes_down_and_its_outcome_comes_back(world: World) -> None:
    command = world.requests.set(1, "heartbeat_ms", 60_000, NOW)
    world.run(EVERY_MS)
    assert world.hear() == [(SETTING, command, 1, 60_000)]
    assert world.states() == [("open", None)]
    assert world.hear() == [(SETTING, command, 1, 60_000)], "until its reply is here"
    assert world.hear(REPLY, encode_reply(command, DONE, 60_000)) == []
    assert world.states() == [("done", 60_000)]
    world.run(60_000)
    assert world.hear() == []


def test_a_trial_that_is_reverted(world: World) -> None:
    command = world.requests.set(1, "sf", 10, NOW)
    world.run(EVERY_MS)
    world.hear()
    world.hear(REPLY, encode_reply(command, ON_TRIAL, 9))
    assert world.states() == [("on trial", 9)]
    world.run(10 * EVERY_MS)
    assert world.hear() == []
    world.hear(REPLY, encode_reply(command, REVERTED, 9))
    assert world.states() == [("reverted", 9)]


def test_an_answer_that_the_bus_lost_is_given_again_without_the_radio(world: World) -> None:
    command = world.requests.set(1, "sf", 10, NOW)
    world.run(EVERY_MS)
    world.hear()
    bus, world.ingest._bus.queue = world.ingest._bus, type(world.ingest._bus.queue)()
    world.counter += 1
    frame = world.line.key.seal(REPLY, True, world.counter, encode_reply(command, DONE, 10))
    world.line.heard.append((HEARD, struct.pack(">hb", -97, 25) + frame))
    world.gateway.step(world.now, NOW)
    bus.queue.clear()  # the broker was killed
    bus.open.clear()
    assert world.states() == [("open", None)]
    world.run(2 * EVERY_MS)
    assert world.states() == [("done", 10)]
    assert world.hear() == []


def test_a_gateway_that_was_started_again_asks_again(world: World) -> None:
    command = world.requests.set(1, "sf", 10, NOW)
    world.run(EVERY_MS)
    world.start_gateway()
    world.run(EVERY_MS)
    assert world.hear() == [(SETTING, command, 3, 10)]


def test_a_wish_is_settled_when_its_object_is_in_custody(world: World) -> None:
    assert world.requests.want(*KEY.as_tuple(), NOW)
    assert world.requests.want(*KEY.as_tuple(), NOW), "once is enough"
    world.run(EVERY_MS)
    assert world.hear() == [(WANTED, EPOCH, 812, FRAME)]
    assert world.hear() == []
    world.run(WANTED_EVERY_MS)
    assert world.hear() == [(WANTED, EPOCH, 812, FRAME)]
    deliver(world.broker, envelope(1, 812, FRAME, b"a picture"))  # on a stick
    world.run(2 * EVERY_MS)
    assert world.states() == [("done", None)]
    world.run(WANTED_EVERY_MS)
    assert world.hear() == []
    assert not world.requests.want(*KEY.as_tuple(), NOW)


def test_what_nobody_says_any_more_is_not_asked_for_any_more(world: World) -> None:
    world.requests.want(*KEY.as_tuple(), NOW)
    world.requests.set(1, "sf", 10, NOW)
    world.run(EVERY_MS)
    world.requests._db.execute("DELETE FROM requests")
    world.run(FORGET_MS + 2 * EVERY_MS)
    assert world.hear() == []


def test_a_later_setting_overtakes_one_that_waits_and_a_month_ends_all(world: World) -> None:
    world.requests.set(1, "sf", 10, NOW)
    last = world.requests.set(1, "sf", 8, NOW)
    other = world.requests.set(1, "heartbeat_ms", 60_000, NOW)
    assert [r.command for r in world.requests.open(9)] == [last, other]
    assert world.states()[0] == ("overtaken", None)
    world.requests.settle(NOW, NOW - GIVE_UP_DAYS * DAY_MS)
    assert len(world.requests.open(9)) == 2
    world.requests.settle(NOW, NOW + 1)
    assert world.requests.open(9) == []


def test_one_trap_that_is_never_heard_does_not_hold_up_the_others(world: World) -> None:
    for number in range(300):
        world.requests.want(2, EPOCH, number, CROP, NOW)
    command = world.requests.set(1, "sf", 10, NOW)
    world.run(EVERY_MS)
    assert world.hear() == [(SETTING, command, 3, 10)]


def test_a_trap_is_told_the_time_and_its_margin_is_published(world: World) -> None:
    world.hear()
    (item,) = [i for i in world.line.items if i[0] == TIME]
    assert abs(item[1] - (NOW + world.now)) < item[2] + 500
    assert json.loads(world.published(topics.HEARD)[0])["margin_db"] == 18.75


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (topics.wanted(1), pack_keys([ObjectKey(2, EPOCH, 1, CROP)])),
        (topics.wanted(1), pack_keys([ObjectKey(1, EPOCH, 1, FULL)])),
        (topics.wanted(1), b"x"),
        (topics.setting(1), b""),
        (topics.setting(1), b"[]"),
        (topics.setting(1), b"[" * 5000),
        (topics.setting(1), b'{"command": 1, "setting": "sf"}'),
        (topics.setting(1), b'{"command": 1, "setting": "sf", "value": true}'),
        (topics.setting(1), b'{"command": 65536, "setting": "sf", "value": 9}'),
        (topics.setting(1), b'{"command": 1, "setting": "sf", "value": -1}'),
        (topics.setting(1), b'{"command": 1, "setting": "link_key", "value": 1}'),
        (topics.setting(1), b'{"command": 1, "setting": ["sf"], "value": 9}'),
        (topics.setting(1), b'{"command": 1, "setting": "sf", "value": 9, "more": 1}'),
        (topics.setting(1), b'{"command": 1, "setting": "sf", "value": 9}' + b" " * 300),
    ],
)
def test_garbage_is_counted_and_asks_nothing(world: World, topic: str, payload: bytes) -> None:
    world.gateway._bus.queue.append(((topic, payload, {}), False))  # type: ignore[attr-defined]
    world.run(500)
    assert world.gateway.counters["garbage"] == 1
    assert world.hear() == []


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[" * 5000,
        b'{"command": 1, "outcome": "fine", "value": 9}',
        b'{"command": 1, "outcome": [], "value": 9}',
        b'{"command": 70000, "outcome": "done", "value": 9}',
        b'{"command": 1, "outcome": "done", "value": 1e300}',
    ],
)
def test_an_answer_that_is_none_settles_nothing(world: World, payload: bytes) -> None:
    world.requests.set(1, "sf", 10, NOW)
    world.broker.deliver(topics.answer(1), payload, {})
    world.run(500)
    assert world.states() == [("open", None)]
    assert world.store._db.execute("SELECT value FROM counters WHERE name = 'garbage'").fetchone()[0] == 1


def test_an_answer_of_another_trap_settles_nothing(world: World) -> None:
    command = world.requests.set(1, "sf", 10, NOW)
    said = json.dumps({"command": command, "outcome": "done", "value": 10}).encode()
    world.broker.deliver(topics.answer(2), said, {})
    world.run(500)
    assert world.states() == [("open", None)]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([topics.wanted(1), topics.setting(1), topics.setting(2)]), st.binary(max_size=300))
def test_nothing_from_the_bus_raises(topic: str, payload: bytes) -> None:
    words, bus = BaseWords(9), MemoryBroker().connect("gateway", gateway_module.SUBSCRIPTIONS)
    link = BaseLink(base_keys([1]), 197, Counter(0, lambda end: None), words=words)
    part = Gateway(Radio.single(link, Line(), words), bus)
    bus.queue.append(((topic, payload, {}), False))
    part.step(0, NOW)


# The commands


@pytest.fixture
def config(tmp_path: Path) -> Path:
    base = Base(tmp_path / "base", MemoryBroker(), None)  # type: ignore[arg-type]
    base.store.add([], [], 0, NOW)
    base.close()
    path = tmp_path / "base.toml"
    trap = '[[trap]]\nnumber = {}\nstation = "S1"\nlatitude = 1.0\nlongitude = 2.0\n'
    path.write_text(f'folder = "{tmp_path}/base"\n[gateway]\nplan = "cn470"\n{trap.format(1)}{trap.format(2)}')
    return path


def run(config: Path, *command: str) -> int:
    return main([command[0], "--config", str(config), *command[1:]])


def test_want_and_set_are_written_down_and_shown(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "want", "1", "c0ffee01", "812", "frame") == 0
    assert run(config, "set", "2", "heartbeat_ms", "60000") == 0
    assert "within" not in capsys.readouterr().err
    assert run(config, "set", "1", "sf", "10") == 0
    assert "change the modem's sf and gateway.sf" in capsys.readouterr().err
    assert run(config, "status") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("asked")]
    assert lines == [
        "asked of trap 1: sf = 10: waits",
        "asked of trap 2: heartbeat_ms = 60000: waits",
        "asked of trap 1: frame c0ffee01 812: waits",
    ]
    store = RequestStore(config.parent / "base")
    for request in store.open(9):
        if request.setting == "sf":
            store.answered(1, request.command, "on trial", 9, NOW)
    store.close()
    assert run(config, "status", "--json") == 0
    requests = json.loads(capsys.readouterr().out)["requests"]
    newest = requests[0]
    assert (newest["setting"], newest["state"], newest["in_force"]) == ("sf", "on trial", 9)


def test_what_is_here_already_is_not_asked_for(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broker = MemoryBroker()
    base = Base(config.parent / "base", broker, None)  # type: ignore[arg-type]
    deliver(broker, envelope(1, 5, ALERT, alert()))
    base.ingest.step(0, NOW)
    base.close()
    assert run(config, "want", "1", f"{EPOCH:08x}", "5", "alert") == 1
    assert "is here already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("want", "9", "c0ffee01", "1", "frame"), "TRAP 9: is not in the settings; allowed are 1, 2"),
        (("want", "1", "c0ffee01", "1", "full"), "RUNG full: does not go by radio; allowed are alert, crop, frame"),
        (("want", "1", "c0ffee", "1", "frame"), "EPOCH c0ffee: allowed are eight hexadecimal digits"),
        (("want", "1", "xyzxyzxy", "1", "frame"), "allowed are eight hexadecimal digits"),
        (("want", "1", "c0ffee01", "-1", "frame"), "NUMBER -1"),
        (("want", "1", "c0ffee01", "16777216", "frame"), "NUMBER 16777216"),
        (("set", "9", "sf", "9"), "TRAP 9: is not in the settings"),
        (("set", "1", "plan", "9"), "NAME plan: cannot be set by radio; allowed are heartbeat_ms, reply_window_ms, sf"),
        (("set", "1", "sf", "13"), "VALUE 13"),
        (("set", "1", "sf", "12"), "VALUE 12: plan cn470 at SF12 leaves 10 bytes"),
        (("set", "1", "heartbeat_ms", "4294967296"), "VALUE 4294967296: allowed is a whole number"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(
    config: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...], words: str
) -> None:
    separated = (command[0], "--", *command[1:]) if "-1" in command else command
    assert run(config, *separated) == 2
    assert words in capsys.readouterr().err


def test_without_a_base_there_is_nobody_to_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "base.toml"
    path.write_text(f'folder = "{tmp_path}/none"\n[[trap]]\nnumber = 1\nstation = "S1"\nlatitude = 1\nlongitude = 2\n')
    assert run(path, "want", "1", "c0ffee01", "1", "crop") == 2
    assert not (tmp_path / "none").exists()
