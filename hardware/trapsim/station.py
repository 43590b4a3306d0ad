"""A station of traps, a base and a back end as processes of a `World`: what is where, and how each part is built."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pyrage
from nacl.public import PrivateKey
from nacl.signing import SigningKey
from numpy.typing import NDArray

from trapbase import forward, gateway, ingest, receipts
from trapbase.config import BatchSettings, TrapSettings, UploadSettings
from trapbase.cutter import Cutter
from trapbase.outlet import OutletError
from trapbase.radio.cells import Radio
from trapbase.store import Store
from trapbase.upload import Uploader
from trapcam.app import TrapApp
from trapcam.camera.replay import open_replay
from trapcam.capture import Capture, Policy
from trapcam.detections import Detection
from trapcam.network import Network, Pace, subscriptions
from trapcam.outbox import Outbox, open_outbox
from trapcam.seal import Sealer
from trapcam.uplink import Timing, Uplink
from trapkit.aes import AesCcm
from trapmcu.main import build as build_unit
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import BackendStore
from trapsim.crash import Died
from trapsim.keyed import link_key
from trapsim.world import LinuxPort, Process, Wire, World, WorldBoard
from trapwire.airtime import largest_frame
from trapwire.baselink import BaseLink
from trapwire.frame import Counter
from trapwire.linkkeys import DOWN, LinkKey

T = TypeVar("T")
UTC_MS = 1_763_686_800_000  # the world's clock starts here
PLAN = "cn470"
BASE_KEY = PrivateKey(bytes(range(32)))
BACKEND_KEY = SigningKey(bytes(range(32, 64)))


@dataclass(frozen=True, kw_only=True)
class _Description:
    name: str = "first pixel"
    version: str = "1"
    sha256: str = "00" * 32
    thresholds: Mapping[str, float] = field(default_factory=lambda: {"feline": 0.5, "person": 0.5})


class FirstPixel:
    """A detector that sees a feline where the first pixel is red, a person where it is blue, else nothing."""

    description = _Description()

    def detect(self, image: NDArray, moved: object = None) -> Sequence[Detection]:  # type: ignore[type-arg]
        red, _, blue = (int(v) for v in image[0, 0])
        if max(red, blue) < 200:
            return []
        return [Detection(category="feline" if red > blue else "person", confidence=0.9, bbox=(0.2, 0.2, 0.6, 0.6))]


class _MortalOutlet:
    """The way to the back end. When that dies while it answers, its caller sees a broken connection and lives on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.direct = DirectOutlet(None)
        self.process: Process | None = None

    def create(self, batch_id: str, size: int) -> str:
        return self._ask(lambda: self.direct.create(batch_id, size))

    def offset(self, url: str) -> int | None:
        return self._ask(lambda: self.direct.offset(url))

    def send(self, url: str, offset: int, data: bytes) -> int:
        return self._ask(lambda: self.direct.send(url, offset, data))

    def receipts(self, batch_id: str) -> bytes | None:
        return self._ask(lambda: self.direct.receipts(batch_id))

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except Died:
            if self.process is not None:
                self._world.kill(self.process)
            raise OutletError("back end: the connection broke") from None


