"""A base hands a release's settings down by radio: to whom, how often, over which way, and what people see of it."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.base.parts import NOW, TRAPS, UPLOAD
from tests.base.updates.parts import KEY, SETTINGS, Updating
from tests.base.updates.test_shown import get
from tests.ship.release_bench import Bench, pack
from tests.wire.keys import base_keys
from tests.wire.world import Random, TrapNode
from trapbase import parts
from trapbase.cli import main
from trapbase.config import Settings, UploadSettings
from trapbase.gateway import SUBSCRIPTIONS, Gateway
from trapbase.places import Places
from trapbase.radio.cells import Radio
from trapbase.receipts import SUBSCRIPTIONS as FORWARD_SUBSCRIPTIONS
from trapbase.updates.air import AGAIN_MS, AT_ONCE, TRIES, Sent, Wish, air_words, lacks_settings_alone, to_send
from trapbase.updates.byradio import FILE, RadioPacks, read_sent
from trapbase.updates.look import look
from trapbase.updates.words import unit_rows
from trapkit import topics
from trapkit.update import permits
from trapkit.update.mirror import mirror
from trapkit.update.radiopack import split_permit
from trapkit.update.radiotake import take_by_radio
from trapsim.memorybus import MemoryBroker
from trapwire.baselink import BaseLink
from trapwire.frame import Counter
from trapwire.objects import PACK, RECEIPT, Envelope, ObjectKey, decode_envelope, pack_keys
from trapwire.serialline import HEARD

ONE, TWO, THREE = "2026.12.1", "2026.12.2", "2026.12.3"
APP, BOTH = {"application": "1"}, {"application": "1", "settings": "2"}
RELEASES = {ONE: APP, TWO: BOTH, THREE: {"application": "3", "settings": "2"}, "2026.11.1": {"settings": "1"}}


@pytest.mark.parametrize(
    ("running", "release", "lacks"),
    [
        (ONE, TWO, True),
        (TWO, TWO, False),
        (TWO, THREE, False),  # another application
        (TWO, ONE, False),  # no settings in it
        ("", "2026.11.1", True),
        ("", TWO, False),
        (None, TWO, False),  # nobody knows what it runs
        ("2026.10.1", TWO, False),  # nor what that was
    ],
)
def test_only_who_lacks_the_settings_alone_gets_them_by_radio(running: str | None, release: str, lacks: bool) -> None:
    assert lacks_settings_alone(running, release, RELEASES) is lacks


def wish(trap: int, number: int = 1, **said: str) -> Wish:
    return Wish(trap=trap, release=TWO, number=number, running=ONE, **said)


def sent(number: int = 1, **told: int) -> Sent:
    return Sent(release=TWO, number=number, size=500, **{"sent_ms": 0, **told})


def numbers(wishes: list[Wish], before: dict[int, Sent], now_ms: int = 0) -> list[int]:
    return [each.trap for each in to_send(wishes, before, RELEASES, now_ms)]


def test_few_at_a_time_then_the_next_ones() -> None:
    every = [wish(trap) for trap in (1, 2, 3)]
    assert numbers(every, {}) == [1, 2]
    assert numbers(every, {1: sent(), 2: sent()}) == []
    assert numbers(every, {1: sent(taken_ms=5), 2: sent()}) == [3]
    assert AT_ONCE == 2


def test_it_is_said_again_after_hours_and_given_up_in_the_end() -> None:
    assert numbers([wish(1)], {1: sent()}, AGAIN_MS - 1) == []
    assert numbers([wish(1)], {1: sent()}, AGAIN_MS) == [1]
    assert numbers([wish(1)], {1: sent(tries=TRIES)}, AGAIN_MS) == []
    assert numbers([wish(1, number=2)], {1: sent(tries=TRIES)}, AGAIN_MS) == [1], "under a new permission"
    assert "not taken: bring them by stick or phone" in air_words(sent(tries=TRIES), TWO, AGAIN_MS)


def test_what_a_unit_took_or_judged_is_not_said_again() -> None:
    assert numbers([wish(1)], {1: sent(taken_ms=1)}, 10 * AGAIN_MS) == []
    for phase in ("staged", "trial", "reverted", "refused"):
        assert numbers([wish(1, tried=TWO, phase=phase)], {}) == []
    assert numbers([wish(1, tried=TWO, phase="waiting")], {}) == [1]
    assert numbers([wish(1, tried=ONE, phase="reverted")], {}) == [1]


class Base(Updating):
    """With what an operator published: an application, that all units run, then settings."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "base")
        self.bench = Bench(folder / "operator")
        self.bench.release(ONE)
        self.fetch()
        self.bench.release(TWO, settings=[pack(folder / "two", "two")])
        self.hear(*TRAPS)
        for trap in TRAPS:
            self.says(trap, ONE, "running")
        self.fetch()
        self.kept.begin(TWO, NOW)
        self.step()
        self.broker = MemoryBroker()
        self.ears = self.broker.connect("ears", (topics.every(topics.DOWN),))
        self.go()

    def fetch(self) -> None:
        clock = self.bench.unit("base")
        found = mirror(self.bench.source, self.mirror, self.folder / "state", clock, root=self.bench.root)
        release = found.listed.release
        parts = {name: part.version for name, part in release.parts.items()}
        self.kept.hold(release.release, release.serial, release.built_ms, parts, 1, NOW)

    def go(self) -> None:
        """As after a start."""
        self.packs = RadioPacks(self.folder, self.broker.connect("forward", FORWARD_SUBSCRIPTIONS), drains=True)

    def close(self) -> None:
        self.packs.close()
        super().close()

    def said(self) -> list[Envelope]:
        return [decode_envelope(message.payload) for message in self.ears.take(100)]

    def words(self) -> str:
        seen = look(SETTINGS, self.kept.rows, [], Places(listed=TRAPS), self.now_ms, read_sent(self.folder))
        return next(str(row["words"]) for row in unit_rows(seen, {}) if row["trap"] == 1)


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Base]:
    base = Base(tmp_path)
    yield base
    base.close()


