"""Where a camera looks, in the words of five languages."""

import pytest

from trapcam.service.bearings import POINTS, compass, point
from trapcam.service.forms import Form
from trapcam.service.words import LANGUAGES, Words

OWN = {
    "en": "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW",
    "ru": "С ССВ СВ ВСВ В ВЮВ ЮВ ЮЮВ Ю ЮЮЗ ЮЗ ЗЮЗ З ЗСЗ СЗ ССЗ",
    "zh": "北 北北东 东北 东北东 东 东南东 东南 南南东 南 南南西 西南 西南西 西 西北西 西北 北北西",
    "ko": "북 북북동 북동 동북동 동 동남동 남동 남남동 남 남남서 남서 서남서 서 서북서 북서 북북서",
}


@pytest.mark.parametrize("language", OWN)
def test_sixteen_points_in_a_language_s_own_letters(language: str) -> None:
    said = OWN[language].split()
    found = [compass(text, language) for text in said]
    # A Chinese name of three may begin with the pair: the point between it and the third.
    assert found == [int(i * 22.5 + 0.5) for i in range(16)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_eight_points_that_a_page_shows_are_understood_in_its_language(language: str) -> None:
    words = Words(language)
    assert [compass(words(one), language) for one in POINTS] == [45 * i for i in range(8)]
    assert [compass(one, language) for one in POINTS] == [45 * i for i in range(8)], "Latin letters are everywhere"


@pytest.mark.parametrize(
    ("text", "language", "degrees"),
    [
        ("north-east", "en", 45),
        (" s.w. ", "en", 225),
        ("северо-запад", "ru", 315),
        ("юг", "ru", 180),
        ("зүүн хойд", "mn", 45),
        ("баруун өмнөд", "mn", 225),
        ("正北", "zh", 0),
        ("東南", "zh", 135),
        ("남동쪽", "ko", 135),
        ("동북", "ko", 45),
        ("З", "ru", 270),
        ("З", "mn", 90),
        ("З", "en", None),  # west or east: who knows
        ("ЮВ", "en", 135),
        ("NS", "en", None),
        ("NN", "en", None),
        ("SNE", "en", None),
        ("up", "en", None),
        ("", "en", None),
        ("N" * 10_000, "en", None),
    ],
)
def test_words_that_people_write(text: str, language: str, degrees: int | None) -> None:
    assert compass(text, language) == degrees


def test_a_bearing_has_the_nearest_point() -> None:
    assert [point(deg) for deg in (0, 22, 23, 90, 337, 338, 359)] == ["N", "N", "NE", "E", "NW", "N", "N"]


def test_a_word_becomes_degrees_in_the_form_so_that_another_language_cannot_turn_it() -> None:
    form = Form({"bearing_deg": "З"}, "ru")
    assert form.bearing("bearing_deg") == 270
    assert Form(form.fields, "mn").bearing("bearing_deg") == 270
    assert Form({"bearing_deg": "45°"}).bearing("bearing_deg") == 45
