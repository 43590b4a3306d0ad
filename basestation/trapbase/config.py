"""The base's settings; `trapbase config show` prints those in force, `check` also looks at files and traps."""

from datetime import datetime
from typing import Annotated, ClassVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct, field

from trapbase.borders import COUNTRY, AgreementSettings, check_agreements
from trapbase.outlet_settings import (
    BUDGET_TEXT,
    HOURS,
    HOURS_TEXT,
    ExportSettings,
    OutletSettings,
    check_hours,
    check_outlets,
)
from trapbase.page_settings import LogSettings, PageSettings
from trapbase.store_settings import BackupSettings, CardsSettings, StoreSettings
from trapbase.update_settings import UpdateSettings, check_updates
from trapkit.errors import SetupError
from trapwire.airtime import SF_MAX, SF_MIN, usable_frame
from trapwire.alert import SPECIES
from trapwire.errors import WireError
from trapwire.plans import PLANS

Text = Annotated[str, Meta(max_length=200)]
NAMES = tuple(SPECIES.values())
Port = Annotated[int, Meta(ge=1, le=65535)]
MODEM = "/dev/pugmark-modem"
MAX_MODEMS = 8


class BusSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The broker."""

    host: Annotated[str, Meta(description="broker's name or address, as in its certificate")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="broker's TLS port")] = 8883
    certificates: Annotated[str, Meta(description="folder with ca.crt and NAME.crt, NAME.key of each program")] = (
        "/etc/pugmark/certificates"
    )


class ModemSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of several modems: a `[[modem]]` table."""

    serial: Annotated[str, Meta(min_length=1, max_length=200, description="its serial line, as in `gateway.serial`")]
    baud: Annotated[int, Meta(ge=9600, le=3000000, description="speed of its serial line (bit/s)")] = 115200
    sf: Annotated[int, Meta(ge=0, le=SF_MAX, description="its spreading factor, 7–12; 0: `gateway.sf`")] = 0


class GatewaySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Modem and radio link."""

    serial: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            description="modem's serial line: a device, usb:SERIALNUMBER or usb:VID:PID; several modems: [[modem]]",
        ),
    ] = MODEM
    baud: Annotated[int, Meta(ge=9600, le=3000000, description="speed of the serial line (bit/s)")] = 115200
    plan: Annotated[
        str,
        Meta(max_length=20, description="the country's frequency plan, as on the traps: " + ", ".join(sorted(PLANS))),
    ] = ""
    sf: Annotated[int, Meta(ge=SF_MIN, le=SF_MAX, description="LoRa spreading factor, as on the traps")] = 9
    quick_sf: Annotated[
        int, Meta(ge=0, le=11, description="fastest spreading factor for a near trap's quick turns; 0: none")
    ] = 0
    keys: Annotated[str, Meta(description="folder with the link key of each trap, N.key, as trapship writes them")] = (
        "/etc/pugmark/keys/link"
    )
    commit_wait_ms: Annotated[
        int, Meta(ge=0, le=10000, description="how long a radio answer waits for ingest's commit (ms)")
    ] = 150
    modem_wait_ms: Annotated[
        int,
        Meta(ge=1, le=86400000, description="as `times.reply_window_ms` of the modem: a frame waits no longer (ms)"),
    ] = 500
    clock: Annotated[
        str,
        Meta(
            pattern=r"^(auto|off)$",
            description="auto: traps get the time while the kernel says that somebody keeps it right; off: never",
        ),
    ] = "auto"
    clock_drift_ppm: Annotated[
        int, Meta(ge=1, le=10000, description="drift of this base's clock that nobody keeps right (millionths)")
    ] = 100
    clock_uncertainty_ms: Annotated[
        int,
        Meta(ge=0, le=3600000, description="how far this base's clock may be off, by your word; 0: see `clock` (ms)"),
    ] = 0
    home: Annotated[
        bool, Meta(description="answer the traps whose N.key is here; false: only pass on what they say")
    ] = True
    certificate: Annotated[
        str,
        Meta(
            pattern=r"^(gateway|forwarder-[A-Za-z0-9_.-]{1,32})$",
            description="its certificate: gateway; forwarder-NAME of a base that only passes on",
        ),
    ] = "gateway"
    republish_ms: Annotated[
        int, Meta(ge=100, le=3600000, description="publish an object again that was not committed (ms)")
    ] = 10000


class IngestSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From the bus into the store."""

    group: Annotated[int, Meta(ge=1, le=128, description="most messages in one transaction")] = 64
    pieces_mb: Annotated[
        int, Meta(ge=48, le=100000, description="room for full frames of which only a part came yet (MiB)")
    ] = 256


class BatchSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a batch is cut, and what its package says of the project."""

    max_events: Annotated[int, Meta(ge=1, le=1000, description="sightings in one batch")] = 50
    # The opened crops go along: with both, and the tables, a package stays below the 64 MiB of BACKEND.md.
    max_bytes: Annotated[int, Meta(ge=1024, le=25165824, description="sealed bytes in one batch (bytes)")] = 8388608
    max_age_s: Annotated[
        float, Meta(ge=0, le=604800, description="a ready sighting waits at most this long for others (s)")
    ] = 300.0
    max_wait_s: Annotated[
        float, Meta(ge=0, le=604800, description="an alert waits at most this long for its crop (s)")
    ] = 3600.0
    urgent_species: Annotated[
        str,
        Meta(max_length=200, description="species whose sightings wait for no others, by commas: " + ", ".join(NAMES)),
    ] = "tiger, leopard, snow leopard"
    project: Annotated[str, Meta(min_length=1, max_length=200, description="title of the project")] = "Pugmark"
    contributor: Annotated[str, Meta(min_length=1, max_length=200, description="who operates this base")] = (
        "Operator of this base station"
    )
    classified_by: Annotated[str, Meta(min_length=1, max_length=200, description="detector of the traps")] = (
        "Pugmark feline detector"
    )


class UploadSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The way to the identification back end (BACKEND.md)."""

    url: Annotated[
        str,
        Meta(pattern=r"^(https?://[^\s]+)?$", max_length=200, description="back end's address; empty: keep all here"),
    ] = ""
    country: Annotated[
        str, Meta(pattern=COUNTRY, description="where its receiver is (ISO 3166, like RU); see the base's `country`")
    ] = ""
    public_key: Annotated[str, Meta(description="file with the back end's Ed25519 public key, hexadecimal")] = (
        "/etc/pugmark/backend.pub"
    )
    chunk_bytes: Annotated[int, Meta(ge=1024, le=16777216, description="one piece of an upload (bytes)")] = 65536
    timeout_s: Annotated[float, Meta(gt=0, le=600, description="a silent back end is given up after (s)")] = 30.0
    retry_min_s: Annotated[float, Meta(gt=0, le=3600, description="first pause after a failure (s)")] = 2.0
    retry_max_s: Annotated[float, Meta(gt=0, le=86400, description="longest pause after failures (s)")] = 600.0
    hours: Annotated[str, Meta(pattern=HOURS, description=HOURS_TEXT)] = ""
    budget_kib: Annotated[int, Meta(ge=0, le=1 << 30, description=BUDGET_TEXT)] = 0
    receipt_poll_s: Annotated[float, Meta(gt=0, le=3600, description="ask for a receipt every (s)")] = 5.0
    identifications_s: Annotated[
        float, Meta(ge=0, le=604800, description="ask who the cats are every (s); 0: never")
    ] = 60.0
    down_republish_ms: Annotated[
        int, Meta(ge=100, le=3600000, description="publish a receipt again that its trap has not taken (ms)")
    ] = 5000


class TrapSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trap in the field: a `[[trap]]` table."""

    number: Annotated[int, Meta(ge=1, le=65535, description="the trap's number")]
    station: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,32}$", description="its station (locationID)")]
    latitude: Annotated[float, Meta(ge=-90, le=90, description="WGS84 (degrees)")]
    longitude: Annotated[float, Meta(ge=-180, le=180, description="WGS84 (degrees)")]
    side: Annotated[str, Meta(pattern=r"^(left|right|single)$", description="which flank of the cat it sees")] = (
        "single"
    )
    uncertainty_m: Annotated[int, Meta(ge=1, le=100000, description="of the position (m)")] = 30
    deployed: Annotated[
        str, Meta(pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)?$", description="since when, UTC; empty: first sighting")
    ] = ""
    model: Annotated[str, Meta(max_length=100, description="camera model")] = ""
    zone: Annotated[str, Meta(max_length=64, description="its time zone (IANA name); empty: the base's")] = ""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a base needs to know."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,32}$", description="this base's name")] = "base"
    folder: Annotated[str, Meta(min_length=1, description="where the base keeps its data")] = "/var/lib/pugmark/base"
    PACK: ClassVar[str] = "trapbase"
    pack: Annotated[
        tuple[Annotated[str, Meta(max_length=400)], ...],
        Meta(max_length=4, description="signed settings pack of all parks: the first of these that is there (paths)"),
    ] = ()
    pack_key: Annotated[
        str, Meta(max_length=400, description="public key that the pack must be signed with (path; 64 hex digits)")
    ] = ""
    region: Annotated[
        tuple[Annotated[str, Meta(max_length=400)], ...],
        Meta(max_length=4, description="signed plan of the region: the first of these that is there (paths)"),
    ] = ()
    region_key: Annotated[
        str, Meta(max_length=400, description="public key that the plan must be signed with (path; 64 hex digits)")
    ] = ""
    unit: Annotated[
        str, Meta(max_length=400, description="what `trapship provision` wrote for this unit (path; empty: none)")
    ] = ""
    revoked: Annotated[
        str, Meta(max_length=400, description="the operator's signed list of units that are shut out; empty: none")
    ] = ""
    operator_key: Annotated[
        str, Meta(max_length=400, description="file with the operator's public key, who signs that list, hexadecimal")
    ] = ""
    box_key: Annotated[
        str, Meta(description="file with the key that opens crops, hexadecimal; empty: they stay sealed here")
    ] = ""
    unit_keys: Annotated[
        str, Meta(description="folder with the key that each trap signs with, N.sign.pub, as trapship writes them")
    ] = "/etc/pugmark/keys/units"
    country: Annotated[
        str,
        Meta(
            pattern=COUNTRY,
            description="where it stands (ISO 3166, like RU): nothing leaves it but by [[agreement]]; empty: no rule",
        ),
    ] = ""
    zone: Annotated[
        str, Meta(min_length=1, max_length=64, description="time zone of the stations (IANA name, Asia/Vladivostok)")
    ] = "UTC"
    bus: BusSettings = field(default_factory=BusSettings)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    ingest: IngestSettings = field(default_factory=IngestSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    upload: UploadSettings = field(default_factory=UploadSettings)
    page: PageSettings = field(default_factory=PageSettings)
    cards: CardsSettings = field(default_factory=CardsSettings)
    updates: UpdateSettings = field(default_factory=UpdateSettings)
    modem: tuple[ModemSettings, ...] = ()
    log: LogSettings = field(default_factory=LogSettings)
    trap: tuple[TrapSettings, ...] = ()
    export: ExportSettings = field(default_factory=ExportSettings)
    outlet: tuple[OutletSettings, ...] = ()
    agreement: tuple[AgreementSettings, ...] = ()


def check_traps(settings: Settings) -> None:
    """Rules between traps, and what a pattern cannot say of a value.  Raises: SetupError naming trap or key."""
    _check_url(settings.upload.url)
    modems(settings)
    if not settings.gateway.home and settings.gateway.certificate == "gateway":
        raise SetupError(
            "key 'gateway.certificate' is 'gateway' where gateway.home is false; allowed is forwarder-NAME, "
            "as `trapship fleet --forwarder NAME` makes it: the home base has the other"
        )
    if settings.gateway.home and settings.gateway.certificate != "gateway":
        raise SetupError(
            f"key 'gateway.certificate' is {settings.gateway.certificate!r} where gateway.home is true; "
            "allowed is gateway"
        )
    urgent_species(settings.batch)
    check_hours(settings.upload.hours, "key 'upload.hours'")
    check_outlets(settings.outlet)
    check_updates(settings.updates)
    check_agreements(settings.country, settings.agreement)
    zone_info(settings.zone)
    if settings.cards.south > settings.cards.north:
        raise SetupError(
            f"keys 'cards.south', 'cards.north' are {settings.cards.south}, {settings.cards.north}: no place lies "
            "between; allowed is a south that is not beyond the north"
        )
    seen: dict[int, TrapSettings] = {}
    for trap in settings.trap:
        if trap.number in seen:
            raise SetupError(f"trap {trap.number} is there twice; numbers are unique")
        seen[trap.number] = trap
        _check_deployed(trap)
        if trap.zone:
            zone_info(trap.zone, f" of trap {trap.number}")


def urgent_species(batch: BatchSettings) -> frozenset[int]:
    """Codes of the species that wait for no others.  Raises: SetupError."""
    wanted = [name.strip() for name in batch.urgent_species.split(",") if name.strip()]
    for name in wanted:
        if name not in NAMES:
            raise SetupError(
                f"key 'batch.urgent_species' is {batch.urgent_species!r}: {name!r} is no species of the traps; "
                f"allowed are {', '.join(NAMES)}, or nothing"
            )
    return frozenset(code for code, name in SPECIES.items() if name in wanted)


def zone_info(name: str, whose: str = "") -> ZoneInfo:
    """The time zone of that name.  Raises: SetupError."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise SetupError(
            f"key 'zone'{whose} is {name!r}: there is no such time zone; "
            "allowed are IANA names like Asia/Vladivostok or UTC"
        ) from error


