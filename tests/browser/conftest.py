"""Chromium driven by Playwright, and a real demo to look at. Not part of `make test`: `make screenshots` runs it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser.phone_parts import DENSITY, LOCALES, SIZE, Phone, Phones, launch, trap_at
from tests.service.trap_parts import ScriptedTrap
from tests.support import free_port

from trapcam.service.words import Words

PICTURES = Path(__file__).resolve().parents[2] / "basestation" / "pictures"
DEMO_WITHIN_S = 240
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 1040}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's Chromium; Playwright would bring its own from elsewhere."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("no chromium on this machine; install it: apt-get install chromium")
    return path


@pytest.fixture(scope="session")
def browser(playwright: Any, chromium: str) -> Iterator[Any]:
    # A container has no user namespaces to put a sandbox into; only our own page on the loopback is opened.
    arguments = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update"]
    browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def at_the_trap(playwright: Any, chromium: str) -> Iterator[tuple[Any, int]]:
    """A browser for which `trap.local` is this port of the loopback, and the port."""
    port = free_port()
    browser = launch(playwright, chromium, port)
    yield browser, port
    browser.close()


@pytest.fixture
def trap(at_the_trap: tuple[Any, int]) -> Iterator[ScriptedTrap]:
    with trap_at(at_the_trap[1]) as trap:
        yield trap


@pytest.fixture
def phones(at_the_trap: tuple[Any, int], trap: ScriptedTrap) -> Iterator[Phones]:
    """Phones in a language, with a script or without; what a console complains of is a failure."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def phone(language: str = "en", *, script: bool = True) -> Phone:
        context = at_the_trap[0].new_context(
            viewport=SIZE, device_scale_factor=DENSITY, is_mobile=True, has_touch=True, locale=LOCALES[language],
            timezone_id="Asia/Vladivostok", java_script_enabled=script, accept_downloads=True,
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        made = Phone(page, Words(language))
        made.begin()
        return made

    yield phone
    for context in contexts:
        context.close()
    # A form that is refused is a 422, which Chromium counts among the errors.
    assert [text for text in complaints if "422" not in text] == []


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[str]:
    """The address of a base's page before anything was heard."""
    port = free_port()
    traps = "".join(
        f'[[trap]]\nnumber = {n}\nstation = "S001"\nside = "{side}"\nlatitude = 43.1\nlongitude = 131.4\n'
        for n, side in ((1, "left"), (2, "right"))
    )
    config = tmp_path / "base.toml"
    config.write_text(f'name = "north"\nfolder = "{tmp_path}/base"\n[page]\nport = {port}\n{traps}')
    trapbase = str(Path(sys.executable).parent / "trapbase")
    process = subprocess.Popen([trapbase, "run", "--only", "page", "--config", str(config)], stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert b"running at" in process.stderr.readline()
    yield f"http://127.0.0.1:{port}/"
    process.terminate()
    process.communicate(timeout=30)


class Demo:
    """A running `trapsim demo` and where its page is."""

    def __init__(self, state: Path, *arguments: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/"
        self.log = state.parent / "demo.log"
        command = [str(Path(sys.executable).parent / "trapsim"), "demo", "--port", str(port), "--state", str(state)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen([*command, *arguments], stdout=log, stderr=log, env=os.environ)
        self.wait_for(lambda: self.fetch() is not None)

    def fetch(self, path: str = "") -> str | None:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    def status(self) -> dict[str, Any]:
        return json.loads(self.fetch("status.json") or "{}")  # type: ignore[no-any-return]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEMO_WITHIN_S
        while not condition():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()[-2000:]
            time.sleep(0.3)

    def close(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo as `make demo` starts it, one trap with a network, its radio's clock five times as fast."""
    running = Demo(tmp_path_factory.mktemp("demo") / "state", "--speed", "5", "--pir", "1.5", "--network")
    yield running
    running.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page in a window, a time zone and a colour scheme; what its console complains of is a failure."""
    contexts = []
    complaints: list[str] = []

    def open_page(url: str, size: dict[str, int] = DESK, zone: str = "Europe/Berlin", scheme: str = "light") -> Any:
        context = browser.new_context(
            viewport=size, timezone_id=zone, locale="en-GB", color_scheme=scheme, device_scale_factor=1.5
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def keep(page: Any, name: str, *, whole: bool = False) -> None:
    """The window, or the whole page, as `basestation/pictures/NAME.webp`."""
    from PIL import Image

    PICTURES.mkdir(exist_ok=True)
    png = PICTURES / f".{name}.png"
    page.screenshot(path=png, full_page=whole)
    Image.open(png).convert("RGB").save(PICTURES / f"{name}.webp", quality=82, method=6)
    png.unlink()
