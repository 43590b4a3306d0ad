"""The region plan of an operator's folder, and what of it a wish of `trapship provision` takes over."""

from dataclasses import replace
from typing import TypeVar

from trapkit.errors import SetupError
from trapkit.operator.regions import Region, read_region
from trapkit.sealing import read_key
from trapship.desk.folder import OPERATOR_PUB, Desk
from trapship.desk.provisioning import BaseWish, TrapWish

REGION = "region.toml"
T = TypeVar("T", str, int)


def read_own(desk: Desk) -> tuple[bytes, Region | None]:
    """The signed file and what it says; b"" and None where this operator has none.  Raises: SetupError."""
    path = desk.folder / REGION
    if not path.exists():
        return b"", None
    data = path.read_bytes()
    return data, read_region(data, read_key(desk.folder / OPERATOR_PUB, "the operator's public key"), str(path))


def for_base(wish: BaseWish, region: Region | None, *, is_new: bool) -> BaseWish:
    """Radio and country are the region's; zone and language of a new base too, where nobody says otherwise.

    Raises: SetupError where the wish is another country's.
    """
    if region is None:
        return wish
    plan, sf = radio(region, wish.region, wish.sf)
    country = _law(region, "--country", wish.country, region.country or None)
    zone = wish.zone or (region.zone if is_new and region.zone else None)
    language = wish.language or (region.language if is_new and region.language else None)
    return replace(wish, region=plan, sf=sf, country=country, zone=zone, language=language)


def for_trap(wish: TrapWish, region: Region | None) -> TrapWish:
    """The radio is the region's; the language is its base's.  Raises: SetupError."""
    if region is None:
        return wish
    plan, sf = radio(region, wish.region, wish.sf)
    return replace(wish, region=plan, sf=sf)


def radio(region: Region | None, plan: str | None, sf: int | None) -> tuple[str | None, int | None]:
    """Plan and spreading factor: as the region says, and nothing else beside it.  Raises: SetupError."""
    if region is None or not region.radio:
        return plan, sf
    speed = region.radio.get("sf")
    return _law(region, "--region", plan, region.radio["plan"]), sf if speed is None else _law(
        region, "--sf", sf, speed
    )


def _law(region: Region, option: str, wished: T | None, says: T | None) -> T | None:
    if wished is not None and says is not None and wished != says:
        raise SetupError(
            f"{option} {wished}: the region plan {region.title} says {says}; make a new one, or leave it out"
        )
    return wished if says is None else says
