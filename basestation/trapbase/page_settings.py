"""How people see this base: `[page]` and `[log]` of its settings; `config` has all others."""

from typing import Annotated

from msgspec import Meta, Struct


class PageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The page."""

    host: Annotated[str, Meta(description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="TCP port")] = 8080
    language: Annotated[
        str, Meta(pattern=r"^(en|ru|zh|mn|ko)$", description="of a form whose phone wants none of ours")
    ] = "en"
    upload: Annotated[bool, Meta(description="take parcels from phones and sticks by a form on the page")] = False
    upload_mb: Annotated[int, Meta(ge=32, le=1000000, description="most that one upload may bring (MiB)")] = 4096
    metrics: Annotated[
        str,
        Meta(
            pattern=r"^(off|loopback|everywhere)$",
            description="who gets figures for Prometheus at /metrics: nobody, this machine, or all who reach the page",
        ),
    ] = "loopback"


class LogSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a running base says on stderr."""

    format: Annotated[str, Meta(pattern=r"^(text|json)$", description="lines for people, or a JSON object a line")] = (
        "text"
    )
