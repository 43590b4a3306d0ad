"""The region plan: what a country asks of every unit there, as one signed TOML file. Pure but for its bytes, handed in.

    pugmark-region 1 KEY SIGNATURE
    name = "Primorye"
    version = "2026.12.1"
    country = "RU"
    zone = "Asia/Vladivostok"
    language = "ru"
    [radio]
    plan = "ru864"
    sf = 9
    freq_khz = 868900
    [places]
    south = 42.2
    north = 48.5
    west = 130.3
    east = 139.0
    [[agreement]]
    country = "CN"
    name = "Memorandum on the Land of Big Cats, 2026-03-01"

`layer` says what of it each program's settings get. Power, duty, dwell and listening are the plan's own
(`trapwire.plans`) and nobody's to set; the channel has to lie in its sub-band. What is not given is nobody's rule.
"""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trapkit.errors import SetupError
from trapkit.operator.signedtext import read_signed, write_signed
from trapwire.airtime import largest_frame
from trapwire.errors import WireError
from trapwire.plans import plan_named

KIND = "region"
FORMAT = 1
TRAPCAM, TRAPBASE = "trapcam", "trapbase"
LANGUAGES = ("en", "ru", "zh", "mn", "ko")
VERSION = re.compile(r"\d{4}\.\d{1,2}\.\d{1,4}")
MAX_NAME, MAX_AGREEMENTS = 80, 50
_COUNTRY = re.compile("[A-Z]{2}")
_ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,64}")
_TOP = ("name", "version", "country", "zone", "language", "radio", "places", "agreement")
_RADIO = ("plan", "sf", "freq_khz", "wake_khz")
_PLACES = ("south", "west", "north", "east")


@dataclass(frozen=True, kw_only=True)
class Region:
    """radio: plan, sf, freq_khz, wake_khz as they are given; places: south, west, north, east (degrees), () for no
    bounds; agreements: (country, title); key: who signed it (32 bytes). Texts are "" where they are not given."""

    name: str
    version: str
    country: str
    zone: str
    language: str
    radio: dict[str, Any]
    places: tuple[float, ...]
    agreements: tuple[tuple[str, str], ...]
    key: bytes

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"

    def layer(self, program: str) -> dict[str, Any]:
        """What it says to a program, as that one's settings file would have it."""
        if program == TRAPCAM:
            service = _given(language=self.language, zone=self.zone, region=list(self.places))
            return {"service": service} if service else {}
        found = _given(country=self.country, zone=self.zone)
        found |= {"page": {"language": self.language}} if self.language else {}
        found |= {"cards": dict(zip(_PLACES, self.places, strict=True))} if self.places else {}
        gateway = {key: self.radio[key] for key in ("plan", "sf") if key in self.radio}
        found |= {"gateway": gateway} if gateway else {}
        agreements = [{"country": country, "name": name} for country, name in self.agreements]
        return found | ({"agreement": agreements} if agreements else {})

    def channels(self, role: str) -> dict[str, Any]:
        """What it says to a microcontroller beside plan and spreading factor, as its mcu.json has it."""
        keys = ("freq_khz", "wake_khz") if role == "supervisor" else ("freq_khz",)
        return {key: self.radio[key] for key in keys if key in self.radio}


def make_region(text: str, seed: bytes, name: str) -> bytes:
    """The signed file; `seed`: the operator's; `name`: of the source.  Raises: SetupError naming what is wrong."""
    _parse(text, name, b"")
    return write_signed(KIND, seed, text)


def read_region(data: bytes, key: bytes | None, name: str) -> Region:
    """A region plan; `key`: who must have signed it, None: anybody.  Raises: SetupError naming the file."""
    text, by = read_signed(KIND, data, key, name)
    return _parse(text, name, by)


