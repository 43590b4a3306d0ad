"""A position is understood however people type or paste it; what could be two things is refused in words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trapcam.service.places import check_place, is_land
from trapcam.service.positions import Position, PositionError, parse

HERE = (43.12345, 131.45678)
REGION = (35.0, 70.0, 60.0, 150.0)


@pytest.mark.parametrize(
    "text",
    [
        "43.12345, 131.45678",
        "43.12345 131.45678",
        "  43.12345;131.45678 ",
        "(43.12345, 131.45678)",
        "131.45678, 43.12345",
        "43,12345; 131,45678",
        "43,12345 131,45678",
        "43,12345, 131,45678",
        "+43.12345 +131.45678",
        "N43.12345 E131.45678",
        "E131.45678 N43.12345",
        "43.12345N, 131.45678E",
        "43.12345° N 131.45678° E",
        "lat: 43.12345 lon: 131.45678",
        "Latitude 43.12345, Longitude 131.45678",
        "43.12345 с.ш., 131.45678 в.д.",
        "Широта 43.12345 Долгота 131.45678",
        "северной широты 43.12345, восточной долготы 131.45678",
        "43.12345 х.ө. 131.45678 з.у.",
        "北纬43.12345 东经131.45678",
        "纬度43.12345,经度131.45678",
        "４３．１２３４５，１３１．４５６７８",
        "북위 43.12345 동경 131.45678",
        "43°07'24.42\"N 131°27'24.41\"E",
        "43°07′24.42″ 131°27′24.41″",
        "43° 07.407' N, 131° 27.4068' E",
        "43 07 24.42 N 131 27 24.41 E",
        "43 07.407 131 27.4068",
        "북위 43도 07분 24.42초 동경 131도 27분 24.41초",
        "北纬43度07分24.42秒 东经131度27分24.41秒",
        "geo:43.12345,131.45678;u=30",
        "https://www.google.com/maps/@43.12345,131.45678,15z",
        "https://maps.google.com/?q=43.12345,131.45678",
        "https://www.openstreetmap.org/?mlat=43.12345&mlon=131.45678#map=12/43.1/131.4",
        "https://yandex.example/maps/?ll=43.12345%2C131.45678",
    ],
)
def test_the_same_place_in_many_hands(text: str) -> None:
    found = parse(text)
    assert (found.latitude, found.longitude) == pytest.approx(HERE, abs=3e-6)


@pytest.mark.parametrize(
    ("text", "latitude", "longitude"),
    [  # by PROJ 9 (EPSG:32652, 32631, 32733, 32648)
        ("52T 699862 4777460", 43.1235038, 131.4569194),
        ("31U 448251 5411932", 48.8581938, 2.2944892),
        ("33K 500000 8000000", -18.0887089, 15.0),
        ("48V 210000.5E, 6500000N", 58.5435549, 100.0152506),
    ],
)
def test_utm(text: str, latitude: float, longitude: float) -> None:
    found = parse(text)
    assert (found.latitude, found.longitude) == pytest.approx((latitude, longitude), abs=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Give the position"),
        ("by the old oak", "is no part of a position"),
        ("43.12345", "Give latitude and longitude"),
        ("43.1, 131.2, 5", "Give latitude and longitude"),
        ("43.1N 131.2N", "both longitudes"),
        ("-43.1N 131.2E", "not both"),
        ("43 60 0 N 131 0 0 E", "from 0 to 59"),
        ("43.5 10 N 131 0 E", "only the last may have decimals"),
        ("43.1, 200", "from −180 to 180, this is 200"),
        ("95N 131E", "from −90 to 90, this is 95"),
        ("https://ditu.amap.com/?q=43.12345,131.45678", "shifted by up to 700 m"),
        ("https://map.baidu.com/@14634000,5327000", "shifted by up to 700 m"),
        ("https://example.org/oak", "no position in this link"),
        ("99T 500000 4700000", "zone goes from 1 to 60"),
        ("52T 500000 9000000", "does not lie in band T"),
        ("5" * 301, "too long"),
    ],
)
def test_what_is_no_position_is_refused_with_its_reason(text: str, words: str) -> None:
    with pytest.raises(PositionError) as caught:
        parse(text)
    assert words in str(caught.value)


@given(st.floats(-89.99, 89.99), st.floats(-179.99, 179.99))
def test_what_the_page_says_back_is_read_as_the_same(latitude: float, longitude: float) -> None:
    found = parse(Position(latitude=latitude, longitude=longitude, precision_m=1.0).text())
    assert math.isclose(found.latitude, latitude, abs_tol=6e-6)
    assert math.isclose(found.longitude, longitude, abs_tol=6e-6)


@given(st.text(max_size=60) | st.text(alphabet="0123456789.,-°'\" NSEW", max_size=40))
def test_whatever_is_typed_gives_a_position_or_a_reason(text: str) -> None:
    try:
        found = parse(text)
    except PositionError:  # any other error fails
        return
    assert -90 <= found.latitude <= 90
    assert -180 <= found.longitude <= 180
    assert found.precision_m > 0


def test_the_last_digit_says_how_exact_it_is() -> None:
    assert parse("43.12, 131.45").precision_m == pytest.approx(1113.2)
    assert parse("43.12345, 131.45678").precision_m == pytest.approx(1.1132)
    assert parse("43°07'24\"N 131°27'24\"E").precision_m == pytest.approx(30.9, abs=0.1)


@pytest.mark.parametrize(
    ("latitude", "longitude", "land"),
    [
        (43.12345, 131.45678, True),  # Land of the Leopard
        (44.5, 135.0, True),  # Sikhote-Alin
        (42.0, 133.0, False),  # the Sea of Japan
        (43.05, 131.85, True),  # islands off Vladivostok
        (47.9, 106.9, True),  # Ulaanbaatar
        (53.5, 108.0, True),  # Lake Baikal is no sea
        (37.5, 127.0, True),  # Seoul
        (36.0, 123.5, False),  # the Yellow Sea
        (51.5, 0.0, True),  # nothing is known there
    ],
)
def test_the_sea_is_no_place_for_a_trap(latitude: float, longitude: float, land: bool) -> None:
    assert is_land(Position(latitude=latitude, longitude=longitude, precision_m=1.0)) == land


def test_a_position_is_checked_against_region_and_sea_and_said_back() -> None:
    check_place(parse("43.12345, 131.45678"), REGION)
    with pytest.raises(PositionError, match="outside the region"):
        check_place(parse("13.12345, 131.45678"), REGION)
    with pytest.raises(PositionError, match=r"42\.00000° N, 133\.00000° E lies in the sea"):
        check_place(parse("42, 133.0"), REGION)
