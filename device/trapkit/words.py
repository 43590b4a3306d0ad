"""The words of our pages in five languages: gettext's catalogues, and which of them a phone wants."""

import gettext
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = {"en": "English", "ru": "Русский", "zh": "中文", "mn": "Монгол", "ko": "한국어"}
COOKIE = "language"  # in which a phone keeps its choice
YEAR_S = 31_536_000  # and for how long


def N_(text: str) -> str:  # noqa: N802
    """Marks words for the catalogues that are translated where they are shown (the name is gettext's own)."""
    return text


class Words:
    """One language of a package's `locale/`; `words("{n} pictures", n=3)`. One that we have not is English."""

    def __init__(self, language: str, package: str) -> None:
        self.language = language if language in LANGUAGES else "en"
        self._catalogue = _catalogue(self.language, package)

    def __call__(self, text: str, **values: Any) -> str:
        said = self._catalogue.gettext(text)
        return said.format(**values) if values else said


@cache
def _catalogue(language: str, package: str) -> gettext.NullTranslations:
    if language == "en":
        return gettext.NullTranslations()
    with (files(package) / "locale" / f"{language}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def wanted(header: str, otherwise: str = "en") -> str:
    """The best of ours for an Accept-Language header (RFC 9110, 12.5.4); `otherwise` where there is none."""
    best, best_weight = otherwise, 0.0
    for part in header[:500].split(","):
        tag, _, weight = part.partition(";")
        code = tag.strip().lower().split("-")[0]
        try:
            value = float(weight.partition("=")[2]) if weight else 1.0
        except ValueError:
            continue
        if code in LANGUAGES and value > best_weight:
            best, best_weight = code, value
    return best
