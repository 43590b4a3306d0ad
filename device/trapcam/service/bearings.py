"""Where a camera looks as people write it, degrees or compass words in five languages → degrees (pure)."""

import re
import unicodedata

from trapcam.service.words import N_

POINTS = (N_("N"), N_("NE"), N_("E"), N_("SE"), N_("S"), N_("SW"), N_("W"), N_("NW"))
_AT = {"N": 0.0, "E": 90.0, "S": 180.0, "W": 270.0}
# Words and letters; Russian З is west, Mongolian З is east: a language's own are tried before the others'.
_WORDS = {
    "en": {"N": "north|n", "E": "east|e", "S": "south|s", "W": "west|w"},
    "ru": {"N": "северо|север|с", "E": "восток|в", "S": "юго|юг|ю", "W": "запад|з"},
    "mn": {"N": "хойд|умард|х", "E": "зүүн|дорнод|з", "S": "өмнөд|урд|ө", "W": "баруун|өрнөд|б"},
    "zh": {"N": "北", "E": "东|東", "S": "南", "W": "西"},
    "ko": {"N": "북", "E": "동", "S": "남", "W": "서"},
}
_BETWEEN = re.compile(r"[\s.,°'’\-–—]|^正|[쪽향]$")
_MOST = 40  # letters; the longest name of a direction has half as many


def compass(text: str, language: str) -> int | None:
    """Degrees of a direction named in `language`, in English, or else in any of the others that agree; 16 points."""
    plain = _BETWEEN.sub("", unicodedata.normalize("NFKC", text[:_MOST]).strip().casefold())
    for known in (language, "en"):
        found = _read(plain, _WORDS.get(known, {}))
        if found is not None:
            return found
    others = {found for words in _WORDS.values() if (found := _read(plain, words)) is not None}
    return others.pop() if len(others) == 1 else None


def point(bearing_deg: float) -> str:
    """The nearest of eight points: a message."""
    return POINTS[round(bearing_deg / 45) % 8]


def _read(text: str, words: dict[str, str]) -> int | None:
    one = "|".join(f"(?P<{letter}>{some})" for letter, some in words.items())
    if not words or not re.fullmatch(f"(?:{one}){{1,3}}", text):
        return None
    letters = [str(match.lastgroup) for match in re.finditer(one, text)]
    if len(letters) == 1:
        return round(_AT[letters[0]])
    pair = _middle(_AT[letters[-2]], _AT[letters[-1]])  # Chinese, Korean and Mongolian name east before north
    if pair is None or len(letters) == 2:
        return None if pair is None else round(pair)
    between = _middle(_AT[letters[0]], pair) if letters[0] in letters[1:] else None
    return None if between is None else int(between + 0.5)


def _middle(one: float, other: float) -> float | None:
    """Between two directions that are neighbours; None where they are the same or opposite."""
    apart = (other - one + 180) % 360 - 180
    return (one + apart / 2) % 360 if 0 < abs(apart) <= 90 else None
