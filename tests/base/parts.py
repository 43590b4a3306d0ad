"""Sightings, stores and a base in one process for the tests of the base."""

import io
from pathlib import Path

from nacl.public import PrivateKey
from nacl.signing import SigningKey
from PIL import Image

from trapbase import gateway, ingest, receipts
from trapbase.config import BatchSettings, TrapSettings, UploadSettings
from trapbase.cutter import Cutter
from trapbase.forward import Forward
from trapbase.ingest import Ingest
from trapbase.outlet import Outlet
from trapbase.receipts import Receipts
from trapbase.store import Store
from trapbase.upload import Uploader
from trapbase.whole_receipts import WholeReceipts
from trapkit import topics
from trapkit.sealing import seal_box
from trapsim.memorybus import MemoryBroker
from trapwire.alert import Alert
from trapwire.objects import ALERT, CROP, RUNG_NAMES, Envelope, ObjectKey

NOW = 1_763_686_800_000  # Unix ms
EPOCH = 0xC0FFEE01
BOX = PrivateKey(bytes(range(32)))
SIGNING = SigningKey(bytes(range(32, 64)))
TRAPS = {
    1: TrapSettings(number=1, station="S001", side="left", latitude=43.1, longitude=131.4, model="test"),
    2: TrapSettings(number=2, station="S001", side="right", latitude=43.1, longitude=131.4, model="test"),
    3: TrapSettings(number=3, station="S002", latitude=-43.5, longitude=-131.25, deployed="2025-11-01T00:00:00Z"),
}
BATCH = BatchSettings(max_events=3, max_age_s=10, max_wait_s=60)
UPLOAD = UploadSettings(
    retry_min_s=1, retry_max_s=8, receipt_poll_s=1, down_republish_ms=1000, chunk_bytes=1024, url="http://x"
)


def picture(number: int = 0) -> bytes:
    """A small WebP, another one for every number."""
    out = io.BytesIO()
    Image.new("RGB", (32, 24), (number * 7 % 256, number * 13 % 256, 90)).save(out, "WEBP", lossless=True)
    return out.getvalue()


def alert(time_ms: int = NOW, uncertainty_ms: int | None = 200, species: int = 1) -> bytes:
    return Alert(time_ms, uncertainty_ms, species, 230, 1, (25, 51, 102, 153), 88).encode()


def envelope(trap: int, number: int, rung: int, body: bytes, epoch: int = EPOCH) -> Envelope:
    return Envelope(ObjectKey(trap, epoch, number, rung), body)


def sighting(trap: int, number: int, time_ms: int = NOW, species: int = 1) -> list[Envelope]:
    """An alert and its sealed crop. The same call seals anew: keep the result to send it twice."""
    sealed = seal_box(bytes(BOX.public_key), picture(trap * 100 + number))
    return [envelope(trap, number, ALERT, alert(time_ms, species=species)), envelope(trap, number, CROP, sealed)]


def deliver(broker: MemoryBroker, *envelopes: Envelope) -> None:
    """As a gateway would."""
    said = {"base": "north", "rssi_dbm": "-97", "snr_db": "6.25", "received_ms": str(NOW)}
    for e in envelopes:
        broker.deliver(topics.up(e.key.trap, RUNG_NAMES[e.key.rung]), e.encode(), said)


class Base:
    """Ingest and forward over a broker in memory; time is the test's. Build another one on the same folder and
    broker to play a restart."""

    def __init__(
        self,
        folder: Path,
        broker: MemoryBroker,
        outlet: Outlet,
        *,
        batch: BatchSettings = BATCH,
        upload: UploadSettings = UPLOAD,
        receipt_key: bytes = bytes(SIGNING.verify_key),
    ) -> None:
        self.gateway_bus = broker.connect("gateway", gateway.SUBSCRIPTIONS)
        self.ingest = Ingest(broker.connect("ingest", ingest.SUBSCRIPTIONS), Store(folder), group=8)
        self.store = Store(folder)
        # Receipts count from 1 here, so that a test can name one.
        self.store._db.execute("UPDATE sqlite_sequence SET seq = 0 WHERE NOT EXISTS (SELECT 1 FROM receipts)")
        self.cutter = Cutter(self.store, TRAPS, batch, bytes(BOX))
        self.uploader = Uploader(self.store, self.cutter, outlet, upload, lambda: 1.0)
        bus = broker.connect("forward", receipts.SUBSCRIPTIONS)
        self.whole = WholeReceipts(folder)
        self.receipts = Receipts(self.store, self.uploader, outlet, bus, receipt_key, upload, self.whole)
        self.forward = Forward(self.cutter, self.uploader, self.receipts)

    def step(self, now_ms: int) -> bool:
        """One round of both; `now_ms` since the world's beginning."""
        return self.ingest.step(now_ms, NOW + now_ms) | self.forward.step(now_ms, NOW + now_ms)

    def run(self, start_ms: int, end_ms: int, every_ms: int = 250) -> None:
        for now in range(start_ms, end_ms, every_ms):
            while self.step(now):
                pass

    def close(self) -> None:
        self.whole.close()
        self.ingest._store.close()
        self.store.close()