class Station:
    """`traps` traps that each replay `pictures` at the times `pir_ms`; folders as the demo lays them out.

    networked: those of them that have a network beside the radio.
    """

    def __init__(
        self,
        world: World,
        folder: Path,
        pictures: Path,
        traps: int,
        pir_ms: list[int],
        *,
        networked: Collection[int] = frozenset(),
    ) -> None:
        self._world = world
        self._networked = networked
        self._folder = folder
        self._pictures = pictures
        self._traps = {
            n: TrapSettings(number=n, station="S001", latitude=43.1, longitude=131.4) for n in range(1, traps + 1)
        }
        self._recipients = [pyrage.x25519.Identity.generate().to_public()]
        self._outlet = _MortalOutlet(world)
        self._backend()
        self._base()
        for number in self._traps:
            wire = Wire()
            self._supervisor(number, wire, list(pir_ms))
            self._trapcam(number, wire)

    def _add(self, name: str, build: Callable[[], Callable[[int], int | None]], died: Callable[[], None]) -> None:
        self._world.add(Process(name=name, build=build, died=died))

    # The traps

    def _trapcam(self, number: int, wire: Wire) -> None:
        opened: list[Callable[[], None]] = []

        def build() -> Callable[[int], int | None]:
            outbox = open_outbox(self._folder / f"trap{number}" / "data", number, UTC_MS)
            opened.append(outbox.close)
            camera = open_replay(str(self._pictures), loop=False, max_megapixels=1, uncertainty_ms=200)
            outbox.declare_source(camera.source, camera.total)
            timing = Timing(answer_ms=1000, hello_ms=500, status_ms=2000, full_ms=1000)
            uplink = Uplink(LinuxPort(wire), outbox, bytes(BACKEND_KEY.verify_key), timing)
            sealer = Sealer(bytes(BASE_KEY.public_key), self._recipients)
            policy = Policy(crop_bytes=400, frame_bytes=2000, frame_pixels=160)
            network = self._network(number, outbox) if number in self._networked else None
            app = TrapApp(camera, Capture(FirstPixel(), sealer, policy), outbox, uplink, network=network)

            def step(now: int) -> int | None:
                return now if app.step(UTC_MS + now) else None

            return step

        self._add(f"trapcam{number}", build, lambda: self._close(opened, wire, "left"))

    def _network(self, number: int, outbox: Outbox) -> Network:
        own = f"pugmark/1/+/{number}/#"  # what the broker's access list lets a trap write
        bus = self._world.broker.connect(str(number), subscriptions(number), may_publish=own)
        return Network(bus, outbox, bytes(BACKEND_KEY.verify_key), Pace(answer_ms=1000))

    def _supervisor(self, number: int, wire: Wire, pir_ms: list[int]) -> None:
        times = {"heartbeat_ms": 3000, "reply_window_ms": 800}
        settings = {
            "trap": number, "plan": PLAN, "sf": self._world.air.sf, "times": times, "repeat_ms": 1000,
            "link_key": link_key(number).hex(), "armed_to_h": 24, "min_gap_ms": 0, "triggers_a_day": 100000,
            "safe_resets": 256, "picture_min": 1440,
        }  # fmt: skip

        def build() -> Callable[[int], int | None]:
            board = WorldBoard(self._world, number, wire, self._folder / f"trap{number}" / "flash", pir_ms)
            self._world.attach(number, board)
            return build_unit(board, settings).step  # type: ignore[no-any-return]

        self._add(f"supervisor{number}", build, lambda: self._close([], wire, "right"))

    # The back end

    def _backend(self) -> None:
        opened: list[Callable[[], None]] = []

        def build() -> Callable[[int], int | None]:
            folder = self._folder / "backend"
            folder.mkdir(parents=True, exist_ok=True)
            store = BackendStore(folder, bytes(BACKEND_KEY))
            opened.append(store.close)
            self._outlet.direct.store = store
            return lambda now: None  # it only answers

        def died() -> None:
            self._outlet.direct.store = None
            self._close(opened, None, "")

        self._outlet.process = Process(name="backend", build=build, died=died)
        self._world.add(self._outlet.process)

    # The base

    def _base(self) -> None:
        wire = Wire()
        folder = self._folder / "base"
        stores: list[Callable[[], None]] = []
        forwards: list[Callable[[], None]] = []

        def build_modem() -> Callable[[int], int | None]:
            board = WorldBoard(self._world, 0, wire, self._folder / "modem", [])
            self._world.attach(0, board)
            return build_unit(board, {"role": "modem", "plan": PLAN, "sf": self._world.air.sf}).step  # type: ignore[no-any-return]

        counter = [0]  # the gateway's counter survives: its own durability is tested with its command

        def reserve(end: int) -> None:
            counter[0] = end

        def build_gateway() -> Callable[[int], int | None]:
            frame_bytes = largest_frame(PLAN, self._world.air.sf)
            # Built anew with nothing heard: the worst that a power cut leaves of the gateway's memory.
            keys = {number: [LinkKey(link_key(number), number, DOWN, AesCcm)] for number in self._traps}
            link = BaseLink(keys, frame_bytes, Counter(counter[0], reserve))
            bus = self._world.broker.connect("gateway", gateway.SUBSCRIPTIONS)
            part = gateway.Gateway(Radio.single(link, LinuxPort(wire)), bus, republish_ms=1000)

            def step(now: int) -> int | None:
                return now if part.step(now, UTC_MS + now) else part.deadline()

            return step

        def build_ingest() -> Callable[[int], int | None]:
            store = Store(folder)
            stores.append(store.close)
            part = ingest.Ingest(self._world.broker.connect("ingest", ingest.SUBSCRIPTIONS), store)

            def step(now: int) -> int | None:
                return now if part.step(now, UTC_MS + now) else None

            return step

        def build_forward() -> Callable[[int], int | None]:
            store = Store(folder)
            forwards.append(store.close)
            settings = UploadSettings(
                retry_min_s=0.2, retry_max_s=2, receipt_poll_s=0.2, down_republish_ms=1000, chunk_bytes=1024
            )
            outlet = self._outlet
            cutter = Cutter(store, self._traps, BatchSettings(max_age_s=0.5, max_wait_s=3600), bytes(BASE_KEY))
            uploader = Uploader(store, cutter, outlet, settings, lambda: 0.5)
            bus = self._world.broker.connect("forward", receipts.SUBSCRIPTIONS)
            down = receipts.Receipts(store, uploader, outlet, bus, bytes(BACKEND_KEY.verify_key), settings)
            part = forward.Forward(cutter, uploader, down)

            def step(now: int) -> int | None:
                return now if part.step(now, UTC_MS + now) else None

            return step

        self._add("modem", build_modem, lambda: self._close([], wire, "right"))
        self._add("gateway", build_gateway, lambda: self._close([], wire, "left"))
        self._add("ingest", build_ingest, lambda: self._close(stores, None, ""))
        self._add("forward", build_forward, lambda: self._close(forwards, None, ""))

    @staticmethod
    def _close(opened: list[Callable[[], None]], wire: Wire | None, side: str) -> None:
        """What the kernel does for a dead process: its databases are closed as they are, its line falls silent."""
        while opened:
            opened.pop()()
        if wire is not None:
            wire.hang_up(side)
