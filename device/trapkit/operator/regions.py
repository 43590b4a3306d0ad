"""The region pack: what differs by country and not by method, one file for every country that an operator works in.

    format = 1
    version = "2026.12"
    [area.RU]
    plan = "ru864"
    within = [41.5, 127.5, 49.0, 141.0]
    language = "ru"

A unit was provisioned with its area's name and takes that table alone: `within` (south, west, north, east, degrees) is
where a ranger may place a trap, `language` its page's. `plan`, the radio's, is what `trapship provision` gives units
there: it is law and not a setting, so no release changes it under a unit that transmits. Pure.
"""

import re
import tomllib
from dataclasses import dataclass
from typing import Any

from trapkit.errors import SetupError
from trapwire.plans import PLANS

FORMAT = 1
MAX_BYTES = 64 * 1024
MAX_AREAS = 64
AREA = re.compile("[A-Z]{2}")
VERSION = re.compile(r"\d{4}\.\d{1,2}(?:\.\d{1,4})?")
LANGUAGE = re.compile("[a-z]{2}")


@dataclass(frozen=True, kw_only=True)
class Area:
    """One country's: `plan`, `language` "" where it says none; `within`: south, west, north, east (degrees)."""

    within: tuple[float, float, float, float] | None = None
    plan: str = ""
    language: str = ""

    def settings(self) -> dict[str, Any]:
        """What it says of a trap, as its settings file would."""
        said: dict[str, Any] = {}
        if self.within is not None:
            said["region"] = list(self.within)
        if self.language:
            said["language"] = self.language
        return {"service": said} if said else {}


@dataclass(frozen=True, kw_only=True)
class Region:
    """A pack; `areas` by ISO 3166's two letters."""

    version: str
    areas: dict[str, Area]


def read_region(data: bytes, name: str) -> Region:
    """The pack in a file's bytes; `name`: of the file.  Raises: SetupError naming the file, the key and its value."""
    if len(data) > MAX_BYTES:
        raise SetupError(f"{name}: has over {MAX_BYTES} bytes; a region pack has some kB")
    try:
        told = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"{name}: is no region pack: {error}") from error
    _only(name, "", told, ("format", "version", "area"))
    if told.get("format") != FORMAT:
        raise SetupError(f"{name}: key 'format' is {told.get('format')!r}; allowed is {FORMAT}")
    version = told.get("version")
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise SetupError(f"{name}: key 'version' is {version!r}; allowed is a date, such as 2026.12 or 2026.12.1")
    listed = told.get("area")
    if not isinstance(listed, dict) or not 0 < len(listed) <= MAX_AREAS:
        raise SetupError(f"{name}: has no tables [area.XX], one a country, as many as {MAX_AREAS}")
    return Region(version=version, areas={key: _area(name, key, table) for key, table in listed.items()})


def _area(name: str, key: str, table: object) -> Area:
    if not AREA.fullmatch(key) or not isinstance(table, dict):
        raise SetupError(f"{name}: [area.{key}]: allowed is a table named by two capital letters of ISO 3166, like RU")
    _only(name, f"area.{key}.", table, ("plan", "within", "language"))
    plan, language = table.get("plan", ""), table.get("language", "")
    if plan and (not isinstance(plan, str) or plan not in PLANS):
        raise SetupError(f"{name}: key 'area.{key}.plan' is {plan!r}; allowed are {', '.join(sorted(PLANS))}")
    if language and (not isinstance(language, str) or not LANGUAGE.fullmatch(language)):
        raise SetupError(f"{name}: key 'area.{key}.language' is {language!r}; allowed are two letters, like ru")
    return Area(within=_within(name, key, table.get("within")), plan=plan, language=language)


def _within(name: str, key: str, value: object) -> tuple[float, float, float, float] | None:
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 4 and all(type(each) in (int, float) for each in value):
        south, west, north, east = map(float, value)
        if -90 <= south < north <= 90 and -180 <= west < east <= 180:  # NaN is in no order
            return south, west, north, east
    raise SetupError(f"{name}: key 'area.{key}.within' is {value!r}; allowed is south, west, north, east in degrees")


def _only(name: str, under: str, table: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise SetupError(f"{name}: key '{under}{key}' is unknown; allowed are {', '.join(known)}")
