"""The settings of a trap's updates (`[update]`); `config` has all others."""

from typing import Annotated

from msgspec import Meta, Struct


class UpdateSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    trusted: Annotated[
        str, Meta(description="Root of the fleet's releases, as provisioning gave it (path; empty: no updates)")
    ] = ""
    sticks: Annotated[
        tuple[str, ...],
        Meta(max_length=8, description="Folders that may hold releases: where sticks are mounted (paths)"),
    ] = ()
    base_url: Annotated[
        str, Meta(max_length=300, description="The base's mirror of releases, https://… (address; empty: none)")
    ] = ""
    permit_key: Annotated[
        str,
        Meta(description="Base's public key for permissions (path; 64 hex digits; empty: a release needs none)"),
    ] = ""
    look_h: Annotated[
        float, Meta(ge=0.001, le=720, description="Between two looks at the sources, where nothing was brought (hours)")
    ] = 24.0
    heard: Annotated[bool, Meta(description="A release is proved only when the base has heard the trap under it")] = (
        True
    )
    shadow_bursts: Annotated[
        int,
        Meta(ge=0, le=60_000, description="Bursts that a new model first judges beside the old one (count; 0: none)"),
    ] = 200
    shadow_differ: Annotated[
        float, Meta(ge=0, le=1, description="Of these, how many may come out otherwise; more: refused (0–1)")
    ] = 0.2
