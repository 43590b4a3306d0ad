"""Settings of updates at the base, the `[updates]` table, and the rules between its keys."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from trapkit.errors import SetupError

SELF, ASKED = "self", "asked"
STATION = re.compile(r"[A-Za-z0-9_. -]{1,32}")


class UpdateSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Updates of the traps' units: where releases come from, and in which waves units may take them."""

    source: Annotated[
        str,
        Meta(
            max_length=400,
            description="the operator's releases: a folder (of a stick too), or https://…; empty: no updates here",
        ),
    ] = ""
    root: Annotated[str, Meta(max_length=400, description="the releases' first trusted root, root.json (path)")] = (
        "/etc/pugmark/keys/root.json"
    )
    permit_key: Annotated[
        str, Meta(max_length=400, description="file with the key that signs who may take one now, hexadecimal")
    ] = "/etc/pugmark/keys/permit.key"
    every_s: Annotated[float, Meta(ge=1, le=604800, description="look for a new release every (s)")] = 3600.0
    timeout_s: Annotated[float, Meta(ge=1, le=600, description="wait for a silent source at most (s)")] = 30.0
    most_mb: Annotated[int, Meta(ge=1, le=4096, description="largest release that is taken (MiB)")] = 256
    host: Annotated[str, Meta(description="address at which traps with a network get releases")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port there; 0: not by the network")] = 0
    tls: Annotated[
        bool, Meta(description="HTTPS for units of the fleet alone, by `bus.certificates` (server.crt, server.key)")
    ] = True
    radio: Annotated[
        bool, Meta(description="settings packs go to traps by radio where nothing else of a release is new for them")
    ] = True
    first: Annotated[
        str, Meta(max_length=1000, description="stations that go first, by commas; empty: the first by name")
    ] = ""
    most: Annotated[int, Meta(ge=1, le=1000, description="most stations in one wave; each is twice the last")] = 8
    advance: Annotated[
        str,
        Meta(
            pattern=f"^({SELF}|{ASKED})$",
            description="self: a wave begins when the last one is proved; asked: by `trapbase updates go` alone",
        ),
    ] = SELF
    healthy_h: Annotated[
        float, Meta(ge=0, le=720, description="a unit is proved when it is heard so long after it changed (h)")
    ] = 24.0
    pair_h: Annotated[
        float, Meta(ge=0, le=720, description="the station's other camera follows so long after that (h)")
    ] = 12.0
    silent_h: Annotated[
        float, Meta(gt=0, le=720, description="a unit that changes and is not heard for so long stops the wave (h)")
    ] = 6.0
    fewer_percent: Annotated[
        int, Meta(ge=0, le=90, description="so it does where it has less than this of its usual; 0: never (%)")
    ] = 25
    tolerate: Annotated[int, Meta(ge=0, le=1000, description="units in trouble that stop nothing yet")] = 0
    permit_days: Annotated[
        int, Meta(ge=1, le=180, description="a permission holds for so long; a phone may need a while (days)")
    ] = 30


def check_updates(updates: UpdateSettings) -> None:
    """What a pattern cannot say.  Raises: SetupError naming the key."""
    if "://" in updates.source:
        try:
            parts = urlsplit(updates.source)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good or parts.username is not None or parts.query or parts.fragment:
            raise SetupError(
                f"key 'updates.source' is {updates.source!r}: allowed is a folder, https://HOST[:PORT]/PATH, or nothing"
            )
    for name in stations(updates):
        if not STATION.fullmatch(name):
            raise SetupError(f"key 'updates.first' is {updates.first!r}: {name!r} is no station's name")
    if updates.pair_h > updates.healthy_h:
        raise SetupError(
            f"keys 'updates.pair_h', 'updates.healthy_h' are {updates.pair_h:g}, {updates.healthy_h:g}: a station's "
            "other camera does not wait longer than the next wave; allowed is pair_h up to healthy_h"
        )


def stations(updates: UpdateSettings) -> tuple[str, ...]:
    """Those that go first."""
    return tuple(name.strip() for name in updates.first.split(",") if name.strip())
