"""A position as people type and paste it → latitude and longitude (pure).

Understood: decimal degrees, degrees and minutes, degrees minutes seconds, with signs, letters or words of the five
languages, before or after the numbers; decimal commas; `geo:` links and links of map pages; UTM. Refused with a reason:
what could be read in two ways, and links of maps whose positions are shifted by law (GCJ-02, BD-09: up to 700 m).
"""

import re
import unicodedata
from dataclasses import dataclass
from math import asin, atan2, cos, cosh, degrees, radians, sin, sinh

MAX_TEXT = 300
METRES_A_DEGREE = 111_320.0
_SHIFTED = ("amap.com", "gaode.com", "baidu.com", "map.qq.com")
# Words and letters of the five languages for north, south, east, west; longest first, for one may hold another.
_WORDS = {
    "N": "latitude north|north|northern|с.ш.|с. ш.|сш|северной широты|север|х.ө.|х.ө|хойд өргөрөг|хойд|北纬|北緯|북위",
    "S": "south|southern|ю.ш.|ю. ш.|юш|южной широты|юг|ө.ө.|өмнөд|南纬|南緯|남위",
    "E": "east|eastern|в.д.|в. д.|вд|восточной долготы|восток|з.у.|зүүн уртраг|зүүн|东经|東經|동경",
    "W": "west|western|з.д.|з. д.|зд|западной долготы|запад|б.у.|баруун|西经|西經|서경",
}
_LABELS = "latitude|longitude|lat|lon|lng|long|широта|долгота|өргөрөг|уртраг|纬度|经度|위도|경도"
_NUMBER = re.compile(r"(?P<sign>[+-]?)(?P<digits>\d{1,7}(?:\.\d{1,12})?)")
_UTM = re.compile(
    r"(\d{1,2})\s*([C-HJ-NP-X])\s+(\d{5,7}(?:\.\d+)?)\s*(?:m\s*)?E?[\s,]+(\d{6,8}(?:\.\d+)?)\s*(?:m\s*)?N?", re.I
)
_LINK = re.compile(
    r"(?:@|[?&](?:q|ll|query|center|mlat)=|^geo:)\s*(?:loc:)?(-?\d+\.\d+)(?:,|%2C|&mlon=)\s*(-?\d+\.\d+)", re.I
)


class PositionError(ValueError):
    """Why a text is no position; `reason` is a message of the catalogues, `values` go into it."""

    def __init__(self, reason: str, **values: object) -> None:
        super().__init__(reason.format(**values))
        self.reason = reason
        self.values = values


@dataclass(frozen=True, kw_only=True)
class Position:
    """Degrees, WGS 84, north and east positive; `precision_m`: what the last digit that was given is worth."""

    latitude: float
    longitude: float
    precision_m: float

    def text(self) -> str:
        """As the page says it back: both signs and five decimals, about a metre."""
        north, east = "N" if self.latitude >= 0 else "S", "E" if self.longitude >= 0 else "W"
        return f"{abs(self.latitude):.5f}° {north}, {abs(self.longitude):.5f}° {east}"


def parse(text: str) -> Position:
    """The position in `text`.  Raises: PositionError."""
    if len(text) > MAX_TEXT:
        raise PositionError("This is too long for a position.")
    plain = unicodedata.normalize("NFKC", text).strip()
    if not plain:
        raise PositionError("Give the position, for example 43.12345, 131.45678.")
    if any(name in plain.lower() for name in _SHIFTED):
        raise PositionError("Positions of this map are shifted by up to 700 m. Take them from a GPS receiver.")
    link = _LINK.search(plain)
    if link:
        return _checked(float(link[1]), float(link[2]), _digit_m(link[1]))
    if "://" in plain:
        raise PositionError("There is no position in this link.")
    utm = _UTM.fullmatch(plain.replace(";", " "))
    if utm:
        return _from_utm(int(utm[1]), utm[2].upper(), float(utm[3]), float(utm[4]))
    return _from_degrees(plain)


