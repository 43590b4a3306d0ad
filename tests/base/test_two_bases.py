"""Two bases hear one trap, in virtual time on one air: its home answers, the other passes on in silence.

What both bring is one object with both receptions. Real are firmware, links, gateways, ingest and store.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.base.parts import EPOCH, NOW, alert
from trapbase import gateway, ingest
from trapbase.gateway import Gateway
from trapbase.ingest import Ingest
from trapbase.keyring import Keyring
from trapbase.radio.cells import Cell, Radio
from trapbase.store import DATABASE, Store
from trapkit import topics
from trapmcu.main import build
from trapship.linkkeys import make_link_keys, make_listen_keys
from trapsim.crash import Fuse
from trapsim.memorybus import MemoryBroker
from trapsim.world import LinuxPort, Process, Wire, World, WorldBoard
from trapwire import serialline as line
from trapwire.baselink import BaseLink
from trapwire.basewords import BaseWords
from trapwire.errors import WireError
from trapwire.frame import Counter
from trapwire.linkkeys import parse_key
from trapwire.objects import ALERT, CROP, RECEIPT, Envelope, ObjectKey, pack_keys

TRAP, HOME, OTHER = 1, 0, 100  # their numbers on the air


class Site:
    """One trap, bases north (its home) and south, one broker, one ingest."""

    def __init__(self, folder: Path) -> None:
        make_link_keys(folder / "keys", [TRAP], [])
        make_listen_keys(folder / "keys", [TRAP])
        self.world = World(seed=3, loss=0.0, sf=9, fuse=Fuse())
        self.folder = folder
        self.broker = MemoryBroker()
        self.store = Store(folder / "base")
        self.ingest = Ingest(self.broker.connect("ingest", ingest.SUBSCRIPTIONS), self.store)
        self.delivered: list[bytes] = []
        self.bases: dict[str, Gateway] = {}
        self.rings: dict[str, Keyring] = {}
        self.said: dict[str, list[bytes]] = {"north": [], "south": []}
        wire = Wire()
        secret = parse_key((folder / "keys" / "link" / "1.key").read_text()).hex()
        board = WorldBoard(self.world, TRAP, wire, folder / "trap", [])
        self.world.attach(TRAP, board)
        times = {"heartbeat_ms": 10_000}
        self.unit: Any = build(board, {"trap": TRAP, "plan": "cn470", "sf": 9, "link_key": secret, "times": times})
        self.pi = LinuxPort(wire)
        self.pi.send(line.STATUS, bytes(9))
        self._run("trap", self.unit.step)
        self._run("pi", self._on_pi)
        self._base("north", HOME, folder / "keys" / "link", gateway.SUBSCRIPTIONS)
        self._base("south", OTHER, folder / "keys" / "listen", gateway.FORWARDING)
        self._run("ingest", lambda now: now if self.ingest.step(now, NOW + now) else None)

    def _run(self, name: str, step: Any) -> None:
        self.world.add(Process(name=name, build=lambda: step, died=lambda: None))

    def _on_pi(self, now: int) -> None:
        self.delivered += [payload for kind, payload in self.pi.read() if kind == line.DELIVERED]

    def _base(self, name: str, node: int, keys: Path, subscriptions: tuple[str, ...]) -> None:
        wire = Wire()
        board = WorldBoard(self.world, node, wire, self.folder / name, [])
        self.world.attach(node, board)
        modem: Any = build(board, {"role": "modem", "plan": "cn470", "sf": 9})
        self._run(f"modem of {name}", modem.step)
        ring = self.rings[name] = Keyring(keys, self.folder / f"{name}-heard", [TRAP])
        words = BaseWords(9)
        link = BaseLink(ring.keys, 197, Counter(0, lambda end: None), words=words)
        radio = Radio([Cell(link=link, words=words, lines=[_Ear(LinuxPort(wire), self.said[name])])], ring.listens_only)
        bus = self.broker.connect(name, subscriptions)
        part = self.bases[name] = Gateway(radio, bus, base=name, republish_ms=1000, clock=lambda now_ms, utc_ms: 50)
        self._run(f"gateway of {name}", lambda now: now if part.step(now, NOW + now) else part.deadline())

    def put(self, number: int, rung: int, body: bytes) -> ObjectKey:
        key = ObjectKey(TRAP, EPOCH, number, rung)
        self.pi.send(line.PUT, b"\x00" + Envelope(key, body).encode())
        return key

    def run(self, keys: list[ObjectKey], limit_ms: int = 60_000) -> bool:
        """Until the trap knows that all are in custody."""
        wanted = {pack_keys([key]) for key in keys}
        return self.world.run(lambda: wanted <= set(self.delivered), limit_ms)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        db = sqlite3.connect(self.folder / "base" / DATABASE)
        found = db.execute(sql).fetchall()
        db.close()
        return found


class _Ear:
    """A modem's line that notes what it was given to send."""

    def __init__(self, port: LinuxPort, said: list[bytes]) -> None:
        self._port = port
        self._said = said
        self.deaf = False

    def read(self) -> list[tuple[int, bytes]]:
        return [] if self.deaf else self._port.read()

    def send(self, kind: int, payload: bytes) -> bool:
        self._said.append(payload)
        return self._port.send(kind, payload)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.store.close()


