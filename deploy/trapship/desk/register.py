"""The operator's register: which units there are, where each belongs, and the salts of their keys. No secret is in it.

Values and the rules between them; `folder.py` reads and writes the file. A number is given once: the same number again
renews the same unit, and one that was shut out is never given again.
"""

import math
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from trapkit.errors import SetupError
from trapkit.operator.revoked import Gone
from trapkit.words import LANGUAGES
from trapwire.airtime import usable_frame
from trapwire.errors import WireError
from trapwire.hop import MAX_TRAPS
from trapwire.plans import PLANS

FORMAT = 1
TRAP, BASE, REPEATER = "trap", "base", "repeater"
SIDES = ("left", "right", "single")
MAX_UNITS = 2000
MAX_BYTES = 4 << 20  # 1 kB a unit
Salt = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
Number = Annotated[int, Meta(ge=1, le=65535)]
Serial = Annotated[str, Meta(pattern="^[0-9a-f]{1,40}$")]
Text = Annotated[str, Meta(max_length=200)]


class Station(Struct, kw_only=True, forbid_unknown_fields=True):
    """Where a pair stands, and the salt of the key by which its two wake each other."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    pair: Salt


class Unit(Struct, kw_only=True, forbid_unknown_fields=True):
    """What every unit has. `serials`: of its certificates, by name, hexadecimal; `files`: of its last issue."""

    number: Number
    plan: Text
    sf: Annotated[int, Meta(ge=7, le=12)] = 9
    issue: Annotated[int, Meta(ge=0, le=1 << 30)] = 0
    made_utc: Text = ""
    tls: Salt | None = None
    serials: dict[str, Serial] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


class Trap(Unit, kw_only=True, forbid_unknown_fields=True):
    """`link_next`: a new link key's salt, until the base was heard under it; `hop`: where it goes by a repeater."""

    station: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,32}$")]
    side: Text
    base: Number
    language: Text = "en"
    battery: Text = ""
    network: bool = False
    camera: Text = "pi"
    repeater: Annotated[int, Meta(ge=0, le=65535)] = 0
    link: Salt
    link_next: Salt | None = None
    hop: Salt | None = None
    sign: Salt
    wifi: Salt


