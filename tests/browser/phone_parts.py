"""A phone at a trap: Chromium at its size, in which `trap.local` is the only name, and a scripted trap behind it."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image as Pictures
from tests.browser.scene import wood
from tests.service.trap_parts import ScriptedTrap, looping, served

from trapcam.service.desk import Desk
from trapcam.service.pin import Door, hashed
from trapcam.service.showing import Parts
from trapcam.service.web import create_page
from trapcam.service.words import Words

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "deploy" / "guide"
SIZE = {"width": 360, "height": 740}  # CSS pixels: a cheap phone of the last years
DENSITY = 2
TARGET_PX = 44  # what a thumb hits (WCAG 2.2, 2.5.5); with gloves rather more
MOST_BYTES = 200_000  # a page with everything it loads
KEPT_WIDTH = 450  # of a picture in the guide, where it is 53 mm wide
PIN = "271828"
HASHED = hashed(PIN)
MEASURE = (Path(__file__).parent / "measure.js").read_text()
LOCALES = {"en": "en-GB", "ru": "ru-RU", "zh": "zh-CN", "mn": "mn-MN", "ko": "ko-KR"}


def launch(playwright: Any, chromium: str, port: int) -> Any:
    """Chromium that finds `trap.local` at this port of the loopback, and no other name anywhere."""
    fonts = ROOT / ".cache" / "fonts" / "fonts.conf"
    assert fonts.is_file(), "no fonts for the five languages: deploy/get-tools .cache fonts"
    arguments = [
        "--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update",
        f"--host-resolver-rules=MAP trap.local:80 127.0.0.1:{port}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ]  # fmt: skip
    environment = {**os.environ, "FONTCONFIG_FILE": str(fonts)}
    return playwright.chromium.launch(executable_path=chromium, args=arguments, env=environment)


@contextmanager
def trap_at(port: int) -> Iterator[ScriptedTrap]:
    """The page of a trap without a deployment, until the block ends."""
    desk, trap = Desk(patience_s=10), ScriptedTrap()
    trap.picture = wood()
    parts = Parts(
        desk=desk, trap=trap, door=Door({"vera": HASHED}, 0, 0), region=(35, 70, 60, 150), address="192.168.4.1",
        view_deg=(66, 41), wrong=lambda count: None,
    )  # fmt: skip
    with looping(desk), served(create_page(parts), port):
        yield trap


@dataclass
class Phone:
    """One phone: its page, its language, and how much each page weighed."""

    page: Any
    words: Words
    pin: str = PIN
    weights: dict[str, int] = field(default_factory=dict)

    def begin(self) -> None:
        self.page.on("response", self._weigh)

    def _weigh(self, answer: Any) -> None:
        if answer.request.is_navigation_request():
            self.weights.clear()
        # The picture renews itself: of many only the largest is this page's.
        name = answer.url.partition("?")[0]
        length = answer.headers.get("content-length", "0")
        self.weights[name] = max(self.weights.get(name, 0), int(length))

    def open(self, path: str = "/") -> None:
        self.page.goto(f"http://trap.local{path}")

    def enter(self) -> None:
        """By the PIN, to the menu."""
        self.open()
        self.page.fill("#pin", self.pin)
        self.press("Open")
        self.page.wait_for_url("**/menu")

    def press(self, text: str, **values: object) -> None:
        """The button or link with these words, in this phone's language."""
        said = self.words(text, **values)
        plain = self.page.locator("button, a", has_text=re.compile(rf"^\d?\s*‹?\s*{re.escape(said)}\s*›?$"))
        task = self.page.locator(".tasks a", has_text=re.compile(rf"^\d\s*{re.escape(said)}"))  # and how it stands
        plain.or_(task).first.click()
        self.page.wait_for_load_state()

    def choose(self, text: str) -> None:
        self.page.get_by_text(self.words(text), exact=True).first.click()

    def says(self, text: str, **values: object) -> None:
        """The page says this somewhere that is seen."""
        self.page.get_by_text(self.words(text, **values), exact=False).first.wait_for(state="visible", timeout=10_000)

    def inspect(self) -> None:
        """Nothing is too wide, too small, clipped or without a shape, and the page is light."""
        self.page.wait_for_load_state("load")
        assert self.page.evaluate("document.documentElement.lang") == self.words.language
        complaints = self.page.evaluate(MEASURE, [SIZE["width"], TARGET_PX])
        assert not complaints, "\n".join([self.page.url, *complaints])
        assert 0 < sum(self.weights.values()) < MOST_BYTES, self.weights

    def keep(self, name: str, *, whole: bool = False) -> None:
        """What is seen now as `deploy/guide/LANGUAGE/NAME.png`, in few colours; by `make guide` only."""
        if not os.environ.get("KEEP_PICTURES"):
            return
        folder = GUIDE / self.words.language
        folder.mkdir(parents=True, exist_ok=True)
        raw = folder / f".{name}.png"
        self.page.screenshot(path=raw, full_page=whole, animations="disabled")
        picture = Pictures.open(raw).convert("RGB")
        picture = picture.resize((KEPT_WIDTH, round(picture.height * KEPT_WIDTH / picture.width)))
        picture.quantize(32, Pictures.Quantize.MEDIANCUT, dither=Pictures.Dither.NONE).save(
            folder / f"{name}.png", optimize=True
        )
        raw.unlink()


Phones = Callable[..., Phone]
