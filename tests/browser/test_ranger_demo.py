"""A ranger at a real trap of the running demo, and at its base: what is typed there arrives, and so do parcels."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import Demo
from tests.browser.phone_parts import DENSITY, MEASURE, SIZE, TARGET_PX, Phone, launch

from trapbase.words import LANGUAGES
from trapbase.words import Words as BaseWords
from trapcam.service.words import Words
from trapsim.site import PIN

WALKED_WITHIN_MS = 60_000  # the first pass begins after 4 s
ARMED_WITHIN_MS = 180_000  # by the simulated radio, on a busy machine


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("visited") / "state", "--service", "--speed", "5", "--pir", "30")
    yield running
    running.close()


@pytest.fixture(scope="module")
def screen(playwright: Any, chromium: str, visited: Demo) -> Iterator[Any]:
    """A phone's page in a browser for which trap.local is the demo's first trap."""
    port = int(visited.url.rstrip("/").rpartition(":")[2])
    browser = launch(playwright, chromium, port + 1)
    context = browser.new_context(viewport=SIZE, device_scale_factor=DENSITY, is_mobile=True, has_touch=True)
    yield context.new_page()
    browser.close()


def test_a_trap_is_walked_past_its_card_is_heard_by_the_base_and_parcels_are_brought(
    visited: Demo, screen: Any, tmp_path: Path
) -> None:
    phone = Phone(screen, Words("en"), PIN)
    phone.begin()
    visited.wait_for(lambda: visited.status().get("objects", {}).get("stored", 0) > 0)
    phone.enter()
    phone.press("Place it")
    screen.wait_for_function("document.getElementById('look').naturalWidth > 0")
    phone.inspect()
    phone.press("Next: walk test")
    screen.get_by_text("This trap is simulated").wait_for()
    phone.inspect()
    phone.press("Begin")
    screen.get_by_text(phone.words("Passed: you may end the test.")).wait_for(timeout=WALKED_WITHIN_MS)
    phone.inspect()
    phone.press("Next: deployment card")
    fields = {"station": "S 12", "position": "43.12345, 131.45678", "who": "Vera"}
    for name, value in fields.items():
        screen.fill(f"#{name}", value)
    phone.choose("left")
    phone.press("Look it over")
    phone.press("Yes: save and send")
    screen.get_by_text(phone.words("The trap is watching, and the base has heard it: you may leave.")).wait_for(
        timeout=ARMED_WITHIN_MS
    )
    visited.wait_for(lambda: "S 12" in (visited.fetch() or ""))
    phone.open("/visit")
    with screen.expect_download() as download:
        screen.get_by_role("link", name=phone.words("Take them onto this phone")).click()
    brought = tmp_path / download.value.suggested_filename
    download.value.save_as(brought)
    screen.goto(f"{visited.url}bring?language=ru")
    words = BaseWords("ru")
    screen.set_input_files("#files", brought)
    screen.get_by_role("button", name=words("Bring them in")).click()
    screen.wait_for_selector("#brought-1")
    said = screen.locator("#brought-1").inner_text()
    assert words("Damaged: {n}. The trap has them still: collect there again.", n=0)[:6] not in said
    assert "pugmark-1-" in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_bring_parcels_fits_a_phone_in_every_language(visited: Demo, screen: Any, language: str) -> None:
    words = BaseWords(language)
    screen.goto(f"{visited.url}bring?language={language}")
    assert screen.evaluate("document.documentElement.lang") == language
    assert screen.get_by_role("button", name=words("Bring them in")).is_visible()
    complaints = screen.evaluate(MEASURE, [SIZE["width"], TARGET_PX])
    assert not complaints, "\n".join(complaints)