def _digit_m(digits: str) -> float:
    """What one of the last digit of decimal degrees is worth, m."""
    return METRES_A_DEGREE / float(10 ** len(digits.partition(".")[2]))


# --- degrees ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Angle:
    value: float
    letter: str
    precision_m: float


def _from_degrees(plain: str) -> Position:
    parts = _halves(_pieces(_lettered(plain)))
    first, second = (_angle(part) for part in parts)
    if first.letter in ("E", "W") or second.letter in ("N", "S"):
        first, second = second, first
    if (first.letter or "N") not in "NS" or (second.letter or "E") not in "EW":
        raise PositionError("Both numbers are latitudes, or both longitudes.")
    if not first.letter and not second.letter and abs(first.value) > 90 >= abs(second.value):
        first, second = second, first  # longitude first, and it can be nothing else
    return _checked(first.value, second.value, max(first.precision_m, second.precision_m))


def _lettered(plain: str) -> str:
    """Words as letters N, S, E, W; decimal commas as points; marks of degrees, minutes, seconds as d, m, s."""
    text = plain.lower().replace("−", "-").replace("–", "-")
    for label in _LABELS.split("|"):
        text = re.sub(rf"(?<![^\W\d_]){label}\s*[:=]?", " ", text)
    for letter, words in _WORDS.items():
        for word in sorted(words.split("|"), key=len, reverse=True):
            text = text.replace(word, f" {letter} ")
    text = re.sub(r"(?<![^\W\d_])([nsew])(?![^\W\d_])", lambda found: f" {found[1].upper()} ", text)
    # 43,12345 131,45678: commas are points, unless one alone stands between two whole numbers.
    if "." not in text and not re.fullmatch(r"\s*[+-]?\d+\s*,\s*[+-]?\d+\s*", text):
        text = re.sub(r"(\d),(?=\d)", r"\1.", text)
    for marks, letter in (("°º˚度도", "d"), ("′'’´`分분", "m"), ('″"”“秒초', "s")):
        text = re.sub(f"[{marks}]", letter, text)
    text = text.replace("mm", "s")  # two single marks for the seconds
    text = re.sub(r"(?<=[\d\s])(deg|град\.?)", "d", text)
    return re.sub(r"[,;/()\[\]|]", " , ", text)


def _pieces(text: str) -> list[str]:
    found, at = [], 0
    for match in re.finditer(r"[+-]?\d{1,7}(?:\.\d{1,12})?|[NSEW]|[dms]|,|\s+", text):
        if match.start() != at:
            break
        at = match.end()
        if match[0].strip():
            found.append(match[0])
    if at != len(text):
        raise PositionError("“{what}” is no part of a position.", what=text[at:].split()[0][:20])
    return found


