"""The page's words are there in every language, with the same blanks, and no longer than a phone has room for."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

import trapcam.service
from trapcam.service.words import LANGUAGES, Words, wanted

FOLDER = Path(trapcam.service.__file__).parent
OTHERS = sorted(set(LANGUAGES) - {"en"})
LABEL = 32  # letters: what stands on a button or before a field; longer texts flow
LONGER = 1.9  # than the English, plus a word: Russian takes half as much again


def said() -> set[str]:
    """Every message in the templates and the code."""
    keywords = {"_": None, "N_": None, "PositionError": None}
    methods = [("**.py", "python"), ("templates/**.html", "jinja2")]
    return {str(found[2]) for found in extract_from_dir(FOLDER, methods, keywords=keywords)}


def catalogue(language: str) -> Catalog:
    with (FOLDER / "locale" / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def texts(language: str) -> dict[str, str]:
    return {str(message.id): str(message.string) for message in catalogue(language) if message.id}


@pytest.mark.parametrize("language", OTHERS)
def test_every_word_is_translated_and_none_is_left_over(language: str) -> None:
    there = texts(language)
    assert len(there) > 100
    assert set(there) == said(), "run deploy/make-catalogues, and translate what is new"
    assert [text for text, translated in there.items() if not translated] == []


@pytest.mark.parametrize("language", OTHERS)
def test_the_blanks_of_a_sentence_are_the_same(language: str) -> None:
    for text, translated in texts(language).items():
        assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", translated)), text


@pytest.mark.parametrize("language", OTHERS)
def test_no_label_is_overlong(language: str) -> None:
    wide = {text: t for text, t in texts(language).items() if len(text) <= LABEL and len(t) > LONGER * len(text) + 10}
    assert wide == {}


@pytest.mark.parametrize("language", OTHERS)
def test_what_the_trap_reads_is_what_was_translated(language: str) -> None:
    with (FOLDER / "locale" / f"{language}.mo").open("rb") as file:
        compiled = {str(message.id): str(message.string) for message in read_mo(file) if message.id}
    assert compiled == texts(language), "run deploy/make-catalogues"


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