def less(tables: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    """`tables` without what the layer below says too: a newer region plan then changes it."""
    left = {}
    for key, value in tables.items():
        below = layer.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            value = less(value, below)
            if not value:
                continue
        elif key in layer and value == below:
            continue
        left[key] = value
    return left


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def _parse(text: str, source: str, key: bytes) -> Region:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"{source}: is no TOML: {error}") from error
    _only(data, _TOP, source, "")
    title = _text(data, "name", source, lambda t: 0 < len(t) <= MAX_NAME and t.isprintable(), "a title of 1–80 letters")
    version = _text(data, "version", source, VERSION.fullmatch, "a version like 2026.12.1")
    data = {"country": "", "zone": "", "language": "", **data}
    country = _text(data, "country", source, lambda t: not t or _COUNTRY.fullmatch(t), "two capital letters, like RU")
    zone = _text(data, "zone", source, lambda t: not t or _ZONE.fullmatch(t), "a time zone, like Asia/Vladivostok")
    words = f"one of {', '.join(LANGUAGES)}"
    language = _text(data, "language", source, lambda t: not t or t in LANGUAGES, words)
    return Region(
        name=title, version=version, country=country, zone=zone, language=language,
        radio=_radio(_table(data, "radio", source), source), places=_places(_table(data, "places", source), source),
        agreements=_agreements(data.get("agreement", []), country, source), key=key,
    )  # fmt: skip


def _radio(radio: dict[str, Any], source: str) -> dict[str, Any]:
    """Raises: SetupError where no unit may transmit so."""
    if not radio:
        return {}
    _only(radio, _RADIO, source, "radio.")
    for each in _RADIO[1:]:
        if each in radio and type(radio[each]) is not int:
            raise SetupError(f"{source}: key 'radio.{each}' is {radio[each]!r}; allowed is a whole number")
    try:
        plan = plan_named(radio.get("plan"))
        if "sf" in radio and not 7 <= radio["sf"] <= 12:
            raise SetupError(f"{source}: key 'radio.sf' is {radio['sf']}; allowed is 7–12")
        if "sf" in radio:
            largest_frame(plan.name, radio["sf"])
        for each in ("freq_khz", "wake_khz"):
            if each in radio:
                plan.power_cdbm(radio[each])
    except WireError as error:
        raise SetupError(f"{source}: [radio]: {error}") from error
    if "wake_khz" in radio and "freq_khz" not in radio:
        raise SetupError(f"{source}: key 'radio.wake_khz' stands alone; name the link's channel too, 'radio.freq_khz'")
    return dict(radio)


def _places(places: dict[str, Any], source: str) -> tuple[float, ...]:
    if not places:
        return ()
    _only(places, _PLACES, source, "places.")
    found = [places.get(each) for each in _PLACES]
    if any(type(each) not in (int, float) for each in found):
        raise SetupError(f"{source}: [places] is {places}; allowed are south, west, north and east, in degrees")
    south, west, north, east = (float(each) for each in found if each is not None)
    if not (-90 <= south < north <= 90 and -180 <= west < east <= 180):
        raise SetupError(f"{source}: [places] is {places}; allowed are degrees, south below north, west below east")
    return south, west, north, east


def _agreements(listed: Any, own: str, source: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(listed, list) or len(listed) > MAX_AGREEMENTS or not all(isinstance(a, dict) for a in listed):
        raise SetupError(f"{source}: [[agreement]]: allowed are at most {MAX_AGREEMENTS} tables")
    found: dict[str, str] = {}
    for each in listed:
        _only(each, ("country", "name"), source, "agreement.")
        country = _text(each, "country", source, _COUNTRY.fullmatch, "two capital letters, like CN")
        name = _text(each, "name", source, lambda t: 8 <= len(t.strip()) <= 200 and t.isprintable(), "8–200 letters")
        if not own or country == own or country in found:
            raise SetupError(f"{source}: [[agreement]] with {country}: allowed is one a country other than {own!r}")
        found[country] = name
    return tuple(found.items())


def _only(table: dict[str, Any], allowed: tuple[str, ...], source: str, prefix: str) -> None:
    for key in table:
        if key not in allowed:
            raise SetupError(f"{source}: key '{prefix}{key}' is none of a region's; allowed are {', '.join(allowed)}")


def _table(data: dict[str, Any], name: str, source: str) -> dict[str, Any]:
    table = data.get(name, {})
    if not isinstance(table, dict):
        raise SetupError(f"{source}: key '{name}' is {table!r}; allowed is a table")
    return table


def _text(data: dict[str, Any], name: str, source: str, good: Callable[[str], object], words: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not good(value):
        raise SetupError(f"{source}: key '{name}' is {value!r}; allowed is {words}")
    return value
