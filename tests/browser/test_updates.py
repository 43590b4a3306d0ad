"""The part of the base's page about updates, in Chromium: a release on its way, and one that was stopped; at a phone's
size and a desk's. The base is real, its units say what the test says."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.base.updates.parts import HOUR_MS, NEW, OLD, Updating
from tests.browser.conftest import keep
from tests.service.trap_parts import served

from trapbase.config import Settings, TrapSettings
from trapbase.page import create_page
from trapbase.update_settings import UpdateSettings
from trapbase.updates.alone import Allowance

SMALL, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 800}
NO_SIDEWAYS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
PARTS = {"application": "0.2", "model": "feline-3"}
STATIONS = {1: "Bear ford", 2: "Bear ford", 3: "Lime ridge", 4: "Lime ridge", 5: "Old salt lick", 6: "Old salt lick"}
TRAPS = {
    number: TrapSettings(
        number=number, station=name, side="left" if number % 2 else "right", latitude=43.1, longitude=131.4
    )
    for number, name in STATIONS.items()
}
Open = Callable[..., Any]


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Updating]:
    """Station by station: proved, judging beside the old model, without its partner."""
    settings = UpdateSettings(source="stick", first="Bear ford", healthy_h=1, pair_h=0.5)
    base = Updating(tmp_path / "base", settings, TRAPS)
    base.now_ms = time.time_ns() // 1_000_000 - 30 * HOUR_MS
    for trap in TRAPS:
        base.hear(trap)
        base.says(trap, OLD, "running")
    base.kept.hold(NEW, 7, base.now_ms, PARTS, 5_000_000, base.now_ms)
    base.kept.begin(NEW, base.now_ms)
    heard = [1, 2, 3, 4, 5]
    later(base, 8, *heard)  # the last one falls silent before its turn
    for trap in (1, 2):
        base.says(trap, NEW, "confirmed")
        later(base, 2, *heard)
    base.says(3, OLD, "staged", NEW)
    base.judges(3, model=0xAB12CD34, bursts=120, only_old=3, only_new=9, people_old=0, people_new=1, verdict=0)
    base.kept.allow(
        base.rollout(),
        Allowance(
            trap=5, who="anna", why="trap 6 was stolen in October", since_ms=base.now_ms,
            until_ms=base.now_ms + 14 * 24 * HOUR_MS,
        ),
    )  # fmt: skip
    later(base, (time.time_ns() // 1_000_000 - base.now_ms) / HOUR_MS, *heard)
    yield base
    base.close()


def later(base: Updating, hours: float, *heard: int) -> None:
    for _ in range(max(1, round(hours))):
        base.now_ms += HOUR_MS
        base.hear(*heard)
        base.step(0)


@pytest.fixture
def address(base: Updating) -> Iterator[str]:
    settings = Settings(name="north", folder=str(base.folder), trap=tuple(TRAPS.values()), updates=base.settings)
    stop = threading.Event()
    with served(create_page(settings, None, stop)) as address:
        yield address
        stop.set()


@pytest.mark.parametrize("size", [SMALL, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_who_runs_what_and_why_it_waits_is_read_at_any_size(
    base: Updating, address: str, open_page: Open, size: dict[str, int], scheme: str
) -> None:
    page = open_page(address, size, scheme=scheme)
    page.wait_for_selector("#line.live")
    part = page.locator("#updates")
    part.scroll_into_view_if_needed()
    for words in (
        "2 of 6 units run it",
        "It brings: application 0.2, model feline-3.",
        "107 alike; kept by the new one alone 9, by the old one alone 3",
        "trap 6: waits: it is not heard, and has its turn when it is",
        "may go without its partner until",
        "anna",
        "trap 6 was stolen in October",
    ):
        assert words in part.inner_text()
    assert page.evaluate(NO_SIDEWAYS)
    if (size is SMALL) == (scheme == "light"):
        keep(page, "updates-phone" if size is SMALL else "updates-desk")


@pytest.mark.parametrize("size", [SMALL, DESK], ids=["phone", "desk"])
def test_one_that_was_stopped_says_first_what_to_do(
    base: Updating, address: str, open_page: Open, size: dict[str, int]
) -> None:
    base.says(3, OLD, "reverted", NEW, "model-judges-badly")
    base.step(0)
    base.now_ms += HOUR_MS
    base.step(0)
    page = open_page(address, size)
    page.wait_for_selector("#line.live")
    assert "trap 3 went back to 2026.11.3" in page.locator(".notes").first.inner_text()
    part = page.locator("#updates")
    part.scroll_into_view_if_needed()
    assert "is stopped" in part.inner_text()
    assert page.locator("#update-3.bad").count() == 1
    assert "trap 5: had not begun to take 2026.12.1 when it was stopped" in part.inner_text()
    assert "beside the old one" not in part.inner_text(), "it judges no longer"
    assert page.locator("#updates a").count() == 0, "nothing to carry into the forest"
    assert page.evaluate(NO_SIDEWAYS)
    if size is SMALL:
        keep(page, "updates-stopped")