def _halves(pieces: list[str]) -> tuple[list[str], list[str]]:
    """The pieces of one angle and of the other."""
    if pieces.count(",") == 1 and pieces[0] != "," != pieces[-1]:
        at = pieces.index(",")
        return pieces[:at], pieces[at + 1 :]
    pieces = [piece for piece in pieces if piece != ","]
    letters = [i for i, piece in enumerate(pieces) if piece in "NSEW"]
    if len(letters) == 2:
        at = letters[1] if letters[0] == 0 else letters[0] + 1
        return pieces[:at], pieces[at:]
    degrees_at = [i for i, piece in enumerate(pieces) if piece == "d"]
    if len(degrees_at) == 2 and not letters:
        return pieces[: degrees_at[1] - 1], pieces[degrees_at[1] - 1 :]
    numbers = [piece for piece in pieces if _NUMBER.fullmatch(piece)]
    if len(numbers) in (2, 4, 6) and len(numbers) == len(pieces):
        return pieces[: len(pieces) // 2], pieces[len(pieces) // 2 :]
    raise PositionError("Give latitude and longitude, for example 43.12345, 131.45678.")


def _angle(pieces: list[str]) -> _Angle:
    letters = [piece for piece in pieces if piece in "NSEW"]
    rest = [piece for piece in pieces if piece not in "NSEW,"]
    numbers = [piece for piece in rest if _NUMBER.fullmatch(piece)]
    marks = [piece for piece in rest if piece in "dms"]
    if len(letters) > 1 or not 1 <= len(numbers) <= 3 or marks != ["d", "m", "s"][: len(marks)]:
        raise PositionError("Give latitude and longitude, for example 43.12345, 131.45678.")
    if any("." in number for number in numbers[:-1]) or any(n[0] in "+-" for n in numbers[1:]):
        raise PositionError("Degrees, minutes and seconds: only the last may have decimals.")
    values = [abs(float(number)) for number in numbers]
    if any(value >= 60 for value in values[1:]):
        raise PositionError("Minutes and seconds go from 0 to 59.")
    size = sum(value / 60**i for i, value in enumerate(values))
    negative = numbers[0].startswith("-")
    if letters and negative:
        raise PositionError("Give a minus sign or a letter, not both.")
    sign = -1 if negative or (letters and letters[0] in "SW") else 1
    return _Angle(sign * size, letters[0] if letters else "", _digit_m(numbers[-1]) / 60 ** (len(numbers) - 1))


def _checked(latitude: float, longitude: float, precision_m: float) -> Position:
    if not -90 <= latitude <= 90:
        raise PositionError("A latitude goes from −90 to 90, this is {value}.", value=f"{latitude:g}")
    if not -180 <= longitude <= 180:
        raise PositionError("A longitude goes from −180 to 180, this is {value}.", value=f"{longitude:g}")
    return Position(latitude=latitude, longitude=longitude, precision_m=precision_m)


# --- UTM (Karney's series to the third order of n: better than a millimetre; WGS 84) ----------------------------------

_A, _F, _K0 = 6_378_137.0, 1 / 298.257223563, 0.9996
_N = _F / (2 - _F)
_RADIUS = _A / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
_BETA = (_N / 2 - 2 / 3 * _N**2 + 37 / 96 * _N**3, _N**2 / 48 + _N**3 / 15, 17 / 480 * _N**3)
_DELTA = (2 * _N - 2 / 3 * _N**2 - 2 * _N**3, 7 / 3 * _N**2 - 8 / 5 * _N**3, 56 / 15 * _N**3)


def _from_utm(zone: int, band: str, easting: float, northing: float) -> Position:
    if not 1 <= zone <= 60:
        raise PositionError("A UTM zone goes from 1 to 60, this is {value}.", value=zone)
    if not 100_000 <= easting <= 900_000 or not 0 <= northing <= 10_000_000:
        raise PositionError("These are no UTM coordinates: easting 100000–900000, northing 0–10000000.")
    xi = (northing - (0 if band >= "N" else 10_000_000)) / (_K0 * _RADIUS)
    eta = (easting - 500_000) / (_K0 * _RADIUS)
    xi_, eta_ = xi, eta
    for j, beta in enumerate(_BETA, start=1):
        xi_ -= beta * sin(2 * j * xi) * cosh(2 * j * eta)
        eta_ -= beta * cos(2 * j * xi) * sinh(2 * j * eta)
    chi = asin(sin(xi_) / cosh(eta_))
    latitude = chi + sum(delta * sin(2 * j * chi) for j, delta in enumerate(_DELTA, start=1))
    longitude = radians(zone * 6 - 183) + atan2(sinh(eta_), cos(xi_))
    found = degrees(latitude)
    if band not in _bands(found):
        raise PositionError("In UTM, {northing} does not lie in band {band}.", northing=f"{northing:.0f}", band=band)
    return _checked(found, (degrees(longitude) + 180) % 360 - 180, 1.0)


def _bands(latitude: float) -> str:
    """The band letter of a latitude, and its neighbours within a kilometre of the border."""
    letters = "CDEFGHJKLMNPQRSTUVWX"
    places = {min(max(int((latitude + d + 80) // 8), 0), 19) for d in (-0.01, 0.0, 0.01)}
    return "".join(letters[place] for place in places)
