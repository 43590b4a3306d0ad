"""Builds the service page from the settings and the parts of a running trap."""

from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette

from trapcam.camera import Camera, choose
from trapcam.card_notes import CardNotes
from trapcam.clock import Clock
from trapcam.config import TrapSettings
from trapcam.judge import Judge
from trapcam.outbox import Outbox
from trapcam.seal import Sealer
from trapcam.service.asked import zone_of
from trapcam.service.bringing import Bringer
from trapcam.service.desk import Desk
from trapcam.service.gnss import GnssModule
from trapcam.service.pin import Door, read_operators
from trapcam.service.server import Visit
from trapcam.service.showing import Parts
from trapcam.service.trap import ServiceTrap
from trapcam.service.web import create_page
from trapcam.uplink import Uplink
from trapkit.errors import SetupError

WRONG = "wrong pins"  # the outbox's part: how many in a row, over restarts


def open_visit(
    settings: TrapSettings,
    outbox: Outbox,
    sealer: Sealer,
    seed: bytes,
    clock: Clock,
    uplink: Uplink,
    camera: Camera,
    judge: Judge | None,
    *,
    monotonic_ms: Callable[[], int],
    report: Callable[[str], None],
    worn: Callable[[], bool] = lambda: False,
) -> Visit:
    """The page, not yet open. seed: what the trap signs with; worn: whether the card wears out.

    Raises: SetupError naming the file or the key.
    """
    service = settings.service
    path = Path(service.operators)
    try:
        operators = read_operators(path.read_bytes(), str(path))
    except OSError as error:
        raise SetupError(f"{path}: the operators cannot be read: {error.strerror}") from error
    south, west, north, east = service.region
    if not (-90 <= south < north <= 90 and -180 <= west < east <= 180):
        raise SetupError(
            f"key 'service.region' is {list(service.region)}; allowed is south, west, north, east in degrees"
        )
    if not all(1 <= angle < 180 for angle in service.view_deg):
        raise SetupError(f"key 'service.view_deg' is {list(service.view_deg)}; allowed are two angles of 1–179 degrees")
    zone = zone_of(service.zone)
    if service.zone and zone is None:  # no reason to stop a trap: it says UTC
        report(f"key 'service.zone' is {service.zone!r}: this computer knows no such time zone; its page says UTC")
    desk = Desk()
    trap = ServiceTrap(
        desk, outbox, CardNotes(outbox, sealer, seed), clock, uplink, choose.glancing(camera), camera.source, judge,
        monotonic_ms, GnssModule(service.gnss, service.gnss_baud, monotonic_ms, report), worn,
    )  # fmt: skip
    bringer = Bringer(Path(settings.data) / "update", outbox.trap) if settings.update.trusted else None
    before = outbox.told(WRONG)
    door = Door(operators, int(before) if before.isdecimal() else 0, monotonic_ms())

    def page(touched: Callable[[], None]) -> Starlette:
        return create_page(
            Parts(
                desk=desk, trap=trap, door=door, number=outbox.trap, side=service.side, zone=zone,
                region=service.region, address=service.address,
                view_deg=service.view_deg, language=service.language,
                wrong=lambda count: outbox.tell(WRONG, str(count)),
                bringer=bringer, simulated=service.simulated, touched=touched, monotonic_ms=monotonic_ms,
            )
        )  # fmt: skip

    return Visit(
        page, trap, desk,
        address=(service.host, service.port), up=service.up, down=service.down, idle_ms=service.idle_min * 60_000,
        always=service.always, monotonic_ms=monotonic_ms, over=uplink.visit_over,
        report=report,
    )  # fmt: skip
