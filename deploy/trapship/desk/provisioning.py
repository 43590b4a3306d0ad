"""A unit's place in the register, new or renewed, by what was asked for. Rules only; nothing is written here."""

import re
from dataclasses import dataclass
from typing import TypeVar
from zoneinfo import ZoneInfo

from trapkit.errors import SetupError
from trapship.desk import register as rules
from trapship.desk.derive import new_salt
from trapship.desk.register import Base, Register, Repeater, Station, Trap
from trapship.names import checked, checked_base

BATTERIES = ("lithium-primary", "lifepo4", "liion")  # as `trapmcu.battery.KINDS`; a test compares
CAMERAS = ("pi", "usb", "replay")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class TrapWish:
    """What was asked for; None: as it is, or the default of a new trap. `place`: of its station, degrees."""

    number: int
    station: str | None = None
    side: str | None = None
    place: tuple[float, float] | None = None
    base: int | None = None
    region: str | None = None
    sf: int | None = None
    language: str | None = None
    battery: str | None = None
    camera: str | None = None
    network: bool | None = None
    move: bool = False
    new_radio_key: bool = False
    heard: bool = False
    never_flashed: bool = False


@dataclass(frozen=True, kw_only=True)
class BaseWish:
    number: int
    name: str | None = None
    country: str | None = None
    region: str | None = None
    sf: int | None = None
    zone: str | None = None
    language: str | None = None
    modem: str | None = None
    port: int | None = None
    hosts: tuple[str, ...] = ()


def place_base(register: Register, wish: BaseWish) -> tuple[Base, list[str]]:
    """The base, new or renewed, and what follows from it in words.  Raises: SetupError."""
    rules.check_number(register, rules.BASE, wish.number)
    here = register.bases.get(str(wish.number))
    plan = _or(wish.region, here.plan if here else None, "--region", "a radio plan")
    sf = wish.sf or (here.sf if here else 9)
    rules.check_region(plan, sf)
    name = checked_base(_or(wish.name, here.name if here else None, "--name", "its name, like north"))
    for other in register.bases.values():
        if other.number != wish.number and other.name == name:
            raise SetupError(f"--name {name}: is base {other.number}'s; give this one another")
    zone = wish.zone or (here.zone if here else "UTC")
    check_zone(zone)
    language = wish.language or (here.language if here else "en")
    rules.check_language(language)
    port = wish.port or (here.port if here else 8883)
    if not 0 < port < 1 << 16:
        raise SetupError(f"--port {port}: allowed is 1–65535")
    names = list(dict.fromkeys([*(here.names if here else []), *map(checked, wish.hosts)]))
    country = _or(wish.country, here.country if here else None, "--country", "where it stands, like RU")
    if not re.fullmatch("[A-Z]{2}", country):
        raise SetupError(f"--country {country!r}: allowed are two capital letters of ISO 3166, like RU, CN, MN or KR")
    base = here or Base(number=wish.number, plan=plan, name=name, country=country)
    base.country = country
    said = []
    if here and (here.plan, here.sf) != (plan, sf):
        traps = ", ".join(str(trap.number) for trap in register.of_base(wish.number)) or "none"
        said.append(f"its traps have to speak under {plan} at SF{sf} too; provision them again: {traps}")
    base.plan, base.sf, base.name, base.zone, base.language = plan, sf, name, zone, language
    base.port, base.names, base.modem = port, names, wish.modem or base.modem
    base.issue += 1
    register.bases[str(wish.number)] = base
    return base, said


def place_trap(register: Register, wish: TrapWish) -> tuple[Trap, list[str]]:
    """The trap, new or renewed, and what follows from it in words.  Raises: SetupError."""
    rules.check_number(register, rules.TRAP, wish.number)
    here = register.traps.get(str(wish.number))
    if wish.move and here is not None:
        moved, here.station = here.station, _or(wish.station, None, "--station", "where it stands now")
    else:
        moved = ""
    try:
        return _place_trap(register, wish, here)
    except SetupError:
        if moved and here is not None:
            here.station = moved
        raise