def modems(settings: Settings) -> tuple[ModemSettings, ...]:
    """The base's modems, each with its spreading factor; at least one.  Raises: SetupError."""
    gateway = settings.gateway
    if not settings.modem:
        return (ModemSettings(serial=gateway.serial, baud=gateway.baud, sf=gateway.sf),)
    if gateway.serial != MODEM:
        raise SetupError(
            f"key 'gateway.serial' is {gateway.serial!r} beside {len(settings.modem)} [[modem]]; "
            "allowed is one of the two"
        )
    if len(settings.modem) > MAX_MODEMS:
        raise SetupError(f"there are {len(settings.modem)} [[modem]]; allowed are {MAX_MODEMS}")
    lines = [modem.serial for modem in settings.modem]
    for line in lines:
        if lines.count(line) > 1:
            raise SetupError(f"key 'serial' of two [[modem]] is {line!r}; each has a line of its own")
    found = []
    for modem in settings.modem:
        if 0 < modem.sf < SF_MIN:
            raise SetupError(f"key 'sf' of modem {modem.serial} is {modem.sf}; allowed are {SF_MIN}–{SF_MAX}, or 0")
        found.append(ModemSettings(serial=modem.serial, baud=modem.baud, sf=modem.sf or gateway.sf))
    return tuple(found)


def frame_bytes(gateway: GatewaySettings, sf: int = 0) -> int:
    """The largest radio frame, in bytes; `sf`: of a modem, 0 for the base's.  Raises: SetupError; without a plan nobody
    transmits."""
    sf = sf or gateway.sf
    if not gateway.plan:
        raise SetupError(
            "key 'gateway.plan' is '': without its country's plan a base must not transmit; "
            f"allowed are {', '.join(sorted(PLANS))}, the same as on its traps"
        )
    try:
        return usable_frame(gateway.plan, sf)
    except WireError as error:
        raise SetupError(f"keys 'gateway.plan', 'gateway.sf' are {gateway.plan!r}, {sf}: {error}") from error


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        good = not url or bool(url.isascii() and parts.hostname and parts.port != 0)
    except ValueError:
        good = False
    if not good or parts.username is not None or parts.query or parts.fragment:
        allowed = "http or https, a host, a port within 1–65535 and a path, or nothing"
        raise SetupError(f"key 'upload.url' is {url!r}: is no address that can be spoken to; allowed are {allowed}")


def _check_deployed(trap: TrapSettings) -> None:
    try:
        good = not trap.deployed or bool(datetime.strptime(trap.deployed, "%Y-%m-%dT%H:%M:%S%z"))
    except ValueError:
        good = False
    if not good or not trap.deployed.isascii():
        raise SetupError(
            f"key 'deployed' of trap {trap.number} is {trap.deployed!r}: there is no such time; "
            "allowed are times like 2025-11-01T00:00:00Z, or nothing"
        )