class Base(Unit, kw_only=True, forbid_unknown_fields=True):
    """`names`: by which traps with a network reach its broker."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,32}$")]
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")]
    zone: Text = "UTC"
    language: Text = "en"
    modem: Text = "/dev/pugmark-modem"
    names: list[Text] = field(default_factory=list)
    port: Annotated[int, Meta(ge=1, le=65535)] = 8883
    server_names: list[Text] = field(default_factory=list)


class Repeater(Unit, kw_only=True, forbid_unknown_fields=True):
    """Which traps go by it the traps say."""


class Register(Struct, kw_only=True, forbid_unknown_fields=True):
    """`serial`: of the list of the revoked; `spent`: serials of certificates that nobody may use any more."""

    format: Annotated[int, Meta(ge=FORMAT, le=FORMAT)] = FORMAT
    name: Text = "Pugmark"
    carrier: Salt | None = None
    serial: Annotated[int, Meta(ge=0, le=1 << 31)] = 0
    stations: dict[str, Station] = field(default_factory=dict)
    traps: dict[str, Trap] = field(default_factory=dict)
    bases: dict[str, Base] = field(default_factory=dict)
    repeaters: dict[str, Repeater] = field(default_factory=dict)
    gone: list[Gone] = field(default_factory=list)
    spent: list[Serial] = field(default_factory=list)

    def at(self, station: str) -> list[Trap]:
        """The traps of a station, shut-out ones left out."""
        return [trap for trap in self.traps.values() if trap.station == station]

    def of_base(self, number: int) -> list[Trap]:
        """The traps at home there, by their number."""
        return sorted((trap for trap in self.traps.values() if trap.base == number), key=lambda trap: trap.number)

    def spend(self, serial: str) -> None:
        """Nobody may use this certificate any more: it goes onto the next list."""
        self.spent.append(serial)
        self.serial += 1

    def is_gone(self, kind: str, number: int) -> bool:
        return any((unit.kind, unit.number) == (kind, number) for unit in self.gone)

    def partner(self, trap: Trap) -> int:
        """The other trap at its station, 0 for none."""
        return next((other.number for other in self.at(trap.station) if other.number != trap.number), 0)


def decode(data: bytes, name: str) -> Register:
    """Raises: SetupError naming the file and what is wrong."""
    if len(data) > MAX_BYTES:
        raise SetupError(f"{name}: has {len(data)} bytes; allowed are {MAX_BYTES}")
    try:
        return msgspec.json.decode(data, type=Register)
    except msgspec.DecodeError as error:
        raise SetupError(f"{name}: is no register of ours: {error}; take the copy that you keep") from error


def encode(register: Register) -> bytes:
    return msgspec.json.format(msgspec.json.encode(register), indent=1) + b"\n"


def check_number(register: Register, kind: str, number: int) -> None:
    """Whether this number may be given.  Raises: SetupError."""
    if not 0 < number <= 65535:
        raise SetupError(f"--number {number}: is no {kind}'s number; allowed is 1–65535")
    if register.is_gone(kind, number):
        raise SetupError(f"--number {number}: this {kind} was shut out; its number is not given again: take another")
    known = {TRAP: set(register.traps), BASE: set(register.bases), REPEATER: set(register.repeaters)}[kind]
    if str(number) not in known and len(known) >= MAX_UNITS:
        raise SetupError(f"--number {number}: there are {len(known)} {kind}s already; allowed are {MAX_UNITS}")


def check_region(plan: str, sf: int) -> None:
    """Whether a unit may transmit so.  Raises: SetupError."""
    if plan not in PLANS:
        raise SetupError(f"--region {plan!r}: there is no such radio plan; allowed are {', '.join(sorted(PLANS))}")
    try:
        usable_frame(plan, sf)
    except WireError as error:
        raise SetupError(f"--sf {sf}: {error}") from error


def check_language(language: str) -> None:
    """Raises: SetupError."""
    if language not in LANGUAGES:
        allowed = ", ".join(f"{code} ({name})" for code, name in LANGUAGES.items())
        raise SetupError(f"--language {language!r}: there is no such language here; allowed are {allowed}")


def check_place(register: Register, number: int, station: str, side: str) -> None:
    """Whether this trap may stand there: two at most, a side each.  Raises: SetupError naming who stands there."""
    if side not in SIDES:
        raise SetupError(f"--side {side!r}: allowed are {', '.join(SIDES)}")
    here = register.traps.get(str(number))
    if here is not None and here.station != station:
        raise SetupError(
            f"--number {number}: is taken: trap {number} belongs to station {here.station}; say --move if the same "
            f"unit goes to {station} now, or take another number"
        )
    others = [trap for trap in register.at(station) if trap.number != number]
    if len(others) >= 2:
        named = " and ".join(f"trap {trap.number} ({trap.side})" for trap in others)
        raise SetupError(f"--station {station}: is full: {named} stand there; a station has two")
    for other in others:
        if side == "single" or other.side in ("single", side):
            raise SetupError(
                f"--side {side}: trap {other.number} stands at station {station} as {other.side}; "
                "allowed are left for the one and right for the other"
            )


def check_degrees(latitude: float, longitude: float) -> None:
    """Raises: SetupError."""
    good = math.isfinite(latitude) and math.isfinite(longitude) and abs(latitude) <= 90 and abs(longitude) <= 180
    if not good or latitude == longitude == 0:
        raise SetupError(f"--place {latitude:g} {longitude:g}: is no place; allowed are degrees like 43.1 131.4")


def check_hops(register: Register, number: int, traps: list[int]) -> None:
    """Whether a repeater may serve these.  Raises: SetupError."""
    if not 0 < len(traps) <= MAX_TRAPS:
        raise SetupError(f"--trap: {len(traps)} traps go by repeater {number}; allowed are 1–{MAX_TRAPS}")
    for trap in traps:
        known = register.traps.get(str(trap))
        if known is None:
            raise SetupError(f"--trap {trap}: is not provisioned; say trapship provision trap --number {trap} first")
        if known.repeater not in (0, number):
            raise SetupError(f"--trap {trap}: goes by repeater {known.repeater} already; a trap has one")
