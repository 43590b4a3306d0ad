"""A trap without a network and out of the radio's reach: a stick, a base, a back end, a receipt, and the trap lets go.

Real parts and real commands, in virtual time; only the stick is a folder, and the receipt comes back over the bus.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cam_parts import BACKEND, NOW
from records import SOURCE, kept
from tests.base.parts import TRAPS

from trapbase import ingest, receipts
from trapbase.cli import main as trapbase
from trapbase.config import BatchSettings, UploadSettings
from trapbase.cutter import Cutter
from trapbase.forward import Forward
from trapbase.ingest import Ingest
from trapbase.store import Store
from trapbase.upload import Uploader
from trapbase.verify import problems
from trapcam.cli import main as trapcam
from trapcam.network import Network, subscriptions
from trapcam.outbox import FULL_FOLDER, Outbox, open_outbox
from trapcam.states import DELETED, DELIVERED
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import BackendStore
from trapsim.memorybus import MemoryBroker
from trapwire.objects import FULL

TRAP = 1
KEY = bytes(BACKEND.verify_key)
UPLOAD = UploadSettings(retry_min_s=1, receipt_poll_s=1, chunk_bytes=1 << 20, url="http://x")
BATCH = BatchSettings(max_events=50, max_age_s=1, max_wait_s=2)


class Valley:
    """A trap that nobody hears, a stick, and a base with its back end a day's walk away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stick = folder / "stick"
        self.stick.mkdir()
        self.outbox: Outbox = open_outbox(folder / "trap", TRAP, NOW)
        self.outbox.declare_source(SOURCE, None)
        self.trap_toml = folder / "trapcam.toml"
        self.trap_toml.write_text(f'trap = {TRAP}\ndata = "{folder}/trap"\n')
        self.base_toml = folder / "base.toml"
        self.base_toml.write_text(f"""
name = "north"
folder = "{folder}/base"
[[trap]]
number = {TRAP}
station = "S001"
latitude = 43.1
longitude = 131.4
""")
        self.broker = MemoryBroker()
        self.backend = BackendStore(folder / "backend", bytes(BACKEND))
        outlet = DirectOutlet(self.backend)
        self.store = Store(folder / "base")
        self.ingest = Ingest(self.broker.connect("ingest", ingest.SUBSCRIPTIONS), self.store)
        cutter = Cutter(self.store, TRAPS, BATCH, None)
        uploader = Uploader(self.store, cutter, outlet, UPLOAD, lambda: 1.0)
        bus = self.broker.connect("forward", receipts.SUBSCRIPTIONS)
        down = receipts.Receipts(self.store, uploader, outlet, bus, KEY, UPLOAD)
        self.forward = Forward(cutter, uploader, down)
        self.now = 0

    def base_works(self, seconds: int = 20, network: Network | None = None) -> None:
        for _ in range(4 * seconds):
            self.now += 250
            self.ingest.step(self.now, NOW + self.now)
            self.forward.step(self.now, NOW + 10_000_000 + self.now)
            if network:
                network.step(NOW + self.now)

    def say(self, capsys: Any, *command: str) -> tuple[int, dict[str, Any]]:
        program = trapcam if command[0] == "collect" else trapbase
        config = self.trap_toml if command[0] == "collect" else self.base_toml
        code = program([command[0], *command[1:], "--config", str(config), "--json"])
        return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def valley(tmp_path: Path) -> Iterator[Valley]:
    made = Valley(tmp_path)
    yield made
    made.outbox.close()
    made.store.close()
    made.backend.close()


def test_from_the_trap_by_stick_to_its_receipt_and_the_card_is_empty(valley: Valley, capsys: Any) -> None:
    for position in range(5):
        valley.outbox.commit(kept(position, full=bytes([position]) * 50_000))
    code, done = valley.say(capsys, "collect", "--to", str(valley.stick))
    assert (code, done["objects"]) == (0, 20)
    code, done = valley.say(capsys, "import", str(valley.stick))
    assert (code, done["parcels"][0]["new"]) == (0, 20)
    assert valley.outbox.in_state(DELETED) == valley.outbox.in_state(DELIVERED) == [], "nobody has told the trap"
    valley.base_works()
    stats = valley.backend.stats()
    assert (stats["objects"], stats["duplicated"], stats["refused"]) == (20, 0, 0)
    # At the next visit a phone, a network or the radio brings the receipt; here the bus.
    network = Network(valley.broker.connect(str(TRAP), subscriptions(TRAP)), valley.outbox, KEY)
    valley.base_works(20, network)
    assert len(valley.outbox.in_state(DELETED)) == 20
    assert list((valley.folder / "trap" / FULL_FOLDER).iterdir()) == []
    assert valley.outbox.held_counts() == (0, 0)
    assert list(problems(valley.folder / "base")) == []


def test_a_stick_that_comes_late_and_twice_doubles_nothing(valley: Valley, capsys: Any) -> None:
    """The network came back while the stick was on its way."""
    for position in range(3):
        valley.outbox.commit(kept(position, full=bytes([position]) * 200_000))
    valley.say(capsys, "collect", "--to", str(valley.stick))
    network = Network(valley.broker.connect(str(TRAP), subscriptions(TRAP)), valley.outbox, KEY)
    valley.base_works(40, network)
    assert len(valley.outbox.in_state(DELETED)) == 12
    for _ in range(2):
        code, done = valley.say(capsys, "import", str(valley.stick))
        assert (code, done["parcels"][0]["new"], done["parcels"][0]["doubles"]) == (0, 0, 12)
    valley.base_works()
    stats = valley.backend.stats()
    assert (stats["objects"], stats["duplicated"]) == (12, 0)
    code, done = valley.say(capsys, "collect", "--to", str(valley.stick))
    assert (code, done["objects"]) == (0, 0), "nothing is left to carry"


def test_two_bases_get_the_same_stick_and_the_back_end_signs_once_for_each_object(
    valley: Valley, capsys: Any, tmp_path: Path
) -> None:
    valley.outbox.commit(kept(0))
    valley.say(capsys, "collect", "--to", str(valley.stick))
    valley.say(capsys, "import", str(valley.stick))
    valley.base_works()
    first = valley.backend.stats()["objects"]
    other = Store(tmp_path / "south")
    other.close()
    valley.base_toml.write_text(valley.base_toml.read_text().replace("/base", "/south").replace("north", "south"))
    code, done = valley.say(capsys, "import", str(valley.stick))
    assert (code, done["parcels"][0]["new"]) == (0, 4)
    notes = sorted(path.name for path in valley.stick.rglob("taken-*.txt"))
    assert notes == ["taken-north.txt", "taken-south.txt"]
    assert first == 4
    assert valley.outbox.envelope(1, FULL) is not None, "until the receipt comes"