def _place_trap(register: Register, wish: TrapWish, here: Trap | None) -> tuple[Trap, list[str]]:
    station = _or(wish.station, here.station if here else None, "--station", "its station, like S001")
    side = wish.side or (here.side if here else "single")
    rules.check_place(register, wish.number, station, side)
    base = _base_of(register, wish.base or (here.base if here else None))
    plan, sf = wish.region or base.plan, wish.sf or base.sf
    rules.check_region(plan, sf)
    if (plan, sf) != (base.plan, base.sf):
        raise SetupError(
            f"--region {plan}, SF{sf}: its base {base.name} has {base.plan}, SF{base.sf}; "
            "both ends of a link have the same, or they do not hear each other"
        )
    language = wish.language or (here.language if here else base.language)
    rules.check_language(language)
    battery = wish.battery if wish.battery is not None else (here.battery if here else "")
    _one_of("--battery", battery, ("", *BATTERIES))
    camera = wish.camera or (here.camera if here else "pi")
    _one_of("--camera", camera, CAMERAS)
    network = wish.network if wish.network is not None else bool(here and here.network)
    if network and not base.names:
        raise SetupError(
            f"--network: base {base.name} has no name by which traps reach it; say trapship provision base … "
            f"--number {base.number} --host NAME first"
        )
    known = _station(register, station, wish.place)
    trap = here or Trap(
        number=wish.number, plan=plan, station=station, side=side, base=base.number,
        link=new_salt(), sign=new_salt(), wifi=new_salt(),
    )  # fmt: skip
    said = _radio_key(trap, wish, fresh=here is None)
    if here and here.base != base.number and register.is_gone(rules.BASE, here.base):
        said.append(f"base {here.base}, its home before, is shut out: there is nothing to do there")
    elif here and here.base != base.number:
        said.append(f"base {here.base} was its home: provision that one again too, and it forgets this trap")
    register.stations[station] = known
    trap.station, trap.side, trap.base, trap.plan, trap.sf = station, side, base.number, plan, sf
    trap.language, trap.battery, trap.camera, trap.network = language, battery, camera, network
    trap.issue += 1
    register.traps[str(wish.number)] = trap
    return trap, said


def place_repeater(
    register: Register, number: int, traps: list[int], region: str | None, sf: int | None
) -> tuple[Repeater, list[str]]:
    """The repeater for these traps, new or renewed; what follows from it.  Raises: SetupError."""
    rules.check_number(register, rules.REPEATER, number)
    here = register.repeaters.get(str(number))
    wanted = list(dict.fromkeys(traps)) or [t.number for t in register.traps.values() if t.repeater == number]
    rules.check_hops(register, number, wanted)
    first = register.traps[str(wanted[0])]
    plan, speed = region or first.plan, sf or first.sf
    rules.check_region(plan, speed)
    said = []
    for each in wanted:
        trap = register.traps[str(each)]
        if (trap.plan, trap.sf) != (plan, speed):
            raise SetupError(
                f"--trap {each}: speaks under {trap.plan} at SF{trap.sf}, the repeater {plan} at SF{speed}"
            )
        if trap.repeater != number:
            said.append(f"trap {each} goes by it now: provision it again and flash it, then its base")
    for trap in register.traps.values():
        if trap.repeater == number and trap.number not in wanted:
            trap.repeater, trap.hop = 0, None
            said.append(f"trap {trap.number} goes by it no more: provision it again and flash it, then its base")
    for each in wanted:
        register.traps[str(each)].repeater = number
        register.traps[str(each)].hop = register.traps[str(each)].hop or new_salt()
    repeater = here or Repeater(number=number, plan=plan)
    repeater.plan, repeater.sf = plan, speed
    repeater.issue += 1
    register.repeaters[str(number)] = repeater
    return repeater, said


def _radio_key(trap: Trap, wish: TrapWish, *, fresh: bool) -> list[str]:
    """A new link key where one was asked for; two that wait would shut the trap out."""
    if trap.link_next and (wish.heard or wish.never_flashed):
        trap.link, trap.link_next = (trap.link_next if wish.heard else trap.link), None
    if not wish.new_radio_key or fresh:
        return []
    if trap.link_next:
        raise SetupError(
            f"--new-radio-key: the last new key of trap {trap.number} may not have been heard yet; say --heard with it "
            "if the base hears the trap under that one, --never-flashed if no unit ever got it"
        )
    trap.link_next = new_salt()
    return ["its new radio key: flash the supervisor; the base takes both keys until it hears the new one"]


def _station(register: Register, name: str, place: tuple[float, float] | None) -> Station:
    known = register.stations.get(name)
    if place is None:
        if known is None:
            raise SetupError(f"--place: where station {name} stands is not known; say --place LATITUDE LONGITUDE")
        return known
    rules.check_degrees(*place)
    if known is None:
        return Station(latitude=place[0], longitude=place[1], pair=new_salt())
    return Station(latitude=place[0], longitude=place[1], pair=known.pair)


def _base_of(register: Register, number: int | None) -> Base:
    if number is None and len(register.bases) == 1:
        return next(iter(register.bases.values()))
    known = ", ".join(f"{base.number} ({base.name})" for base in register.bases.values()) or "none yet"
    if number is None:
        raise SetupError(f"--base: say at which base this trap is at home; there are: {known}")
    if str(number) not in register.bases or register.is_gone(rules.BASE, number):
        raise SetupError(f"--base {number}: is not provisioned; there are: {known}")
    return register.bases[str(number)]


def check_zone(name: str) -> None:
    """Whether there is such a time zone.  Raises: SetupError."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise SetupError(
            f"--zone {name!r}: there is no such time zone; allowed is one like Asia/Vladivostok"
        ) from error


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SetupError(f"{key} {value!r}: allowed are {', '.join(name for name in allowed if name)}")


def _or(given: T | None, held: T | None, key: str, what: str) -> T:
    if given is not None:
        return given
    if held is None:
        raise SetupError(f"{key}: a new unit needs it: {what}")
    return held
