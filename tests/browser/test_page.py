"""The base's page in a real browser, on a real demo: it explains itself empty, fills by itself, fits a phone.

In file order: the demo goes on while the first tests look at it.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.browser.conftest import DESK, PHONE, Demo, keep

NO_SIDEWAYS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
OBJECTS = 4 * 2 + 4 * 4  # of four sightings by radio, and of four by a trap with a network
OPEN = (("objects", "stored"), ("objects", "batched"), ("batches", "uploaded"), ("receipts", "signed"))
Open = Callable[..., Any]


def test_an_empty_base_explains_itself(empty: str, open_page: Open) -> None:
    page = open_page(empty)
    page.wait_for_selector("#line.live")
    assert page.locator("#empty li").count() == 3
    keep(page, "page-empty")


def test_the_page_fills_without_a_reload(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url)
    page.evaluate("window.notReloaded = true")
    page.wait_for_selector("article.event .pic img", timeout=120_000)
    assert page.evaluate("window.notReloaded")


def test_pictures_stay_where_they_are_while_the_rest_changes(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url)
    page.wait_for_selector("article.event .pic img", timeout=120_000)
    page.wait_for_selector("#line.live")
    page.evaluate("document.querySelector('#sightings-title').seen = true; document.title = 'kept'")
    before = page.locator("#figures").inner_text()
    page.wait_for_function("text => document.querySelector('#figures').innerText !== text", arg=before, timeout=120_000)
    assert page.evaluate("document.querySelector('#sightings-title').seen"), "what did not change was not replaced"


def test_everything_is_delivered_and_kept_as_a_picture(demo: Demo, open_page: Open) -> None:
    def delivered() -> bool:
        status = demo.status()
        waiting = [status.get(table, {}).get(state, 0) for table, state in OPEN]
        return status.get("objects", {}).get("receipted", 0) == OBJECTS and not any(waiting)

    demo.wait_for(delivered)
    for name, size, scheme in (
        ("page-desk", DESK, "light"),
        ("page-phone", PHONE, "light"),
        ("page-dark", DESK, "dark"),
    ):
        page = open_page(demo.url, size, scheme=scheme)
        page.wait_for_selector("#line.live")
        page.wait_for_load_state("load")
        assert page.evaluate("[...document.images].every(i => i.loading === 'lazy' || i.naturalWidth > 0)")
        keep(page, name, whole=size is PHONE)


@pytest.mark.parametrize("size", [PHONE, {"width": 320, "height": 568}, DESK], ids=["phone", "small", "desk"])
def test_nothing_is_wider_than_the_window(demo: Demo, open_page: Open, size: dict[str, int]) -> None:
    page = open_page(demo.url, size)
    page.wait_for_selector("article.event")
    assert page.evaluate(NO_SIDEWAYS)
    page.locator("#counters summary").click()
    assert page.evaluate(NO_SIDEWAYS)


def test_times_are_the_readers_with_the_stations_beside(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url, zone="Europe/Berlin")
    when = page.locator(".event time").first
    here, there = when.locator(".here"), when.locator(".there")
    hours = [int(re.search(r"(\d\d):\d\d:\d\d", text.inner_text())[1]) for text in (here, there)]  # type: ignore[index]
    assert (hours[1] - hours[0]) % 24 in (8, 9), "Vladivostok is eight or nine hours ahead of Berlin"
    assert "UTC+10" in there.inner_text()
    same = open_page(demo.url, zone="Asia/Vladivostok")
    for when in (same.locator(".event time").first, same.locator(".trap time").first):
        assert when.locator(".here").is_visible()
        assert not when.locator(".there").is_visible()


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_each_unit_says_how_it_is(demo: Demo, open_page: Open, size: dict[str, int]) -> None:
    page = open_page(demo.url, size)
    page.wait_for_selector("#line.live")
    units = page.locator(".trap")
    assert units.count() == 2
    for unit in units.all():
        words = unit.inner_text()
        assert unit.locator(".state").inner_text() in ("awake, camera warm", "taking pictures")
        assert re.search(r"\d+ %", words)
        assert re.search(r"−\d+ °C", words)
        assert "last fault" not in words
    assert re.search(r"[1-9]\d* frames heard, [1-9]\d* of [1-9]\d* answers sent", page.locator("#modem").inner_text())


def test_the_box_lies_on_the_picture_and_a_frame_opens(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url)
    figure = page.locator("figure:has(.pic img)").first
    picture, box = figure.locator(".pic img").bounding_box(), figure.locator(".box rect").bounding_box()
    assert picture["x"] - 2 <= box["x"]
    assert picture["y"] - 2 <= box["y"]
    assert box["x"] + box["width"] <= picture["x"] + picture["width"] + 2
    assert box["y"] + box["height"] <= picture["y"] + picture["height"] + 2
    link = page.locator(".shot a").first
    answer = page.request.get(demo.url.rstrip("/") + link.get_attribute("href"))
    assert answer.headers["content-type"] == "image/webp"


def test_a_species_is_a_link_and_the_keyboard_reaches_it(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").startswith("feline")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?species=feline")
    assert page.locator('.kinds [aria-current="true"]').inner_text().startswith("feline")
