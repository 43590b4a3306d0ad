"""Phones that do what phones do: two at once, a page reloaded in mid-form, one that walks away with half a download."""

import hashlib
import io
import threading
from dataclasses import dataclass, field, replace

import pytest
import zxingcpp
from PIL import Image as Pictures
from tests.browser.phone_parts import Phone, Phones
from tests.browser.test_ranger import CARD, STANDING, type_in
from tests.service.trap_parts import UNIT, ScriptedTrap, stored_objects

from trapcam.service.download import Parcel
from trapcam.service.unit import Step
from trapkit.cards import Card
from trapship.label import Label, page

FULL = 3_000_000


def typed(phone: Phone) -> dict[str, str]:
    return {name: phone.page.input_value(f"#{name}") for name in CARD}


def test_two_phones_fill_in_a_card_each_and_the_second_hears_that_it_is_taken(
    phones: Phones, trap: ScriptedTrap
) -> None:
    first, second = phones("ru"), phones("zh")
    for phone in (first, second):
        phone.enter()
        phone.press("Deployment card")
    type_in(first, CARD)
    type_in(second, CARD | {"who": "Li"})
    for phone in (first, second):
        phone.choose("left")
        phone.press("Look it over")
        phone.says("Is this right?")
    first.press("Yes: save and send")
    first.says("On its way to the base…")
    second.press("Yes: save and send")
    second.says("This trap is deployed already. End that deployment first.")
    assert typed(second) == CARD | {"who": "Li"}
    assert [said.who for said in trap.saved if isinstance(said, Card)] == ["Vera"]


def test_a_page_reloaded_in_mid_form_has_what_was_typed(phones: Phones, trap: ScriptedTrap) -> None:
    phone = phones()
    phone.enter()
    phone.press("Deployment card")
    type_in(phone, CARD)
    phone.choose("right")
    phone.page.reload()
    assert typed(phone) == CARD
    phone.press("Back")
    phone.press("Deployment card")
    assert typed(phone) == CARD
    assert phone.page.is_checked("[name=side][value=right]")
    phone.press("Look it over")
    phone.press("Yes: save and send")
    phone.press("To the menu")
    phone.press("Deployment card")
    assert phone.page.input_value("#position") == "", "what was sent is forgotten"


def test_what_was_typed_does_not_stay_in_a_phone_that_goes_out(phones: Phones, trap: ScriptedTrap) -> None:
    phone = phones()
    phone.enter()
    phone.press("Deployment card")
    type_in(phone, CARD)
    phone.open("/menu")
    phone.press("Close the page")
    assert phone.page.evaluate("sessionStorage.length") == 0
    phone.enter()
    phone.press("Deployment card")
    assert phone.page.input_value("#position") == ""


@dataclass
class SlowTrap(ScriptedTrap):
    """Gives its second full frame when it is let, so that a phone leaves in the middle and not beside it."""

    let: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)

    def _envelope(self, number: int, rung: int) -> bytes | None:
        if (number, rung) == (2, 3) and not self.let.is_set():
            self.reached.set()
            assert self.let.wait(20)
        return super()._envelope(number, rung)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.browser.phone_parts.ScriptedTrap", SlowTrap)


def filled(trap: ScriptedTrap) -> Parcel:
    trap.now = replace(UNIT, deployed=True, standing=STANDING)
    trap.objects = stored_objects([(1, 3, FULL), (2, 3, FULL), (3, 3, FULL)])
    return trap.parcel()


def test_a_phone_that_leaves_in_mid_download_harms_nobody_and_the_next_has_all(
    slow: None, phones: Phones, trap: ScriptedTrap
) -> None:
    assert isinstance(trap, SlowTrap)
    parcel = filled(trap)
    leaving, next_one = phones("mn"), phones("ko")
    leaving.enter()
    leaving.press("Service visit")
    leaving.page.get_by_role("link", name=leaving.words("Take them onto this phone")).click(no_wait_after=True)
    assert trap.reached.wait(20), "the first full frame is on its way, the second is held back"
    leaving.page.context.close()
    trap.let.set()
    next_one.enter()
    next_one.press("Service visit")
    with next_one.page.expect_download() as download:
        next_one.page.get_by_role("link", name=next_one.words("Take them onto this phone")).click()
    path = download.value.path()
    assert path.stat().st_size == parcel.size
    whole = b"".join(parcel.read(0, parcel.size - 1))
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(whole).digest()


def test_a_lids_label_is_read_from_the_screen(phones: Phones) -> None:
    """As it is printed: drawn by a browser, read by a camera's library."""
    phone = phones()
    phone.page.set_content(page(Label(trap=7, ssid="pugmark-7", password="snow leopard; 17", address="192.168.4.1")))
    png = io.BytesIO(phone.page.locator(".label").screenshot())
    texts = {code.text for code in zxingcpp.read_barcodes(Pictures.open(png))}
    assert texts == {"WIFI:T:WPA;S:pugmark-7;P:snow leopard\\; 17;;", "http://192.168.4.1/"}


def test_a_page_that_renews_itself_loses_no_tap(phones: Phones, trap: ScriptedTrap) -> None:
    phone = phones()
    phone.enter()
    phone.press("Walk test")
    phone.press("Begin")
    phone.page.evaluate("window.same = document.querySelector('[value=end]')")
    trap.steps = [Step(at_s=2, pir=True, seen="person", confidence=0.9, sharp=True)]
    phone.says("Passed: you may end the test.")
    assert phone.page.evaluate("window.same?.isConnected"), "the words are new, the button is the one that was there"
    phone.page.hover("[value=end]")
    phone.page.mouse.down()
    trap.end_walk()  # it is over while the finger lies on the button
    with phone.page.expect_event("framenavigated"):
        phone.page.mouse.up()
    phone.says("Test again")
