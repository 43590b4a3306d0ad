"""The trap's application, by `cmd_run`'s own builders, on a folder that outlives it; made anew after each death."""

import io
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

from trapcam.app import TrapApp
from trapcam.camera import Camera
from trapcam.clock import Clock
from trapcam.cmd_run import build_app
from trapcam.config import AuditSettings, KeySettings, RungSettings, TrapSettings, UplinkSettings
from trapcam.fromsettings import open_keys, open_sign_key, pace, timing
from trapcam.health.card import Card
from trapcam.health.verdicts import Health
from trapcam.judge import Judge
from trapcam.ledger import Ledger
from trapcam.network import Network, subscriptions
from trapcam.outbox import Outbox, open_outbox
from trapcam.room import free_bytes
from trapcam.seal import Sealer
from trapcam.uplink import Line, Uplink
from trapsim.memorybus import MemoryBroker
from trapsim.trapsoak.journal import Journal, watch_notes
from trapsim.trapsoak.outside import TRAP

MAX_SAID = 100_000  # characters of a start's log that are kept
RESERVE_BYTES = 100_000  # of the card, for small objects


def settings_of(folder: Path, hurry: float = 1.0) -> TrapSettings:
    """The settings of the season's trap: small rungs for small pictures, samples enough to look at; waits by `hurry`
    shorter than in virtual time."""
    keys = folder / "keys"
    return TrapSettings(
        trap=TRAP, data=str(folder / "data"),
        keys=KeySettings(
            base=str(keys / "base.pub"), recipients=str(keys / "recipients.txt"), receipts=str(keys / "backend.pub")
        ),
        rungs=RungSettings(crop_bytes=1_480, frame_bytes=4_000, frame_pixels=320),
        audit=AuditSettings(share=0.3),
        uplink=UplinkSettings(
            answer_s=2.0 / hurry, hello_s=1.0 / hurry, status_s=5.0 / hurry, full_s=5.0 / hurry
        ),
    )  # fmt: skip


class Pi:
    """One start of the trap. `journal`: what of its notes is durable is written there; `sealed`: a hook before each
    sealing (a power cut may strike there); `free`: asks the card for its room.

    Raises: SetupError, StorageError: it does not start.
    """

    def __init__(
        self, settings: TrapSettings, camera: Camera, judge: Judge, line: Line, *,
        system_ms: Callable[[], int], monotonic_ms: Callable[[], int], broker: MemoryBroker | None,
        journal: Journal, sealed: Callable[[], None] = lambda: None, free: Callable[[Path], int] = free_bytes,
    ) -> None:  # fmt: skip
        self._said = io.StringIO()
        self._system_ms = system_ms
        sealer, receipt_key = open_keys(settings)
        room = settings.audit.max_mb * 1_000_000
        self.outbox: Outbox = open_outbox(
            Path(settings.data), TRAP, system_ms(), audit_bytes=room, reserve_bytes=RESERVE_BYTES, free=free
        )
        try:
            camera.start()
            self.outbox.declare_source(camera.source, camera.total)
            clock = Clock(None, system_ms=system_ms, monotonic_ms=monotonic_ms)
            uplink = Uplink(line, self.outbox, receipt_key, timing(settings), clock=clock)
            network = None
            if broker is not None:
                bus = broker.connect(str(TRAP), subscriptions(TRAP), may_publish=f"pugmark/1/+/{TRAP}/#")
                self.bus = bus
                network = Network(bus, self.outbox, receipt_key, pace(settings))
            told = _Told(sealer, sealed)
            watch_notes(self.outbox.notes, journal)
            ledger = Ledger(self.outbox, open_sign_key(settings), clock, monotonic_ms, Health(), Card())
            self._app: TrapApp = build_app(settings, camera, judge, told, self.outbox, uplink, network, clock, ledger)
        except BaseException:
            self.outbox.close()
            raise

    def step(self) -> bool:
        """One step of its main loop; what it says is kept and not shown."""
        with redirect_stderr(self._said):
            busy = self._app.step(self._system_ms())
        if self._said.tell() > MAX_SAID:
            self._said.truncate(self._said.seek(0))
        return busy

    @property
    def left(self) -> bool:
        return self._app.left

    @property
    def said(self) -> list[str]:
        return self._said.getvalue().splitlines()

    def close(self) -> None:
        self.outbox.close()


class _Told(Sealer):
    """The sealer, which says before each sealing that it is about to."""

    def __init__(self, sealer: Sealer, hook: Callable[[], None]) -> None:
        super().__init__(sealer._base_key, sealer._recipients)
        self._hook = hook

    def seal_file(self, data: bytes) -> bytes:
        self._hook()
        return super().seal_file(data)
