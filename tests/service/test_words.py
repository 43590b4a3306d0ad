"""The page's words are there in every language, with the same blanks, and no longer than a phone has room for."""

import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

import trapbase
import trapcam.service
from trapbase.words import Words as BaseWords
from trapcam.service.words import LANGUAGES, Words, wanted

OF_TRAP, OF_BASE = Path(trapcam.service.__file__).parent, Path(trapbase.__file__).parent
GUIDE = Path(__file__).parents[2] / "deploy" / "guide"
SOURCES = {OF_TRAP: (OF_TRAP, GUIDE), OF_BASE: (OF_BASE,)}  # catalogues, and whose words are in them
LEAST = {OF_TRAP: 180, OF_BASE: 20}
OTHERS = sorted(set(LANGUAGES) - {"en"})
both = pytest.mark.parametrize("folder", SOURCES, ids=["trap", "base"])
LABEL = 32  # letters: what stands on a button or before a field; longer texts flow
LONGER = 1.9  # than the English, plus a word: Russian takes half as much again


@cache
def said(folder: Path) -> set[str]:
    """Every message in the templates and the code."""
    keywords = {"_": None, "N_": None, "PositionError": None}
    methods = [("**.py", "python"), ("templates/**.html", "jinja2")]
    return {str(found[2]) for place in SOURCES[folder] for found in extract_from_dir(place, methods, keywords=keywords)}


def catalogue(folder: Path, language: str) -> Catalog:
    with (folder / "locale" / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def texts(folder: Path, language: str) -> dict[str, str]:
    return {str(message.id): str(message.string) for message in catalogue(folder, language) if message.id}


@both
@pytest.mark.parametrize("language", OTHERS)
def test_every_word_is_translated_and_none_is_left_over(folder: Path, language: str) -> None:
    there = texts(folder, language)
    assert len(there) > LEAST[folder]
    assert set(there) == said(folder), "run deploy/make-catalogues, and translate what is new"
    assert [text for text, translated in there.items() if not translated] == []


@both
@pytest.mark.parametrize("language", OTHERS)
def test_the_blanks_of_a_sentence_are_the_same(folder: Path, language: str) -> None:
    for text, translated in texts(folder, language).items():
        assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", translated)), text


@both
@pytest.mark.parametrize("language", OTHERS)
def test_no_label_is_overlong(folder: Path, language: str) -> None:
    wide = {
        text: t
        for text, t in texts(folder, language).items()
        if len(text) <= LABEL and len(t) > LONGER * len(text) + 10
    }
    assert wide == {}


@both
@pytest.mark.parametrize("language", OTHERS)
def test_what_is_read_is_what_was_translated(folder: Path, language: str) -> None:
    with (folder / "locale" / f"{language}.mo").open("rb") as file:
        compiled = {str(message.id): str(message.string) for message in read_mo(file) if message.id}
    assert compiled == texts(folder, language), "run deploy/make-catalogues"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_trap_calls_the_bases_form_by_the_bases_name(language: str) -> None:
    sentence = next(text for text in said(OF_TRAP) if text.endswith("choose “Bring parcels”."))
    assert BaseWords(language)("Bring parcels") in Words(language)(sentence)


def test_words_come_in_the_language_that_was_asked_for() -> None:
    assert Words("en")("Trap {n}", n=7) == "Trap 7"
    assert Words("ru")("Trap {n}", n=7) == "Ловушка 7"
    assert Words("xx")("Battery") == "Battery"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("ru", "ru"),
        ("zh-Hans-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("de-DE, mn;q=0.3, ko;q=0.7", "ko"),
        ("en;q=0.1, ru;q=nonsense", "en"),
        ("," * 9_000, "en"),
        ("ru;q=0", "en"),
    ],
)
def test_a_phone_s_language(header: str, language: str) -> None:
    assert wanted(header) == language


def test_a_phone_that_wants_none_of_ours_gets_the_language_of_its_trap() -> None:
    assert [wanted(header, "mn") for header in ("", "de,fr;q=0.8", "de,ko;q=0.1")] == ["mn", "mn", "ko"]
