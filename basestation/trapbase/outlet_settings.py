"""Settings of the further ways out of a base, `[[outlet]]` tables, and the rules between their keys."""

from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from trapbase.borders import COUNTRY
from trapkit.errors import SetupError
from trapwire.alert import SPECIES

FOLDER, EARTHRANGER, WEBHOOK = "folder", "earthranger", "webhook"
UPLOAD = "upload"  # the name under which the way to the back end stands among the outlets
GRID = r"^(exact|0\.001|0\.01|0\.1)$"
HOURS = r"^(([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)?$"
HOURS_TEXT = "only within these hours of the base's `zone`, like 22:00-06:00; empty: always"
BUDGET_TEXT = (
    "sent and received at most on one day of the base's `zone`, headers and failed tries too; 0: no bound (KiB)"
)
# A tiger first; domestic cats and other animals only where they are named.
SPECIES_DEFAULT = ("tiger", "leopard", "snow leopard", "puma", "lynx", "other feline", "feline")
Kind = Annotated[str, Meta(pattern=f"^({'|'.join(SPECIES.values())})$")]


class OutletSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One further way out: an `[[outlet]]` table (OUTLETS.md)."""

    name: Annotated[
        str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="its name; another name is another outlet")
    ]
    kind: Annotated[str, Meta(pattern=f"^({FOLDER}|{EARTHRANGER}|{WEBHOOK})$", description="what it is")]
    path: Annotated[
        str,
        Meta(
            max_length=400, description="folder: a folder on the stick, made once; where it is missing, so is the stick"
        ),
    ] = ""
    url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^\s]+)?$",
            max_length=400,
            description="earthranger: …/api/v1.0; webhook: where to post",
        ),
    ] = ""
    provider: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,80}$", description="earthranger: key of the source provider there")
    ] = "generic"
    key_file: Annotated[
        str,
        Meta(
            max_length=400,
            description="file with the token (earthranger), or what signs: whsec_… or 64 hexadecimal digits",
        ),
    ] = ""
    country: Annotated[
        str, Meta(pattern=COUNTRY, description="where its receiver is (ISO 3166, like RU); see the base's `country`")
    ] = ""
    species: Annotated[tuple[Kind, ...], Meta(description="which sightings go there, the most urgent first")] = (
        SPECIES_DEFAULT
    )
    least_percent: Annotated[int, Meta(ge=0, le=100, description="only sightings that the trap was so sure of (%)")] = 0
    picture: Annotated[bool, Meta(description="with the opened crop, waiting for it up to `batch.max_wait_s`")] = True
    identifications: Annotated[bool, Meta(description="what the back end says of them too")] = True
    coordinates: Annotated[
        str,
        Meta(
            pattern=r"^(exact|0\.001|0\.01|0\.1|station|none)$",
            description="exact, rounded to so many degrees, the station's name alone, or neither",
        ),
    ] = "station"
    since: Annotated[
        str, Meta(pattern=r"^(now|beginning)$", description="a new outlet gets what comes from now on, or everything")
    ] = "now"
    after_s: Annotated[
        float,
        Meta(
            ge=0, le=2592000, description="folder: a batch goes there when it has waited so long for the back end (s)"
        ),
    ] = 0.0
    poll_s: Annotated[float, Meta(gt=0, le=3600, description="folder: look whether it is there every (s)")] = 10.0
    hours: Annotated[str, Meta(pattern=HOURS, description=HOURS_TEXT)] = ""
    budget_kib: Annotated[int, Meta(ge=0, le=1 << 30, description=BUDGET_TEXT)] = 0
    timeout_s: Annotated[float, Meta(gt=0, le=600, description="a silent receiver is given up after (s)")] = 30.0
    retry_min_s: Annotated[float, Meta(gt=0, le=3600, description="first pause after a failure (s)")] = 2.0
    retry_max_s: Annotated[float, Meta(gt=0, le=86400, description="longest pause after failures (s)")] = 600.0


class ExportSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `trapbase export` tells of places; `--coordinates` goes before it."""

    coordinates: Annotated[
        str, Meta(pattern=GRID, description="positions in an export: exact, or rounded to so many degrees")
    ] = "exact"
    abroad: Annotated[str, Meta(pattern=GRID, description="the same of one `--for` another country")] = "0.1"


def check_outlets(outlets: Iterable[OutletSettings]) -> None:
    """Rules between keys.  Raises: SetupError naming outlet and key."""
    seen = set()
    for outlet in outlets:
        if outlet.name in seen or outlet.name == UPLOAD:
            taken = "is the way to the back end" if outlet.name == UPLOAD else "is there twice"
            raise SetupError(f"outlet {outlet.name!r} {taken}; give this one a name of its own")
        seen.add(outlet.name)
        check_hours(outlet.hours, f"key 'hours' of outlet {outlet.name!r}")
        if outlet.kind == FOLDER:
            _want(outlet, "path", bool(outlet.path), "the path of a folder on the stick")
            for key, given in (("url", outlet.url), ("hours", outlet.hours), ("budget_kib", outlet.budget_kib)):
                _want(outlet, key, not given, "nothing: a folder has none")
            continue
        _want(outlet, "path", not outlet.path, f"nothing: {outlet.kind} has a url")
        _want(outlet, "url", _is_address(outlet), "http or https, a host, a port within 1–65535 and a path")
        _want(outlet, "key_file", bool(outlet.key_file), "the path of a file")
        _want(outlet, "species", bool(outlet.species), "one species at least")


def check_hours(hours: str, key: str) -> None:
    """Raises: SetupError for hours that never begin."""
    start, _, end = hours.partition("-")
    if hours and start == end:
        raise SetupError(f"{key} is {hours!r}: it is never within them; allowed are hours like 22:00-06:00, or nothing")


def _want(outlet: OutletSettings, key: str, good: bool, allowed: str) -> None:
    if not good:
        value: Any = getattr(outlet, key)
        shown = repr(value if not isinstance(value, tuple) else list(value))
        if key == "url" and value:
            shown = repr(_shown(str(value)))
        raise SetupError(f"key '{key}' of outlet {outlet.name!r} is {shown}; allowed is {allowed}")


def _is_address(outlet: OutletSettings) -> bool:
    try:
        parts = urlsplit(outlet.url)
        good = bool(outlet.url.isascii() and parts.hostname and parts.port != 0)
    except ValueError:
        return False
    query = bool(parts.query) and outlet.kind != WEBHOOK
    return good and parts.username is None and not query and not parts.fragment


def _shown(url: str) -> str:
    """An address without what may be a secret in it."""
    return url.partition("?")[0].rpartition("@")[2]
