"""A whole base in one process: ingest and forward over a broker in memory, the reference back end without sockets."""

from pathlib import Path

from nacl.signing import SigningKey

from trapbase import gateway, receipts
from trapbase.config import BatchSettings, UploadSettings
from trapbase.cutter import Cutter
from trapbase.forward import Forward
from trapbase.ingest import SUBSCRIPTIONS, Ingest
from trapbase.receipts import Receipts
from trapbase.store import Store
from trapbase.upload import Uploader
from trapkit import topics
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import BackendStore
from trapsim.basebench.feed import BEGIN_MS, BOX, listed
from trapsim.memorybus import MemoryBroker
from trapwire.objects import RUNG_NAMES, Envelope, decode_envelope, pack_keys

SIGNING = SigningKey(bytes(range(32, 64)))
AGE_MS = 600_000  # after this much more time a batch need not be full


class Rig:
    """The base in `folder`/base with its defaults, for `traps` traps; `group`: messages a transaction."""

    def __init__(self, folder: Path, traps: int, *, group: int = 64) -> None:
        self.broker = MemoryBroker()
        self.now_ms = 0
        self._gateway = self.broker.connect("gateway", gateway.SUBSCRIPTIONS)
        self._stores = [Store(folder / "base"), Store(folder / "base")]
        self.ingest = Ingest(self.broker.connect("ingest", SUBSCRIPTIONS), self._stores[0], group=group)
        self.backend = BackendStore(folder / "backend", bytes(SIGNING))
        store, settings = self._stores[1], UploadSettings(url="http://x")
        outlet = DirectOutlet(self.backend)
        self.cutter = Cutter(store, listed(traps), BatchSettings(), bytes(BOX))
        uploader = Uploader(store, self.cutter, outlet, settings, lambda: 1.0)
        bus = self.broker.connect("forward", receipts.SUBSCRIPTIONS)
        down = Receipts(store, uploader, outlet, bus, bytes(SIGNING.verify_key), settings)
        self.forward = Forward(self.cutter, uploader, down)

    def deliver(self, *envelopes: Envelope) -> None:
        """As a gateway would."""
        said = {"base": "north", "rssi_dbm": "-97", "snr_db": "6.25", "received_ms": str(BEGIN_MS)}
        for e in envelopes:
            self.broker.deliver(topics.up(e.key.trap, RUNG_NAMES[e.key.rung]), e.encode(), said)

    def take_in(self) -> None:
        """Ingest until nothing waits on the bus."""
        while self.ingest.step(self.now_ms, BEGIN_MS + self.now_ms):
            pass

    def send_on(self) -> None:
        """Forward until everything is signed for, and every trap has its receipts."""
        self.now_ms += AGE_MS
        quiet = 0
        while quiet < 4:
            moved = self.forward.step(self.now_ms, BEGIN_MS + self.now_ms)
            moved |= self._answer()
            quiet = 0 if moved else quiet + 1
            self.now_ms += 0 if moved else 300

    def _answer(self) -> bool:
        """Traps take their receipts."""
        messages = self._gateway.take(256)
        taken = False
        for message in messages:
            address = topics.parse(message.topic)
            if address is not None and address.kind == topics.DOWN:
                key = decode_envelope(message.payload).key
                self._gateway.publish(topics.downack(key.trap), pack_keys([key]))
                taken = True
            message.acknowledge()
        return taken

    def acknowledged(self) -> int:
        """Messages on `ack/<trap>` that wait at the gateway; they are taken away."""
        return sum(topics.parse(m.topic) is not None and "/ack/" in m.topic for m in self._gateway.take(1 << 20))

    def close(self) -> None:
        for store in self._stores:
            store.close()
        self.backend.close()