def test_it_goes_to_the_permitted_unit_with_its_permission_and_people_see_it(base: Base) -> None:
    assert base.packs.step(1, base.now_ms)
    (envelope,) = base.said()
    permit, data = split_permit(envelope.body)
    assert (envelope.key.trap, envelope.key.rung) == (1, PACK)
    assert permits.read(permit, KEY).release == TWO
    assert data == next((base.mirror / "targets/radio").iterdir()).read_bytes()
    assert base.words() == f"may take {TWO}; its settings go by radio ({len(envelope.body)} bytes)"
    assert not base.packs.step(20_000, base.now_ms + 20_000)
    base.broker.deliver(topics.downack(1), pack_keys([envelope.key]), {})
    base.packs.step(30_000, base.now_ms + 30_000)
    assert base.words() == f"may take {TWO}; its settings went by radio ({len(envelope.body)} bytes)"


def test_the_command_and_the_page_say_it(
    base: Base, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base.packs.step(1, base.now_ms)
    (envelope,) = base.said()
    monkeypatch.setattr("time.time_ns", lambda: base.now_ms * 1_000_000)
    told = f"its settings go by radio ({len(envelope.body)} bytes)"
    config = tmp_path / "base.toml"
    tables = "".join(
        f'[[trap]]\nnumber = {t.number}\nstation = "{t.station}"\nside = "{t.side}"\nlatitude = 1\nlongitude = 1\n'
        for t in TRAPS.values()
    )
    config.write_text(f'folder = "{base.folder}"\n{tables}')
    assert main(["updates", "--config", str(config)]) == 0
    assert told in capsys.readouterr().out
    assert told in get(base.folder, "/").text


def test_what_its_unit_refused_is_said_beside_it(base: Base) -> None:
    base.packs.step(1, base.now_ms)
    (envelope,) = base.said()
    base.broker.deliver(topics.downack(1), pack_keys([envelope.key]), {})
    base.packs.step(20_000, base.now_ms)
    base.says(1, ONE, "refused", code="not-signed")
    assert f"may take {TWO}; runs {ONE}; refused a release: it is not signed by the keys" in base.words()
    assert base.words().endswith(f"its settings went by radio ({len(envelope.body)} bytes)")
    base.packs.step(40_000, base.now_ms + 20_000)
    assert base.said() == []


def test_a_restart_remembers_and_a_damaged_memory_says_it_once_more(base: Base) -> None:
    base.packs.step(1, base.now_ms)
    base.said()
    for told, again in ((None, 0), (b'{"1": {"release": 3}}', 1), (b"{", 1)):
        if told is not None:
            (base.folder / FILE).write_bytes(told)
        base.packs.close()
        base.go()
        base.packs.step(1, base.now_ms)
        assert len(base.said()) == again


def test_nothing_goes_of_a_stopped_release_or_to_who_has_no_permission(base: Base) -> None:
    base.kept.stop(base.rollout(), "", base.now_ms)
    base.packs.step(1, base.now_ms)
    assert base.said() == []


def test_an_acknowledgement_of_something_else_changes_nothing(base: Base) -> None:
    base.packs.step(1, base.now_ms)
    (envelope,) = base.said()
    for topic, payload in (
        (topics.downack(1), b"garbage"),
        (topics.downack(2), pack_keys([envelope.key])),
        (topics.downack(1), pack_keys([ObjectKey(1, 1, envelope.key.number, RECEIPT)])),
        (topics.downack(1), pack_keys([ObjectKey(1, 1, envelope.key.number ^ 1, PACK)])),
    ):
        base.broker.deliver(topic, payload, {})
    base.packs.step(20_000, base.now_ms)
    assert read_sent(base.folder)[1].taken_ms == 0


@pytest.mark.parametrize("upload", [UploadSettings(), UPLOAD])
def test_forward_does_it_with_or_without_a_back_end(
    base: Base, upload: UploadSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def connect(settings: Settings, program: str, subscriptions: tuple[str, ...]) -> Any:
        bus: Any = base.broker.connect(program, subscriptions)
        bus.start = bus.stop = lambda: None
        bus.last_error, bus.denied, bus.unsteady, bus.malformed = "", 0, False, 0
        return bus

    monkeypatch.setattr(parts, "_bus", connect)
    (tmp_path / "backend.pub").write_text("00" * 32)
    own = Settings(
        folder=str(base.folder), trap=tuple(TRAPS.values()), updates=SETTINGS, box_key="",
        upload=replace(upload, public_key=str(tmp_path / "backend.pub")),
    )  # fmt: skip
    part = parts.build_forward(own)
    try:
        part.step(1, base.now_ms)
        (envelope,) = base.said()
        assert envelope.key.rung == PACK
        base.broker.deliver(topics.downack(1), pack_keys([envelope.key]), {})
        part.step(20_000, base.now_ms + 20_000)
        part.step(40_000, base.now_ms + 40_000)
        assert read_sent(base.folder)[1].taken_ms
    finally:
        part.close()
    off = parts.build_forward(replace(own, updates=replace(SETTINGS, radio=False)))
    off.step(1, base.now_ms)
    off.close()
    assert base.said() == []


class Air:
    """A modem over a channel that loses frames; what the base says lies in `out`."""

    def __init__(self, random: Random, loss: float) -> None:
        self.random, self.loss = random, loss
        self.heard: list[tuple[int, bytes]] = []
        self.out: list[bytes] = []

    def read(self) -> list[tuple[int, bytes]]:
        heard, self.heard = self.heard, []
        return heard

    def send(self, kind: int, payload: bytes) -> bool:
        self.out.append(payload)
        return True

    def gets_through(self) -> bool:
        return bool(self.random.unit() >= self.loss)


@pytest.mark.parametrize(("frame_bytes", "loss"), [(36, 0.1), (66, 0.3), (197, 0.3)])
def test_from_the_mirror_over_a_lossy_link_to_a_unit_that_proves_it(base: Base, frame_bytes: int, loss: float) -> None:
    random = Random(frame_bytes)
    air, node = Air(random, loss), TrapNode(1, random, frame_bytes, 20_000)
    link = BaseLink(base_keys([1, 2, 3]), frame_bytes, Counter(0, lambda end: None))
    gateway = Gateway(Radio.single(link, air), base.broker.connect("gateway", SUBSCRIPTIONS), base="north")
    base.packs.step(1, base.now_ms)
    now = 0
    while not read_sent(base.folder)[1].taken_ms and now < 3_600_000:
        now += 250
        gateway.step(now, NOW + now)
        frames, air.out = air.out, []
        for frame in filter(lambda _: air.gets_through(), frames):
            node.on_frame(frame, now)
        up = node.link.next_frame(now, False)
        if up is not None:
            node.link.sent(now)
            if air.gets_through():
                air.heard.append((HEARD, struct.pack(">hb", -97, 25) + up))
        base.packs.step(now, base.now_ms + now)
    (envelope,) = node.received
    unit = base.bench.unit("unit")
    first = Bench(base.bench.folder / "first")
    first.release(ONE)
    unit.take(first.source)
    unit.running = ONE
    _, data = split_permit(envelope.body)
    offered = take_by_radio(data, unit.state, unit, unit=unit.unit)
    assert offered is not None
    assert offered.release.release == TWO