def test_the_home_answers_the_other_passes_on_and_both_receptions_are_kept(site: Site) -> None:
    keys = [site.put(1, ALERT, alert()), site.put(1, CROP, bytes(range(256)) * 5)]
    assert site.run(keys)
    site.world.run(lambda: False, 30_000)  # heartbeats, and what both publish until they know of the commit
    assert site.said["south"] == [], "it never speaks, not under any poll"
    assert site.said["north"]
    assert site.rows("SELECT trap, epoch, number, rung FROM objects ORDER BY rung") == [k.as_tuple() for k in keys]
    first = site.rows("SELECT base FROM objects ORDER BY rung")
    also = site.rows("SELECT r.base FROM receptions r JOIN objects o ON o.id = r.object ORDER BY o.rung")
    assert all({a[0], b[0]} == {"north", "south"} for a, b in zip(first, also, strict=True))
    assert site.rows("SELECT value FROM counters WHERE name = 'also_heard'") == [(2,)]
    assert site.rows("SELECT value FROM counters WHERE name = 'conflicts'") == [(0,)]


def test_while_the_home_is_dead_the_other_still_brings_it_in_and_the_trap_keeps_it(site: Site) -> None:
    home: Any = site.bases["north"]._radio._cells[0].lines[0]
    home.deaf = True
    key = site.put(1, ALERT, alert())
    assert not site.run([key], 60_000), "nobody but its home tells a trap that it may forget"
    assert site.rows("SELECT base FROM objects") == [("south",)]
    home.deaf = False
    assert site.run([key], 120_000)
    assert site.rows("SELECT count(*) FROM objects") == [(1,)]
    assert site.said["south"] == []


def test_the_other_takes_no_receipt_wish_or_setting_for_it(site: Site) -> None:
    south = site.bases["south"]
    receipt = Envelope(ObjectKey(TRAP, EPOCH, 3, RECEIPT), b"a receipt" * 9)
    for topic, payload in (
        (topics.down(TRAP), receipt.encode()),
        (topics.wanted(TRAP), pack_keys([ObjectKey(TRAP, EPOCH, 9, CROP)])),
        (topics.setting(TRAP), b'{"command": 1, "setting": "sf", "value": 10}'),
    ):
        south._on_message(topic, payload, 0)
    site.world.run(lambda: False, 30_000)
    assert site.said["south"] == []
    assert south._radio.words._said.get(TRAP) is None or not south._radio.words._said[TRAP].settings
    assert south.counters["garbage"] == 0


def test_what_a_base_listens_with_opens_what_the_trap_says_and_nothing_else(site: Site) -> None:
    (key,) = site.rings["south"].keys[TRAP]
    (home,) = site.rings["north"].keys[TRAP]
    assert site.rings["south"].listens_only(TRAP)
    assert not site.rings["north"].listens_only(TRAP)
    assert not key.answers
    with pytest.raises(WireError, match="no key to speak to trap 1"):
        key.seal(4, False, 1, b"")
    with pytest.raises(WireError):
        key.open(home.seal(4, False, 7, b""))  # what the home says to the trap stays between them


def test_a_base_that_is_not_home_listens_with_the_whole_key_too(tmp_path: Path) -> None:
    make_link_keys(tmp_path, [TRAP], [])
    ring = Keyring(tmp_path / "link", tmp_path / "heard", [TRAP], home=False)
    assert [key.answers for key in ring.keys[TRAP]] == [False]
    assert ring.listens_only(TRAP)
    assert ring.listens_only(99)
