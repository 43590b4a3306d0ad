"""The pin map and the wiring as values: what pins.toml and wiring.toml may say. `pins.py` says whether it can work."""

import re
import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from trapkit.errors import SetupError

HARDWARE = Path(__file__).resolve().parents[1]
Level = Literal["high", "low", ""]
Direction = Literal["in", "out", "both"]
Named = TypeVar("Named", bound="PinMap | Wiring")


class Chip(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A microcontroller: its GPIO numbers, which of them end deep sleep, and which have a duty of their own."""

    pins: list[str]  # "0-21" or "5"
    wake: list[str]
    wake_levels: int  # how many levels its sleep can wait for at once
    source: str
    reserved: dict[int, str] = {}
    strapping: dict[int, str] = {}
    lines: dict[str, list[int]] = {}  # a peripheral's line: the GPIOs it can go to; empty: any


class Signal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one GPIO does; the head of pins.toml says what each field is."""

    pin: int
    direction: Direction
    source: str
    use: str = "gpio"
    wake: bool = False
    hold: bool = False
    active: Level = ""
    pull: str = ""
    to: list[str] = []
    why: str = ""


class Bit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one pin of the port expander does."""

    bit: int
    direction: Literal["in", "out"]
    active: Level
    source: str
    pull: str = ""
    to: list[str] = []


class Board(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A board: its chip, where the chip's GPIOs come out, and what each does."""

    title: str
    role: Literal["trap", "modem"]
    chip: str
    part: str  # its name in the drawings
    constants: str  # file in device/trapmcu/boards
    source: str
    places: dict[int, str]
    signals: dict[str, Signal]
    taken: dict[int, str] = {}
    i2c: dict[str, int] = {}
    expander: dict[str, Bit] = {}


class PinMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """pins.toml."""

    chips: dict[str, Chip]
    boards: dict[str, Board]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A box in a drawing: its row in bom.csv, what is said in it, its pins."""

    bom: str
    text: str
    pins: list[str]


class Wires(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Wires beside the signals': from, to, colour."""

    list: list[tuple[str, str, str]]


class Drawing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One wiring diagram."""

    title: str
    parts: dict[str, Part]
    wires: Wires
    board: str = ""  # whose signals are drawn


class Wiring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """wiring.toml."""

    drawings: dict[str, Drawing]


def numbers(ranges: list[str]) -> set[int]:
    """GPIO numbers of ranges like "0-21".  Raises: SetupError."""
    found: set[int] = set()
    for text in ranges:
        if not re.fullmatch(r"\d{1,3}(-\d{1,3})?", text):
            raise SetupError(f"{text!r} is no range of pins; allowed are forms like '7' and '0-21'")
        low, _, high = text.partition("-")
        found |= set(range(int(low), int(high or low) + 1))
    return found


def read_pins(path: Path = HARDWARE / "pins.toml") -> PinMap:
    """The pin map of `path`; nothing of it is checked but its form.  Raises: SetupError naming file, key and value."""
    return _read(path, PinMap)


def read_wiring(path: Path = HARDWARE / "wiring.toml") -> Wiring:
    """The drawings of `path`.  Raises: SetupError naming file, key and value."""
    return _read(path, Wiring)


def _read(path: Path, kind: type[Named]) -> Named:
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"{path}: is not TOML: {error}") from error
    try:
        return msgspec.convert(data, kind, str_keys=True)
    except msgspec.ValidationError as error:
        raise SetupError(f"{path}: {_named_fault(data) or error}") from error


# Tables of tables, of whose entries msgspec says only "[...]": the parts that it can be asked about alone.
PARTS: dict[str, dict[str, type[msgspec.Struct]]] = {
    "boards": {"signals": Signal, "expander": Bit},
    "drawings": {"parts": Part},
}
ALLOWED = "direction: in, out, both; active: high, low; the head of the file says what each field is"


def _named_fault(data: dict[str, Any]) -> str:
    """The first entry that is wrong, with its name; nothing where the fault lies elsewhere."""
    for kind, parts in PARTS.items():
        for name, table in _tables(data.get(kind)):
            for part, struct in parts.items():
                for entry, fields in _tables(table.get(part)):
                    try:
                        msgspec.convert(fields, struct, str_keys=True)
                    except msgspec.ValidationError as error:
                        return f"{kind}.{name}.{part}.{entry}: {error}; allowed for {ALLOWED}"
    return ""


def _tables(data: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(k, v) for k, v in data.items() if isinstance(v, dict)] if isinstance(data, dict) else []
